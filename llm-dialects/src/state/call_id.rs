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
}
