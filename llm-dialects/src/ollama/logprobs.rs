//! How sure the model was: `[{token, logprob, bytes, top_logprobs}]`.

use llm_core::prompt::{Part, PartKind, TokenLogprob};

use crate::json::{Field, JsonKind, ObjectWriter};

/// Reads a list; `None` when it says anything that we have no words for, so that it can be kept
/// as it is.
pub(super) fn read(field: Field<'_>) -> Option<Vec<TokenLogprob>> {
    field.array().ok()?.into_iter().map(|f| one(f, true)).collect()
}

fn one(field: Field<'_>, with_top: bool) -> Option<TokenLogprob> {
    let mut o = field.object().ok()?;
    let token = o.str("token").ok()??;
    let logprob = o.number("logprob").ok()??;
    let bytes = match o.take_if("bytes", JsonKind::Array) {
        None => None,
        Some(list) => {
            let list = list.array().ok()?.into_iter();
            let byte = |f: Field<'_>| f.u64().ok().and_then(|n| u8::try_from(n).ok());
            Some(list.map(byte).collect::<Option<Vec<u8>>>()?)
        }
    };
    let mut top = Vec::new();
    if with_top && let Some(list) = o.take_if("top_logprobs", JsonKind::Array) {
        for field in list.array().ok()? {
            top.push(one(field, false)?);
        }
        // An empty list could not be told from none.
        if top.is_empty() {
            return None;
        }
    }
    let known = o.names().next().is_none();
    known.then_some(TokenLogprob { token, logprob, bytes, top })
}

/// Writes those of all texts, when there are any.
pub(super) fn write_all<'a>(o: &mut ObjectWriter<'_>, parts: impl Iterator<Item = &'a Part>) {
    let texts = parts.filter_map(|p| match &p.kind {
        PartKind::Text(t) | PartKind::Refusal(t) => Some(t),
        _ => None,
    });
    let all: Vec<&TokenLogprob> = texts.flat_map(|t| &t.logprobs).collect();
    write(o, "logprobs", &all);
}

/// Writes a list, when it is not empty.
pub(super) fn write(o: &mut ObjectWriter<'_>, name: &'static str, list: &[&TokenLogprob]) {
    if list.is_empty() {
        return;
    }
    let mut out = o.array(name);
    for token in list {
        let mut one = out.object();
        one.str("token", &token.token).number("logprob", &token.logprob);
        if let Some(bytes) = &token.bytes {
            let mut out = one.array("bytes");
            bytes.iter().for_each(|b| out.u64(u64::from(*b)));
        }
        let top: Vec<&TokenLogprob> = token.top.iter().collect();
        write(&mut one, "top_logprobs", &top);
    }
}
