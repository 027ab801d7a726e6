//! OpenAI legacy completions.

use llm_core::dialect::{CallerDialect, UpstreamDialect};

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = None;
/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = None;
