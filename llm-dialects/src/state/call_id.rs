//! State of a tool call that rides on the call's id.
//!
//! Clients return ids untouched, because they pair a call with its result. `call_1` with state
//! becomes `call_1.Z3cx…`; an id without state is shown as it is.

use llm_core::Str;
use llm_core::prompt::Opaque;

use super::{read, token};

/// The id a client is shown.
pub fn join(id: &Str, state: Option<&Opaque>) -> Str {
    match state {
        Some(state) => format!("{id}.{}", token(state)).into(),
        None => id.clone(),
    }
}

/// The id and the state of a call, from what a client returned.
pub fn split(shown: &Str) -> (Str, Option<Opaque>) {
    // A token has no dot, so that only the last one can stand in front of it; looking at each
    // would let a hostile id cost the square of its length.
    match shown.rsplit_once('.').map(|(id, rest)| (id, read(rest))) {
        Some((id, Some(state))) => (shown.slice_ref(id), Some(state)),
        Some((_, None)) | None => (shown.clone(), None),
    }
}

/// How every id begins that we made for a call without one; sixteen hex digits follow. No
/// provider knows such an id, so that it may be shown with state on it.
pub const MADE: &str = "call_gw";

/// An id for a call without one, from what tells the call from all others of a conversation. The
/// same words give the same id, so that a stream and a whole answer agree.
pub fn make(words: &[&[u8]]) -> Str {
    let bytes = words.iter().flat_map(|w| w.iter().chain([&0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{MADE}{hash:016x}").into()
}

/// Whether we made an id.
pub fn is_made(id: &str) -> bool {
    let hex = id.strip_prefix(MADE).map(str::as_bytes);
    hex.is_some_and(|h| h.len() == 16 && h.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use llm_core::dialect::DialectId;
    use llm_core::raw::Raw;

    use super::*;

    #[test]
    fn state_rides_on_an_id() {
        let kind = "thoughtSignature".into();
        let state =
            Opaque { origin: DialectId::Gemini, kind, value: Raw::parse("\"a.b\"").unwrap() };
        let shown = join(&"call.1".into(), Some(&state));
        assert_eq!(split(&shown), ("call.1".into(), Some(state)));
        assert_eq!(split(&"call.Z3cx".into()), ("call.Z3cx".into(), None));
        assert_eq!(join(&"c".into(), None), "c");
    }

    #[test]
    fn made_ids_are_known_again_and_tell_calls_apart() {
        let id = make(&[b"answer", &[0]]);
        assert!(is_made(&id) && !is_made("call_gw12") && !is_made("toolu_01"));
        assert_eq!(id, make(&[b"answer", &[0]]));
        assert_ne!(id, make(&[b"answer", &[1]]));
    }
}
