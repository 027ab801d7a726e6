//! Writes the frames of a stream: each has its name twice and a number that rises from 0.

use bytes::{Bytes, BytesMut};

use crate::json::{ObjectWriter, write};

/// Writes frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    number: u64,
}

impl Frames {
    /// Writes one frame.
    pub(super) fn write(
        &mut self,
        out: &mut BytesMut,
        name: &str,
        members: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        open(out, name);
        {
            let mut o = ObjectWriter::begin(out);
            o.str("type", name);
            members(&mut o);
            o.u64("sequence_number", self.number);
        }
        out.extend_from_slice(b"\n\n");
        self.number += 1;
    }

    /// Writes a delta: most frames are one, and all of a part begin the same.
    pub(super) fn delta(&mut self, out: &mut BytesMut, delta: &Delta, text: &str) {
        out.reserve(delta.before.len() + text.len() + 64);
        out.extend_from_slice(&delta.before);
        write::escaped(out, text);
        out.extend_from_slice(delta.behind);
        write::integer(out, self.number);
        out.extend_from_slice(b"}\n\n");
        self.number += 1;
    }
}

fn open(out: &mut BytesMut, name: &str) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
}

/// What all deltas of one part have in common.
#[derive(Clone, Debug)]
pub(super) struct Delta {
    before: Bytes,
    behind: &'static [u8],
}

impl Delta {
    /// Deltas called `name` of an item; `place` names the index that counts its pieces.
    pub(super) fn new(name: &str, id: &str, item: u32, place: Option<(&'static str, u32)>) -> Self {
        let mut before = BytesMut::with_capacity(192);
        open(&mut before, name);
        {
            let mut o = ObjectWriter::begin(&mut before);
            o.str("type", name).str("item_id", id).u64("output_index", item.into());
            if let Some((place, index)) = place {
                o.u64(place, index.into());
            }
            o.str("delta", "");
        }
        // The closing quote and brace come behind the text.
        before.truncate(before.len().saturating_sub(2));
        let behind: &[u8] = match name {
            "response.output_text.delta" => br#"","logprobs":[],"sequence_number":"#,
            _ => br#"","sequence_number":"#,
        };
        Self { before: before.freeze(), behind }
    }
}
