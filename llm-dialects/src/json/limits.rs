//! How large and how deep a body may be, checked before anything is read: no reader has to be trusted
//! with more.

use llm_core::dialect::BadRequest;

/// The largest request body. What Anthropic takes; the others take less.
pub const BODY_BYTES_MAX: usize = 32 << 20;

/// How deep a body may nest. A tool's schema inside a request is the deepest thing that people
/// send, and OpenAI allows it ten levels.
pub const DEPTH_MAX: usize = 64;

/// Refuses a body that is too large.
pub(crate) fn size(body: &[u8]) -> Result<(), BadRequest> {
    if body.len() > BODY_BYTES_MAX {
        let message = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        return Err(BadRequest::too_large(message));
    }
    Ok(())
}

/// Why a body that is too deep is refused.
pub(crate) fn too_deep() -> BadRequest {
    BadRequest::too_large(TOO_DEEP)
}

/// What is said of it.
pub(crate) const TOO_DEEP: &str = "the body nests deeper than 64 levels";
const _: () = assert!(DEPTH_MAX == 64, "as it is said");
