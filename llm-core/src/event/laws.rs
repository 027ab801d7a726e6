//! The grammar as a checker. Panics belong to our tests; production only logs.

use std::collections::BTreeMap;

use super::{Delta, Event, PartHead, PartId};
use crate::completion::FinishReason;
use crate::prompt::PartKind;

/// A law that a sequence of events broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Something came before the start.
    #[error("an event before the start")]
    BeforeStart,
    /// A second start.
    #[error("a second start")]
    SecondStart,
    /// Something came after the end.
    #[error("an event after the end")]
    AfterEnd,
    /// A part that was already there began again.
    #[error("part {0:?} started twice")]
    PartTwice(PartId),
    /// Parts of a candidate are numbered without gaps in the order in which they start.
    #[error("part {0:?} out of order")]
    PartOrder(PartId),
    /// A delta or an end for a part that is not open.
    #[error("part {0:?} is not open")]
    NotOpen(PartId),
    /// A delta of a kind that the part does not grow by.
    #[error("part {0:?} does not grow by that")]
    WrongDelta(PartId),
    /// A growing kind came as a whole one.
    #[error("part {0:?} must not come whole")]
    MustGrow(PartId),
    /// A candidate finished with an open part, or something of it came after its finish.
    #[error("candidate {0} finished with an open part, or went on after its finish")]
    Finish(u16),
    /// Tool-call arguments are not JSON though the candidate was not cut short.
    #[error("the arguments of {0:?} are no JSON")]
    Arguments(PartId),
    /// The end came while a candidate had none.
    #[error("the end came before candidate {0} finished")]
    EndWithoutFinish(u16),
}

/// Checks a sequence event by event.
#[derive(Debug, Default)]
pub struct Sequence {
    started: bool,
    over: bool,
    open: BTreeMap<PartId, Growth>,
    candidates: BTreeMap<u16, Progress>,
    /// Tool calls that are complete, until their candidate's reason tells whether they must be
    /// JSON.
    calls: Vec<(PartId, String)>,
}

#[derive(Debug)]
enum Growth {
    Text,
    Reasoning,
    Audio,
    Call { json: bool, arguments: String },
    Whole,
}

#[derive(Debug, Default)]
struct Progress {
    /// One more than the last number, which may be the last there is.
    parts: u32,
    finished: bool,
}

impl Sequence {
    /// Takes the next event.
    pub fn check(&mut self, event: &Event) -> Result<(), Violation> {
        if self.over {
            return Err(Violation::AfterEnd);
        }
        if !self.started && !matches!(event, Event::Start(_) | Event::Failure(_)) {
            return Err(Violation::BeforeStart);
        }
        match event {
            Event::Start(_) if self.started => return Err(Violation::SecondStart),
            Event::Start(_) => self.started = true,
            Event::PartStart { part, head } => self.start(*part, head)?,
            Event::PartDelta { part, delta } => self.delta(*part, delta)?,
            Event::PartEnd { part, .. } => self.end(*part)?,
            Event::Finish { candidate, finish } => self.finish(*candidate, &finish.reason)?,
            Event::Usage(_) | Event::Notice(_) | Event::Unmodelled(_) => {}
            Event::Failure(_) => self.over = true,
            Event::End => {
                if let Some((c, _)) = self.candidates.iter().find(|(_, p)| !p.finished) {
                    return Err(Violation::EndWithoutFinish(*c));
                }
                self.over = true;
            }
        }
        Ok(())
    }

    fn start(&mut self, part: PartId, head: &PartHead) -> Result<(), Violation> {
        let progress = self.candidates.entry(part.candidate).or_default();
        if progress.finished {
            return Err(Violation::Finish(part.candidate));
        }
        let index = u32::from(part.index);
        if index < progress.parts {
            return Err(Violation::PartTwice(part));
        }
        if index != progress.parts {
            return Err(Violation::PartOrder(part));
        }
        progress.parts += 1;
        let growth = match head {
            PartHead::Text | PartHead::Refusal => Growth::Text,
            PartHead::Reasoning => Growth::Reasoning,
            PartHead::Audio { .. } => Growth::Audio,
            PartHead::ToolCall { custom, .. } => {
                Growth::Call { json: !custom, arguments: String::new() }
            }
            PartHead::Whole(kind) => match **kind {
                PartKind::Text(_)
                | PartKind::Refusal(_)
                | PartKind::Reasoning(_)
                | PartKind::ToolCall(_) => return Err(Violation::MustGrow(part)),
                PartKind::Image(_)
                | PartKind::Audio(_)
                | PartKind::Video(_)
                | PartKind::File(_)
                | PartKind::ToolResult(_)
                | PartKind::Opaque(_) => Growth::Whole,
            },
        };
        self.open.insert(part, growth);
        Ok(())
    }

    fn delta(&mut self, part: PartId, delta: &Delta) -> Result<(), Violation> {
        let growth = self.open.get_mut(&part).ok_or(Violation::NotOpen(part))?;
        match (growth, delta) {
            (_, Delta::State(_)) | (Growth::Text | Growth::Reasoning, Delta::Text(_)) => Ok(()),
            (Growth::Text, Delta::Citation(_) | Delta::Logprobs(_)) => Ok(()),
            (Growth::Audio, Delta::Audio(_) | Delta::Transcript(_)) => Ok(()),
            (Growth::Call { arguments, .. }, Delta::Arguments(piece)) => {
                arguments.push_str(piece);
                Ok(())
            }
            _ => Err(Violation::WrongDelta(part)),
        }
    }

    fn end(&mut self, part: PartId) -> Result<(), Violation> {
        match self.open.remove(&part).ok_or(Violation::NotOpen(part))? {
            Growth::Call { json: true, arguments } => self.calls.push((part, arguments)),
            Growth::Call { json: false, .. }
            | Growth::Text
            | Growth::Reasoning
            | Growth::Audio
            | Growth::Whole => {}
        }
        Ok(())
    }

    fn finish(&mut self, candidate: u16, reason: &FinishReason) -> Result<(), Violation> {
        let first = PartId { candidate, index: 0 };
        let open = self.open.range(first..).next().is_some_and(|(p, _)| p.candidate == candidate);
        let progress = self.candidates.entry(candidate).or_default();
        if open || progress.finished {
            return Err(Violation::Finish(candidate));
        }
        progress.finished = true;
        // Only an answer that was done must have whole arguments: any other ending may cut them.
        if matches!(reason, FinishReason::Stop | FinishReason::ToolCalls) {
            for (part, text) in &self.calls {
                let mine = part.candidate == candidate && !text.trim().is_empty();
                if mine && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
                    return Err(Violation::Arguments(*part));
                }
            }
        }
        self.calls.retain(|(part, _)| part.candidate != candidate);
        Ok(())
    }
}

/// Checks a whole sequence.
pub fn check<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<(), Violation> {
    let mut sequence = Sequence::default();
    events.into_iter().try_for_each(|e| sequence.check(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Start;
    use crate::extra::Extra;

    #[test]
    fn the_last_number_is_a_number() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.check(&Event::Start(Box::<Start>::default())), Ok(()));
        for index in 0..=u16::MAX {
            let part = PartId { candidate: 0, index };
            assert_eq!(sequence.check(&Event::PartStart { part, head: PartHead::Text }), Ok(()));
            let end = Event::PartEnd { part, extra: Extra::default() };
            assert_eq!(sequence.check(&end), Ok(()));
        }
        let part = PartId { candidate: 0, index: u16::MAX };
        let again = sequence.check(&Event::PartStart { part, head: PartHead::Text });
        assert_eq!(again, Err(Violation::PartTwice(part)));
    }
}
