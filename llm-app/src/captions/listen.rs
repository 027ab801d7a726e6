//! What a provider has heard, as segments.
//!
//! Two forms of answers say when something was said: `verbose_json`, and `diarized_json`, which says
//! who as well. A model that only gives the text cannot make captions, and times are never guessed.

use llm_core::Str;
use llm_core::answer::Transcript;
use llm_core::prompt::{TranscribeRequest, Upload};
use serde::Deserialize;

use super::segment::{Heard, Segment, tidy, tidy_speaker};
use super::sound::{Container, Piece};

/// Segments of one piece: one in each tenth of a second.
const SEGMENTS_MAX: usize = 12_000;
/// Models that tell speakers apart say so in their names.
const WHO: &str = "diarize";

/// What cannot be made into captions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotHeard {
    /// A text without times.
    #[error(
        "the model does not say when what was said: captions want whisper-1 or one that tells speakers apart"
    )]
    NoTimes,
    /// Something else than segments.
    #[error("the model's segments cannot be read")]
    Odd,
    /// More than fit.
    #[error("the model heard more than {SEGMENTS_MAX} segments in one piece")]
    TooMany,
}

/// What is asked for a piece.
pub(super) fn asked(
    model: &Str,
    language: Option<&Str>,
    container: Container,
    piece: &Piece,
) -> TranscribeRequest {
    let who = model.contains(WHO);
    let format = if who { "diarized_json" } else { "verbose_json" };
    let fields = who.then(|| (Str::from_static("chunking_strategy"), Str::from_static("auto")));
    TranscribeRequest {
        model: model.clone(),
        file: Upload {
            name: Some(Str::from_static(container.name())),
            mime: Some(Str::from_static(container.media())),
            bytes: piece.bytes.clone(),
        },
        language: language.cloned(),
        format: Some(Str::from_static(format)),
        fields: fields.into_iter().collect(),
        ..TranscribeRequest::default()
    }
}

#[derive(Deserialize)]
struct Said {
    start: f64,
    end: f64,
    text: String,
    #[serde(default)]
    speaker: Option<String>,
}

/// What was heard of a piece.
pub(super) fn heard(transcript: &Transcript) -> Result<Heard, NotHeard> {
    let language = transcript.language.as_ref().map(|language| tidy(language));
    let Some(raw) = transcript.extra.get("segments") else {
        // Silence has no segments, and needs none.
        let silent = tidy(&transcript.text).is_empty();
        let none = Heard { language, segments: Vec::new() };
        return if silent { Ok(none) } else { Err(NotHeard::NoTimes) };
    };
    let said: Vec<Said> = serde_json::from_str(raw.get()).map_err(|_| NotHeard::Odd)?;
    if said.len() > SEGMENTS_MAX {
        return Err(NotHeard::TooMany);
    }
    let segments = said.into_iter().filter_map(|said| {
        let (start, text) = (millis(said.start), tidy(&said.text));
        let end = millis(said.end).max(start);
        let speaker = said.speaker.as_deref().and_then(tidy_speaker);
        (!text.is_empty()).then_some(Segment { start, end, speaker, text })
    });
    Ok(Heard { language, segments: segments.collect() })
}

/// How long the provider says that it was.
pub(super) fn lasted(transcript: &Transcript) -> Option<u64> {
    transcript.duration.as_ref().map(|seconds| millis(seconds.as_f64()))
}

/// Seconds as providers write them, in thousandths. A number that is none is 0.
fn millis(seconds: f64) -> u64 {
    // A cast of floats ends at the bounds of whole numbers.
    (seconds * 1_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use llm_core::dialect::DialectId;
    use llm_core::extra::Extra;
    use llm_core::raw::Raw;

    use super::*;

    fn told(text: &str, segments: Option<&str>) -> Result<Heard, NotHeard> {
        let mut extra = Extra::new(DialectId::OpenaiChat);
        if let Some(segments) = segments {
            extra.push("segments", Raw::parse(segments.to_owned()).unwrap());
        }
        let language = Some(Str::from_static("korean"));
        heard(&Transcript {
            text: text.to_owned().into(),
            language,
            extra,
            ..Transcript::default()
        })
    }

    #[test]
    fn segments_are_read_with_their_speakers() {
        let both = r#"[{"id":0,"start":0.0,"end":1.2345,"text":" 안녕 \n"},
            {"start":1.2,"end":1.1,"text":"x","speaker":"A"},{"start":3,"end":4,"text":"  "}]"#;
        let heard = told("안녕 x", Some(both)).unwrap();
        assert_eq!(heard.language.as_deref(), Some("korean"));
        let times: Vec<_> = heard.segments.iter().map(|one| (one.start, one.end)).collect();
        assert_eq!(times, [(0, 1_235), (1_200, 1_200)]);
        assert_eq!((&*heard.segments[0].text, &heard.segments[0].speaker), ("안녕", &None));
        assert_eq!(heard.segments[1].speaker.as_deref(), Some("A"));
    }

    #[test]
    fn a_text_without_times_is_no_caption() {
        assert_eq!(told("hello", None), Err(NotHeard::NoTimes));
        assert!(told(" ", None).unwrap().segments.is_empty());
        assert_eq!(told("hello", Some("7")), Err(NotHeard::Odd));
    }
}
