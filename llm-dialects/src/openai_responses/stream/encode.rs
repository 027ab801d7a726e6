//! Writes a stream.
//!
//! The API tells everything three times: as deltas, when a piece or an item is complete, and in
//! the response object of the last event. So the whole answer is kept until the end. Items are
//! opened with ids of our own, because the provider's are known only when its items are complete;
//! texts that follow each other join one message, thoughts that follow each other one reasoning
//! item, for the provider's own borders are known too late as well.

use bytes::BytesMut;
use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::Finish;
use llm_core::dialect::{RenderCx, StreamEncoder};
use llm_core::event::{Delta, Event, PartHead, PartId, Start};
use llm_core::extra::Losses;
use llm_core::prompt::{Audio, Media, MediaSource, PartKind, Text, ToolCall};

use super::super::content;
use super::super::notation::ME;
use super::super::reply::{Head, response_fields, response_id};
use super::frames::{self, Frames};
use super::growing::{Growing, Grown, Shape};

/// Writes a stream of one response.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(super) cx: RenderCx,
    pub(super) frames: Frames,
    started: bool,
    over: bool,
    pub(super) id: Str,
    pub(super) head: Start,
    pub(super) items: Grown,
    /// Parts that are open.
    pub(super) open: Vec<Growing>,
    pub(super) usage: Option<UsageReport>,
    pub(super) finish: Option<Finish>,
    pub(super) losses: Losses,
}

impl StreamEncoder for Encoder {
    fn feed(&mut self, event: &Event, out: &mut BytesMut) {
        if self.over {
            return;
        }
        match event {
            Event::Start(start) => self.start(start, out),
            Event::PartStart { part, head } => {
                self.begin(out);
                self.part_start(*part, head, out);
            }
            Event::PartDelta { part, delta } => self.part_delta(*part, delta, out),
            Event::PartEnd { part, extra } => self.part_end(*part, extra, out),
            Event::Usage(usage) => self.usage = Some((**usage).clone()),
            Event::Finish { candidate: 0, finish } => {
                self.begin(out);
                self.finish = Some(finish.clone());
                self.close(out);
            }
            Event::Finish { .. } | Event::Notice(_) | Event::Unmodelled(_) => {}
            Event::Failure(error) => {
                self.begin(out);
                self.over = true;
                self.fail(error, out);
            }
            Event::End => {
                self.begin(out);
                self.over = true;
                self.end(out);
            }
        }
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }
}

impl Encoder {
    /// A stream for a caller.
    pub(crate) fn new(cx: &RenderCx) -> Self {
        Self {
            cx: cx.clone(),
            frames: Frames::default(),
            started: false,
            over: false,
            id: Str::new(),
            head: Start::default(),
            items: Grown::default(),
            open: Vec::new(),
            usage: None,
            finish: None,
            losses: Losses::default(),
        }
    }

    fn start(&mut self, start: &Start, out: &mut BytesMut) {
        start.extra.lose(ME, "", &mut self.losses);
        self.head = start.clone();
        self.begin(out);
    }

    /// `response.created` and `response.in_progress`, once.
    fn begin(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.id = response_id(&head_of(&self.head), &self.cx);
        for name in ["response.created", "response.in_progress"] {
            let (head, id, cx) = (&self.head, &self.id, &self.cx);
            self.frames.write(out, name, |o| {
                let mut o = o.object("response");
                response_fields(&mut o, &head_of(head), id, cx);
                o.array("output");
                o.str("status", "in_progress");
                o.null("error").null("incomplete_details").null("usage");
            });
        }
    }

    fn part_start(&mut self, part: PartId, head: &PartHead, out: &mut BytesMut) {
        if part.candidate != 0 {
            return self.losses.dropped(format!("candidates.{}", part.candidate));
        }
        let mut growing = Growing::new(part, kind_of(head));
        let shape = match head {
            PartHead::Text | PartHead::Refusal => Some(Shape::Message),
            PartHead::Reasoning => Some(Shape::Thought),
            PartHead::ToolCall { .. } => Some(Shape::Single),
            // What comes at once is written at its end; sound has no place here.
            PartHead::Audio { .. } | PartHead::Whole(_) => None,
        };
        if let Some(shape) = shape {
            let at = self.item_for(shape, &growing, out);
            self.items.join(at, &mut growing);
        }
        // A thought without words has no text to begin.
        if shape == Some(Shape::Message)
            && let Some((id, at, piece)) = self.items.spot(&growing)
        {
            self.frames.write(out, "response.content_part.added", |o| {
                o.str("item_id", id).u64("output_index", at.into());
                o.u64("content_index", piece.into());
                let mut o = o.object("part");
                match &growing.kind {
                    PartKind::Refusal(_) => {
                        o.str("type", "refusal").str("refusal", "");
                    }
                    _ => {
                        o.str("type", "output_text").str("text", "");
                        o.array("annotations");
                        o.array("logprobs");
                    }
                }
            });
        }
        self.open.push(growing);
    }

    fn part_delta(&mut self, part: PartId, delta: &Delta, out: &mut BytesMut) {
        let Some(growing) = self.open.iter_mut().rev().find(|g| g.part == part) else { return };
        match delta {
            Delta::State(state) => growing.state = Some((**state).clone()),
            Delta::Text(text) | Delta::Arguments(text) => {
                let Some((id, at, piece)) = self.items.spot(growing) else { return };
                if growing.delta.is_none() {
                    if let PartKind::Reasoning(_) = growing.kind {
                        self.frames.write(out, "response.reasoning_summary_part.added", |o| {
                            o.str("item_id", id).u64("output_index", at.into());
                            o.u64("summary_index", piece.into());
                            o.object("part").str("type", "summary_text").str("text", "");
                        });
                    }
                    growing.delta = Some(prefix(growing, id, at, piece));
                }
                if let Some(delta) = &growing.delta {
                    self.frames.delta(out, delta, text);
                }
                growing.text.push_str(text);
            }
            Delta::Citation(citation) => {
                let Some((id, at, piece)) = self.items.spot(growing) else { return };
                if let Some(raw) = content::annotation(citation) {
                    let number = growing.citations.len() as u64;
                    self.frames.write(out, "response.output_text.annotation.added", |o| {
                        o.str("item_id", id).u64("output_index", at.into());
                        o.u64("content_index", piece.into()).u64("annotation_index", number);
                        o.raw("annotation", &raw);
                    });
                }
                growing.citations.push((**citation).clone());
            }
            Delta::Logprobs(logprobs) => {
                let Some((id, at, piece)) = self.items.spot(growing) else { return };
                if let PartKind::Text(_) = growing.kind {
                    // They come after their text, and only a delta can bring them.
                    self.frames.write(out, TEXT_DELTA, |o| {
                        o.str("item_id", id).u64("output_index", at.into());
                        o.u64("content_index", piece.into()).str("delta", "");
                        content::logprobs(&mut o.array("logprobs"), logprobs, true);
                    });
                }
                growing.logprobs.extend(logprobs.iter().cloned());
            }
            Delta::Audio(_) | Delta::Transcript(_) => {}
        }
    }
}

/// How the deltas of a part begin.
fn prefix(growing: &Growing, id: &str, at: u32, piece: u32) -> frames::Delta {
    let (name, place) = match &growing.kind {
        PartKind::Refusal(_) => ("response.refusal.delta", Some(("content_index", piece))),
        PartKind::Reasoning(_) => {
            ("response.reasoning_summary_text.delta", Some(("summary_index", piece)))
        }
        PartKind::ToolCall(call) if call.custom => ("response.custom_tool_call_input.delta", None),
        PartKind::ToolCall(_) => ("response.function_call_arguments.delta", None),
        PartKind::Text(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::File(_)
        | PartKind::ToolResult(_)
        | PartKind::Opaque(_) => (TEXT_DELTA, Some(("content_index", piece))),
    };
    frames::Delta::new(name, id, at, place)
}

const TEXT_DELTA: &str = "response.output_text.delta";

/// What a part is, without what it grows by.
fn kind_of(head: &PartHead) -> PartKind {
    match head {
        PartHead::Text => PartKind::Text(Text::default()),
        PartHead::Refusal => PartKind::Refusal(Text::default()),
        PartHead::Reasoning => PartKind::Reasoning(Str::new()),
        PartHead::ToolCall { id, name, custom } => PartKind::ToolCall(ToolCall {
            id: id.clone(),
            name: name.clone(),
            arguments: Str::new(),
            custom: *custom,
        }),
        PartHead::Audio { mime } => PartKind::Audio(Audio {
            media: Media { mime: mime.clone(), ..Media::new(MediaSource::Base64(Str::new())) },
            transcript: None,
        }),
        PartHead::Whole(kind) => (**kind).clone(),
    }
}

/// What the response begins with.
pub(super) fn head_of(start: &Start) -> Head<'_> {
    Head {
        id: start.id.as_ref(),
        model: start.model.as_ref(),
        created: start.created,
        extra: &start.extra,
    }
}
