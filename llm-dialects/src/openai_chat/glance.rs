//! What a whole answer that passes says of itself. Everything is checked for being JSON, and
//! nothing is read but the few facts that matter: no message, no choice beyond its reason.

use bytes::Bytes;
use llm_core::Str;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Corrupt, Observed};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::finish_reason;
use super::{error, stream, tap, usage};
use crate::json::{Field, Object};

/// The facts.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Reason<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Reason<'a> {
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

/// Looks at a completion.
pub(super) fn completion(body: &Bytes) -> Result<Observed, Corrupt> {
    let root = Str::try_from(body.clone()).map_err(|_| Corrupt::new("the answer is no UTF-8"))?;
    let outline: Outline<'_> = serde_json::from_str(&root).map_err(|e| {
        Corrupt::new(format!(
            "the answer cannot be read: {:?} at column {}",
            e.classify(),
            e.column()
        ))
    })?;
    let mut seen = Observed::default();
    if outline.error.is_some() || outline.choices.is_none() {
        seen.failure = Object::root(&root).ok().and_then(|mut o| error::inside(&mut o, body));
        if seen.failure.is_some() {
            return Ok(seen);
        }
        if outline.choices.is_none() {
            return Err(Corrupt::new("the answer has no choices"));
        }
    }
    if let Some(raw) = outline.usage
        && let Ok(field) = Field::root(&root.slice_ref(raw.get()))
    {
        seen.usage = usage::read(field).map(|report| report.usage);
    }
    let reasons = outline.choices.into_iter().flatten().filter_map(|c| c.finish_reason);
    let words = reasons.filter_map(|raw| stream::string(raw.get(), &root));
    words.filter(|w| !w.is_empty()).for_each(|word| seen.finished(finish_reason(&word, false)));
    // A refusal in words ends like any answer, and is none that another caller should get.
    if tap::says(body, b"\"refusal\"") {
        seen.finished(FinishReason::Refusal);
    }
    seen.searches = u32::from(memmem::find(body, b"\"url_citation\"").is_some());
    seen.close();
    Ok(seen)
}
