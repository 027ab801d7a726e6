//! Text of speech: what a file is called and how large it is, since nobody listens here.

use llm_core::answer::{Transcript, UsageReport};
use llm_core::extra::Extra;
use llm_core::prompt::TranscribeRequest;
use llm_core::raw::{Raw, RawNumber};
use llm_core::usage::Usage;
use serde_json::json;

use super::hash;
use super::tokens::tokens;

/// Bytes of a second of sound at 128 kbit/s; the length of a file is guessed from its size.
const BYTES_PER_SECOND: u64 = 16_000;

pub(crate) fn transcribe(request: &TranscribeRequest) -> Transcript {
    let file = &request.file;
    let name = file.name.as_deref().unwrap_or("audio");
    let fingerprint = hash::hash(&file.bytes) & 0xffff_ffff;
    let korean = request.language.as_deref() == Some("ko");
    let text = if korean {
        format!("{name} 파일의 받아쓰기입니다. 지문은 {fingerprint:08x}입니다.")
    } else {
        format!("This is a transcript of {name}. Its fingerprint is {fingerprint:08x}.")
    };
    let seconds = (file.bytes.len() as u64).div_ceil(BYTES_PER_SECOND).max(1);
    let format = request.format.as_deref().unwrap_or("json");
    let mut extra = Extra::default();
    if format == "verbose_json" {
        let segment = json!([{
            "id": 0, "seek": 0, "start": 0.0, "end": seconds as f64, "text": text, "tokens": [1, 2, 3],
            "temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.1, "no_speech_prob": 0.01
        }]);
        extra = Extra::new(llm_core::dialect::DialectId::OpenaiChat);
        if let Ok(raw) = Raw::of(&segment) {
            extra.push("segments", raw);
        }
    }
    let usage = Usage { output: tokens(&text), audio_ms: seconds * 1_000, ..Usage::default() };
    Transcript {
        text: rendered(&text, format, seconds).into(),
        plain: matches!(format, "text" | "srt" | "vtt"),
        language: (format == "verbose_json")
            .then(|| if korean { "korean" } else { "english" }.into()),
        duration: (format == "verbose_json").then(|| RawNumber::from(seconds)),
        usage: Some(UsageReport { usage, extra: Extra::default() }),
        extra,
    }
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
