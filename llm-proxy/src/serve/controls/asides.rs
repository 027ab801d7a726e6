//! What a caller asks of the gateway itself inside a body: LiteLLM's fields and OpenRouter's.
//!
//! They were found when the body was peeked into. Here they are obeyed and taken out: no provider
//! is shown a field that it would refuse or, worse, understand. A field that cannot be read is an
//! error that names it.

use std::ops::Range;

use bytes::Bytes;
use llm_core::Str;
use llm_core::call::{CacheUse, Peek};
use llm_core::error::{Error, Kind};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Asked, TAGS_MAX, WORD_BYTES_MAX};

/// Models that a caller may name behind the first.
const NAMES_MAX: usize = 16;
/// Names of models are no longer.
const NAME_BYTES_MAX: usize = 256;
/// An answer that a caller gives to itself.
const MOCK_BYTES_MAX: usize = 64 << 10;
/// What one field may take: a list of sixteen names is far below. Labels may be larger, and only
/// their tags are read.
const FIELD_BYTES_MAX: usize = 96 << 10;

/// Reads what a body says to the gateway; the body without it, where anything was taken out.
pub(crate) fn take(bytes: &Bytes, peek: &Peek, asked: &mut Asked) -> Result<Option<Bytes>, Error> {
    let mut cuts: Vec<Range<usize>> = Vec::new();
    let mut first = None;
    for aside in &peek.asides {
        let json = text(bytes, &aside.value);
        if aside.name == "metadata" {
            cuts.extend(metadata(bytes, json, asked)?);
            continue;
        }
        if json.len() > FIELD_BYTES_MAX {
            return Err(bad(aside.name, "is too long"));
        }
        cuts.push(aside.value.clone());
        let value: Value =
            serde_json::from_str(json).map_err(|_| bad(aside.name, "cannot be read"))?;
        if value.is_null() {
            continue;
        }
        match aside.name {
            "cache" => cache(&value, asked)?,
            "fallbacks" => asked.controls.fallbacks.extend(names("fallbacks", &value)?),
            "models" => {
                let mut models = names("models", &value)?.into_iter();
                if peek.model.value.is_empty() {
                    first = models.next();
                }
                let named = &peek.model.value;
                asked.controls.fallbacks.extend(models.filter(|model| model != named));
            }
            "disable_fallbacks" => {
                let yes =
                    value.as_bool().ok_or_else(|| bad(aside.name, "must be true or false"))?;
                asked.controls.no_fallback |= yes;
            }
            "num_retries" => {
                let wanted = value.as_u64().ok_or_else(|| bad(aside.name, "must be a number"))?;
                asked.controls.retries = Some(super::retries(wanted));
            }
            "mock_response" => asked.mock = Some(mock(&value)?),
            "timeout" | "request_timeout" => {
                let seconds = value.as_f64().and_then(super::seconds_of);
                let seconds = seconds.ok_or_else(|| bad(aside.name, "must be seconds"))?;
                asked.within = Some(seconds);
            }
            name => return Err(bad(name, "is not understood here")),
        }
    }
    if asked.controls.tags.len() > TAGS_MAX {
        return Err(bad("metadata.tags", "16 words of 64 bytes at the most"));
    }
    let named = first.map(|model| Value::from(&*model).to_string());
    if named.is_none() && peek.model.value.is_empty() && !peek.asides.is_empty() {
        let listed = peek.asides.iter().any(|aside| aside.name == "models");
        if listed {
            return Err(bad("models", "names no model"));
        }
    }
    Ok((!cuts.is_empty()).then(|| without(bytes, cuts, named.as_deref())))
}

fn text<'b>(bytes: &'b Bytes, span: &Range<usize>) -> &'b str {
    let bytes = bytes.get(span.clone()).unwrap_or_default();
    str::from_utf8(bytes).unwrap_or_default()
}

/// Labels belong to the provider; a list of tags among them is LiteLLM's, and ours.
fn metadata(bytes: &Bytes, json: &str, asked: &mut Asked) -> Result<Option<Range<usize>>, Error> {
    #[derive(Deserialize)]
    struct Labels<'a> {
        #[serde(borrow)]
        tags: Option<&'a RawValue>,
    }
    let Ok(Labels { tags: Some(tags) }) = serde_json::from_str(json) else { return Ok(None) };
    if !tags.get().starts_with('[') {
        return Ok(None);
    }
    let wrong = || bad("metadata.tags", "must be words of 64 bytes at the most");
    let tags_said: Vec<String> = serde_json::from_str(tags.get()).map_err(|_| wrong())?;
    if tags_said.iter().any(|tag| tag.len() > WORD_BYTES_MAX) {
        return Err(wrong());
    }
    asked.controls.tags.extend(tags_said.into_iter().map(Str::from));
    let start = tags.get().as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
    Ok(Some(start..start + tags.get().len()))
}

fn cache(value: &Value, asked: &mut Asked) -> Result<(), Error> {
    let wrong = |what| Err(bad("cache", what));
    let Some(fields) = value.as_object() else { return wrong("must be an object") };
    let (mut read, mut keep) = (true, true);
    for (name, value) in fields {
        let flag = value.as_bool();
        let seconds = value.as_f64().and_then(super::seconds_of);
        match (&**name, flag, seconds, value.as_str()) {
            ("no-cache", Some(no), ..) => read = !no,
            ("no-store", Some(no), ..) => keep = !no,
            // What is on is on by the model's policy.
            ("use-cache", Some(_), ..) => {}
            ("ttl", _, Some(ttl), _) => asked.controls.cache_ttl = Some(ttl),
            ("s-maxage" | "s-max-age", _, Some(age), _) => asked.controls.cache_age = Some(age),
            ("namespace", _, _, Some(space)) if space.len() <= WORD_BYTES_MAX => {
                asked.controls.cache_space = Some(Str::from(space));
            }
            (_, _, _, _) if value.is_null() => {}
            _ => return wrong("takes no-cache, no-store, ttl, s-maxage and namespace"),
        }
    }
    asked.controls.cache = match (read, keep) {
        // A header may have said more.
        (true, true) => asked.controls.cache,
        (true, false) => CacheUse::NoStore,
        (false, true) => CacheUse::Refresh,
        (false, false) => CacheUse::Off,
    };
    Ok(())
}

/// Names of models: words, or objects that name one as LiteLLM's Python does.
fn names(field: &'static str, value: &Value) -> Result<Vec<Str>, Error> {
    let wrong = || bad(field, "must be a list of names of models");
    let list = value.as_array().ok_or_else(wrong)?;
    if list.len() > NAMES_MAX {
        return Err(wrong());
    }
    let name = |value: &Value| {
        let name = value.as_str().or_else(|| value.get("model")?.as_str());
        let name = name.filter(|name| (1..=NAME_BYTES_MAX).contains(&name.len()));
        name.map(Str::from).ok_or_else(wrong)
    };
    list.iter().map(name).collect()
}

fn mock(value: &Value) -> Result<Str, Error> {
    let text = value.as_str().filter(|text| text.len() <= MOCK_BYTES_MAX);
    text.map(Str::from).ok_or_else(|| bad("mock_response", "must be a text of 64 KiB at the most"))
}

/// The body without these members. With a name, the first of them becomes the model.
pub(crate) fn without(bytes: &Bytes, mut cuts: Vec<Range<usize>>, model: Option<&str>) -> Bytes {
    cuts.sort_by_key(|cut| cut.start);
    let mut body = bytes.to_vec();
    // From the last on, so that the places of the others stay.
    for (at, value) in cuts.iter().enumerate().rev() {
        match model.filter(|_| at == 0) {
            Some(model) => {
                let member = member(&body, value);
                let text = format!("\"model\":{model}");
                body.splice(member, text.into_bytes());
            }
            None => {
                let whole = with_comma(&body, member(&body, value));
                body.drain(whole);
            }
        }
    }
    body.into()
}

/// The member whose value stands there, name and all.
fn member(body: &[u8], value: &Range<usize>) -> Range<usize> {
    let before = |at: usize| {
        let head = body.get(..at).unwrap_or_default();
        head.trim_ascii_end().len()
    };
    // `"name" : value`; a name that we know has no quote in it.
    let colon = before(value.start).saturating_sub(1);
    let quote = before(colon).saturating_sub(1);
    let name = body.get(..quote).unwrap_or_default();
    let start = name.iter().rposition(|byte| *byte == b'"').unwrap_or(quote);
    start..value.end
}

/// A member goes with the comma behind it, or the last one with the comma before it.
fn with_comma(body: &[u8], member: Range<usize>) -> Range<usize> {
    let rest = body.get(member.end..).unwrap_or_default();
    let blanks = rest.len() - rest.trim_ascii_start().len();
    if rest.get(blanks) == Some(&b',') {
        return member.start..member.end + blanks + 1;
    }
    let head = body.get(..member.start).unwrap_or_default().trim_ascii_end();
    let start = if head.ends_with(b",") { head.len() - 1 } else { member.start };
    start..member.end
}

fn bad(name: &str, what: &str) -> Error {
    let error = Error::new(Kind::BadRequest, format!("{name} {what}"));
    error.in_field(name.to_owned())
}

#[cfg(test)]
mod tests;
