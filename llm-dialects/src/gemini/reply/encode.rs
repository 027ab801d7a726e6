//! Writes a whole answer.

use llm_core::completion::{Candidate, Completion, Finish};
use llm_core::dialect::{RenderCx, Rendered};
use llm_core::extra::{Extra, Notation};
use llm_core::prompt::PartKind;

use super::UNFINISHED;
use super::candidate::{ABSENT, BLOCKED, NO_CONTENT, NO_INDEX, NO_PARTS, NO_ROLE, NUMBER};
use crate::gemini::names::{self, FINISH_REASON};
use crate::gemini::notation::{ME, aside, restore, restore_remainder};
use crate::gemini::part::Place;
use crate::gemini::part::write::{StateFor, Writing, write};
use crate::gemini::{error, evidence, finish, usage};
use crate::json::{JsonKind, Object, ObjectWriter, write as json};

/// Writes an answer for a client.
pub(in crate::gemini) fn chat(done: &Completion, cx: &RenderCx) -> Rendered {
    if let Some(failure) = &done.failure {
        return Rendered::json(error::body(failure), llm_core::extra::Losses::default());
    }
    let mut w = Writing::new(StateFor::Client);
    let body = json::object(|o| members(o, done, cx, &mut w));
    Rendered::json(body, w.losses)
}

fn members(o: &mut ObjectWriter<'_>, done: &Completion, cx: &RenderCx, w: &mut Writing<'_>) {
    candidates(o, done, w);
    if let Some(report) = &done.usage {
        usage::write(o, report, &mut w.losses);
    }
    identity(o, done, cx);
    restore(o, &done.extra, &[]);
    done.extra.lose(ME, "", &mut w.losses);
}

/// Who answers. An id and a model are there when either the provider or we know one.
fn identity(o: &mut ObjectWriter<'_>, done: &Completion, cx: &RenderCx) {
    let own = Some(&cx.id).filter(|id| !id.is_empty());
    o.opt_str("modelVersion", cx.model.as_ref().or(done.model.as_ref()));
    o.opt_str("responseId", done.id.as_ref().or(own));
}

fn candidates(o: &mut ObjectWriter<'_>, done: &Completion, w: &mut Writing<'_>) {
    let kept = Besides::of(&done.extra);
    let absent = |c: &Candidate| {
        let finish = c.finish.as_ref();
        c.parts.is_empty() && finish.is_some_and(|f| f.extra.notation(ME).has(ABSENT))
    };
    let count = done.candidates.len().max(kept.0.len());
    if count == 0 || done.candidates.iter().all(absent) && kept.0.is_empty() {
        return;
    }
    let nothing = Candidate::default();
    let mut list = o.array("candidates");
    for at in 0..count {
        let candidate = done.candidates.get(at).unwrap_or(&nothing);
        let none = Extra::default();
        let extra = match &candidate.finish {
            Some(finish) => &finish.extra,
            None => kept.0.get(at).unwrap_or(&none),
        };
        write_candidate(&mut list.object(), candidate, at, extra, w);
    }
}

fn write_candidate(
    o: &mut ObjectWriter<'_>,
    candidate: &Candidate,
    at: usize,
    extra: &Extra,
    w: &mut Writing<'_>,
) {
    let bits = extra.notation(ME);
    if !(bits.has(NO_CONTENT) && candidate.parts.is_empty()) {
        let mut content = o.object("content");
        if !(bits.has(NO_PARTS) && candidate.parts.is_empty()) {
            let mut parts = content.array("parts");
            for (i, part) in candidate.parts.iter().enumerate() {
                write(&mut parts, part, false, Place::new("candidates", at, i), w);
            }
        }
        if !bits.has(NO_ROLE) {
            content.str("role", "model");
        }
        restore_remainder(&mut content, extra, "content");
    }
    if let Some(finish) = &candidate.finish {
        let calls = candidate.parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
        write_finish(o, finish, calls, at, &mut w.losses);
    }
    if !bits.has(NO_INDEX) {
        o.u64("index", u64::try_from(at).unwrap_or(0));
    }
    if extra.origin() != Some(ME) {
        evidence::write(o, &candidate.parts, at, &mut w.losses);
    }
    restore(o, extra, &["content"]);
    extra.lose(ME, format_args!("candidates.{at}.finish"), &mut w.losses);
}

/// Writes why it ended. A blocked prompt says it in its feedback.
pub(in crate::gemini) fn write_finish(
    o: &mut ObjectWriter<'_>,
    finish: &Finish,
    calls: bool,
    at: usize,
    losses: &mut llm_core::extra::Losses,
) {
    let bits: Notation = finish.extra.notation(ME);
    if bits.has(BLOCKED) {
        return;
    }
    let (word, same) = finish::word(finish, calls);
    if !same {
        losses.approximated(format!("candidates.{at}.finish"));
    }
    match names::number(&word, FINISH_REASON).filter(|_| bits.has(NUMBER)) {
        Some(number) => o.u64("finishReason", number),
        // A number that no table knows is its own word.
        None if bits.has(NUMBER) && word.bytes().all(|b| b.is_ascii_digit()) => {
            o.json("finishReason", &word)
        }
        None => o.str("finishReason", &word),
    };
}

/// What candidates without a finish said besides.
struct Besides(Vec<Extra>);

impl Besides {
    fn of(extra: &Extra) -> Self {
        Self(Self::read(extra).unwrap_or_default())
    }

    fn read(extra: &Extra) -> Option<Vec<Extra>> {
        let kept = aside(extra, UNFINISHED)?;
        let mut o = Object::root(kept.text()).ok()?;
        let list = o.take_if("all", JsonKind::Array)?.array().ok()?;
        let one = |field: crate::json::Field<'_>| {
            let mut one = field.object().ok()?;
            let bits = one.u32("bits").ok()??;
            Some(one.object("rest").ok()??.rest(ME).noted(bits))
        };
        list.into_iter().map(one).collect()
    }
}
