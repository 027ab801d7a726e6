//! The items of a stream that are under way, and the parts they have become.

use llm_core::Str;
use llm_core::completion::{Candidate, Completion};
use llm_core::dialect::Corrupt;
use llm_core::event::{Delta, Event, PartHead, PartId};
use llm_core::extra::Extra;
use llm_core::prompt::{Part, PartKind};

use super::super::notation::{noted, part as bit};
use crate::json::{Field, JsonKind};

/// An answer has a few dozen items. More than this is an attack on our memory.
const ITEMS_MAX: usize = 4096;

/// Items, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Open {
    next: u16,
    items: Vec<Item>,
    calls: bool,
}

#[derive(Debug)]
struct Item {
    index: u32,
    id: Option<Str>,
    done: bool,
    /// How many parts it has become.
    parts: usize,
    /// The last of them, while it is open.
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    part: PartId,
    grow: Grow,
    kind: Kind,
    /// Whether any text of it came.
    any: bool,
    /// How many citations of it came.
    cited: usize,
    /// Whether any log probabilities of it came.
    logprobs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
    Call,
    Other,
}

/// Where in an item a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grow {
    /// In its content.
    Content(u32),
    /// In its summary.
    Summary(u32),
    /// It is all of it.
    Whole,
}

impl Kind {
    fn of(head: &PartHead) -> Self {
        match head {
            PartHead::Text => Self::Text,
            PartHead::Refusal => Self::Refusal,
            PartHead::Reasoning => Self::Reasoning,
            PartHead::ToolCall { .. } => Self::Call,
            PartHead::Audio { .. } | PartHead::Whole(_) => Self::Other,
        }
    }

    fn is_of(self, kind: &PartKind) -> bool {
        match kind {
            PartKind::Text(_) => self == Self::Text,
            PartKind::Refusal(_) => self == Self::Refusal,
            PartKind::Reasoning(_) => self == Self::Reasoning,
            PartKind::ToolCall(_) => self == Self::Call,
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => false,
        }
    }
}

impl Open {
    /// An item begins. A call is told at once, everything else when its first piece comes.
    pub(super) fn added(
        &mut self,
        index: u32,
        item: Field<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let mut o = item.object()?;
        let mut string = |name| o.take_if(name, JsonKind::String).and_then(|f| f.str().ok());
        let at = self.item(index)?;
        if let Some(item) = self.items.get_mut(at) {
            item.id = string("id");
        }
        let custom = match string("type").as_deref() {
            Some("function_call") => false,
            Some("custom_tool_call") => true,
            _ => return Ok(()),
        };
        if let (Some(id), Some(name)) = (string("call_id"), string("name")) {
            self.part(index, Grow::Whole, PartHead::ToolCall { id, name, custom }, out)?;
        }
        Ok(())
    }

    /// The part that stands there; begun, if it is new.
    pub(super) fn part(
        &mut self,
        index: u32,
        grow: Grow,
        head: PartHead,
        out: &mut Vec<Event>,
    ) -> Result<PartId, Corrupt> {
        let kind = Kind::of(&head);
        let at = self.item(index)?;
        let Some(item) = self.items.get_mut(at) else { return Err(too_many()) };
        if let Some(live) = &item.live
            && live.grow == grow
            && live.kind == kind
        {
            return Ok(live.part);
        }
        if item.done {
            return Err(Corrupt::new("an item goes on after its end"));
        }
        if let Some(live) = item.live.take() {
            out.push(Event::PartEnd { part: live.part, extra: live.usual(item.parts) });
        }
        let part = PartId { candidate: 0, index: self.next };
        self.next = self.next.checked_add(1).ok_or_else(too_many)?;
        self.calls |= kind == Kind::Call;
        item.parts += 1;
        item.live = Some(Live { part, grow, kind, any: false, cited: 0, logprobs: false });
        out.push(Event::PartStart { part, head });
        Ok(part)
    }

    /// The item's open part got text.
    pub(super) fn grew(&mut self, index: u32) {
        if let Some(live) = self.live(index) {
            live.any = true;
        }
    }

    /// The item's open part got a citation.
    pub(super) fn cited(&mut self, index: u32) {
        if let Some(live) = self.live(index) {
            live.cited += 1;
        }
    }

    /// The item's open part got log probabilities.
    pub(super) fn weighed(&mut self, index: u32) {
        if let Some(live) = self.live(index) {
            live.logprobs = true;
        }
    }

    /// A piece of a call's arguments.
    pub(super) fn arguments(
        &mut self,
        index: u32,
        piece: Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let live = self.live(index).filter(|l| l.kind == Kind::Call);
        let Some(live) = live else {
            return Err(Corrupt::new("arguments of a call that never began"));
        };
        if !piece.is_empty() {
            live.any = true;
            out.push(Event::PartDelta { part: live.part, delta: Delta::Arguments(piece) });
        }
        Ok(())
    }

    /// An item is complete: `parts` are all it has become, whether they came in deltas or not.
    pub(super) fn done(
        &mut self,
        index: u32,
        parts: Vec<Part>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let at = self.item(index)?;
        let Some(item) = self.items.get_mut(at) else { return Err(too_many()) };
        if std::mem::replace(&mut item.done, true) {
            return Ok(());
        }
        let came = item.parts;
        let mut live = item.live.take();
        for (n, part) in (1..).zip(parts) {
            if n < came {
                continue;
            }
            match live.take() {
                Some(open) if n == came && open.kind.is_of(&part.kind) => open.close(part, out),
                // It came as something else; once is enough.
                Some(open) if n == came => {
                    let extra = open.usual(came);
                    out.push(Event::PartEnd { part: open.part, extra });
                }
                _ => {
                    self.calls |= matches!(part.kind, PartKind::ToolCall(_));
                    let id = PartId { candidate: 0, index: self.next };
                    self.next = self.next.checked_add(1).ok_or_else(too_many)?;
                    whole(id, part, out);
                }
            }
        }
        if let Some(open) = live {
            let extra = open.usual(came);
            out.push(Event::PartEnd { part: open.part, extra });
        }
        Ok(())
    }

    /// Whether an item of that place or id came.
    pub(super) fn knows(&self, index: u32, id: Option<&Str>) -> bool {
        self.items.iter().any(|i| i.index == index || (id.is_some() && i.id.as_ref() == id))
    }

    /// Whether the item at that place has not ended.
    pub(super) fn is_open(&self, index: u32) -> bool {
        self.items.iter().any(|i| i.index == index && !i.done)
    }

    /// Ends what never ended. Says whether the model called a tool.
    pub(super) fn close(&mut self, out: &mut Vec<Event>) -> bool {
        for item in &mut self.items {
            item.done = true;
            if let Some(open) = item.live.take() {
                let extra = open.usual(item.parts);
                out.push(Event::PartEnd { part: open.part, extra });
            }
        }
        self.calls
    }

    /// Where the item of that place is kept; made when it is new.
    fn item(&mut self, index: u32) -> Result<usize, Corrupt> {
        if let Some(at) = self.items.iter().rposition(|i| i.index == index) {
            return Ok(at);
        }
        if self.items.len() >= ITEMS_MAX {
            return Err(too_many());
        }
        self.items.push(Item { index, id: None, done: false, parts: 0, live: None });
        Ok(self.items.len() - 1)
    }

    fn live(&mut self, index: u32) -> Option<&mut Live> {
        self.items.iter_mut().rev().find(|i| i.index == index)?.live.as_mut()
    }
}

impl Live {
    /// Ends a part with what its item says of it, and what of that never came.
    fn close(self, said: Part, out: &mut Vec<Event>) {
        let part = self.part;
        let mut push = |delta| out.push(Event::PartDelta { part, delta });
        match said.kind {
            PartKind::Text(text) | PartKind::Refusal(text) => {
                if !self.any && !text.text.is_empty() {
                    push(Delta::Text(text.text));
                }
                for citation in text.citations.into_iter().skip(self.cited) {
                    push(Delta::Citation(Box::new(citation)));
                }
                if !self.logprobs && !text.logprobs.is_empty() {
                    push(Delta::Logprobs(text.logprobs));
                }
            }
            PartKind::Reasoning(text) if !self.any && !text.is_empty() => push(Delta::Text(text)),
            PartKind::ToolCall(call) if !self.any && !call.arguments.is_empty() => {
                push(Delta::Arguments(call.arguments));
            }
            PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => {}
        }
        if let Some(state) = said.state {
            push(Delta::State(Box::new(state)));
        }
        out.push(Event::PartEnd { part, extra: said.extra });
    }

    /// How such a part is usually written, for one that ends before its item. It is the item's
    /// part number `number`, from one on.
    fn usual(&self, number: usize) -> Extra {
        let goes_on = if number > 1 { bit::GOES_ON } else { 0 };
        noted(
            goes_on
                | match (self.kind, self.grow) {
                    (Kind::Text, _) => bit::INSIDE | bit::OUTPUT_TEXT | bit::ANNOTATIONS,
                    (Kind::Refusal, _) => bit::INSIDE,
                    (Kind::Reasoning, Grow::Content(_)) => bit::THOUGHT,
                    (Kind::Reasoning | Kind::Call | Kind::Other, _) => 0,
                },
        )
    }
}

/// A part that comes at once.
fn whole(id: PartId, part: Part, out: &mut Vec<Event>) {
    let candidate = Candidate { parts: vec![part], finish: None };
    let lone = Completion { candidates: vec![candidate], ..Completion::default() };
    out.extend(lone.explode().into_iter().filter_map(|event| match event {
        Event::PartStart { head, .. } => Some(Event::PartStart { part: id, head }),
        Event::PartDelta { delta, .. } => Some(Event::PartDelta { part: id, delta }),
        Event::PartEnd { extra, .. } => Some(Event::PartEnd { part: id, extra }),
        Event::Start(_)
        | Event::Usage(_)
        | Event::Finish { .. }
        | Event::Notice(_)
        | Event::Unmodelled(_)
        | Event::Failure(_)
        | Event::End => None,
    }));
}

fn too_many() -> Corrupt {
    Corrupt::new("the response has too many items")
}
