//! OpenAI's legacy text completions, for callers only.
//!
//! A prompt is one message of the user, and an answer's text is what comes back: whatever model
//! answers is a chat model. So this is a thin dress over chat: its options are read by that
//! dialect, and its answers are written here in the old shape. Nobody is called in it.

use bytes::Bytes;
use llm_core::answer::Answer;
use llm_core::call::{Has, Operation, Peek};
use llm_core::dialect::{
    BadRequest, Body, CallerDialect, Dialect, DialectId, Framing, RenderCx, Rendered, Route,
    StreamEncoder,
};
use llm_core::error::{Error, Kind};
use llm_core::extra::Losses;
use llm_core::prompt::Prompt;

use crate::json::peek::{self, Layout, Member};
use crate::openai_error;

mod reply;
mod request;
mod stream;

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = Some(&OpenaiCompletions);

/// This dialect.
const ME: DialectId = DialectId::OpenaiCompletions;

/// OpenAI legacy completions.
#[derive(Clone, Copy, Debug)]
struct OpenaiCompletions;

impl Dialect for OpenaiCompletions {
    fn id(&self) -> DialectId {
        ME
    }
}

/// `best_of` counts as answers: so many are made, though fewer come back.
const LAYOUT: Layout = Layout::new(&[
    ("model", Member::Model),
    ("prompt", Member::Once),
    ("stream", Member::Stream),
    ("stream_options", Member::UsageOption),
    ("max_tokens", Member::Cap),
    ("n", Member::Candidates),
    ("best_of", Member::Candidates),
    ("user", Member::User),
    ("logprobs", Member::Has(Has::LOGPROBS)),
])
.model_elsewhere();

const BASES: [&str; 4] = ["/api/v1/", "/openai/v1/", "/v1/", "/"];
const AZURE: &str = "/openai/deployments/";

impl CallerDialect for OpenaiCompletions {
    fn route(&self, method: &http::Method, path: &str) -> Option<Route> {
        if *method != http::Method::POST {
            return None;
        }
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if let Some((model, "completions")) =
            path.strip_prefix(AZURE).and_then(|rest| rest.split_once('/'))
        {
            let model = Some(model.to_owned().into());
            return Some(Route { model, ..Route::new(Operation::Chat) });
        }
        let rest = BASES.iter().find_map(|base| path.strip_prefix(base))?;
        (rest == "completions").then(|| Route::new(Operation::Chat))
    }

    fn peek(&self, route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
        let mut found = peek::peek(body, &LAYOUT)?;
        if found.model.value.is_empty() {
            match &route.model {
                Some(model) => found.model.value = model.clone(),
                None => return Err(BadRequest::invalid("model", "model is required")),
            }
        }
        Ok(found)
    }

    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest> {
        request::decode(body.bytes, route.model.as_ref()).map(Prompt::Chat)
    }

    fn encode_answer(&self, answer: &Answer, cx: &RenderCx) -> Rendered {
        match answer {
            Answer::Chat(done) => reply::render(done, cx),
            Answer::Embed(_)
            | Answer::Rerank(_)
            | Answer::Moderate(_)
            | Answer::Transcribe(_)
            | Answer::Image(_)
            | Answer::CountTokens(_)
            | Answer::ListModels(_) => {
                // Nothing in this dialect asks for one.
                let error = Error::new(Kind::Internal, "an answer of another kind came");
                Rendered::json(openai_error::body(&error).freeze(), Losses::default())
            }
        }
    }

    fn stream_encoder(&self, cx: &RenderCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }

    fn encode_error(&self, error: &Error, _cx: &RenderCx) -> http::Response<Bytes> {
        openai_error::response(error)
    }

    fn stream_content_type(&self, _framing: Option<Framing>) -> &'static str {
        "text/event-stream; charset=utf-8"
    }
}

#[cfg(test)]
mod tests;
