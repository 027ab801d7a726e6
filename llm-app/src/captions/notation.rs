//! Captions as files: SubRip, WebVTT and Advanced SubStation.
//!
//! Each notation is written and read. What was written is read again before it is given away, so
//! that no file goes out that has lost a segment or a time ([`written`]). What a notation has no
//! place for it leaves out: SubRip knows no speakers, and SubStation counts hundredths of seconds.

mod ass;
mod srt;
mod vtt;

use super::segment::Segment;

/// The notations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notation {
    /// SubRip.
    Srt,
    /// WebVTT.
    Vtt,
    /// Advanced SubStation Alpha, in its usual style.
    Ass,
}

/// A file that is none of these, at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} of the captions cannot be read")]
pub struct NotCaptions(pub usize);

impl Notation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Srt, Self::Vtt, Self::Ass];

    /// How names of its files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Ass => "ass",
        }
    }

    /// What its files are.
    pub fn media(self) -> &'static str {
        match self {
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Vtt => "text/vtt; charset=utf-8",
            Self::Ass => "text/x-ssa; charset=utf-8",
        }
    }

    /// A file of tidy segments.
    pub fn write(self, segments: &[Segment]) -> String {
        match self {
            Self::Srt => srt::write(segments),
            Self::Vtt => vtt::write(segments),
            Self::Ass => ass::write(segments),
        }
    }

    /// What is in a file.
    pub fn read(self, text: &str) -> Result<Vec<Segment>, NotCaptions> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match self {
            Self::Srt => srt::read(text),
            Self::Vtt => vtt::read(text),
            Self::Ass => ass::read(text),
        }
    }

    /// A segment as this notation can say it.
    pub fn said(self, segment: &Segment) -> Segment {
        let hundredths = |ms: u64| ms / 10 * 10;
        let mut said = segment.clone();
        match self {
            Self::Srt => said.speaker = None,
            Self::Vtt => {}
            Self::Ass => (said.start, said.end) = (hundredths(said.start), hundredths(said.end)),
        }
        said
    }
}

/// A file that was read again: every segment is in it, at its time.
pub fn written(notation: Notation, segments: &[Segment]) -> Result<String, NotCaptions> {
    let text = notation.write(segments);
    let read = notation.read(&text)?;
    let same = read.len() == segments.len()
        && read.iter().zip(segments).all(|(read, said)| *read == notation.said(said));
    if same { Ok(text) } else { Err(NotCaptions(0)) }
}

/// Hours, minutes, seconds and thousandths.
fn clock(ms: u64) -> (u64, u64, u64, u64) {
    (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000)
}

/// `[H:]MM:SS` with a fraction of so many digits behind one of these marks, in milliseconds.
fn instant(text: &str, mark: char, digits: usize) -> Option<u64> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (whole, fraction) = text.trim().split_once(mark)?;
    let parts = (fraction.len() == digits).then(|| number(fraction)).flatten()?;
    let mut seconds = 0;
    let (mut places, mut count) = (whole.split(':'), 0);
    for place in places.by_ref() {
        count += 1;
        let value = number(place)?;
        if count > 3 || count > 1 && value > 59 {
            return None;
        }
        seconds = seconds * 60 + value;
    }
    let fraction = if digits == 2 { parts * 10 } else { parts };
    (count >= 2).then_some(seconds * 1_000 + fraction)
}

/// Blocks of lines with blank ones between them, each with the number of its first line.
fn blocks(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut blocks: Vec<(usize, Vec<&str>)> = Vec::new();
    let mut open = false;
    for (at, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            open = false;
            continue;
        }
        match blocks.last_mut().filter(|_| open) {
            Some((_, lines)) => lines.push(line),
            None => blocks.push((at + 1, vec![line])),
        }
        open = true;
    }
    blocks
}

#[cfg(test)]
mod tests;
