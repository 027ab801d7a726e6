//! State of any provider in an Ollama message.
//!
//! Ollama has no signatures of its own. Its messages are objects that clients send back as they
//! got them, so state rides in two fields beside the text it belongs to: `thinking_signature`
//! holds, for each piece of the thinking, `<bytes of the piece>:<token>`, joined by dots (a piece
//! without state has an empty token); `content_signature` holds the token of the text. A tool
//! call's state rides on its id.

use llm_core::Str;
use llm_core::prompt::{Opaque, Part, PartKind};

use crate::state;

/// The field for what belongs to the thinking.
pub(super) const THINKING: &str = "thinking_signature";
/// The field for what belongs to the text.
pub(super) const CONTENT: &str = "content_signature";

/// One piece of thinking.
pub(super) fn piece(bytes: usize, signature: Option<&Opaque>) -> String {
    format!("{bytes}:{}", signature.map(state::token).unwrap_or_default())
}

/// The field for some parts; `None` when no piece of their thinking has state.
pub(super) fn of_thinking<'a>(parts: impl Iterator<Item = &'a Part>) -> Option<String> {
    let (mut out, mut any) = (String::new(), false);
    for part in parts {
        let PartKind::Reasoning(text) = &part.kind else { continue };
        if !out.is_empty() {
            out.push('.');
        }
        any |= part.state.is_some();
        out.push_str(&piece(text.len(), part.state.as_ref()));
    }
    any.then_some(out)
}

/// The pieces of thinking that a field describes; `None` when it is not ours, or the text is not
/// the text it was made for.
pub(super) fn read_thinking(field: &str, thinking: &Str) -> Option<Vec<Part>> {
    let (mut parts, mut at, mut any) = (Vec::new(), 0_usize, false);
    for piece in field.split('.') {
        let (bytes, signature) = read_piece(piece)?;
        let end = at.checked_add(bytes)?;
        let mut part = Part::new(PartKind::Reasoning(thinking.slice_ref(thinking.get(at..end)?)));
        any |= signature.is_some();
        part.state = signature;
        parts.push(part);
        at = end;
    }
    (any && at == thinking.len()).then_some(parts)
}

/// The bytes and the state of one piece; `None` when it is not ours.
pub(super) fn read_piece(piece: &str) -> Option<(usize, Option<Opaque>)> {
    let (bytes, token) = piece.split_once(':')?;
    let signature = match token {
        "" => None,
        token => Some(state::read(token)?),
    };
    Some((bytes.parse().ok()?, signature))
}

#[cfg(test)]
mod tests {
    use llm_core::dialect::DialectId;
    use llm_core::raw::Raw;

    use super::*;

    #[test]
    fn thinking_is_cut_where_it_was_joined() {
        let state = |n: &str| {
            let value = Raw::parse(format!("\"{n}\"")).unwrap();
            Some(Opaque { origin: DialectId::Anthropic, kind: "signature".into(), value })
        };
        let part = |text: &'static str, state| Part {
            state,
            ..Part::new(PartKind::Reasoning(Str::from_static(text)))
        };
        let parts = [part("생각", state("a")), part("", state("b")), part("more", None)];
        let field = of_thinking(parts.iter()).unwrap();
        assert_eq!(read_thinking(&field, &"생각more".into()).as_deref(), Some(&parts[..]));
        assert_eq!(read_thinking(&field, &"생각mor".into()), None);
        assert_eq!(read_thinking(&field, &"ab생각re".into()), None);
        assert_eq!(read_thinking("anything", &"x".into()), None);
        assert_eq!(of_thinking(parts[2..].iter()), None);
    }
}
