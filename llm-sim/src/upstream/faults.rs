//! From a good answer to a bad one: what a script wants is done to frames, then to bytes.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use llm_core::dialect::{DialectId, Framing};

use super::frames;
use super::play::Step;
use super::refusal::{Problem, Refusal, put};
use crate::script::{Act, Broken, Corrupt, CutHow, ErrorKind, Hang, UsageFault};

/// No fault needs more bytes than this; twice what a gateway is told to survive.
const FAULT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// An over-long line, unless the script says how long.
const LONG_LINE_BYTES: usize = 2 * 1024 * 1024;
/// Big bodies are sent in pieces of this size, so that memory and sockets see a stream.
const PIECE_BYTES: usize = 64 * 1024;
/// What was sent before a break must leave the machine first, or the break would swallow it.
const SETTLE: Duration = Duration::from_millis(5);

/// An answer as bytes, before anything is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) frames: Vec<Bytes>,
    /// `None` for a whole answer, which is one frame.
    pub(crate) framing: Option<Framing>,
    pub(crate) output_tokens: u64,
}

impl Reply {
    /// A whole body.
    pub(crate) fn whole(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        put(&mut headers, "content-type", content_type);
        let frames = vec![body.into()];
        Self { status, headers, frames, framing: None, output_tokens: 0 }
    }

    /// A refusal.
    pub(crate) fn refusal(refusal: &Refusal, dialect: DialectId) -> Self {
        let (parts, body) = refusal.response(dialect).into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            frames: vec![body],
            framing: None,
            output_tokens: 0,
        }
    }
}

/// The reply that stands in the place of an answer, when the script wants none.
pub(crate) fn instead(act: &Act, dialect: DialectId) -> Option<Reply> {
    if let Some(location) = &act.redirect {
        let mut reply = Reply::whole(act.status.unwrap_or(307), "text/plain", Bytes::new());
        put(&mut reply.headers, "location", location);
        return Some(reply);
    }
    if act.error_in_200.is_some() {
        return None;
    }
    let mut reply = match act.error {
        Some(ErrorKind::Html) => {
            let status = act.status.unwrap_or(502);
            let page = format!(
                "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status} \
                 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            );
            Reply::whole(status, "text/html", page)
        }
        Some(ErrorKind::Empty) => {
            Reply::whole(act.status.unwrap_or(502), "text/plain", Bytes::new())
        }
        None if act.status.is_none_or(|s| s < 400) => return None,
        _ => Reply::refusal(&refusal(act, dialect), dialect),
    };
    if let Some(text) = &act.retry_after {
        put(&mut reply.headers, "retry-after", text);
    }
    if let Some(size) = act.error_bytes {
        reply.frames = padded(&reply.frames.concat(), size.min(FAULT_BYTES_MAX));
    }
    Some(reply)
}

/// The refusal that a script asks for.
pub(crate) fn refusal(act: &Act, dialect: DialectId) -> Refusal {
    let problem = match (act.error, act.status) {
        (Some(ErrorKind::RateLimit), _) | (None, Some(429)) => Problem::RateLimit,
        (Some(ErrorKind::InsufficientQuota), _) => Problem::Quota,
        (Some(ErrorKind::Overloaded), _) | (None, Some(503 | 529)) => Problem::Overloaded,
        (Some(ErrorKind::InvalidKey), _) | (None, Some(401 | 403)) => Problem::WrongKey,
        (Some(ErrorKind::ContextLength), _) => Problem::ContextLength,
        (Some(ErrorKind::ContentFilter), _) => Problem::ContentFilter,
        (None, Some(404)) => Problem::UnknownModel,
        (None, Some(413)) => Problem::TooLarge,
        (None, Some(422)) => Problem::Unprocessable,
        (Some(ErrorKind::BadRequest), _) | (None, Some(400..=499)) => Problem::BadRequest,
        _ => Problem::Server,
    };
    let usual = usual_message(problem, dialect);
    let mut refusal = Refusal::new(problem, act.message.as_deref().unwrap_or(usual));
    refusal.retry_after_ms = act.retry_after_ms;
    refusal.status = act.status.filter(|_| act.error_in_200.is_none());
    refusal
}

fn usual_message(problem: Problem, dialect: DialectId) -> &'static str {
    match problem {
        Problem::RateLimit => "Rate limit reached for requests. Please try again later.",
        Problem::Quota if dialect == DialectId::Anthropic => {
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & \
             Billing to upgrade or purchase credits."
        }
        Problem::Quota => {
            "You exceeded your current quota, please check your plan and billing details."
        }
        Problem::Overloaded if dialect == DialectId::Anthropic => "Overloaded",
        Problem::Overloaded => "The model is overloaded. Please try again later.",
        Problem::WrongKey | Problem::NoKey => "Incorrect API key provided: sk-sim****0000.",
        Problem::ContextLength if dialect == DialectId::Anthropic => {
            "prompt is too long: 250000 tokens > 200000 maximum"
        }
        Problem::ContextLength if dialect == DialectId::Gemini => {
            "The input token count (1250000) exceeds the maximum number of tokens allowed (1048576)."
        }
        Problem::ContextLength => {
            "Your input exceeds the context window of this model. Please adjust your input and try again."
        }
        Problem::ContentFilter if dialect == DialectId::Anthropic => {
            "Output blocked by content filtering policy"
        }
        Problem::ContentFilter => "The response was filtered due to the content management policy.",
        Problem::UnknownModel | Problem::NoRoute => "The requested resource was not found.",
        Problem::TooLarge => "Request exceeds the maximum size",
        Problem::BadRequest | Problem::Unprocessable => "The request is not valid.",
        Problem::Server => {
            "The server had an error while processing your request. Sorry about that!"
        }
    }
}

/// A body made as long as wanted, in pieces that share their memory.
fn padded(body: &[u8], size: usize) -> Vec<Bytes> {
    let mut out = vec![Bytes::copy_from_slice(body)];
    let piece = Bytes::from(vec![b' '; PIECE_BYTES]);
    let mut left = size.saturating_sub(body.len());
    while left > 0 {
        out.push(piece.slice(..left.min(PIECE_BYTES)));
        left -= left.min(PIECE_BYTES);
    }
    out
}

/// Does to the frames of a good answer what the script wants.
pub(crate) fn spoil(reply: &mut Reply, act: &Act, dialect: DialectId) {
    let framing = reply.framing;
    if let Some(place) = act.error_in_200 {
        let keep = if framing.is_some() { place.frame } else { 0 };
        reply.frames.truncate(keep);
        reply.frames.push(frames::error(&refusal(act, dialect), dialect, framing));
        return;
    }
    if act.unknown {
        for frame in &mut reply.frames {
            *frame = frames::edit(frame, frames::add_unknown);
        }
        if matches!(framing, Some(Framing::Sse)) {
            let data =
                br#"{"type":"sim.unknown","object":"sim.unknown","note":"nobody knows this"}"#;
            let at = reply.frames.len().min(1);
            reply.frames.insert(at, frames::dress(framing, Some("sim.unknown"), data));
        }
    }
    if let Some(fault) = act.usage {
        spoil_usage(reply, fault);
    }
    if act.text_after_finish && reply.frames.len() > 2 {
        reply.frames.push(reply.frames[reply.frames.len() / 2].clone());
    }
    if act.double_done && framing.is_some() {
        reply.frames.extend(reply.frames.last().cloned());
    }
    if let Some(corrupt) = act.corrupt
        && let Some(frame) = reply.frames.get_mut(corrupt.frame)
    {
        *frame = broken(frame, corrupt, framing);
    }
}

fn spoil_usage(reply: &mut Reply, fault: UsageFault) {
    if fault != UsageFault::Twice {
        for frame in &mut reply.frames {
            *frame = frames::falsify(frame, fault);
        }
    } else if reply.framing.is_none() {
        reply.frames.iter_mut().for_each(|body| *body = frames::doubled(body));
    } else if let Some(at) = reply.frames.iter().rposition(frames::has_usage) {
        reply.frames.insert(at, reply.frames[at].clone());
    }
}

fn broken(frame: &Bytes, corrupt: Corrupt, framing: Option<Framing>) -> Bytes {
    let data = match corrupt.with {
        Broken::Json => {
            // Half of the object, so that it begins like the real thing.
            let start = frame.iter().position(|b| *b == b'{').unwrap_or(0);
            frame[start..start + (frame.len() - start) / 2].trim_ascii_end().to_vec()
        }
        Broken::Utf8 => b"{\"text\":\"\xff\xfe\xc3\x28\"}".to_vec(),
        Broken::Nul => b"{\"text\":\"a\0b\"}".to_vec(),
        Broken::LongLine => {
            let size = corrupt.bytes.unwrap_or(LONG_LINE_BYTES).min(FAULT_BYTES_MAX);
            vec![b'x'; size]
        }
    };
    frames::dress(framing, None, &data)
}

/// Turns frames into steps.
pub(crate) fn steps(frames: Vec<Bytes>, act: &Act) -> Vec<Step> {
    let pause = Duration::from_millis(act.chunk_ms);
    let cut = act.cut.unwrap_or_default();
    let mut out = Vec::with_capacity(frames.len() + 1);
    if act.hang == Some(Hang::AfterHead) {
        return vec![Step::Hang];
    }
    let total = frames.len();
    for (n, frame) in frames.into_iter().enumerate() {
        if act.hang == Some(Hang::AfterFrames(n)) {
            out.push(Step::Hang);
        }
        if cut.after_frames == Some(n) {
            return broken_off(out, cut.how);
        }
        if n > 0 && !pause.is_zero() {
            out.push(Step::Wait(pause));
        }
        out.push(Step::Send(frame));
    }
    if act.hang.is_some_and(|h| matches!(h, Hang::AfterFrames(n) if n >= total)) {
        out.push(Step::Hang);
    }
    if let Some(at) = cut.at_byte {
        out = broken_off(up_to(out, at), cut.how);
    } else if cut.after_frames.is_some_and(|n| n >= total) {
        out = broken_off(out, cut.how);
    }
    if let Some(drip) = act.drip {
        let pause = Duration::from_millis(drip.every_ms);
        return pieces(out, drip.bytes, Some(pause));
    }
    match act.split {
        Some(size) => pieces(out, size, None),
        None => out,
    }
}

fn broken_off(mut steps: Vec<Step>, how: CutHow) -> Vec<Step> {
    if how != CutHow::Clean {
        steps.push(Step::Wait(SETTLE));
    }
    match how {
        CutHow::Reset => steps.push(Step::Break { reset: true }),
        CutHow::Fin => steps.push(Step::Break { reset: false }),
        CutHow::Clean => {}
    }
    steps
}

fn up_to(steps: Vec<Step>, mut left: usize) -> Vec<Step> {
    let mut out = Vec::new();
    for step in steps {
        let Step::Send(bytes) = step else {
            out.push(step);
            continue;
        };
        let some = bytes.slice(..left.min(bytes.len()));
        left -= some.len();
        if !some.is_empty() {
            out.push(Step::Send(some));
        }
        if left == 0 {
            break;
        }
    }
    out
}

/// Sends in pieces of one size, wherever that cuts.
fn pieces(steps: Vec<Step>, size: usize, pause: Option<Duration>) -> Vec<Step> {
    let size = size.max(1);
    let mut out = Vec::new();
    for step in steps {
        let Step::Send(mut bytes) = step else {
            out.push(step);
            continue;
        };
        while !bytes.is_empty() {
            out.push(Step::Send(bytes.split_to(size.min(bytes.len()))));
            // Without a pause the pieces would leave in one segment, and cut nothing.
            out.push(Step::Wait(pause.unwrap_or(Duration::from_micros(1))));
        }
    }
    out
}
