//! Advanced SubStation Alpha, with one style: styling is an editor's.

use std::fmt::Write as _;

use super::{NotCaptions, clock, instant};
use crate::captions::segment::Segment;

const HEAD: &str = "[Script Info]\nScriptType: v4.00+\nWrapStyle: 0\nScaledBorderAndShadow: yes\n\
PlayResX: 1920\nPlayResY: 1080\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, \
SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, \
Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n\
Style: Default,Arial,60,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,\
60,60,50,1\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, \
Text\n";
const LINE: &str = "Dialogue:";
/// Fields before the words.
const FIELDS: usize = 9;
/// Stands behind a backslash that is none of the notation's: it cannot be seen, and tidy words have
/// none.
const JOINER: char = '\u{2060}';

pub(super) fn write(segments: &[Segment]) -> String {
    let mut text = HEAD.to_owned();
    for Segment { start, end, speaker, text: said } in segments {
        let ((h, m, s, ms), (eh, em, es, ems)) = (clock(*start), clock(*end));
        let (cs, ecs, name) = (ms / 10, ems / 10, speaker.as_deref().unwrap_or_default());
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{LINE} 0,{h}:{m:02}:{s:02}.{cs:02},{eh}:{em:02}:{es:02}.{ecs:02},Default,{name},0,0,0,,"
        );
        for c in said.chars() {
            match c {
                '\n' => text.push_str("\\N"),
                '\\' => text.extend(['\\', JOINER]),
                '{' | '}' => text.extend(['\\', c]),
                other => text.push(other),
            }
        }
        text.push('\n');
    }
    text
}

pub(super) fn read(text: &str) -> Result<Vec<Segment>, NotCaptions> {
    let mut segments = Vec::new();
    for (at, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let Some(line) = line.strip_prefix(LINE) else { continue };
        let odd = NotCaptions(at + 1);
        let mut fields = line.splitn(FIELDS + 1, ',');
        let mut field = || fields.next().ok_or(odd);
        field()?;
        let start = instant(field()?, '.', 2).ok_or(odd)?;
        let end = instant(field()?, '.', 2).filter(|end| *end >= start).ok_or(odd)?;
        field()?;
        let name = field()?.trim().to_owned();
        let said = fields.nth(FIELDS - 5).ok_or(odd)?;
        let speaker = (!name.is_empty()).then_some(name);
        segments.push(Segment { start, end, speaker, text: words(said) });
    }
    Ok(segments)
}

fn words(said: &str) -> String {
    let (mut text, mut letters) = (String::with_capacity(said.len()), said.chars().peekable());
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some('N')) => {
                letters.next();
                text.push('\n');
            }
            ('\\', Some('{' | '}')) => {}
            ('\\', Some(&JOINER)) => {
                letters.next();
                text.push('\\');
            }
            (other, _) => text.push(other),
        }
    }
    text
}
