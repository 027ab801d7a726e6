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
use crate::json::scan::{Broken, Scan, See, Text};
use crate::json::{Field, Object, utf8};

/// What names and strings of an answer give away. A key of ours is never in the middle of a text.
#[derive(Debug, Default)]
struct Words {
    /// The value of a refusal comes next.
    refusal: bool,
    refuses: bool,
    cites: bool,
}

impl See<'_> for Words {
    fn name(&mut self, name: Text<'_>) {
        self.refusal = name.raw == b"refusal";
        self.cites |= name.raw == CITATION;
    }

    fn string(&mut self, text: Text<'_>, named: bool) {
        self.refuses |= named && self.refusal && !text.raw.is_empty();
        self.cites |= text.raw == CITATION;
    }
}

const CITATION: &[u8] = b"url_citation";

/// The facts as they pass, where each is of the type it should be: the way of nearly every answer.
/// What is somehow unusual breaks the scan, and is looked at closely.
fn usual(text: &str) -> Result<(Observed, Words), Broken> {
    let mut scan = Scan::new(text);
    let (mut seen, mut words) = <(Observed, Words)>::default();
    let (mut choices, mut usages, mut members) = (0, 0, scan.object()?);
    while let Some(name) = members.next(&mut scan)? {
        words.name(name);
        match name.raw {
            _ if name.escaped => return Err(Broken::Syntax),
            raw if raw == b"choices" => {
                choices += 1;
                let mut items = scan.list()?;
                while items.next(&mut scan)? {
                    ended(&mut scan, &mut seen, &mut words)?;
                }
            }
            raw if raw == b"usage" => {
                usages += 1;
                match scan.next_byte() {
                    Some(b'n') => scan.skip(&mut ())?,
                    _ => seen.usage = usage::Said::scan(&mut scan)?.usage(),
                }
            }
            raw if raw == b"error" && scan.value(&mut ())? != "null" => return Err(Broken::Syntax),
            raw if raw == b"error" => {}
            _ => scan.skip(&mut words)?,
        }
    }
    scan.end()?;
    if choices == 1 && usages <= 1 { Ok((seen, words)) } else { Err(Broken::Syntax) }
}

/// How one choice has ended.
fn ended(scan: &mut Scan<'_>, seen: &mut Observed, words: &mut Words) -> Result<(), Broken> {
    let (mut members, mut reasons) = (scan.object()?, 0);
    while let Some(name) = members.next(scan)? {
        words.name(name);
        match name.raw {
            _ if name.escaped => return Err(Broken::Syntax),
            raw if raw == b"finish_reason" && scan.next_byte() == Some(b'"') => {
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
            raw if raw == b"finish_reason" && scan.value(&mut ())? != "null" => {
                return Err(Broken::Syntax);
            }
            raw if raw == b"finish_reason" => reasons += 1,
            _ => scan.skip(words)?,
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
    let text = utf8::read(body).map_err(|_| no_utf8())?;
    let (mut seen, words) = match usual(text) {
        Ok(seen) => seen,
        Err(Broken::Syntax | Broken::Deep) => closely(body)?,
    };
    if seen.failure.is_some() {
        return Ok(seen);
    }
    // A refusal in words ends like any answer, and is none that another caller should get.
    if words.refuses {
        seen.finished(FinishReason::Refusal);
    }
    seen.searches = u32::from(words.cites);
    seen.close();
    Ok(seen)
}

fn no_utf8() -> Corrupt {
    Corrupt::new("the answer is no UTF-8")
}

/// The same of an answer that is somehow unusual.
fn closely(body: &Bytes) -> Result<(Observed, Words), Corrupt> {
    let root = Str::try_from(body.clone()).map_err(|_| no_utf8())?;
    let words = Words { refusal: false, refuses: tap::refuses(body), cites: tap::cites(body) };
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
            return Ok((seen, words));
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
    let named = reasons.filter_map(|raw| stream::string(raw.get(), &root));
    named.filter(|w| !w.is_empty()).for_each(|word| seen.finished(finish_reason(&word, false)));
    Ok((seen, words))
}
