//! What a program asks of the gateway, in typed words.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{Answer, Embeddings, Images, Moderation, Ranking, Transcript};
use llm_core::call::{
    CacheUse, Call, CallId, Controls, Deadline, Operation, OwnKeys, Payload, Peek,
};
use llm_core::completion::Completion;
use llm_core::dialect::DialectId;
use llm_core::error::{Error, Kind};
use llm_core::ledger::Receipt;
use llm_core::principal::{FeatureId, Grant, Priority, TenantId};
use llm_core::prompt::{
    EmbedRequest, ImageRequest, ModerateRequest, Prompt, Request, RerankRequest, TranscribeRequest,
};
use llm_core::seam::Clock;

use crate::edge::{EventStream, answer};
use crate::gateway::Gateway;
use crate::reply::{Reply, ReplyHead};
use crate::target::Timeouts;
use crate::typed;

/// Who asks and how, for the calls that are made with it.
#[derive(Clone, Debug)]
pub struct Asking<'g> {
    gateway: &'g Gateway,
    grant: Arc<Grant>,
    feature: FeatureId,
    priority: Priority,
    within: Duration,
    first_token: Option<Duration>,
    controls: Controls,
}

/// A conversation's next turn, and what is known of it besides.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The turn.
    pub completion: Completion,
    /// Who answered, what the cache had to do with it, what is left of the limits.
    pub head: ReplyHead,
    /// What it cost.
    pub receipt: Option<Receipt>,
}

/// A call of a program that does not say how long it will wait. A model's own limits are shorter.
const WITHIN: Duration = Duration::from_hours(1);

impl<'g> Asking<'g> {
    pub(crate) fn new(gateway: &'g Gateway) -> Self {
        Self {
            gateway,
            grant: gateway.embedded(),
            feature: FeatureId::from("library"),
            priority: Priority::default(),
            within: WITHIN,
            first_token: None,
            controls: Controls::default(),
        }
    }

    /// On behalf of somebody: their limits hold, and their accounts pay.
    #[must_use]
    pub fn on_behalf(mut self, grant: Arc<Grant>) -> Self {
        self.grant = grant;
        self
    }

    /// Whose data the calls read and leave.
    pub fn tenant(&self) -> &TenantId {
        &self.grant.principal.tenant
    }

    /// For a purpose.
    #[must_use]
    pub fn feature(mut self, feature: impl Into<Str>) -> Self {
        self.feature = FeatureId(feature.into());
        self
    }

    /// Who waits when not all can be served.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// For no longer than this.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// With a first word within this time, counted from the question: who is silent is left for
    /// somebody else early enough, as long as there is anybody else.
    #[must_use]
    pub fn first_token(mut self, within: Duration) -> Self {
        self.first_token = Some(within);
        self
    }

    /// With labels, for the record and for forgetting cached answers.
    #[must_use]
    pub fn tagged(mut self, tags: impl IntoIterator<Item = impl Into<Str>>) -> Self {
        self.controls.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// As one of a session, whose calls go to the same target while it is well.
    #[must_use]
    pub fn session(mut self, session: impl Into<Str>) -> Self {
        self.controls.session = Some(session.into());
        self
    }

    /// With or without the cache.
    #[must_use]
    pub fn cache(mut self, cache: CacheUse) -> Self {
        self.controls.cache = cache;
        self
    }

    /// At the first tier only.
    #[must_use]
    pub fn no_fallback(mut self) -> Self {
        self.controls.no_fallback = true;
        self
    }

    /// With keys of providers that are used for these calls alone.
    #[must_use]
    pub fn own_keys(mut self, keys: OwnKeys) -> Self {
        self.controls.own_keys = Some(Arc::new(keys));
        self
    }

    /// Whether a stream that breaks goes on elsewhere.
    #[must_use]
    pub fn resume(mut self, resume: bool) -> Self {
        self.controls.resume = Some(resume);
        self
    }

    /// A conversation's next turn, whole.
    pub async fn chat(&self, mut request: Request) -> Result<Completion, Error> {
        request.stream = false;
        match answer(self.ask(Prompt::Chat(request)).await?).await? {
            Answer::Chat(completion) => Ok(completion),
            other => Err(unexpected(&other)),
        }
    }

    /// A conversation's next turn, whole, and what is known of it besides: who answered, what the
    /// cache had to do with it, what it cost.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use llm_core::prompt::Request;
    /// # use llm_providers::{Gateway, provider::ProviderSettings};
    /// # use llm_sim::{Options, SimTransport};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let simulated = Arc::new(SimTransport::new(&Options::default()));
    /// # let openai = ProviderSettings::new("openai", "openai").key("sk-test").build_over(simulated)?;
    /// # let gateway = Gateway::builder().vendor(openai)
    /// #     .model("smart", [["openai/gpt-4o-mini"]])
    /// #     .model("vectors", [["openai/text-embedding-3-small"]]).build()?;
    /// let asking = gateway.asking().feature("greeting").session("s-17");
    /// let answered = asking.answered(Request::new("smart").user("Hello?")).await?;
    /// assert_eq!(answered.head.target.to_string(), "openai/gpt-4o-mini");
    /// assert!(answered.receipt.is_some_and(|r| r.posted.0 > 0));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn answered(&self, mut request: Request) -> Result<Answered, Error> {
        request.stream = false;
        let reply = self.ask(Prompt::Chat(request)).await?;
        let (head, receipt) = (ReplyHead::clone(&reply.head), reply.receipt.clone());
        match answer(reply).await? {
            Answer::Chat(completion) => {
                Ok(Answered { completion, head, receipt: receipt.get().copied() })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// A conversation's next turn, event by event.
    pub async fn stream(&self, mut request: Request) -> Result<EventStream, Error> {
        request.stream = true;
        EventStream::new(self.ask(Prompt::Chat(request)).await?)
    }

    /// Vectors for texts.
    pub async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, Error> {
        match answer(self.ask(Prompt::Embed(request)).await?).await? {
            Answer::Embed(embeddings) => Ok(embeddings),
            other => Err(unexpected(&other)),
        }
    }

    /// Documents in order of how well they answer a query.
    pub async fn rerank(&self, request: RerankRequest) -> Result<Ranking, Error> {
        match answer(self.ask(Prompt::Rerank(request)).await?).await? {
            Answer::Rerank(ranking) => Ok(ranking),
            other => Err(unexpected(&other)),
        }
    }

    /// Speech to text.
    pub async fn transcribe(&self, mut request: TranscribeRequest) -> Result<Transcript, Error> {
        request.stream = false;
        match answer(self.ask(Prompt::Transcribe(request)).await?).await? {
            Answer::Transcribe(transcript) => Ok(transcript),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether texts break content rules.
    pub async fn moderate(&self, request: ModerateRequest) -> Result<Moderation, Error> {
        match answer(self.ask(Prompt::Moderate(request)).await?).await? {
            Answer::Moderate(moderation) => Ok(moderation),
            other => Err(unexpected(&other)),
        }
    }

    /// Text to pictures.
    pub async fn image(&self, request: ImageRequest) -> Result<Images, Error> {
        match answer(self.ask(Prompt::Image(request)).await?).await? {
            Answer::Image(images) => Ok(images),
            other => Err(unexpected(&other)),
        }
    }

    /// Any words, answered in the bytes of whoever answered.
    pub async fn ask(&self, prompt: Prompt) -> Result<Reply, Error> {
        self.gateway.send(self.call(prompt)).await
    }

    /// The call that [`Asking::ask`] would make, for a service that wraps the gateway.
    pub fn call(&self, prompt: Prompt) -> Call {
        let (peek, operation) = (typed::peek(&prompt), prompt.operation());
        self.made(operation, DialectId::OpenaiChat, Payload::Typed(Arc::new(prompt)), peek)
    }

    /// A body in a dialect's own bytes, sent to one of its paths.
    pub async fn ask_raw(
        &self,
        dialect: DialectId,
        path: &str,
        content_type: Option<Str>,
        bytes: Bytes,
    ) -> Result<Reply, Error> {
        Ok(self.put_raw(dialect, path, content_type, bytes).await?.1)
    }

    /// The same, and the id of the call.
    pub(crate) async fn put_raw(
        &self,
        dialect: DialectId,
        path: &str,
        content_type: Option<Str>,
        bytes: Bytes,
    ) -> Result<(CallId, Reply), Error> {
        let unknown = || {
            let text = format!("no dialect that callers speak has the path {path:?}");
            Error::new(Kind::BadRequest, text)
        };
        let caller = llm_dialects::caller(dialect).ok_or_else(unknown)?;
        let route = caller.route(&http::Method::POST, path).ok_or_else(unknown)?;
        let peek = caller.peek(&route, &bytes)?;
        let operation = route.operation;
        let canonical = Arc::default();
        let payload = Payload::Raw { bytes, content_type, route, canonical };
        let call = self.made(operation, dialect, payload, peek);
        Ok((call.id, self.gateway.send(call).await?))
    }

    fn made(&self, operation: Operation, dialect: DialectId, payload: Payload, peek: Peek) -> Call {
        let clock = self.clock();
        let since = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let entropy = self.gateway.entropy();
        let bits = u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64());
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let now = clock.now();
        let begin_by = self.first_token.map(|within| now + within.min(Timeouts::MAX));
        Call {
            id: CallId::new(millis, bits),
            operation,
            dialect,
            payload,
            peek,
            grant: Arc::clone(&self.grant),
            feature: self.feature.clone(),
            priority: self.priority,
            deadline: Deadline(now + self.within.min(Timeouts::MAX)),
            controls: Controls { begin_by, ..self.controls.clone() },
            headers: http::HeaderMap::new(),
        }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.gateway.clock()
    }
}

fn unexpected(answer: &Answer) -> Error {
    let _ = answer;
    Error::new(Kind::CorruptReply, "the provider answered something else than was asked")
}

/// The same without saying who asks or how: whoever embeds the gateway, as the model's settings
/// have it.
impl Gateway {
    /// A conversation's next turn, whole.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use llm_core::prompt::Request;
    /// # use llm_providers::{Gateway, provider::ProviderSettings};
    /// # use llm_sim::{Options, SimTransport};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let simulated = Arc::new(SimTransport::new(&Options::default()));
    /// # let openai = ProviderSettings::new("openai", "openai").key("sk-test").build_over(simulated)?;
    /// # let gateway = Gateway::builder().vendor(openai)
    /// #     .model("smart", [["openai/gpt-4o-mini"]])
    /// #     .model("vectors", [["openai/text-embedding-3-small"]]).build()?;
    /// let turn = gateway.chat(Request::new("smart").user("Hello?")).await?;
    /// assert!(!turn.text(0).is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn chat(&self, request: Request) -> Result<Completion, Error> {
        self.asking().chat(request).await
    }

    /// A conversation's next turn, event by event: begins with `Start`, and ends with exactly one
    /// of `End` and `Failure`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use llm_core::prompt::Request;
    /// # use llm_providers::{Gateway, provider::ProviderSettings};
    /// # use llm_sim::{Options, SimTransport};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let simulated = Arc::new(SimTransport::new(&Options::default()));
    /// # let openai = ProviderSettings::new("openai", "openai").key("sk-test").build_over(simulated)?;
    /// # let gateway = Gateway::builder().vendor(openai)
    /// #     .model("smart", [["openai/gpt-4o-mini"]])
    /// #     .model("vectors", [["openai/text-embedding-3-small"]]).build()?;
    /// use futures_util::StreamExt;
    /// use llm_core::event::Event;
    ///
    /// let mut events = gateway.stream(Request::new("smart").user("Hello?")).await?;
    /// let mut last = None;
    /// while let Some(event) = events.next().await {
    ///     last = Some(event);
    /// }
    /// assert_eq!(last, Some(Event::End));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        self.asking().stream(request).await
    }

    /// Vectors for texts.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use llm_core::prompt::Request;
    /// # use llm_providers::{Gateway, provider::ProviderSettings};
    /// # use llm_sim::{Options, SimTransport};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let simulated = Arc::new(SimTransport::new(&Options::default()));
    /// # let openai = ProviderSettings::new("openai", "openai").key("sk-test").build_over(simulated)?;
    /// # let gateway = Gateway::builder().vendor(openai)
    /// #     .model("smart", [["openai/gpt-4o-mini"]])
    /// #     .model("vectors", [["openai/text-embedding-3-small"]]).build()?;
    /// use llm_core::prompt::EmbedRequest;
    ///
    /// let embeddings = gateway.embed(EmbedRequest::new("vectors").text("a river")).await?;
    /// assert_eq!(embeddings.sets.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, Error> {
        self.asking().embed(request).await
    }

    /// Documents in order of how well they answer a query.
    pub async fn rerank(&self, request: RerankRequest) -> Result<Ranking, Error> {
        self.asking().rerank(request).await
    }

    /// Speech to text.
    pub async fn transcribe(&self, request: TranscribeRequest) -> Result<Transcript, Error> {
        self.asking().transcribe(request).await
    }
}
