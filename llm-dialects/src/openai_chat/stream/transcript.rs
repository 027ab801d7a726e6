//! Streamed transcripts: `transcript.text.delta` pieces, then the whole in `transcript.text.done`.

use llm_core::Str;
use llm_core::completion::{Finish, FinishReason};
use llm_core::dialect::{Corrupt, Frame, FrameKind, StreamDecoder};
use llm_core::event::{Delta, Event, PartHead, PartId, Start};
use llm_core::extra::Extra;
use llm_core::raw::Raw;

use super::super::notation::ME;
use super::super::reply::take_str;
use super::super::{error, logprobs, transcribe};
use crate::json::{JsonKind, Object};

/// Reads a streamed transcript. Its text is the one part of the one candidate.
#[derive(Default)]
pub(crate) struct TranscriptDecoder {
    open: bool,
    some: bool,
    started: bool,
    over: bool,
}

const PART: PartId = PartId { candidate: 0, index: 0 };

impl StreamDecoder for TranscriptDecoder {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        if self.over || frame.kind == FrameKind::Padding || frame.data.trim_ascii().is_empty() {
            return Ok(());
        }
        if frame.data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let root =
            Str::try_from(frame.data.clone()).map_err(|_| Corrupt::new("an event is not UTF-8"))?;
        let mut o = Object::root(&root)?;
        if let Some(failure) = error::inside(&mut o, &frame.data) {
            self.over = true;
            out.push(Event::Failure(failure));
            return Ok(());
        }
        match take_str(&mut o, "type").as_deref() {
            Some("transcript.text.delta") => {
                self.delta(&mut o, out)?;
            }
            Some("transcript.text.done") => self.done(o, out),
            _ => {
                self.start(out);
                out.push(Event::Unmodelled(Raw::from_parsed(root.slice_ref(root.trim()))));
            }
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<Event>) {}
}

impl TranscriptDecoder {
    fn start(&mut self, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(Event::Start(Box::new(Start { extra: Extra::new(ME), ..Start::default() })));
        }
    }

    fn text(&mut self, text: Str, out: &mut Vec<Event>) {
        self.start(out);
        if !std::mem::replace(&mut self.open, true) {
            out.push(Event::PartStart { part: PART, head: PartHead::Text });
        }
        self.some |= !text.is_empty();
        if !text.is_empty() {
            out.push(Event::PartDelta { part: PART, delta: Delta::Text(text) });
        }
    }

    fn delta(&mut self, o: &mut Object<'_>, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        self.text(take_str(o, "delta").unwrap_or_default(), out);
        if let Some(field) = o.take_if("logprobs", JsonKind::Array) {
            let tokens = logprobs::read(field)?;
            if !tokens.is_empty() {
                out.push(Event::PartDelta { part: PART, delta: Delta::Logprobs(tokens) });
            }
        }
        Ok(())
    }

    fn done(&mut self, mut o: Object<'_>, out: &mut Vec<Event>) {
        let whole = take_str(&mut o, "text").unwrap_or_default();
        // The pieces were said already; a host that sends none says it all here.
        self.text(if self.some { Str::new() } else { whole }, out);
        out.push(Event::PartEnd { part: PART, extra: Extra::new(ME) });
        let usage = o.take_if("usage", JsonKind::Object).and_then(transcribe::usage);
        if let Some(report) = usage {
            out.push(Event::Usage(Box::new(report)));
        }
        let finish = Finish { extra: o.rest(ME), ..Finish::new(FinishReason::Stop) };
        out.push(Event::Finish { candidate: 0, finish });
        out.push(Event::End);
        self.over = true;
    }
}
