//! Tool calls of one candidate: told apart by index, by id, or by order, whatever the host gives,
//! and open until the candidate ends.

use llm_core::Str;
use llm_core::dialect::Corrupt;
use llm_core::event::{Delta, Event, PartHead, PartId};

use super::super::reply::made_id;
use super::super::request::signature_in;
use super::super::wire;
use super::decode::whole;
use super::parts::{Candidate, some, string};
use crate::json::Field;
use crate::state::call_id;

/// A tool call, open until the end.
pub(super) struct Call {
    pub(super) index: Option<usize>,
    pub(super) id: Option<Str>,
    pub(super) name: Option<Str>,
    pub(super) custom: bool,
    pub(super) legacy: bool,
    pub(super) part: Option<PartId>,
    /// Arguments that came before the name did.
    pub(super) waiting: Vec<Str>,
}

impl Candidate {
    /// Reads a piece of the old `function_call`, of which an answer has one.
    pub(super) fn old_call(
        &mut self,
        function: wire::Function<'_>,
        root: &Str,
        answer: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let call = wire::Call {
            index: None,
            id: None,
            function: Some(function),
            custom: None,
            extra_content: None,
        };
        let at = match self.calls.iter().position(|c| c.legacy) {
            Some(at) => at,
            None => {
                let call = self.new_call(None);
                if let Some(call) = self.calls.get_mut(call) {
                    call.legacy = true;
                }
                call
            }
        };
        self.grow_call(at, call, root, answer, out)
    }

    /// Reads a piece of a call.
    pub(super) fn call(
        &mut self,
        call: wire::Call<'_>,
        root: &Str,
        answer: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let id = some(call.id).and_then(|raw| string(raw.get(), root)).filter(|id| !id.is_empty());
        let index = call.index.and_then(whole);
        let same = |c: &Call| c.id.is_none() || id.is_none() || c.id == id;
        let found = match index {
            // Gemini's OpenAI endpoint gives parallel calls one index and several ids.
            Some(_) => self.calls.iter().rposition(|c| c.index == index).filter(|at| {
                let named = call.function.as_ref().is_some_and(|f| some(f.name).is_some());
                !named || self.calls.get(*at).is_some_and(same)
            }),
            None if id.is_some() => self.calls.iter().position(|c| c.id == id),
            None => {
                let named = call.function.as_ref().is_some_and(|f| some(f.name).is_some());
                if named { None } else { self.calls.len().checked_sub(1) }
            }
        };
        let at = match found {
            Some(at) => at,
            None => self.new_call(index),
        };
        if let Some(slot) = self.calls.get_mut(at)
            && slot.id.is_none()
        {
            slot.id = id;
        }
        self.grow_call(at, call, root, answer, out)
    }

    fn new_call(&mut self, index: Option<usize>) -> usize {
        self.calls.push(Call {
            index,
            id: None,
            name: None,
            custom: false,
            legacy: false,
            part: None,
            waiting: Vec::new(),
        });
        self.calls.len() - 1
    }

    fn grow_call(
        &mut self,
        at: usize,
        call: wire::Call<'_>,
        root: &Str,
        answer: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let Some(slot) = self.calls.get_mut(at) else { return Ok(()) };
        let (name, piece) = match (&call.function, &call.custom) {
            (Some(f), _) => (f.name, f.arguments),
            (None, Some(c)) => {
                slot.custom = true;
                (c.name, c.input)
            }
            (None, None) => (None, None),
        };
        if slot.name.is_none() {
            slot.name = some(name).and_then(|raw| string(raw.get(), root));
        }
        // Some hosts write an object where the API has JSON text.
        let piece = some(piece)
            .map(|raw| string(raw.get(), root).unwrap_or_else(|| root.slice_ref(raw.get())));
        let piece = piece.filter(|p| !p.is_empty());
        if slot.name.is_some() {
            let part = self.start_call(at, answer, out)?;
            if let Some(piece) = piece {
                out.push(Event::PartDelta { part, delta: Delta::Arguments(piece) });
            }
        } else if let Some(piece) = piece {
            slot.waiting.push(piece);
        }
        if let Some(raw) = call.extra_content
            && raw.get().starts_with('{')
            && let Some(state) = signature_in(Field::root(&root.slice_ref(raw.get()))?)
        {
            let part = self.start_call(at, answer, out)?;
            out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
        }
        Ok(())
    }

    /// The part of a call, begun if it is none yet.
    pub(super) fn start_call(
        &mut self,
        at: usize,
        answer: &Str,
        out: &mut Vec<Event>,
    ) -> Result<PartId, Corrupt> {
        if let Some(part) = self.calls.get(at).and_then(|c| c.part) {
            return Ok(part);
        }
        self.close_live(out);
        let part = self.next()?;
        let Some(slot) = self.calls.get_mut(at) else { return Ok(part) };
        slot.part = Some(part);
        let id = match &slot.id {
            Some(id) => id.clone(),
            None => made_id(answer, usize::from(self.number), at),
        };
        let (id, state) = call_id::split(&id);
        let name = slot.name.clone().unwrap_or_default();
        out.push(Event::PartStart {
            part,
            head: PartHead::ToolCall { id, name, custom: slot.custom },
        });
        for piece in slot.waiting.drain(..) {
            out.push(Event::PartDelta { part, delta: Delta::Arguments(piece) });
        }
        if let Some(state) = state {
            out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
        }
        Ok(part)
    }
}
