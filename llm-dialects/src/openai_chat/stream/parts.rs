//! The parts of one candidate as they grow.
//!
//! Text, refusal and thinking close when something else begins; tool calls stay open until the
//! candidate ends, since their pieces may interleave.

use llm_core::Str;
use llm_core::dialect::Corrupt;
use llm_core::event::{Delta, Event, PartHead, PartId};
use llm_core::extra::Extra;
use llm_core::prompt::{Opaque, Part, PartKind};
use serde_json::value::RawValue;

use super::super::notation::{ME, of_part};
use super::super::{citations, content, logprobs, reasoning, wire};
use super::calls::Call;
use super::details::Details;
use super::sound::Sound;
use crate::json::{Field, JsonKind};

/// One choice of the stream.
pub(super) struct Candidate {
    pub(super) number: u16,
    parts: u16,
    live: Option<Live>,
    pub(super) calls: Vec<Call>,
    details: Details,
    sound: Sound,
    finish: Option<(Str, Extra)>,
}

/// The part that grows now.
struct Live {
    id: PartId,
    kind: Kind,
    bits: u32,
    extra: Extra,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
    Audio,
}

impl Candidate {
    pub(super) fn new(number: u16) -> Self {
        Self {
            number,
            parts: 0,
            live: None,
            calls: Vec::new(),
            details: Details::default(),
            sound: Sound::default(),
            finish: None,
        }
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// A reason came. The last one counts, but what stood beside an earlier one is kept.
    pub(super) fn finished(&mut self, word: Str, extra: Extra) {
        self.finish = Some((word, extra));
    }

    pub(super) fn take_finish(&mut self) -> (Option<Str>, Extra) {
        match self.finish.take() {
            Some((word, extra)) => (Some(word), extra),
            None => (None, Extra::new(ME)),
        }
    }

    /// Reads one delta.
    pub(super) fn grow(
        &mut self,
        delta: wire::Delta<'_>,
        root: &Str,
        answer: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        self.think(&delta, root, out)?;
        if let Some(raw) = delta.content {
            match raw.get().as_bytes().first() {
                Some(b'[') => self.list(&root.slice_ref(raw.get()), out)?,
                _ => self.text(Kind::Text, raw, root, 0, out)?,
            }
        }
        if let Some(raw) = delta.refusal {
            self.text(Kind::Refusal, raw, root, 0, out)?;
        }
        if let Some(raw) = delta.annotations {
            self.cite(&root.slice_ref(raw.get()), out)?;
        }
        if let Some(raw) = delta.images {
            self.images(&root.slice_ref(raw.get()), out)?;
        }
        if let Some(raw) = delta.audio {
            self.audio(&root.slice_ref(raw.get()), out)?;
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(call, root, answer, out)?;
        }
        if let Some(function) = delta.function_call {
            self.old_call(function, root, answer, out)?;
        }
        Ok(())
    }

    fn think(
        &mut self,
        delta: &wire::Delta<'_>,
        root: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let (content, plain) = (some(delta.reasoning_content), some(delta.reasoning));
        match (content, plain) {
            (Some(a), b) => {
                // Hosts that write both write the same twice.
                let both = b.is_some_and(|b| b.get() == a.get());
                let bits = of_part::REASONING_CONTENT | if both { of_part::REASONING } else { 0 };
                self.text(Kind::Reasoning, a, root, bits, out)?;
            }
            (None, Some(b)) => self.text(Kind::Reasoning, b, root, of_part::REASONING, out)?,
            (None, None) => {}
        }
        if let Some(raw) = delta.reasoning_details
            && raw.get().starts_with('[')
        {
            let silent = content.is_none() && plain.is_none();
            self.details(&root.slice_ref(raw.get()), silent, out)?;
        }
        Ok(())
    }

    /// Elements of `reasoning_details`: their words came in a plain field, as a rule.
    fn details(&mut self, text: &Str, silent: bool, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        for item in Field::root(text)?.array()? {
            let detail = reasoning::detail(item);
            let Some(token) = detail.token else {
                if silent && !detail.text.is_empty() && self.details.plain_missing() {
                    let id = self.open(Kind::Reasoning, 0, out)?;
                    out.push(Event::PartDelta { part: id, delta: Delta::Text(detail.text) });
                }
                self.details.add(item)?;
                continue;
            };
            // One of ours: it names the end of the part whose words came before it.
            let open = self.live.as_ref().filter(|l| l.kind == Kind::Reasoning).map(|l| l.id);
            let id = match open {
                Some(id) => id,
                None => {
                    let id = self.open(Kind::Reasoning, 0, out)?;
                    if !detail.text.is_empty() {
                        out.push(Event::PartDelta { part: id, delta: Delta::Text(detail.text) });
                    }
                    id
                }
            };
            out.push(Event::PartDelta { part: id, delta: Delta::State(Box::new(token)) });
            if let Some(live) = self.live.take() {
                out.push(Event::PartEnd { part: live.id, extra: live.extra.noted(live.bits) });
            }
        }
        Ok(())
    }

    /// A piece of text of some kind. Empty pieces mean nothing.
    fn text(
        &mut self,
        kind: Kind,
        raw: &RawValue,
        root: &Str,
        bits: u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        match raw.get() {
            "null" | "\"\"" => return Ok(()),
            _ => {}
        }
        let Some(text) = string(raw.get(), root) else {
            return Err(Corrupt::new("a piece of text is no string"));
        };
        let part = self.open(kind, bits, out)?;
        if kind == Kind::Reasoning {
            self.details.plain_came();
        }
        out.push(Event::PartDelta { part, delta: Delta::Text(text) });
        Ok(())
    }

    /// The part of that kind that grows now, begun if there is none.
    fn open(&mut self, kind: Kind, bits: u32, out: &mut Vec<Event>) -> Result<PartId, Corrupt> {
        if let Some(live) = &mut self.live
            && live.kind == kind
        {
            live.bits |= bits;
            return Ok(live.id);
        }
        self.close_live(out);
        let id = self.next()?;
        let head = match kind {
            Kind::Text => PartHead::Text,
            Kind::Refusal => PartHead::Refusal,
            Kind::Reasoning => PartHead::Reasoning,
            Kind::Audio => PartHead::Audio { mime: None },
        };
        out.push(Event::PartStart { part: id, head });
        self.live = Some(Live { id, kind, bits, extra: Extra::new(ME) });
        Ok(id)
    }

    pub(super) fn close_live(&mut self, out: &mut Vec<Event>) {
        let Some(live) = self.live.take() else { return };
        if let Some(rest) = self.sound.take() {
            out.push(Event::PartDelta { part: live.id, delta: Delta::Audio(rest) });
        }
        if live.kind == Kind::Reasoning {
            let state = self.details.take().or_else(|| reasoning::field_state(live.bits));
            if let Some(state) = state {
                let delta = Delta::State(Box::new(state));
                out.push(Event::PartDelta { part: live.id, delta });
            }
        }
        out.push(Event::PartEnd { part: live.id, extra: live.extra.noted(live.bits) });
    }

    pub(super) fn next(&mut self) -> Result<PartId, Corrupt> {
        let index = self.parts;
        self.parts =
            index.checked_add(1).ok_or_else(|| Corrupt::new("an answer has too many parts"))?;
        Ok(PartId { candidate: self.number, index })
    }

    fn whole(&mut self, part: Part, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        self.close_live(out);
        let id = self.next()?;
        out.push(Event::PartStart { part: id, head: PartHead::Whole(Box::new(part.kind)) });
        out.push(Event::PartEnd { part: id, extra: part.extra });
        Ok(())
    }

    /// Mistral's list of parts.
    fn list(&mut self, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let mut parts = Vec::new();
        content::read(Field::root(text)?, false, &mut parts)?;
        for part in parts {
            let (kind, words) = match &part.kind {
                PartKind::Text(t) => (Kind::Text, t.text.clone()),
                PartKind::Refusal(t) => (Kind::Refusal, t.text.clone()),
                PartKind::Reasoning(t) => (Kind::Reasoning, t.clone()),
                _ => {
                    self.whole(part, out)?;
                    continue;
                }
            };
            if words.is_empty() {
                continue;
            }
            let bits = part.extra.notation(ME).0;
            let id = self.open(kind, bits, out)?;
            out.push(Event::PartDelta { part: id, delta: Delta::Text(words) });
        }
        Ok(())
    }

    /// How sure the model was of the tokens of the part that grows.
    pub(super) fn logprobs(&mut self, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let [content, refusal] = logprobs::read_choice(text)?;
        let Some(live) = &self.live else { return Ok(()) };
        let tokens = match live.kind {
            Kind::Text => content,
            Kind::Refusal => refusal,
            Kind::Reasoning | Kind::Audio => return Ok(()),
        };
        if !tokens.is_empty() {
            out.push(Event::PartDelta { part: live.id, delta: Delta::Logprobs(tokens) });
        }
        Ok(())
    }

    fn cite(&mut self, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let field = Field::root(text)?;
        if field.kind() != JsonKind::Array || text == "[]" {
            return Ok(());
        }
        let part = self.open(Kind::Text, 0, out)?;
        for item in field.array()? {
            let delta = Delta::Citation(Box::new(citations::read(item)));
            out.push(Event::PartDelta { part, delta });
        }
        Ok(())
    }

    fn images(&mut self, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let field = Field::root(text)?;
        let mut parts = Vec::new();
        if field.kind() == JsonKind::Array {
            super::super::reply::read_images(field, &mut parts)?;
        }
        parts.into_iter().try_for_each(|part| self.whole(part, out))
    }

    fn audio(&mut self, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let field = Field::root(text)?;
        if field.kind() != JsonKind::Object {
            return Ok(());
        }
        let mut o = field.object()?;
        let part = self.open(Kind::Audio, 0, out)?;
        let mut piece = |name| o.take_if(name, JsonKind::String).map(|f| f.str()).transpose();
        if let Some(data) = piece("data")?.filter(|d| !d.is_empty()) {
            let data = self.sound.push(data);
            if !data.is_empty() {
                out.push(Event::PartDelta { part, delta: Delta::Audio(data) });
            }
        }
        if let Some(words) = piece("transcript")?.filter(|t| !t.is_empty()) {
            out.push(Event::PartDelta { part, delta: Delta::Transcript(words) });
        }
        if let Some(live) = &mut self.live {
            for (name, value) in o.rest(ME).fields() {
                live.extra.take(name);
                live.extra.push(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// Ends everything that is open.
    pub(super) fn close_all(&mut self, answer: &Str, out: &mut Vec<Event>) {
        self.close_live(out);
        if let Some(state) = self.details.take() {
            self.late(state, out);
        }
        for at in 0..self.calls.len() {
            // A call that never got a name is still a call.
            let Ok(part) = self.start_call(at, answer, out) else { return };
            let legacy = self.calls.get(at).is_some_and(|c| c.legacy);
            let bits = if legacy { of_part::LEGACY_CALL } else { 0 };
            out.push(Event::PartEnd { part, extra: Extra::new(ME).noted(bits) });
        }
    }

    /// Encrypted thoughts that came behind everything they belong to.
    fn late(&mut self, state: Opaque, out: &mut Vec<Event>) {
        let Ok(part) = self.next() else { return };
        out.push(Event::PartStart { part, head: PartHead::Reasoning });
        out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
        out.push(Event::PartEnd { part, extra: Extra::new(ME) });
    }
}

/// A value that is neither `null` nor an empty string.
pub(super) fn some(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|r| !matches!(r.get(), "null" | "\"\""))
}

/// The text of a JSON string; a slice of the chunk unless it has escapes.
pub(crate) fn string(json: &str, root: &Str) -> Option<Str> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(root.slice_ref(inner));
    }
    serde_json::from_str::<String>(json).ok().map(Str::from)
}
