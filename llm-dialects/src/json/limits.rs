//! How large and how deep a body may be, checked before anything is read.
//!
//! The check runs in front of the parser, so that no parser has to be trusted with hostile depth.
//! It counts brackets and skips strings; whether the brackets match is the parser's to say, and
//! up to the first place where they do not, the count is right.

use llm_core::dialect::BadRequest;
use memchr::memchr;

/// The largest request body. What Anthropic takes; the others take less.
pub const BODY_BYTES_MAX: usize = 32 << 20;

/// How deep a body may nest. A tool's schema inside a request is the deepest thing that people
/// send, and OpenAI allows it ten levels.
pub const DEPTH_MAX: usize = 64;

/// Refuses a body that is too large or too deep.
pub fn check(body: &[u8]) -> Result<(), BadRequest> {
    size(body)?;
    if is_deep(body) { Err(too_deep()) } else { Ok(()) }
}

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
    BadRequest::too_large(format!("the body nests deeper than {DEPTH_MAX} levels"))
}

fn is_deep(body: &[u8]) -> bool {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => at = string_end(body, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    false
}

/// The place of the quote that ends the string which begins at `start`, or the end of the body.
fn string_end(body: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(skip) = memchr(b'"', &body[at.min(body.len())..]) {
        let quote = at + skip;
        // Looking back from quotes is cheaper than stopping at each backslash: code in a prompt
        // is full of `\n`. Every run of backslashes stands before one quote only, so that the
        // whole stays linear.
        let run = body[start + 1..quote].iter().rev().take_while(|b| **b == b'\\').count();
        if run % 2 == 0 {
            return quote;
        }
        at = quote + 1;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_strings_only() {
        let at = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
        assert!(check(at.as_bytes()).is_ok());
        assert!(check(format!("[{at}]").as_bytes()).is_err());
        assert!(check(format!("[\"{at}{at}\"]").as_bytes()).is_ok());
        let escaped = "[\"\\\"[[[\\\\\",".repeat(DEPTH_MAX);
        assert!(check(escaped.as_bytes()).is_ok());
        assert!(check(format!("{escaped}[").as_bytes()).is_err());
    }

    #[test]
    fn any_bytes_are_fine() {
        for text in ["", "\"", "\"\\", "\"\\\"", "]]]}", "\"\\\\\"["] {
            assert!(check(text.as_bytes()).is_ok(), "{text}");
        }
        assert!(check(&vec![b'\\'; BODY_BYTES_MAX]).is_ok());
        assert!(check(&vec![b' '; BODY_BYTES_MAX + 1]).is_err());
    }
}
