//! A dialect of a few words, under the names and paths of the real ones.

use bytes::{Bytes, BytesMut};
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::{Operation, Peek};
use llm_core::dialect::{
    BadRequest, Body, CallerDialect, Dialect, DialectId, Framing, RenderCx, Rendered, Route,
    StreamEncoder,
};
use llm_core::error::Error;
use llm_core::event::{Delta, Event};
use llm_core::extra::Losses;
use llm_core::prompt::{Message, Prompt, Request, Role};
use serde_json::{Value, json};

#[derive(Debug)]
struct Pidgin(DialectId);

static ALL: [Pidgin; 6] = [
    Pidgin(DialectId::OpenaiChat),
    Pidgin(DialectId::OpenaiResponses),
    Pidgin(DialectId::Anthropic),
    Pidgin(DialectId::Gemini),
    Pidgin(DialectId::Cohere),
    Pidgin(DialectId::Ollama),
];

pub(crate) fn caller(id: DialectId) -> Option<&'static dyn CallerDialect> {
    ALL.iter().find(|p| p.0 == id).map(|p| p as &dyn CallerDialect)
}

impl Dialect for Pidgin {
    fn id(&self) -> DialectId {
        self.0
    }
}

impl CallerDialect for Pidgin {
    fn route(&self, _: &http::Method, path: &str) -> Option<Route> {
        let path = path.split('?').next()?;
        let (own, operation) = match self.0 {
            DialectId::OpenaiChat if path == "/v1/embeddings" => (path, Operation::Embed),
            DialectId::OpenaiChat => ("/v1/chat/completions", Operation::Chat),
            DialectId::OpenaiResponses => ("/v1/responses", Operation::Chat),
            DialectId::Anthropic => ("/v1/messages", Operation::Chat),
            DialectId::Cohere => ("/v2/chat", Operation::Chat),
            DialectId::Ollama => ("/api/chat", Operation::Chat),
            _ => {
                let (model, call) = path.strip_prefix("/v1beta/models/")?.split_once(':')?;
                let stream = Some(call.starts_with("stream"));
                return Some(Route {
                    model: Some(model.into()),
                    stream,
                    ..Route::new(Operation::Chat)
                });
            }
        };
        (own == path).then(|| Route::new(operation))
    }

    fn peek(&self, _: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
        let value = parse(body)?;
        let mut peek = Peek::default();
        peek.model.value = value["model"].as_str().unwrap_or_default().into();
        peek.stream = value["stream"] == true;
        Ok(peek)
    }

    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest> {
        let value = parse(body.bytes)?;
        let text = value["messages"][0]["content"].as_str();
        let text = text.or(value["contents"][0]["parts"][0]["text"].as_str()).unwrap_or_default();
        let model = route.model.clone().unwrap_or_else(|| value["model"].as_str().unwrap().into());
        Ok(Prompt::Chat(Request {
            model,
            messages: vec![Message::text(Role::User, text)],
            stream: route.stream.unwrap_or(value["stream"] == true),
            ..Request::default()
        }))
    }

    fn encode_answer(&self, answer: &Answer, _: &RenderCx) -> Rendered {
        let Answer::Chat(whole) = answer else { panic!("only chat") };
        let usage = whole.usage.as_ref().unwrap().usage;
        let usage = json!({"in": usage.input, "out": usage.output});
        Rendered::json(
            json!({"text": whole.text(0), "usage": usage}).to_string(),
            Losses::default(),
        )
    }

    fn stream_encoder(&self, _: &RenderCx) -> Box<dyn StreamEncoder> {
        Box::new(Encoder(Losses::default()))
    }

    fn encode_error(&self, _: &Error, _: &RenderCx) -> http::Response<Bytes> {
        http::Response::new(Bytes::new())
    }

    fn stream_content_type(&self, _: Option<Framing>) -> &'static str {
        "text/event-stream"
    }
}

fn parse(body: &Bytes) -> Result<Value, BadRequest> {
    serde_json::from_slice(body).map_err(|e| BadRequest::syntax(Str::from(e.to_string())))
}

struct Encoder(Losses);

impl StreamEncoder for Encoder {
    fn feed(&mut self, event: &Event, out: &mut BytesMut) {
        let data = match event {
            Event::PartDelta { delta: Delta::Text(text), .. } => {
                json!({ "delta": text }).to_string()
            }
            Event::Usage(usage) => json!({"usage": {"out": usage.usage.output}}).to_string(),
            Event::End => "[DONE]".to_owned(),
            _ => return,
        };
        out.extend_from_slice(format!("data: {data}\n\n").as_bytes());
    }

    fn losses(&self) -> &Losses {
        &self.0
    }
}
