//! Text of speech: what a file is called and how large it is, since nobody listens here.

use llm_core::answer::{Transcript, UsageReport};
use llm_core::extra::Extra;
use llm_core::prompt::TranscribeRequest;
use llm_core::raw::{Raw, RawNumber};
use llm_core::usage::Usage;
use serde_json::{Value, json};

use super::hash;
use super::tokens::tokens;

/// Bytes of a second of sound at 128 kbit/s; the length of a file is guessed from its size.
const BYTES_PER_SECOND: u64 = 16_000;

/// What stands before the samples of a plain WAV.
const WAV_HEAD: usize = 44;
/// How long what is said at once may be: a longer sound has several segments.
const SEGMENT_SECONDS: u64 = 10;

pub(crate) fn transcribe(request: &TranscribeRequest) -> Transcript {
    let file = &request.file;
    let name = file.name.as_deref().unwrap_or("audio");
    let fingerprint = hash::hash(&file.bytes) & 0xffff_ffff;
    let korean = request.language.as_deref() == Some("ko");
    let first = if korean {
        format!("{name} 파일의 받아쓰기입니다. 지문은 {fingerprint:08x}입니다.")
    } else {
        format!("This is a transcript of {name}. Its fingerprint is {fingerprint:08x}.")
    };
    let seconds = length(&file.bytes);
    let format = request.format.as_deref().unwrap_or("json");
    let timed = matches!(format, "verbose_json" | "diarized_json");
    let said: Vec<String> = match timed {
        false => vec![first],
        true => (0..seconds.div_ceil(SEGMENT_SECONDS))
            .map(|at| match (at, korean) {
                (0, _) => first.clone(),
                (_, true) => format!("{}초에 들리는 말입니다.", at * SEGMENT_SECONDS),
                (_, false) => format!("This is said at {} seconds.", at * SEGMENT_SECONDS),
            })
            .collect(),
    };
    let text = said.join(" ");
    let mut extra = Extra::default();
    if timed {
        let segments: Vec<Value> = said
            .iter()
            .zip(0u64..)
            .map(|(text, at)| segment(text, at, seconds, format == "diarized_json"))
            .collect();
        extra = Extra::new(llm_core::dialect::DialectId::OpenaiChat);
        if let Ok(raw) = Raw::of(&segments) {
            extra.push("segments", raw);
        }
    }
    let usage = Usage { output: tokens(&text), audio_ms: seconds * 1_000, ..Usage::default() };
    Transcript {
        text: rendered(&text, format, seconds).into(),
        plain: matches!(format, "text" | "srt" | "vtt"),
        language: (format == "verbose_json")
            .then(|| if korean { "korean" } else { "english" }.into()),
        duration: timed.then(|| RawNumber::from(seconds)),
        usage: Some(UsageReport { usage, extra: Extra::default() }),
        extra,
    }
}

/// How many seconds a file lasts: what a WAV says of itself, else what its size suggests.
fn length(bytes: &[u8]) -> u64 {
    let rate = bytes.get(28..32).filter(|_| bytes.starts_with(b"RIFF"));
    let rate = rate.and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    let (rate, sound) = match rate.filter(|rate| *rate > 0) {
        Some(rate) => (u64::from(rate), bytes.len().saturating_sub(WAV_HEAD)),
        None => (BYTES_PER_SECOND, bytes.len()),
    };
    (sound as u64).div_ceil(rate).max(1)
}

fn segment(text: &str, at: u64, seconds: u64, who: bool) -> Value {
    let (start, end) = (at * SEGMENT_SECONDS, ((at + 1) * SEGMENT_SECONDS).min(seconds));
    if who {
        let speaker = if at.is_multiple_of(2) { "A" } else { "B" };
        return json!({"type": "transcript.text.segment", "id": format!("seg_{at}"),
            "start": start as f64, "end": end as f64, "text": text, "speaker": speaker});
    }
    json!({
        "id": at, "seek": 0, "start": start as f64, "end": end as f64, "text": text,
        "tokens": [1, 2, 3], "temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.1,
        "no_speech_prob": 0.01
    })
}

fn rendered(text: &str, format: &str, seconds: u64) -> String {
    let (h, m, s) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match format {
        "text" => format!("{text}\n"),
        "srt" => format!("1\n00:00:00,000 --> {h:02}:{m:02}:{s:02},000\n{text}\n\n"),
        "vtt" => format!("WEBVTT\n\n00:00:00.000 --> {h:02}:{m:02}:{s:02}.000\n{text}\n\n"),
        _ => text.to_owned(),
    }
}
