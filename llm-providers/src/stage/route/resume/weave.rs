//! Two event sequences as one: the second begins where the first one broke.

use llm_core::Str;
use llm_core::event::{Delta, Event, Notice, PartHead, PartId};
use llm_core::extra::Extra;

use smallvec::SmallVec;

use super::overlap::{Continues, Fits, Overlap};

/// What has passed, and how the second sequence is fitted to it.
#[derive(Debug, Default)]
pub(super) struct Weave {
    text: String,
    /// The part that text is being added to.
    open: Option<PartId>,
    /// How many parts there are.
    parts: u16,
    /// Something passed that no second model can go on with.
    closed_to_others: bool,
    diverged: bool,
    second: Option<Second>,
}

/// The second sequence.
#[derive(Debug)]
struct Second {
    overlap: Option<Overlap>,
    /// The part of the second sequence that carries its text.
    part: Option<PartId>,
    /// What its further parts are called here. What is not among them is left out.
    names: SmallVec<[(PartId, PartId); 4]>,
    announced: bool,
}

impl Weave {
    /// The text so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The second sequence is the first one in other words: nothing of it can be used.
    pub(super) fn diverged(&self) -> bool {
        self.diverged
    }

    /// Whether another model can go on.
    pub(super) fn may_go_on(&self) -> bool {
        !self.closed_to_others && !self.text.trim_end().is_empty()
    }

    /// From now on events are those of the second sequence.
    pub(super) fn go_on(&mut self, how: Continues) {
        self.second = Some(Second {
            overlap: Some(Overlap::new(&self.text, how)),
            part: None,
            names: SmallVec::new(),
            announced: false,
        });
    }

    /// An event of the sequence that runs now.
    pub(super) fn pass(&mut self, event: Event, mut out: impl FnMut(&Event)) {
        if self.second.is_none() {
            self.note(&event);
            out(&event);
            return;
        }
        self.fit(event, &mut out);
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::PartStart { part, head } => {
                self.parts = self.parts.max(part.index.saturating_add(1));
                let plain = matches!(head, PartHead::Text | PartHead::Reasoning);
                self.closed_to_others |= !plain || part.candidate != 0;
                self.open = matches!(head, PartHead::Text).then_some(*part).or(self.open);
            }
            Event::PartDelta { part, delta: Delta::Text(text) } if self.open == Some(*part) => {
                self.text.push_str(text);
            }
            Event::PartEnd { part, .. } if self.open == Some(*part) => self.open = None,
            Event::Finish { .. } => self.closed_to_others = true,
            _ => {}
        }
    }

    fn fit(&mut self, event: Event, out: &mut impl FnMut(&Event)) {
        if self.diverged {
            return;
        }
        let Some(second) = &mut self.second else { return };
        if !std::mem::replace(&mut second.announced, true) {
            out(&Event::Notice(Notice::Resumed));
        }
        match event {
            // The answer has begun already, and thinking about how to go on is not part of it.
            Event::Start(_) | Event::PartStart { head: PartHead::Reasoning, .. } => {}
            Event::PartStart { part, head: PartHead::Text } if second.part.is_none() => {
                second.part = Some(part);
                if self.open.is_none() {
                    let part = self.fresh();
                    self.open = Some(part);
                    out(&Event::PartStart { part, head: PartHead::Text });
                }
            }
            Event::PartDelta { part, delta: Delta::Text(text) } if second.part == Some(part) => {
                let fits = match &mut second.overlap {
                    None => Fits::New(text.to_string()),
                    Some(overlap) => overlap.add(&text),
                };
                self.take(fits, out);
            }
            Event::PartEnd { part, extra } if second.part == Some(part) => {
                if let Some(mut overlap) = second.overlap.take() {
                    let fits = overlap.rest();
                    self.take(fits, out);
                }
                self.shut(extra, out);
            }
            Event::PartDelta { part, delta } => {
                if let Some(part) = self.renamed(part) {
                    out(&Event::PartDelta { part, delta });
                }
            }
            Event::PartEnd { part, extra } => {
                if let Some(part) = self.renamed(part) {
                    out(&Event::PartEnd { part, extra });
                }
            }
            Event::PartStart { part, head } => {
                self.shut(Extra::default(), out);
                let here = self.fresh();
                if let Some(second) = &mut self.second {
                    second.names.push((part, here));
                }
                out(&Event::PartStart { part: here, head });
            }
            Event::Finish { .. } => {
                self.shut(Extra::default(), out);
                out(&event);
            }
            Event::Usage(_)
            | Event::Notice(_)
            | Event::Unmodelled(_)
            | Event::Failure(_)
            | Event::End => out(&event),
        }
    }

    fn fresh(&mut self) -> PartId {
        let part = PartId { candidate: 0, index: self.parts };
        self.parts = self.parts.saturating_add(1);
        part
    }

    /// What a further part of the second sequence is called here.
    fn renamed(&self, part: PartId) -> Option<PartId> {
        let names = &self.second.as_ref()?.names;
        names.iter().rev().find(|(there, _)| *there == part).map(|(_, here)| *here)
    }

    fn take(&mut self, fits: Fits, out: &mut impl FnMut(&Event)) {
        match (fits, &mut self.second) {
            (Fits::New(new), Some(second)) => {
                second.overlap = None;
                self.say(new, out);
            }
            (Fits::Never, _) => self.diverged = true,
            (Fits::Maybe | Fits::New(_), _) => {}
        }
    }

    fn say(&mut self, new: String, out: &mut impl FnMut(&Event)) {
        if new.is_empty() {
            return;
        }
        if let Some(part) = self.open {
            self.text.push_str(&new);
            out(&Event::PartDelta { part, delta: Delta::Text(Str::from(new)) });
        }
    }

    fn shut(&mut self, extra: Extra, out: &mut impl FnMut(&Event)) {
        if let Some(part) = self.open.take() {
            out(&Event::PartEnd { part, extra });
        }
    }
}

#[cfg(test)]
mod tests {
    use llm_core::completion::{Finish, FinishReason};
    use llm_core::event::laws;

    use super::*;

    fn part(index: u16) -> PartId {
        PartId { candidate: 0, index }
    }

    fn text(index: u16, text: &'static str) -> Event {
        Event::PartDelta { part: part(index), delta: Delta::Text(text.into()) }
    }

    fn begins(index: u16, head: PartHead) -> Event {
        Event::PartStart { part: part(index), head }
    }

    fn ends(index: u16) -> Event {
        Event::PartEnd { part: part(index), extra: Extra::default() }
    }

    fn finish(reason: FinishReason) -> Event {
        let finish = Finish { reason, word: None, extra: Extra::default() };
        Event::Finish { candidate: 0, finish }
    }

    fn call() -> PartHead {
        PartHead::ToolCall { id: "c".into(), name: "weather".into(), custom: false }
    }

    fn woven(second: Vec<Event>) -> Vec<Event> {
        let mut weave = Weave::default();
        let mut out = Vec::new();
        let first =
            [Event::Start(Box::default()), begins(0, PartHead::Text), text(0, "Let me look.")];
        for event in first {
            weave.pass(event, |e| out.push(e.clone()));
        }
        assert!(weave.may_go_on());
        weave.go_on(Continues::Behind);
        for event in second {
            weave.pass(event, |e| out.push(e.clone()));
        }
        assert_eq!(laws::check(&out), Ok(()), "{out:#?}");
        out
    }

    /// Who is given a beginning may go on with a call and not say another word.
    #[test]
    fn a_call_at_once_is_not_lost() {
        let arguments = |text: &'static str| Event::PartDelta {
            part: part(0),
            delta: Delta::Arguments(text.into()),
        };
        let out = woven(vec![
            Event::Start(Box::default()),
            begins(0, call()),
            arguments("{\"city\":"),
            arguments("\"Seoul\"}"),
            ends(0),
            finish(FinishReason::ToolCalls),
            Event::End,
        ]);
        let all = llm_core::completion::collect(&out);
        assert_eq!(all.text(0), "Let me look.");
        let calls: Vec<_> = all.tool_calls(0).map(|c| c.arguments.to_string()).collect();
        assert_eq!(calls, ["{\"city\":\"Seoul\"}"]);
    }

    /// Thoughts about how to go on are no part of the answer, wherever they stand.
    #[test]
    fn thoughts_between_are_left_out() {
        let out = woven(vec![
            Event::Start(Box::default()),
            begins(0, PartHead::Text),
            text(0, " It is"),
            ends(0),
            begins(1, PartHead::Reasoning),
            Event::PartDelta { part: part(1), delta: Delta::Text("hm".into()) },
            ends(1),
            begins(2, PartHead::Text),
            text(2, " warm."),
            ends(2),
            finish(FinishReason::Stop),
            Event::End,
        ]);
        assert_eq!(llm_core::completion::collect(&out).text(0), "Let me look. It is warm.");
    }
}
