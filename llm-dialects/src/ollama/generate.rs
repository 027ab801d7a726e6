//! Ollama `/api/generate`: a prompt where `/api/chat` has a conversation, and with it the older
//! `/api/embeddings`, which also takes a `prompt`.
//!
//! A dialect of its own, because its callers are answered in another shape and its body goes to
//! another path; the format is the one next door. A conversation of several turns is written as a
//! transcript. `context`, `template`, `suffix` and `raw` are kept for this shape and are a loss
//! for any other.

use llm_core::dialect::{CallerDialect, UpstreamDialect};

use super::Ollama;
use super::wire::Shape;

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = Some(&Ollama(Shape::Generate));
/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = Some(&Ollama(Shape::Generate));
