//! Events into chunks.
//!
//! What stands in every chunk is written once and repeated as bytes. The role comes with the first
//! delta of a choice, the finish once, usage in a chunk of its own behind it and only if asked for,
//! `[DONE]` last. After a failure comes its event and nothing more.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::Finish;
use llm_core::dialect::{RenderCx, StreamEncoder};
use llm_core::event::{Delta, Event, Notice, PartHead, PartId, Start};
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{MediaSource, Opaque, Part, PartKind};

use super::super::notation::{ME, kept, others};
use super::super::reply::{audio_id, finish_word, shown_id, write_image};
use super::super::{citations, logprobs, reasoning, usage};
use crate::json::ObjectWriter;
use crate::openai_error;
use crate::state::{self, call_id};
/// Writes a stream of chunks.
pub(crate) struct Encoder {
    cx: RenderCx,
    /// `data: {"id":…,"object":…,"created":…,"model":…` without the comma that follows.
    prefix: BytesMut,
    over: bool,
    /// The words come from this dialect, where calls of custom tools have a form of their own.
    own: bool,
    choices: Vec<Choice>,
    usage: Option<Box<UsageReport>>,
    losses: Losses,
}

/// What was said of a choice.
#[derive(Default)]
struct Choice {
    role_said: bool,
    calls: u64,
    details: u64,
    refusal: Option<u16>,
    /// Where the text that grows now stands in all text of the choice, in characters.
    text: Range<u64>,
    open: Vec<Open>,
}

/// A part that grows and must be remembered while it does.
struct Open {
    index: u16,
    what: Growing,
}

enum Growing {
    /// Thinking: its text is repeated beside its state.
    Thought { text: Vec<Str>, state: Option<Opaque> },
    /// A call: its number here, and its head where that waits for state that its id will carry.
    Call { number: u64, custom: bool, held: Option<Held> },
    /// Sound has an id, said once.
    Audio { said: bool },
}

struct Held {
    id: Str,
    name: Str,
    arguments: Vec<Str>,
    state: Option<Opaque>,
}

impl Encoder {
    /// For a caller.
    pub(crate) fn new(cx: &RenderCx) -> Self {
        Self {
            cx: cx.clone(),
            prefix: BytesMut::new(),
            over: false,
            own: false,
            choices: Vec::new(),
            usage: None,
            losses: Losses::default(),
        }
    }

    fn start(&mut self, start: &Start) {
        let mut out = BytesMut::with_capacity(256);
        out.put_slice(b"data: ");
        let mut o = ObjectWriter::begin(&mut out);
        o.str("id", start.id.as_ref().filter(|id| !id.is_empty()).unwrap_or(&self.cx.id));
        o.str("object", "chat.completion.chunk");
        o.u64("created", start.created.unwrap_or(self.cx.created));
        let model = self.cx.model.as_ref().or(start.model.as_ref());
        o.str("model", model.map_or("unknown", |m| m));
        // Facts of the whole answer stand in every chunk. A list of filter results does not.
        let facts = ["service_tier", "system_fingerprint", "provider"];
        let names: Vec<&str> = start.extra.fields().iter().map(|(n, _)| &**n).collect();
        let not: Vec<&str> = names.into_iter().filter(|n| !facts.contains(n)).collect();
        others(&mut o, &start.extra, &not);
        drop(o);
        out.truncate(out.len() - 1);
        self.prefix = out;
        self.own = start.extra.origin() == Some(ME);
        start.extra.lose(ME, "", &mut self.losses);
    }

    /// Writes a chunk of one choice; `delta` fills its delta.
    fn chunk(
        &mut self,
        out: &mut BytesMut,
        candidate: u16,
        delta: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        self.chunk_with(out, candidate, delta, |o| {
            o.null("logprobs").null("finish_reason");
        });
    }

    fn chunk_with(
        &mut self,
        out: &mut BytesMut,
        candidate: u16,
        delta: impl FnOnce(&mut ObjectWriter<'_>),
        rest: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        let first = !std::mem::replace(&mut self.choice(candidate).role_said, true);
        out.put_slice(&self.prefix);
        out.put_slice(b",\"choices\":[");
        let mut o = ObjectWriter::begin(out);
        o.u64("index", u64::from(candidate));
        let mut d = o.object("delta");
        if first {
            d.str("role", "assistant");
        }
        delta(&mut d);
        drop(d);
        rest(&mut o);
        drop(o);
        out.put_slice(if self.cx.include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" });
    }

    fn choice(&mut self, number: u16) -> &mut Choice {
        let at = usize::from(number);
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, Choice::default);
        }
        &mut self.choices[at]
    }

    fn open(&mut self, part: PartId) -> Option<&mut Growing> {
        let choice = self.choice(part.candidate);
        choice.open.iter_mut().find(|o| o.index == part.index).map(|o| &mut o.what)
    }

    fn part_start(&mut self, part: PartId, head: &PartHead, out: &mut BytesMut) {
        let what = match head {
            PartHead::Text | PartHead::Refusal => {
                let text = &mut self.choice(part.candidate).text;
                text.start = text.end;
                return;
            }
            PartHead::Reasoning => Growing::Thought { text: Vec::new(), state: None },
            PartHead::Audio { .. } => Growing::Audio { said: false },
            PartHead::ToolCall { id, name, custom } => {
                let custom = &(*custom && self.own);
                let choice = self.choice(part.candidate);
                let number = choice.calls;
                choice.calls += 1;
                if call_id::is_made(id) {
                    let (id, name) = (id.clone(), name.clone());
                    let held = Held { id, name, arguments: Vec::new(), state: None };
                    Growing::Call { number, custom: *custom, held: Some(held) }
                } else {
                    self.call_head(part, number, (id, name), *custom, None, out);
                    Growing::Call { number, custom: *custom, held: None }
                }
            }
            PartHead::Whole(kind) => return self.whole(part, kind, out),
        };
        self.choice(part.candidate).open.push(Open { index: part.index, what });
    }

    fn call_head(
        &mut self,
        part: PartId,
        number: u64,
        (id, name): (&str, &str),
        custom: bool,
        signature: Option<&Opaque>,
        out: &mut BytesMut,
    ) {
        self.chunk(out, part.candidate, |d| {
            let mut array = d.array("tool_calls");
            let mut o = array.object();
            let member = if custom { "custom" } else { "function" };
            o.u64("index", number).str("id", id).str("type", member);
            let grows = if custom { "input" } else { "arguments" };
            o.object(member).str("name", name).str(grows, "");
            write_signature(&mut o, signature);
        });
    }

    fn call_piece(
        &mut self,
        part: PartId,
        number: u64,
        custom: bool,
        text: &str,
        out: &mut BytesMut,
    ) {
        self.chunk(out, part.candidate, |d| {
            let mut array = d.array("tool_calls");
            let mut o = array.object();
            o.u64("index", number);
            if custom {
                o.object("custom").str("input", text);
            } else {
                o.object("function").str("arguments", text);
            }
        });
    }

    fn part_delta(&mut self, part: PartId, delta: &Delta, out: &mut BytesMut) {
        let candidate = part.candidate;
        match delta {
            Delta::Text(text) => {
                if let Some(Growing::Thought { text: so_far, .. }) = self.open(part) {
                    so_far.push(text.clone());
                    self.chunk(out, candidate, |d| _ = d.str("reasoning_content", text));
                } else {
                    let name = if self.is_refusal(part) { "refusal" } else { "content" };
                    self.choice(candidate).text.end += citations::chars(text);
                    self.chunk(out, candidate, |d| _ = d.str(name, text));
                }
            }
            Delta::Arguments(piece) => match self.open(part) {
                Some(Growing::Call { held: Some(held), .. }) => held.arguments.push(piece.clone()),
                Some(Growing::Call { number, custom, held: None }) => {
                    let (number, custom) = (*number, *custom);
                    self.call_piece(part, number, custom, piece, out);
                }
                _ => {}
            },
            Delta::State(state) => self.state(part, state, out),
            Delta::Audio(data) => self.audio(part, "data", data, out),
            Delta::Transcript(words) => self.audio(part, "transcript", words, out),
            Delta::Citation(citation) if citations::can_say(citation) => {
                let place = self.choice(candidate).text.clone();
                self.chunk(out, candidate, |d| {
                    citations::write(&mut d.array("annotations"), citation, &place);
                });
            }
            Delta::Citation(_) => self.lose(part, ".citations"),
            Delta::Logprobs(tokens) => {
                let refusal = self.is_refusal(part);
                self.chunk_with(
                    out,
                    candidate,
                    |_| {},
                    |o| {
                        let (name, other) =
                            if refusal { ("refusal", "content") } else { ("content", "refusal") };
                        let mut inner = o.object("logprobs");
                        logprobs::write(&mut inner, name, tokens);
                        inner.null(other);
                        drop(inner);
                        o.null("finish_reason");
                    },
                );
            }
        }
    }

    fn state(&mut self, part: PartId, state: &Opaque, out: &mut BytesMut) {
        match self.open(part) {
            Some(Growing::Thought { state: place, .. }) => *place = Some(state.clone()),
            Some(Growing::Call { held: Some(held), .. }) => held.state = Some(state.clone()),
            Some(Growing::Call { number, held: None, .. }) if state::is_signature(state) => {
                let number = *number;
                self.chunk(out, part.candidate, |d| {
                    let mut array = d.array("tool_calls");
                    let mut o = array.object();
                    o.u64("index", number);
                    write_signature(&mut o, Some(state));
                });
            }
            _ => self.lose(part, ".state"),
        }
    }

    fn audio(&mut self, part: PartId, name: &'static str, piece: &str, out: &mut BytesMut) {
        let first = match self.open(part) {
            Some(Growing::Audio { said }) => !std::mem::replace(said, true),
            _ => true,
        };
        let id = first.then(|| audio_id(&self.cx));
        self.chunk(out, part.candidate, |d| {
            d.object("audio").opt_str("id", id.as_ref()).str(name, piece);
        });
    }

    fn whole(&mut self, part: PartId, kind: &PartKind, out: &mut BytesMut) {
        match kind {
            PartKind::Image(_) => {
                let image = Part::new(kind.clone());
                self.chunk(out, part.candidate, |d| write_image(&mut d.array("images"), &image));
            }
            PartKind::Audio(audio) => {
                let id = audio_id(&self.cx);
                self.chunk(out, part.candidate, |d| {
                    let mut o = d.object("audio");
                    o.str("id", &id);
                    if let MediaSource::Base64(data) = &audio.media.source {
                        o.str("data", data);
                    }
                    o.opt_str("transcript", audio.transcript.as_ref());
                });
            }
            PartKind::Text(_)
            | PartKind::Refusal(_)
            | PartKind::Reasoning(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => self.lose(part, ""),
        }
    }

    fn part_end(&mut self, part: PartId, out: &mut BytesMut) {
        let choice = self.choice(part.candidate);
        let Some(at) = choice.open.iter().position(|o| o.index == part.index) else { return };
        match choice.open.swap_remove(at).what {
            Growing::Thought { text, state: Some(state) } if reasoning::is_shown(&state) => {
                let text: String = text.iter().map(|t| &**t).collect();
                let mut index = choice.details;
                self.chunk(out, part.candidate, |d| {
                    reasoning::show_state(
                        &mut d.array("reasoning_details"),
                        &text,
                        &state,
                        &mut index,
                    );
                });
                self.choice(part.candidate).details = index;
            }
            Growing::Call { number, custom, held: Some(held) } => {
                let id = shown_id(&held.id, held.state.as_ref());
                let signature = held.state.as_ref().filter(|s| state::is_signature(s));
                self.call_head(part, number, (&id, &held.name), custom, signature, out);
                for piece in &held.arguments {
                    self.call_piece(part, number, custom, piece, out);
                }
            }
            Growing::Thought { .. } | Growing::Call { held: None, .. } | Growing::Audio { .. } => {}
        }
    }

    fn finish(&mut self, candidate: u16, finish: &Finish, out: &mut BytesMut) {
        let calls = self.choice(candidate).calls > 0;
        let word = finish_word(Some(finish), calls);
        finish.extra.lose(ME, format_args!("candidates.{candidate}.finish"), &mut self.losses);
        let probabilities = kept(&finish.extra, "logprobs");
        self.chunk_with(
            out,
            candidate,
            |_| {},
            |o| {
                if probabilities.is_empty() {
                    o.null("logprobs");
                } else {
                    others(&mut o.object("logprobs"), &probabilities, &[]);
                }
                o.str("finish_reason", word);
                others(o, &finish.extra, &["logprobs", "message", "finish_reason"]);
            },
        );
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.over = true;
        if self.cx.include_usage
            && let Some(report) = self.usage.take()
        {
            out.put_slice(&self.prefix);
            out.put_slice(b",\"choices\":[],\"usage\":");
            usage::write(&mut ObjectWriter::begin(out), &report);
            out.put_slice(b"}\n\n");
        }
        out.put_slice(b"data: [DONE]\n\n");
    }

    fn lose(&mut self, part: PartId, what: &str) {
        self.losses.dropped(format!("candidates.{}.parts.{}{what}", part.candidate, part.index));
    }
}

impl StreamEncoder for Encoder {
    fn feed(&mut self, event: &Event, out: &mut BytesMut) {
        if self.over {
            return;
        }
        match event {
            Event::Start(start) => self.start(start),
            Event::PartStart { part, head } => {
                if matches!(head, PartHead::Refusal) {
                    self.choice(part.candidate).refusal = Some(part.index);
                }
                self.part_start(*part, head, out);
            }
            Event::PartDelta { part, delta } => self.part_delta(*part, delta, out),
            Event::PartEnd { part, extra } => {
                self.lose_extra(*part, extra);
                self.part_end(*part, out);
            }
            Event::Usage(report) => self.usage = Some(report.clone()),
            Event::Finish { candidate, finish } => self.finish(*candidate, finish, out),
            // A comment keeps the connection awake and is nothing to any client.
            Event::Notice(Notice::Ping) => out.put_slice(b": ping\n\n"),
            Event::Notice(Notice::Resumed | Notice::Losses(_)) | Event::Unmodelled(_) => {}
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

impl Encoder {
    fn is_refusal(&mut self, part: PartId) -> bool {
        self.choice(part.candidate).refusal == Some(part.index)
    }

    fn lose_extra(&mut self, part: PartId, extra: &Extra) {
        if extra.origin() != Some(ME) && !extra.is_empty() {
            let path = format!("candidates.{}.parts.{}", part.candidate, part.index);
            extra.lose(ME, &path, &mut self.losses);
        }
    }
}

fn write_signature(o: &mut ObjectWriter<'_>, signature: Option<&Opaque>) {
    if let Some(signature) = signature {
        let mut content = o.object("extra_content");
        content.object("google").raw("thought_signature", &signature.value);
    }
}
