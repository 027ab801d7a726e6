//! What a whole answer that passes says of itself. Everything is checked for being JSON, and
//! nothing is read but the few facts that matter: no message, no choice beyond its reason.

use bytes::Bytes;
use llm_core::Str;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Corrupt, Observed};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::reply::finish_reason;
use super::{error, stream, tap, usage};
use crate::json::{Field, Object};

/// The facts, where each is of the type it should be: the way of nearly every answer.
#[derive(Deserialize)]
struct Usual<'a> {
    #[serde(borrow)]
    choices: Vec<Ended<'a>>,
    #[serde(default)]
    usage: Option<usage::Said>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Ended<'a> {
    #[serde(borrow, default)]
    finish_reason: Option<&'a str>,
}

/// The facts, whatever they look like.
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
    let usual = serde_json::from_str::<Usual<'_>>(&root).ok();
    let mut seen = match usual.filter(|usual| usual.error.is_none()) {
        Some(usual) => {
            let mut seen = Observed {
                usage: usual.usage.and_then(|said| said.usage()),
                ..Observed::default()
            };
            let words = usual.choices.iter().filter_map(|choice| choice.finish_reason);
            words.filter(|w| !w.is_empty()).for_each(|w| seen.finished(finish_reason(w, false)));
            seen
        }
        None => closely(body, &root)?,
    };
    if seen.failure.is_some() {
        return Ok(seen);
    }
    // A refusal in words ends like any answer, and is none that another caller should get.
    if tap::refuses(body) {
        seen.finished(FinishReason::Refusal);
    }
    seen.searches = u32::from(tap::cites(body));
    seen.close();
    Ok(seen)
}

/// The same of an answer that is somehow unusual.
fn closely(body: &Bytes, root: &Str) -> Result<Observed, Corrupt> {
    let outline: Outline<'_> = serde_json::from_str(root).map_err(|e| {
        Corrupt::new(format!(
            "the answer cannot be read: {:?} at column {}",
            e.classify(),
            e.column()
        ))
    })?;
    let mut seen = Observed::default();
    if outline.error.is_some() || outline.choices.is_none() {
        seen.failure = Object::root(root).ok().and_then(|mut o| error::inside(&mut o, body));
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
    let words = reasons.filter_map(|raw| stream::string(raw.get(), root));
    words.filter(|w| !w.is_empty()).for_each(|word| seen.finished(finish_reason(&word, false)));
    Ok(seen)
}
