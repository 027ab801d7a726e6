//! WebVTT: cues, whose speakers are in voice tags.

use std::fmt::Write as _;

use super::{NotCaptions, blocks, clock, instant};
use crate::captions::segment::Segment;

const HEAD: &str = "WEBVTT";

pub(super) fn write(segments: &[Segment]) -> String {
    let mut text = format!("{HEAD}\n\n");
    for Segment { start, end, speaker, text: said } in segments {
        let ((h, m, s, ms), (eh, em, es, ems)) = (clock(*start), clock(*end));
        let voice = speaker.as_ref().map(|name| format!("<v {name}>")).unwrap_or_default();
        let said = said.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{h:02}:{m:02}:{s:02}.{ms:03} --> {eh:02}:{em:02}:{es:02}.{ems:03}\n{voice}{said}\n"
        );
    }
    text
}

pub(super) fn read(text: &str) -> Result<Vec<Segment>, NotCaptions> {
    let mut blocks = blocks(text).into_iter();
    let head =
        blocks.next().filter(|(_, lines)| lines.first().is_some_and(|l| l.starts_with(HEAD)));
    head.ok_or(NotCaptions(1))?;
    let mut segments = Vec::new();
    for (at, lines) in blocks {
        // A cue may have a name of its own; notes and styles are none.
        let Some(times) = lines.iter().take(2).position(|line| line.contains("-->")) else {
            continue;
        };
        let odd = NotCaptions(at + times);
        let (start, rest) = lines.get(times).and_then(|line| line.split_once("-->")).ok_or(odd)?;
        let end = rest.split_whitespace().next().ok_or(odd)?;
        let start = instant(start, '.', 3).ok_or(odd)?;
        let end = instant(end, '.', 3).filter(|end| *end >= start).ok_or(odd)?;
        let whole = lines.get(times + 1..).unwrap_or_default().join("\n");
        let voice = whole.strip_prefix("<v ").and_then(|rest| rest.split_once('>'));
        let (speaker, said) = match voice {
            Some((name, said)) => (Some(name.trim().to_owned()), said),
            None => (None, &*whole),
        };
        let text = said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        segments.push(Segment { start, end, speaker, text });
    }
    Ok(segments)
}
