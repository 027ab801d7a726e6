//! Reads a whole answer.

use bytes::Bytes;
use llm_core::Str;
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::Corrupt;
use llm_core::error::Error;
use llm_core::extra::Extra;
use llm_core::prompt::{Part, PartKind};

use super::UNFINISHED;
use super::candidate::{ABSENT, BLOCKED, NO_CONTENT, NO_INDEX, NO_PARTS, NO_ROLE, NUMBER};
use crate::gemini::names::{self, BLOCK_REASON, FINISH_REASON};
use crate::gemini::notation::{ME, keep_aside, keep_remainder, rest};
use crate::gemini::part::{self, function::Calls};
use crate::gemini::{error, evidence, finish, usage};
use crate::json::{Bad, Field, JsonKind, Object, object, write};

/// Reads the words of an answer.
pub(in crate::gemini) fn chat(body: &Bytes) -> Result<Completion, Corrupt> {
    let text = object::text(body)?;
    let mut o = match Field::root(&text)? {
        // An error in place of a stream comes as a list, even where no stream was asked for.
        list if list.kind() == JsonKind::Array => {
            let first = list.array()?.into_iter().next();
            first.ok_or_else(|| Corrupt::new("the body is an empty list"))?.object()?
        }
        one => one.object()?,
    };
    let mut done = Completion::default();
    if o.see("error").is_some_and(|f| f.kind() == JsonKind::Object) {
        done.failure = Some(Error::upstream(error::inside(body, o.field())));
        return Ok(done);
    }
    done.id = string(&mut o, "responseId");
    done.model = string(&mut o, "modelVersion");
    done.created = o.see("createTime").and_then(|f| error::timestamp(&f.cow().ok()?));
    if let Some(field) = o.see("usageMetadata").filter(|f| f.kind() == JsonKind::Object)
        && let Some(report) = usage::report(field)
    {
        o.take("usageMetadata")?;
        done.usage = Some(report);
    }
    let block = block_reason(&o);
    let said = read_candidates(&mut o, &done)?;
    let mut unfinished = said.iter().any(|c| c.candidate.finish.is_none() && block.is_none());
    if said.is_empty()
        && let Some(word) = &block
    {
        let extra = Extra::new(ME).noted(BLOCKED | ABSENT);
        let finish =
            Finish { reason: FinishReason::ContentFilter, word: Some(word.clone()), extra };
        done.candidates.push(Candidate { parts: Vec::new(), finish: Some(finish) });
    }
    done.extra = rest(o, 0);
    if unfinished {
        keep_aside(&mut done.extra, UNFINISHED, &besides(&said));
    }
    for said in said {
        let mut candidate = said.candidate;
        if candidate.finish.is_none()
            && let Some(word) = &block
        {
            let extra = said.extra.noted(BLOCKED);
            let reason = FinishReason::ContentFilter;
            candidate.finish = Some(Finish { reason, word: Some(word.clone()), extra });
        }
        done.candidates.push(candidate);
    }
    // A candidate that says nothing and never ends is none.
    while done.candidates.last().is_some_and(|c| c.parts.is_empty() && c.finish.is_none()) {
        done.candidates.pop();
        unfinished = true;
    }
    done.ended = !unfinished && !done.candidates.is_empty();
    Ok(done)
}

fn string(o: &mut Object<'_>, name: &str) -> Option<Str> {
    let readable = o.see(name)?.str().ok()?;
    o.take_if(name, JsonKind::String)?;
    Some(readable)
}

fn block_reason(o: &Object<'_>) -> Option<Str> {
    block_word(o.see("promptFeedback")?)
}

/// Why a prompt was blocked, in a `promptFeedback`.
pub(in crate::gemini) fn block_word(feedback: Field<'_>) -> Option<Str> {
    let feedback = feedback.object().ok()?;
    let (word, _) = names::word(feedback.see("blockReason")?, BLOCK_REASON)?;
    (word != "BLOCK_REASON_UNSPECIFIED").then(|| word.into_owned().into())
}

/// A candidate, and what it said besides when it has no finish to keep that.
struct Said {
    candidate: Candidate,
    extra: Extra,
    index: Option<u64>,
}

fn read_candidates(o: &mut Object<'_>, done: &Completion) -> Result<Vec<Said>, Bad> {
    let some = |f: &Field<'_>| f.array().is_ok_and(|list| !list.is_empty());
    let Some(field) = o.see("candidates").filter(some) else { return Ok(Vec::new()) };
    o.take("candidates")?;
    let mut calls = Calls::new(done.id.clone().unwrap_or_default());
    let read = |(at, field)| read_candidate(field, at, &mut calls);
    let mut all: Vec<Said> =
        field.array()?.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
    if all.iter().all(|c| c.index.is_some()) {
        all.sort_by_key(|c| c.index);
    }
    Ok(all)
}

fn read_candidate(field: Field<'_>, at: usize, calls: &mut Calls) -> Result<Said, Bad> {
    let mut o = field.object()?;
    let mut bits = 0;
    let index = o.see("index").and_then(|f| f.u64().ok());
    match index {
        Some(n) if usize::try_from(n) == Ok(at) => {
            o.take("index")?;
        }
        // An index that is not the place stays as it stands.
        _ => bits |= NO_INDEX,
    }
    let mut content = None;
    let mut parts = Vec::new();
    match o.take_if("content", JsonKind::Object) {
        None => bits |= NO_CONTENT,
        Some(field) => {
            let mut inner = field.object()?;
            parts = read_parts(&mut inner, at, calls, &mut bits)?;
            match inner.see("role") {
                None => bits |= NO_ROLE,
                Some(role) if role.text() == "\"model\"" => {
                    inner.take("role")?;
                }
                Some(_) => bits |= NO_ROLE,
            }
            content = Some(inner);
        }
    }
    let ending = read_finish(&mut o, &parts, &mut bits)?;
    add_evidence(&o, &mut parts);
    let mut extra = rest(o, bits);
    content.into_iter().for_each(|inner| keep_remainder(&mut extra, "content", inner));
    let (finish, extra) = match ending {
        Some((reason, word)) => {
            (Some(Finish { reason, word: Some(word), extra }), Extra::default())
        }
        None => (None, extra),
    };
    Ok(Said { candidate: Candidate { parts, finish }, extra, index })
}

fn read_parts(
    content: &mut Object<'_>,
    at: usize,
    calls: &mut Calls,
    bits: &mut u32,
) -> Result<Vec<Part>, Bad> {
    let Some(field) = content.take_if("parts", JsonKind::Array) else {
        *bits |= NO_PARTS;
        return Ok(Vec::new());
    };
    let read = |(i, field)| {
        calls.at(at, i);
        part::read(field, calls)
    };
    field.array()?.into_iter().enumerate().map(read).collect()
}

fn read_finish(
    o: &mut Object<'_>,
    parts: &[Part],
    bits: &mut u32,
) -> Result<Option<(FinishReason, Str)>, Bad> {
    let called = parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
    let Some(field) = o.see("finishReason") else { return Ok(None) };
    let Some((word, number)) = names::word(field, FINISH_REASON) else { return Ok(None) };
    let Some(reason) = finish::reason(&word, called) else { return Ok(None) };
    o.take("finishReason")?;
    *bits |= if number { NUMBER } else { 0 };
    Ok(Some((reason, word.into_owned().into())))
}

/// Hangs sources and tokens on the text that the answer ends with; they stay where they stand as
/// well.
fn add_evidence(o: &Object<'_>, parts: &mut [Part]) {
    let Some(PartKind::Text(text)) = parts.last_mut().map(|p| &mut p.kind) else { return };
    if let Some(field) = o.see("logprobsResult") {
        text.logprobs = evidence::logprobs(field);
    }
    if let Some(field) = o.see("citationMetadata") {
        text.citations = evidence::recitation(field);
    }
    if let Some(field) = o.see("groundingMetadata") {
        text.citations.extend(evidence::grounding(field));
    }
}

/// What candidates said besides, those that finished included, so that places match.
fn besides(all: &[Said]) -> String {
    let out = write::object(|o| {
        let mut list = o.array("all");
        for said in all {
            let mut one = list.object();
            one.u64("bits", u64::from(said.extra.notation(ME).0));
            one.object("rest").extra(&said.extra, ME);
        }
    });
    String::from_utf8_lossy(&out).into_owned()
}
