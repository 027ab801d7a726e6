//! A streamed answer in the old shape: text, then the reason, then usage if asked for, `[DONE]`.

use bytes::{BufMut, BytesMut};
use llm_core::answer::UsageReport;
use llm_core::dialect::{RenderCx, StreamEncoder};
use llm_core::event::{Delta, Event, PartHead, PartId};
use llm_core::extra::Losses;

use super::reply::{head, logprobs};
use crate::json::ObjectWriter;
use crate::openai_chat::{finish_word, write_usage};
use crate::openai_error;

/// Writes a stream.
pub(super) struct Encoder {
    cx: RenderCx,
    /// The head of every chunk, without the comma that follows.
    prefix: BytesMut,
    over: bool,
    usage: Option<Box<UsageReport>>,
    /// Characters said, by candidate: offsets of probabilities count them.
    said: Vec<u64>,
    /// Parts that are text: thinking has its own, which nobody is shown here.
    texts: Vec<PartId>,
    losses: Losses,
}

impl Encoder {
    /// For a caller.
    pub(super) fn new(cx: &RenderCx) -> Self {
        Self {
            cx: cx.clone(),
            prefix: BytesMut::new(),
            over: false,
            usage: None,
            said: Vec::new(),
            texts: Vec::new(),
            losses: Losses::default(),
        }
    }

    fn chunk(
        &self,
        out: &mut BytesMut,
        candidate: u16,
        text: &str,
        rest: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        out.put_slice(&self.prefix);
        out.put_slice(b",\"choices\":[");
        let mut o = ObjectWriter::begin(out);
        o.str("text", text).u64("index", u64::from(candidate));
        rest(&mut o);
        drop(o);
        out.put_slice(if self.cx.include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" });
    }

    fn delta(&mut self, part: PartId, delta: &Delta, out: &mut BytesMut) {
        if !self.texts.contains(&part) {
            return;
        }
        let at = usize::from(part.candidate);
        if self.said.len() <= at {
            self.said.resize(at + 1, 0);
        }
        match delta {
            Delta::Text(text) => {
                self.chunk(out, part.candidate, text, |o| {
                    o.null("logprobs").null("finish_reason");
                });
                if let Some(said) = self.said.get_mut(at) {
                    *said += u64::try_from(text.chars().count()).unwrap_or(0);
                }
            }
            Delta::Logprobs(tokens) => {
                let chars = tokens.iter().map(|t| t.token.chars().count()).sum::<usize>();
                let end = self.said.get(at).copied().unwrap_or(0);
                let start = end.saturating_sub(u64::try_from(chars).unwrap_or(0));
                self.chunk(out, part.candidate, "", |o| {
                    logprobs(&mut o.object("logprobs"), tokens.iter(), start);
                    o.null("finish_reason");
                });
            }
            Delta::Arguments(_)
            | Delta::Audio(_)
            | Delta::Transcript(_)
            | Delta::State(_)
            | Delta::Citation(_) => {
                self.losses.dropped(format!("candidates.{}.parts.{}", part.candidate, part.index));
            }
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.over = true;
        if self.cx.include_usage
            && let Some(report) = self.usage.take()
        {
            out.put_slice(&self.prefix);
            out.put_slice(b",\"choices\":[],\"usage\":");
            write_usage(&mut ObjectWriter::begin(out), &report);
            out.put_slice(b"}\n\n");
        }
        out.put_slice(b"data: [DONE]\n\n");
    }
}

impl StreamEncoder for Encoder {
    fn feed(&mut self, event: &Event, out: &mut BytesMut) {
        if self.over {
            return;
        }
        match event {
            Event::Start(start) => {
                let mut prefix = BytesMut::from(&b"data: "[..]);
                let mut o = ObjectWriter::begin(&mut prefix);
                let (id, model) = (start.id.as_deref(), start.model.as_deref());
                head(&mut o, id, start.created, model, &self.cx);
                drop(o);
                prefix.truncate(prefix.len() - 1);
                self.prefix = prefix;
            }
            Event::PartStart { part, head: PartHead::Text | PartHead::Refusal } => {
                self.texts.push(*part);
            }
            Event::PartStart { part, .. } => {
                self.losses.dropped(format!("candidates.{}.parts.{}", part.candidate, part.index));
            }
            Event::PartDelta { part, delta } => self.delta(*part, delta, out),
            Event::PartEnd { part, .. } => self.texts.retain(|p| p != part),
            Event::Usage(report) => self.usage = Some(report.clone()),
            Event::Finish { candidate, finish } => {
                self.chunk(out, *candidate, "", |o| {
                    o.null("logprobs").str("finish_reason", finish_word(Some(finish), false));
                });
            }
            Event::Notice(_) | Event::Unmodelled(_) => {}
            Event::Failure(error) => {
                self.over = true;
                out.put_slice(b"data: ");
                out.put_slice(&openai_error::body(error));
                out.put_slice(b"\n\n");
            }
            Event::End => self.end(out),
        }
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }
}
