//! The shapes in which callers read errors.

use serde_json::Value;

use super::wire::Answer;

/// Whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    OpenAi,
    Anthropic,
    Gemini,
    Ollama,
    Cohere,
    /// Of applications' routes.
    Envelope,
    /// Nobody's: who breaks the frame of a request has named no dialect.
    None,
}

impl Shape {
    /// What an error lacks.
    pub(super) fn check(self, answer: &Answer) -> Result<(), &'static str> {
        // Who asks with a wrong method, or for too long a path, is told so by the status alone.
        if self == Self::None || [405, 414, 431].contains(&answer.status) {
            return Ok(());
        }
        let Ok(said) = serde_json::from_slice::<Value>(&answer.body) else {
            return Err("this is no JSON");
        };
        if !answer.head.contains("content-type: application/json") {
            return Err("it does not say that it is JSON");
        }
        let error = &said["error"];
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let holds = match self {
            Self::OpenAi => {
                let fields = ["message", "type", "param", "code"];
                text(&error["message"])
                    && text(&error["type"])
                    && fields.iter().all(|field| error.get(field).is_some())
            }
            Self::Anthropic => {
                said["type"] == "error" && text(&error["type"]) && text(&error["message"])
            }
            Self::Gemini => {
                error["code"] == answer.status && text(&error["message"]) && text(&error["status"])
            }
            Self::Ollama => text(error),
            Self::Cohere => text(&said["message"]),
            Self::Envelope => {
                said["success"] == false && text(&error["code"]) && text(&error["message"])
            }
            Self::None => true,
        };
        if holds { Ok(()) } else { Err("not the shape of an error here") }
    }
}
