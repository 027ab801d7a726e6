//! Puts the pieces of `reasoning_details` together: a stream cuts one element into many, which
//! share its `index` and `type`. What is joined is what a whole answer would have said.

use bytes::BytesMut;
use llm_core::Str;
use llm_core::extra::Extra;
use llm_core::prompt::Opaque;
use llm_core::raw::Raw;

use super::super::notation::{ME, others};
use super::super::reasoning::{self, DETAILS};
use crate::json::{Bad, Field, JsonKind, ObjectWriter};

/// Elements so far.
#[derive(Default)]
pub(super) struct Details {
    items: Vec<Item>,
    plain: bool,
}

struct Item {
    key: (Option<Str>, Option<u64>),
    /// `text`, `summary` and `data`: these grow.
    grown: [Option<String>; 3],
    rest: Extra,
}

const GROW: [&str; 3] = ["text", "summary", "data"];

impl Details {
    /// The same words came in a plain field.
    pub(super) fn plain_came(&mut self) {
        self.plain = true;
    }

    /// Whether the words stand here only.
    pub(super) fn plain_missing(&self) -> bool {
        !self.plain
    }

    /// Adds a piece.
    pub(super) fn add(&mut self, field: Field<'_>) -> Result<(), Bad> {
        let mut o = field.object()?;
        let kind = o.see("type").and_then(|f| f.str().ok());
        let key = (kind, o.see("index").and_then(|f| f.u64().ok()));
        let mut pieces: [Option<Str>; 3] = Default::default();
        for (piece, name) in pieces.iter_mut().zip(GROW) {
            *piece = o.take_if(name, JsonKind::String).and_then(|f| f.str().ok());
        }
        let rest = o.rest(ME);
        // Without an index a piece cannot be told from the next one's first.
        let known = self.items.iter().rposition(|i| i.key == key && key.1.is_some());
        let at = known.unwrap_or_else(|| {
            self.items.push(Item { key, grown: Default::default(), rest: Extra::new(ME) });
            self.items.len() - 1
        });
        let Some(item) = self.items.get_mut(at) else { return Ok(()) };
        for (grown, piece) in item.grown.iter_mut().zip(pieces) {
            if let Some(piece) = piece {
                grown.get_or_insert_default().push_str(&piece);
            }
        }
        for (name, value) in rest.fields() {
            if !value.is_null() || item.rest.get(name).is_none() {
                item.rest.take(name);
                item.rest.push(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// All of it, as state of this dialect.
    pub(super) fn take(&mut self) -> Option<Opaque> {
        if self.items.is_empty() {
            return None;
        }
        let items: Vec<Raw> = self.items.drain(..).filter_map(written).collect();
        let value = reasoning::list(&items);
        Some(Opaque { origin: ME, kind: Str::from_static(DETAILS), value })
    }
}

fn written(item: Item) -> Option<Raw> {
    let mut out = BytesMut::new();
    let mut o = ObjectWriter::begin(&mut out);
    if let Some(kind) = item.rest.get("type") {
        o.raw("type", kind);
    }
    for (grown, name) in item.grown.iter().zip(GROW) {
        if let Some(text) = grown {
            o.str(name, text);
        }
    }
    others(&mut o, &item.rest, &["type"]);
    drop(o);
    Str::try_from(out.freeze()).ok().map(Raw::from_parsed)
}
