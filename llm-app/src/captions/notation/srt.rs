//! SubRip: a number, two times and lines, in blocks.

use std::fmt::Write as _;

use super::{NotCaptions, blocks, clock, instant};
use crate::captions::segment::Segment;

pub(super) fn write(segments: &[Segment]) -> String {
    let mut text = String::new();
    for (at, Segment { start, end, text: said, .. }) in segments.iter().enumerate() {
        let ((h, m, s, ms), (eh, em, es, ems)) = (clock(*start), clock(*end));
        let n = at + 1;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{n}\n{h:02}:{m:02}:{s:02},{ms:03} --> {eh:02}:{em:02}:{es:02},{ems:03}\n{said}\n"
        );
    }
    text
}

pub(super) fn read(text: &str) -> Result<Vec<Segment>, NotCaptions> {
    let mut segments = Vec::new();
    for (at, lines) in blocks(text) {
        let times = usize::from(lines.first().is_some_and(|line| !line.contains("-->")));
        let odd = NotCaptions(at + times);
        let (start, end) = lines.get(times).and_then(|line| line.split_once("-->")).ok_or(odd)?;
        let start = instant(start, ',', 3).ok_or(odd)?;
        let end = instant(end, ',', 3).filter(|end| *end >= start).ok_or(odd)?;
        let text = lines.get(times + 1..).unwrap_or_default().join("\n");
        segments.push(Segment { start, end, speaker: None, text });
    }
    Ok(segments)
}
