//! One part at a time, for dialects whose streams have no other way.
//!
//! Events may interleave parts (OpenAI's parallel tool calls do). Anthropic's and Cohere's streams
//! close one block before they open the next, so their encoders read through this: the first open
//! part passes live, the others wait. What waits is bounded by the answer itself.

use std::collections::BTreeMap;

use llm_core::event::{Event, PartId};
use llm_core::extra::Extra;

/// Puts parts in order.
#[derive(Debug, Default)]
pub struct Sequential {
    live: Option<PartId>,
    waiting: BTreeMap<PartId, Vec<Event>>,
}

impl Sequential {
    /// Takes one event and gives those that may pass now, in order.
    pub fn feed(&mut self, event: &Event, mut pass: impl FnMut(&Event)) {
        match event {
            Event::PartStart { part, .. } => match self.live {
                None => {
                    self.live = Some(*part);
                    pass(event);
                }
                Some(_) => {
                    self.waiting.insert(*part, vec![event.clone()]);
                }
            },
            Event::PartDelta { part, .. } | Event::PartEnd { part, .. } => {
                if let Some(held) = self.waiting.get_mut(part) {
                    held.push(event.clone());
                    return;
                }
                pass(event);
                if matches!(event, Event::PartEnd { .. }) && self.live == Some(*part) {
                    self.live = None;
                    self.release(&mut pass);
                }
            }
            // A part that never ended is cut short by what comes now; what waits behind it stood
            // in the answer all the same.
            Event::Finish { .. } | Event::End => {
                let live = self.live.take().map(|part| (part, Vec::new()));
                for (part, held) in live.into_iter().chain(std::mem::take(&mut self.waiting)) {
                    held.iter().for_each(&mut pass);
                    if !matches!(held.last(), Some(Event::PartEnd { .. })) {
                        pass(&Event::PartEnd { part, extra: Extra::default() });
                    }
                }
                pass(event);
            }
            // What waits has not been shown, and half an answer needs no second part: begun inside
            // an open one it would be taken for a piece of it.
            Event::Failure(_) => {
                self.waiting.clear();
                self.live = None;
                pass(event);
            }
            Event::Start(_) | Event::Usage(_) | Event::Notice(_) | Event::Unmodelled(_) => {
                pass(event);
            }
        }
    }

    /// Lets waiting parts pass until one is still open.
    fn release(&mut self, pass: &mut impl FnMut(&Event)) {
        while let Some((part, held)) = self.waiting.pop_first() {
            held.iter().for_each(&mut *pass);
            if !matches!(held.last(), Some(Event::PartEnd { .. })) {
                self.live = Some(part);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use llm_core::error::{Error, Kind};
    use llm_core::event::{Delta, PartHead};

    use super::*;

    fn run(events: &[Event]) -> Vec<Event> {
        let mut out = Vec::new();
        let mut sequential = Sequential::default();
        events.iter().for_each(|e| sequential.feed(e, |e| out.push(e.clone())));
        out
    }

    #[test]
    fn interleaved_parts_come_out_one_after_the_other() {
        let id = |index| PartId { candidate: 0, index };
        let start = |i| Event::PartStart { part: id(i), head: PartHead::Text };
        let grow =
            |i, t: &'static str| Event::PartDelta { part: id(i), delta: Delta::Text(t.into()) };
        let end = |i| Event::PartEnd { part: id(i), extra: Extra::default() };
        let mixed = [
            start(0),
            start(1),
            grow(0, "a"),
            grow(1, "x"),
            start(2),
            grow(0, "b"),
            end(1),
            end(0),
            grow(2, "q"),
            end(2),
            Event::End,
        ];
        let sorted = [
            start(0),
            grow(0, "a"),
            grow(0, "b"),
            end(0),
            start(1),
            grow(1, "x"),
            end(1),
            start(2),
            grow(2, "q"),
            end(2),
            Event::End,
        ];
        assert_eq!(run(&mixed), sorted);
        assert_eq!(run(&sorted), sorted);
    }

    #[test]
    fn what_waits_behind_an_open_part_is_not_begun_inside_it() {
        let id = |index| PartId { candidate: 0, index };
        let start = |i| Event::PartStart { part: id(i), head: PartHead::Text };
        let failure = Event::Failure(Error::new(Kind::BrokenStream, "cut"));
        assert_eq!(
            run(&[start(0), start(1), failure.clone()]),
            [start(0), failure],
            "a part was begun inside another one"
        );
        let end = |i| Event::PartEnd { part: id(i), extra: Extra::default() };
        assert_eq!(
            run(&[start(0), start(1), Event::End]),
            [start(0), end(0), start(1), end(1), Event::End]
        );
    }
}
