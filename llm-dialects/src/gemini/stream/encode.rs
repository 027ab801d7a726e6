//! Events to frames.
//!
//! Text goes out as it comes. A call goes out when it is complete, since a call has no pieces
//! here. Why an answer ended is written when the whole answer has, together with what was used,
//! as Google does: a client that saw the reason may stop reading.

use std::collections::BTreeMap;

use bytes::BytesMut;
use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::{Finish, FinishReason};
use llm_core::dialect::{Framing, RenderCx, StreamEncoder};
use llm_core::error::Error;
use llm_core::event::{Delta, Event, PartHead, PartId, Start};
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Citation, Opaque, Part, PartKind, TokenLogprob, ToolCall};

use crate::gemini::notation::{ME, restore};
use crate::gemini::part::Place;
use crate::gemini::part::write::{StateFor, Writing, own_signature, write};
use crate::gemini::reply::candidate::ABSENT;
use crate::gemini::reply::encode::write_finish;
use crate::gemini::{error, evidence, usage};
use crate::json::{ObjectWriter, write as json};
use crate::state;

/// Writes a streamed answer.
#[derive(Debug)]
pub(in crate::gemini) struct Encoder {
    id: Str,
    model: Option<Str>,
    framing: Framing,
    /// `,"modelVersion":…,"responseId":…}`: the end of every frame.
    tail: BytesMut,
    begun: bool,
    start: Extra,
    growing: BTreeMap<PartId, Growing>,
    finishes: BTreeMap<u16, (Finish, Said)>,
    said: BTreeMap<u16, Said>,
    usage: Option<Box<UsageReport>>,
    losses: Losses,
}

/// A part that is not complete.
#[derive(Debug)]
enum Growing {
    Text { thought: bool, state: Option<Opaque> },
    Sound { mime: Option<Str>, carried: String },
    Call { call: ToolCall, arguments: String, state: Option<Opaque> },
    Whole(Box<Part>),
}

/// What is written at a candidate's end.
#[derive(Debug, Default)]
struct Said {
    called: bool,
    citations: Vec<Citation>,
    logprobs: Vec<TokenLogprob>,
}

impl Encoder {
    /// For a client.
    pub(in crate::gemini) fn new(cx: &RenderCx) -> Self {
        Self {
            id: cx.id.clone(),
            model: cx.model.clone(),
            framing: cx.framing.unwrap_or(Framing::Sse),
            tail: BytesMut::new(),
            begun: false,
            start: Extra::default(),
            growing: BTreeMap::new(),
            finishes: BTreeMap::new(),
            said: BTreeMap::new(),
            usage: None,
            losses: Losses::default(),
        }
    }

    fn start(&mut self, start: &Start) {
        self.model = self.model.take().or_else(|| start.model.clone());
        let id = start.id.as_ref().unwrap_or(&self.id);
        let tail = json::object(|o| {
            o.opt_str("modelVersion", self.model.as_ref());
            if !id.is_empty() {
                o.str("responseId", id);
            }
        });
        // The members follow others, so the opening brace becomes a comma.
        self.tail.clear();
        if tail.len() > 2 {
            self.tail.extend_from_slice(b",");
            self.tail.extend_from_slice(tail.get(1..).unwrap_or_default());
        } else {
            self.tail.extend_from_slice(b"}");
        }
        start.extra.lose(ME, "", &mut self.losses);
        self.start = start.extra.clone();
    }

    /// What stands before a frame.
    fn open(&mut self, out: &mut BytesMut) {
        let first = !std::mem::replace(&mut self.begun, true);
        out.extend_from_slice(match (self.framing, first) {
            (Framing::JsonArray, true) => b"[",
            (Framing::JsonArray, false) => b",\r\n",
            (Framing::Sse | Framing::Ndjson, _) => b"data: ",
        });
    }

    /// What stands behind a frame.
    fn close(&self, out: &mut BytesMut) {
        out.extend_from_slice(match self.framing {
            Framing::JsonArray => b"\n",
            Framing::Sse | Framing::Ndjson => b"\r\n\r\n",
        });
    }

    /// A frame with parts of one candidate; `write` writes the inside of the list.
    fn parts(
        &mut self,
        candidate: u16,
        out: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut, &mut Losses),
    ) {
        self.open(out);
        out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"parts\":");
        write(out, &mut self.losses);
        out.extend_from_slice(b",\"role\":\"model\"},\"index\":");
        out.extend_from_slice(candidate.to_string().as_bytes());
        out.extend_from_slice(b"}]");
        out.extend_from_slice(&self.tail);
        self.close(out);
    }

    fn text(&mut self, part: PartId, text: &str, out: &mut BytesMut) {
        let Some(Growing::Text { thought, .. }) = self.growing.get(&part) else { return };
        let thought = *thought;
        self.parts(part.candidate, out, |out, _| {
            out.extend_from_slice(b"[{\"text\":");
            json::string(out, text);
            out.extend_from_slice(if thought { b",\"thought\":true}]" } else { b"}]" });
        });
    }

    /// A part that goes out at once.
    fn whole(&mut self, id: PartId, part: &Part, out: &mut BytesMut) {
        let mut bytes = BytesMut::new();
        let mut w = Writing::new(StateFor::Client);
        let place = Place::new("candidates", usize::from(id.candidate), usize::from(id.index));
        let mut list = crate::json::ArrayWriter::begin(&mut bytes);
        write(&mut list, part, false, place, &mut w);
        drop(list);
        w.losses.iter().for_each(|l| self.losses.push(l.path.clone(), l.reason));
        if bytes.len() > 2 {
            self.parts(id.candidate, out, |out, _| out.extend_from_slice(&bytes));
        }
    }

    fn part_start(&mut self, id: PartId, head: &PartHead) {
        let growing = match head {
            PartHead::Text => Growing::Text { thought: false, state: None },
            PartHead::Refusal => {
                self.losses.approximated(path(id));
                Growing::Text { thought: false, state: None }
            }
            PartHead::Reasoning => Growing::Text { thought: true, state: None },
            PartHead::Audio { mime } => {
                Growing::Sound { mime: mime.clone(), carried: String::new() }
            }
            PartHead::ToolCall { id, name, custom } => Growing::Call {
                call: ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: Str::new(),
                    custom: *custom,
                },
                arguments: String::new(),
                state: None,
            },
            PartHead::Whole(kind) => Growing::Whole(Box::new(Part::new((**kind).clone()))),
        };
        self.growing.insert(id, growing);
    }

    fn part_delta(&mut self, id: PartId, delta: &Delta, out: &mut BytesMut) {
        match (delta, self.growing.get_mut(&id)) {
            (Delta::Text(text), Some(Growing::Text { .. })) => self.text(id, text, out),
            (Delta::Arguments(piece), Some(Growing::Call { arguments, .. })) => {
                arguments.push_str(piece);
            }
            (
                Delta::State(new),
                Some(Growing::Text { state, .. } | Growing::Call { state, .. }),
            ) => {
                *state = Some((**new).clone());
            }
            (Delta::State(new), Some(Growing::Whole(part))) => part.state = Some((**new).clone()),
            (Delta::Audio(piece), Some(Growing::Sound { mime, carried })) => {
                carried.push_str(piece);
                // Every frame's sound must be base64 by itself.
                let whole = carried.len() / 4 * 4;
                let ready: String = carried.drain(..whole).collect();
                let mime = mime.clone();
                self.sound(id, mime, ready, out);
            }
            (Delta::Transcript(_), _) => self.losses.dropped(format!("{}.transcript", path(id))),
            (Delta::Citation(citation), _) => {
                self.said.entry(id.candidate).or_default().citations.push((**citation).clone());
            }
            (Delta::Logprobs(tokens), _) => {
                self.said.entry(id.candidate).or_default().logprobs.extend_from_slice(tokens);
            }
            (Delta::Text(_) | Delta::Arguments(_) | Delta::Audio(_) | Delta::State(_), _) => {}
        }
    }

    fn sound(&mut self, id: PartId, mime: Option<Str>, data: String, out: &mut BytesMut) {
        use llm_core::prompt::{Audio, Media, MediaSource};
        if data.is_empty() {
            return;
        }
        let media = Media { mime, ..Media::new(MediaSource::Base64(data.into())) };
        let part = Part::new(PartKind::Audio(Audio { media, transcript: None }));
        self.whole(id, &part, out);
    }

    fn part_end(&mut self, id: PartId, extra: &Extra, out: &mut BytesMut) {
        match self.growing.remove(&id) {
            Some(Growing::Text { thought, state: Some(state) }) => {
                // The text has gone out; its signature follows with an empty one, as Google's own
                // does. A part that means nothing beside it would be dropped by its reader.
                let text = own_signature(&state).map_or_else(|| state::token(&state), String::from);
                self.parts(id.candidate, out, |out, _| {
                    let mut list = crate::json::ArrayWriter::begin(out);
                    let mut o = list.object();
                    o.str("text", "");
                    if thought {
                        o.bool("thought", true);
                    }
                    o.str("thoughtSignature", &text);
                });
                extra.lose(ME, path(id), &mut self.losses);
            }
            Some(Growing::Text { state: None, .. }) => {
                extra.lose(ME, path(id), &mut self.losses);
            }
            Some(Growing::Sound { mime, carried }) => {
                self.sound(id, mime, carried, out);
                extra.lose(ME, path(id), &mut self.losses);
            }
            Some(Growing::Call { call, arguments, state }) => {
                self.said.entry(id.candidate).or_default().called = true;
                let call = ToolCall { arguments: arguments.into(), ..call };
                let kind = PartKind::ToolCall(call);
                let part = Part { state, extra: extra.clone(), ..Part::new(kind) };
                self.whole(id, &part, out);
            }
            Some(Growing::Whole(part)) => {
                let part = Part { extra: extra.clone(), ..*part };
                self.whole(id, &part, out);
            }
            None => {}
        }
    }

    /// The last frame: why each candidate ended, and what was used.
    fn end(&mut self, out: &mut BytesMut) {
        let finishes = std::mem::take(&mut self.finishes);
        let usage = self.usage.take();
        let start = std::mem::take(&mut self.start);
        let losses = &mut self.losses;
        let mut frame = json::object(|o| {
            let absent = |f: &Finish| f.extra.notation(ME).has(ABSENT);
            if finishes.values().any(|(f, _)| !absent(f)) {
                let mut list = o.array("candidates");
                for (number, (finish, said)) in &finishes {
                    ending(&mut list.object(), *number, finish, said, losses);
                }
            }
            restore(o, &start, &[]);
            if let Some(report) = &usage {
                usage::write(o, report, losses);
            }
        });
        frame.truncate(frame.len().saturating_sub(1));
        let bare = frame.len() <= 1;
        self.open(out);
        out.extend_from_slice(&frame);
        // Nothing before them: the members of the tail stand first.
        out.extend_from_slice(
            self.tail.get(usize::from(bare && self.tail.len() > 1)..).unwrap_or(b"}"),
        );
        self.close(out);
        self.end_array(out);
    }

    fn end_array(&self, out: &mut BytesMut) {
        if self.framing == Framing::JsonArray {
            out.extend_from_slice(b"]");
        }
    }

    fn fail(&mut self, failure: &Error, out: &mut BytesMut) {
        self.open(out);
        out.extend_from_slice(&error::body(failure));
        self.close(out);
        self.end_array(out);
    }
}

/// A candidate's share of the last frame.
fn ending(
    o: &mut ObjectWriter<'_>,
    number: u16,
    finish: &Finish,
    said: &Said,
    losses: &mut Losses,
) {
    let at = usize::from(number);
    // Google's last frame has content, and its clients take one without for a turn that is no
    // turn: they forget it, and the question with it.
    if finish.extra.origin() != Some(ME) && !is_filtered(finish) {
        let mut content = o.object("content");
        {
            let mut parts = content.array("parts");
            parts.object().str("text", "");
        }
        content.str("role", "model");
    }
    write_finish(o, finish, said.called, at, losses);
    o.u64("index", u64::from(number));
    if finish.extra.origin() == Some(ME) {
        restore(o, &finish.extra, &["content"]);
        // Tokens came with the frames; their place is here.
        if !said.logprobs.is_empty() && finish.extra.get("logprobsResult").is_none() {
            let all: Vec<&TokenLogprob> = said.logprobs.iter().collect();
            evidence::write_logprobs(&mut o.object("logprobsResult"), &all);
        }
        return;
    }
    let mut text = llm_core::prompt::Text::default();
    text.citations.clone_from(&said.citations);
    text.logprobs.clone_from(&said.logprobs);
    evidence::write(o, &[Part::new(PartKind::Text(text))], at, losses);
    finish.extra.lose(ME, format_args!("candidates.{at}.finish"), losses);
}

/// Whether there is nothing to be shown for a good reason.
fn is_filtered(finish: &Finish) -> bool {
    matches!(finish.reason, FinishReason::ContentFilter | FinishReason::Refusal)
}

fn path(id: PartId) -> String {
    Place::new("candidates", usize::from(id.candidate), usize::from(id.index)).path("")
}

impl StreamEncoder for Encoder {
    fn feed(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start(start) => self.start(start),
            Event::PartStart { part, head } => self.part_start(*part, head),
            Event::PartDelta { part, delta } => self.part_delta(*part, delta, out),
            Event::PartEnd { part, extra } => self.part_end(*part, extra, out),
            Event::Usage(report) => self.usage = Some(report.clone()),
            Event::Finish { candidate, finish } => {
                let said = self.said.remove(candidate).unwrap_or_default();
                self.finishes.insert(*candidate, (finish.clone(), said));
            }
            Event::Failure(failure) => self.fail(failure, out),
            Event::End => self.end(out),
            // Frames of another dialect mean nothing here.
            Event::Notice(_) | Event::Unmodelled(_) => {}
        }
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }
}
