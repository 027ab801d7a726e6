//! What a whole answer that passes says of itself. Everything is checked for being JSON, and
//! nothing is read but the few facts that matter: no message, no choice beyond its reason.

use bytes::Bytes;
use llm_core::Str;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Corrupt, Observed};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::finish_reason;
use super::{error, stream, tap, usage};
use crate::json::scan::{Broken, Scan};
use crate::json::{Field, Object};

/// The facts as they pass, where each is of the type it should be: the way of nearly every answer.
/// What is somehow unusual breaks the scan, and is looked at closely.
fn usual(text: &str) -> Result<Observed, Broken> {
    let mut scan = Scan::new(text);
    let (mut seen, mut members) = (Observed::default(), scan.object()?);
    let (mut choices, mut usages) = (0, 0);
    while let Some(name) = members.next(&mut scan)? {
        match name.raw {
            _ if name.escaped => return Err(Broken::Syntax),
            b"choices" => {
                choices += 1;
                let mut items = scan.list()?;
                while items.next(&mut scan)? {
                    ended(&mut scan, &mut seen)?;
                }
            }
            b"usage" => {
                usages += 1;
                match scan.next_byte() {
                    Some(b'n') => scan.skip(&mut ())?,
                    _ => seen.usage = usage::Said::scan(&mut scan)?.usage(),
                }
            }
            b"error" if scan.value(&mut ())? != "null" => return Err(Broken::Syntax),
            b"error" => {}
            _ => scan.skip(&mut ())?,
        }
    }
    scan.end()?;
    if choices == 1 && usages <= 1 { Ok(seen) } else { Err(Broken::Syntax) }
}

/// How one choice has ended.
fn ended(scan: &mut Scan<'_>, seen: &mut Observed) -> Result<(), Broken> {
    let (mut members, mut reasons) = (scan.object()?, 0);
    while let Some(name) = members.next(scan)? {
        match name.raw {
            _ if name.escaped => return Err(Broken::Syntax),
            b"finish_reason" if scan.next_byte() == Some(b'"') => {
                let word = scan.text()?;
                if word.escaped {
                    return Err(Broken::Syntax);
                }
                if !word.raw.is_empty() {
                    let word = str::from_utf8(word.raw).map_err(|_| Broken::Syntax)?;
                    seen.finished(finish_reason(word, false));
                }
                reasons += 1;
            }
            b"finish_reason" if scan.value(&mut ())? != "null" => return Err(Broken::Syntax),
            b"finish_reason" => reasons += 1,
            _ => scan.skip(&mut ())?,
        }
    }
    if reasons <= 1 { Ok(()) } else { Err(Broken::Syntax) }
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
    let mut seen = match usual(&root) {
        Ok(seen) => seen,
        Err(Broken::Syntax | Broken::Deep) => closely(body, &root)?,
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
