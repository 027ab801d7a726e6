//! The two edges of the pipeline, where an answer is read: into a caller's dialect, or into typed
//! events. Nothing between them translates.

mod events;
pub mod once;
mod render;

pub use events::{EventStream, answer};
pub use render::{Render, Rendered, RenderedBody, render};

use llm_core::dialect::{DialectId, UpstreamDialect};
use llm_core::error::{Error, Kind};

/// The half that reads a dialect.
fn reader(dialect: DialectId) -> Result<&'static dyn UpstreamDialect, Error> {
    llm_dialects::upstream(dialect)
        .ok_or_else(|| Error::new(Kind::Internal, "an answer came in a dialect nobody reads"))
}
