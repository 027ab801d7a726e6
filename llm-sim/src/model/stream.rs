//! A whole answer, cut into a stream: one delta a token.

use llm_core::answer::UsageReport;
use llm_core::completion::Completion;
use llm_core::dialect::DialectId;
use llm_core::event::{Delta, Event};
use llm_core::prompt::TokenLogprob;
use llm_core::usage::Usage;

use super::tokens::pieces;

/// The events of a streamed answer. Folded they are the answer again.
pub(crate) fn events(whole: &Completion, dialect: DialectId) -> Vec<Event> {
    let mut out = Vec::new();
    let mut lanes: Vec<Vec<Event>> = Vec::new();
    let mut tail = Vec::new();
    for event in whole.explode() {
        let candidate = match &event {
            Event::PartStart { part, .. }
            | Event::PartDelta { part, .. }
            | Event::PartEnd { part, .. } => usize::from(part.candidate),
            Event::Finish { candidate, .. } => usize::from(*candidate),
            Event::Start(_) => {
                out.push(event);
                out.extend(reading(whole, dialect));
                continue;
            }
            _ => {
                tail.push(event);
                continue;
            }
        };
        if lanes.len() <= candidate {
            lanes.resize_with(candidate + 1, Vec::new);
        }
        cut(event, &mut lanes[candidate]);
    }
    out.extend(interleaved(lanes));
    out.extend(tail);
    out
}

/// Anthropic says what was read before it says anything else.
fn reading(whole: &Completion, dialect: DialectId) -> Option<Event> {
    let report = whole.usage.as_ref().filter(|_| dialect == DialectId::Anthropic)?;
    let usage = Usage { output: 0, reasoning: 0, ..report.usage };
    Some(Event::Usage(Box::new(UsageReport { usage, extra: report.extra.clone() })))
}

/// Candidates are written at once, a piece of each in turn, as OpenAI does.
fn interleaved(lanes: Vec<Vec<Event>>) -> Vec<Event> {
    let mut lanes: Vec<_> = lanes.into_iter().map(Vec::into_iter).collect();
    let mut out = Vec::new();
    loop {
        let before = out.len();
        out.extend(lanes.iter_mut().filter_map(Iterator::next));
        if out.len() == before {
            return out;
        }
    }
}

fn cut(event: Event, out: &mut Vec<Event>) {
    match event {
        Event::PartDelta { part, delta: Delta::Text(text) } => {
            out.extend(
                pieces(&text).map(|p| Event::PartDelta { part, delta: Delta::Text(p.into()) }),
            );
        }
        Event::PartDelta { part, delta: Delta::Arguments(text) } => {
            out.extend(
                pieces(&text).map(|p| Event::PartDelta { part, delta: Delta::Arguments(p.into()) }),
            );
        }
        Event::PartDelta { part, delta: Delta::Logprobs(all) } => {
            with_logprobs(part, all, out);
        }
        other => out.push(other),
    }
}

/// Each token's probability goes with its token: the text of this part has just been cut into
/// the same tokens.
fn with_logprobs(part: llm_core::event::PartId, all: Vec<TokenLogprob>, out: &mut Vec<Event>) {
    let text = |e: &&Event| matches!(e, Event::PartDelta { delta: Delta::Text(_), .. });
    let run = out.iter().rev().take_while(text).count();
    let pieces = out.split_off(out.len() - run);
    let mut all = all.into_iter();
    for piece in pieces {
        out.push(piece);
        if let Some(one) = all.next() {
            out.push(Event::PartDelta { part, delta: Delta::Logprobs(vec![one]) });
        }
    }
    let rest: Vec<_> = all.collect();
    if !rest.is_empty() {
        out.push(Event::PartDelta { part, delta: Delta::Logprobs(rest) });
    }
}
