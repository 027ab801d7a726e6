use proptest::prelude::*;

use super::*;
use crate::captions::segment::tests::segments;
use crate::captions::segment::tidy;

proptest! {
    #[test]
    fn what_is_written_is_read(segments in segments()) {
        for notation in Notation::ALL {
            let text = notation.write(&segments);
            let expected: Vec<_> = segments.iter().map(|one| notation.said(one)).collect();
            prop_assert_eq!(notation.read(&text), Ok(expected.clone()), "{:?}\n{}", notation, text);
            // As files are that come from elsewhere.
            let other = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            prop_assert_eq!(notation.read(&other), Ok(expected));
            prop_assert_eq!(written(notation, &segments), Ok(text));
        }
    }

    #[test]
    fn nothing_that_is_read_breaks_it(text in "(\\PC|[\n\r,:.{}\\\\<>-]|-->|Dialogue: |WEBVTT\n|[0-9]){0,200}") {
        for notation in Notation::ALL {
            let _ = notation.read(&text);
        }
    }
}

fn two() -> Vec<Segment> {
    let segment = |start, end, speaker: Option<&str>, text: &str| Segment {
        start,
        end,
        speaker: speaker.map(str::to_owned),
        text: tidy(text),
    };
    vec![
        segment(0, 1_234, None, "안녕 & <b>\\n{x}\n\nC:\\new --> y"),
        segment(3_599_999, 360_000_000, Some("A"), "1"),
    ]
}

#[test]
fn files_are_as_players_want_them() {
    let [srt, vtt, ass] = Notation::ALL.map(|notation| written(notation, &two()).unwrap());
    assert_eq!(
        srt,
        "1\n00:00:00,000 --> 00:00:01,234\n안녕 & <b>\\n{x}\nC:\\new → y\n\n\
         2\n00:59:59,999 --> 100:00:00,000\n1\n\n"
    );
    assert_eq!(
        vtt,
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.234\n안녕 &amp; &lt;b&gt;\\n{x}\nC:\\new → y\n\n\
         00:59:59.999 --> 100:00:00.000\n<v A>1\n\n"
    );
    let lines: Vec<&str> = ass.lines().filter(|line| line.starts_with("Dialogue:")).collect();
    assert_eq!(
        lines,
        [
            "Dialogue: 0,0:00:00.00,0:00:01.23,Default,,0,0,0,,안녕 & <b>\\\u{2060}n\\{x\\}\\NC:\\\u{2060}new → y",
            "Dialogue: 0,0:59:59.99,100:00:00.00,Default,A,0,0,0,,1",
        ]
    );
}

#[test]
fn what_cannot_be_read_says_where() {
    assert_eq!(Notation::Vtt.read("x"), Err(NotCaptions(1)));
    assert_eq!(Notation::Srt.read("1\n00:00:00,000 --> 00:00:00,00\nx"), Err(NotCaptions(2)));
    assert_eq!(Notation::Srt.read("1\n00:00:02,000 --> 00:00:01,000\nx"), Err(NotCaptions(2)));
    assert_eq!(Notation::Ass.read("Dialogue: 0,0:00:00.00"), Err(NotCaptions(1)));
}
