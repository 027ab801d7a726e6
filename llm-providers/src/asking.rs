//! What a program asks of the gateway, in typed words.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use llm_core::Str;
use llm_core::answer::{Answer, Embeddings, Images, Moderation, Ranking, Transcript};
use llm_core::call::{CacheUse, Call, CallId, Controls, Deadline, Payload};
use llm_core::completion::Completion;
use llm_core::dialect::DialectId;
use llm_core::error::{Error, Kind};
use llm_core::principal::{FeatureId, Grant, Priority};
use llm_core::prompt::{
    EmbedRequest, ImageRequest, ModerateRequest, Prompt, Request, RerankRequest, TranscribeRequest,
};

use crate::edge::{EventStream, answer};
use crate::gateway::Gateway;
use crate::reply::Reply;
use crate::typed;

/// Who asks and how, for the calls that are made with it.
#[derive(Clone, Debug)]
pub struct Asking<'g> {
    gateway: &'g Gateway,
    grant: Arc<Grant>,
    feature: FeatureId,
    priority: Priority,
    within: Duration,
    controls: Controls,
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
            controls: Controls::default(),
        }
    }

    /// On behalf of somebody: their limits hold, and their accounts pay.
    #[must_use]
    pub fn on_behalf(mut self, grant: Arc<Grant>) -> Self {
        self.grant = grant;
        self
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
        let (peek, operation) = (typed::peek(&prompt), prompt.operation());
        let clock = self.gateway.clock();
        let since = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let entropy = self.gateway.entropy();
        let bits = u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64());
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.gateway
            .send(Call {
                id: CallId::new(millis, bits),
                operation,
                dialect: DialectId::OpenaiChat,
                payload: Payload::Typed(Arc::new(prompt)),
                peek,
                grant: Arc::clone(&self.grant),
                feature: self.feature.clone(),
                priority: self.priority,
                deadline: Deadline(clock.now() + self.within),
                controls: self.controls.clone(),
                headers: http::HeaderMap::new(),
            })
            .await
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
    pub async fn chat(&self, request: Request) -> Result<Completion, Error> {
        self.asking().chat(request).await
    }

    /// A conversation's next turn, event by event.
    pub async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        self.asking().stream(request).await
    }

    /// Vectors for texts.
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
