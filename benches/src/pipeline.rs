//! A gateway whose upstream answers at once, from memory: what is left is the pipeline's own work.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use llm_core::call::{Call, CallId, Controls, Deadline, Operation, Payload};
use llm_core::capability::Capability;
use llm_core::dialect::{CallerDialect, Chunks, DialectId, Route, UpstreamDialect};
use llm_core::principal::{FeatureId, Grant, Principal, Priority, Scope};
use llm_core::provider::{Credential, Provider, ProviderId, SignError};
use llm_core::quota::{Plan, Zone};
use llm_core::seam::{BoxFuture, Transport, TransportError, WireBody};
use llm_core::secret::Secret;
use llm_providers::Gateway;
use llm_providers::settings::VendorSettings;
use llm_providers::stage::gate::Keys;
use llm_providers::stage::gate::room::Capacity;
use llm_providers::target::Timeouts;

/// Answers every request with the same bytes.
#[derive(Debug)]
pub struct Canned {
    content_type: http::HeaderValue,
    chunks: Vec<Bytes>,
}

impl Canned {
    /// A whole answer of OpenAI's.
    pub fn whole() -> Self {
        let content_type = http::HeaderValue::from_static("application/json");
        Self { content_type, chunks: vec![crate::chat_answer()] }
    }

    /// A stream of OpenAI's, in pieces of a few frames.
    pub fn stream(events: usize) -> Self {
        let content_type = http::HeaderValue::from_static("text/event-stream");
        let stream = crate::chat_stream(events);
        let chunks = (0..stream.len()).step_by(1_400);
        let chunks = chunks.map(|at| stream.slice(at..stream.len().min(at + 1_400))).collect();
        Self { content_type, chunks }
    }
}

impl Transport for Canned {
    fn send(
        &self,
        _: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        let chunks: Vec<_> = self.chunks.iter().cloned().map(Ok).collect();
        let body: WireBody = Box::pin(futures_util::stream::iter(chunks));
        let mut response = http::Response::new(body);
        response.headers_mut().insert(http::header::CONTENT_TYPE, self.content_type.clone());
        Box::pin(std::future::ready(Ok(response)))
    }
}

#[derive(Debug)]
struct OpenAi {
    id: ProviderId,
    uri: http::Uri,
    key: http::HeaderValue,
}

impl Provider for OpenAi {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn dialect(&self, _: Operation, _: &str) -> Option<&'static dyn UpstreamDialect> {
        llm_dialects::upstream(DialectId::OpenaiChat)
    }

    fn capability(&self, _: &str) -> Capability {
        Capability { context_tokens_max: 128_000, output_tokens_max: 16_000, ..Capability::ALL }
    }

    fn uri(&self, _: Operation, _: &str, _: bool) -> Option<http::Uri> {
        Some(self.uri.clone())
    }

    fn sign(
        &self,
        parts: &mut http::request::Parts,
        _: &Chunks,
        _: &Credential,
        _: SystemTime,
    ) -> Result<(), SignError> {
        parts.headers.insert(http::header::AUTHORIZATION, self.key.clone());
        Ok(())
    }
}

/// A gateway with limits, an account and metrics, in front of canned answers.
pub fn gateway(canned: Canned) -> Gateway {
    let key = Credential { id: "one".into(), key: Some(Secret::new("sk-bench".to_owned())) };
    let vendor = VendorSettings {
        name: "openai".into(),
        kind: "openai".into(),
        provider: Arc::new(OpenAi {
            id: ProviderId("openai".into()),
            uri: http::Uri::from_static("http://127.0.0.1:9/v1/chat/completions"),
            key: http::HeaderValue::from_static("Bearer sk-bench"),
        }),
        transport: Arc::new(canned),
        keys: Keys::new([Arc::new(key)]),
        timeouts: Timeouts::default(),
        retries: 2,
        adjusts: false,
        capacity: Capacity::default(),
    };
    let tiers = [["openai/gpt-4o-mini"]];
    #[expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]
    Gateway::builder().vendor(vendor).model("gpt-4o-mini", tiers).build().expect("a gateway")
}

/// Somebody with limits of every kind.
pub fn grant() -> Arc<Grant> {
    let limits = ["100000000/minute", "100000B tokens/day", "$100000/month"];
    let limits = limits.iter().filter_map(|l| l.parse().ok()).collect();
    let plan = Plan { name: "bench".into(), limits, models: Scope::all(), ..Plan::default() };
    let principal = Principal {
        key: "key".into(),
        tenant: "tenant".into(),
        user: None,
        team: None,
        org: None,
        scope: Scope::all(),
    };
    Arc::new(Grant::new(principal, Arc::new(plan), Vec::new(), &Zone::UTC))
}

/// The call of a caller of chat, as the proxy's edge makes it.
pub fn call(gateway: &Gateway, grant: &Arc<Grant>, body: &Bytes, number: u128) -> Option<Call> {
    let caller: &dyn CallerDialect = llm_dialects::caller(DialectId::OpenaiChat)?;
    let route = Route::new(Operation::Chat);
    let peek = caller.peek(&route, body).ok()?;
    Some(Call {
        id: CallId::new(1, number),
        operation: Operation::Chat,
        dialect: DialectId::OpenaiChat,
        payload: Payload::raw(body.clone(), None, route),
        peek,
        grant: Arc::clone(grant),
        feature: FeatureId::default(),
        priority: Priority::default(),
        deadline: Deadline(gateway.clock().now() + Duration::from_mins(1)),
        controls: Controls::default(),
        headers: http::HeaderMap::new(),
    })
}
