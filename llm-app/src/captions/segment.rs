//! Segments: what was said, from when to when. Times are whole milliseconds.

use serde::{Deserialize, Serialize};

/// Characters of one segment: what is longer nobody reads in its time.
pub const CHARS_MAX: usize = 2_000;
/// Characters of a speaker's name.
const SPEAKER_CHARS_MAX: usize = 64;

/// What was said, from when to when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// When it begins.
    #[serde(rename = "start_ms")]
    pub start: u64,
    /// When it ends: not before it begins.
    #[serde(rename = "end_ms")]
    pub end: u64,
    /// Who says it, where somebody could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// The words, [tidy].
    pub text: String,
}

/// What a piece of the sound has come to, with times of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The language, as whoever heard it says.
    pub language: Option<String>,
    /// What was said, from the beginning of the piece.
    pub segments: Vec<Segment>,
}

/// Where a piece of the sound lies in the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it begins.
    pub start: u64,
    /// When it ends, where that is known.
    pub end: Option<u64>,
}

/// Words as every notation can write them: lines without blank ones, nothing that cannot be seen,
/// and no arrow of times.
pub fn tidy(text: &str) -> String {
    let breaks =
        |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut whole = String::with_capacity(text.len());
    for line in text.split(breaks) {
        let seen = |c: &char| !c.is_control() && !matches!(c, '\u{2060}' | '\u{feff}');
        let line: String = line.chars().filter(seen).collect();
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if !whole.is_empty() {
            whole.push('\n');
        }
        whole.push_str(line);
    }
    let whole = whole.replace("-->", "→");
    match whole.char_indices().nth(CHARS_MAX) {
        None => whole,
        Some((end, _)) => whole[..end].trim_end().to_owned(),
    }
}

/// A speaker's name as every notation can write it.
pub fn tidy_speaker(name: &str) -> Option<String> {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/');
    let name: String = name.chars().filter(kept).take(SPEAKER_CHARS_MAX).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// All pieces as one, with the times of the whole: each segment stays within its piece and as long
/// as it was there. Speakers of different pieces are told apart, since nobody has compared them:
/// the first speaker of one need not be that of another.
pub fn rebased(pieces: impl IntoIterator<Item = (Place, Heard)>) -> Heard {
    let pieces: Vec<_> = pieces.into_iter().collect();
    let (several, mut whole) = (pieces.len() > 1, Heard::default());
    for (at, (place, heard)) in pieces.into_iter().enumerate() {
        whole.language = whole.language.or(heard.language);
        let last = place.end.unwrap_or(u64::MAX);
        let mut segments = heard.segments;
        segments.sort_by_key(|segment| segment.start);
        whole.segments.extend(segments.into_iter().map(|segment| {
            let start = place.start.saturating_add(segment.start).min(last);
            let end = place.start.saturating_add(segment.end).clamp(start, last);
            let named = |name| if several { format!("{}/{name}", at + 1) } else { name };
            Segment { start, end, speaker: segment.speaker.map(named), text: segment.text }
        }));
    }
    whole
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Segments as they come out of listening.
    pub(crate) fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let one = (0..200_000_000u64, 0..100_000u64, ".{1,40}(\n.{0,20})?", "[A-Z가-힣]{0,5}");
        prop::collection::vec(one, 0..12).prop_map(|all| {
            let segments = all.into_iter().map(|(start, long, text, speaker)| Segment {
                start,
                end: start + long,
                speaker: tidy_speaker(&speaker),
                text: tidy(&text),
            });
            segments.filter(|segment| !segment.text.is_empty()).collect()
        })
    }

    proptest! {
        #[test]
        fn tidy_words_stay_as_they_are(text in "(\\PC|[-> \n\r\u{2060}\u{feff}\t]){0,80}") {
            let once = tidy(&text);
            prop_assert_eq!(&tidy(&once), &once);
            prop_assert!(!once.contains("-->") && !once.contains("\n\n"));
            prop_assert!(!once.starts_with('\n') && !once.ends_with('\n'));
        }

        #[test]
        fn what_is_rebased_keeps_its_order_its_length_and_its_piece(
            pieces in prop::collection::vec(
                (1_000..100_000u64, prop::collection::vec((0..100_000u64, 0..5_000u64), 0..8)),
                0..6,
            ),
        ) {
            let (mut start, mut all, mut expected) = (0, Vec::new(), Vec::new());
            for (long, said) in pieces {
                let place = Place { start, end: Some(start + long) };
                let segments: Vec<Segment> = said
                    .iter()
                    .map(|(from, lasts)| (from % long, *lasts))
                    .map(|(from, lasts)| Segment {
                        start: from,
                        end: from + lasts,
                        speaker: None,
                        text: format!("{from}"),
                    })
                    .collect();
                let mut sorted = segments.clone();
                sorted.sort_by_key(|segment| segment.start);
                for one in sorted {
                    let fits = one.end <= long;
                    expected.push((start + one.start, fits.then_some(start + one.end), one.text));
                }
                all.push((place, Heard { language: None, segments }));
                start += long;
            }
            let whole = rebased(all);
            prop_assert_eq!(whole.segments.len(), expected.len());
            for (one, (from, until, text)) in whole.segments.iter().zip(expected) {
                prop_assert_eq!((one.start, &one.text), (from, &text));
                prop_assert!(until.is_none_or(|until| until == one.end));
                prop_assert!(one.start <= one.end && one.end <= start);
            }
            prop_assert!(whole.segments.is_sorted_by_key(|segment| segment.start));
        }
    }

    #[test]
    fn speakers_of_several_pieces_are_told_apart() {
        let said = |speaker: &str| Segment {
            start: 0,
            end: 5,
            speaker: Some(speaker.to_owned()),
            text: "x".to_owned(),
        };
        let heard = |language: Option<&str>| Heard {
            language: language.map(str::to_owned),
            segments: vec![said("A")],
        };
        let place = |start| Place { start, end: None };
        let one = rebased([(place(0), heard(Some("ko")))]);
        assert_eq!((one.language.as_deref(), &one.segments[0]), (Some("ko"), &said("A")));
        let two = rebased([(place(0), heard(None)), (place(10), heard(Some("ko")))]);
        let speakers: Vec<_> = two.segments.iter().flat_map(|one| one.speaker.clone()).collect();
        assert_eq!(
            (speakers, two.language.as_deref()),
            (vec!["1/A".into(), "2/A".into()], Some("ko"))
        );
    }
}
