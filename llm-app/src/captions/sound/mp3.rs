//! MPEG audio, layer III: frames one behind the other, each of which says how long it is.

use bytes::Bytes;

use super::{Cut, NotSound, Piece};
use crate::captions::segment::Place;

/// Kilobits a second by the number in a head: of MPEG 1, and of MPEG 2 and 2.5.
const BITRATES: [[u32; 14]; 2] = [
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/// Samples a second of MPEG 1; of MPEG 2 they are half as many, of 2.5 a quarter.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];
/// Samples a second in terms of which all of the above count whole: a clock for all rates.
const TICKS: u64 = 28_224_000;
/// Bytes between two frames that are skipped before a file is taken for broken.
const GARBAGE_MAX: usize = 1 << 20;
const HEAD: usize = 4;

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    bytes: usize,
    /// How long it lasts.
    ticks: u64,
    /// Whether it has two channels, and of which version it is: where a head in it would stand.
    side: usize,
}

impl Frame {
    /// What a head says; `None` is none.
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let head: [u8; HEAD] = bytes.get(at..at.checked_add(HEAD)?)?.try_into().ok()?;
        let [first, second, third, fourth] = head;
        let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
        if first != 0xff || second & 0xe0 != 0xe0 || version == 1 || layer != 1 {
            return None;
        }
        let one = version == 3;
        let bitrate = usize::from(third >> 4).checked_sub(1)?;
        let bitrate = *BITRATES.get(usize::from(!one))?.get(bitrate)?;
        let slower = match version {
            3 => 1,
            2 => 2,
            _ => 4,
        };
        let rate = RATES.get(usize::from(third >> 2 & 3))? / slower;
        let samples = if one { 1_152 } else { 576 };
        let padding = u32::from(third >> 1 & 1);
        let bytes = usize::try_from(samples / 8 * bitrate * 1_000 / rate + padding).ok()?;
        let mono = fourth >> 6 == 3;
        let side = match (one, mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        };
        let ticks = u64::from(samples) * TICKS / u64::from(rate);
        Some(Self { bytes, ticks, side })
    }

    /// Whether it is no sound but a word about the whole file, which would be wrong of a piece.
    fn is_index(self, bytes: &[u8], at: usize) -> bool {
        let from = at + HEAD + self.side;
        bytes.get(from..from + 4).is_some_and(|word| word == b"Xing" || word == b"Info")
            || bytes.get(at + 36..at + 40).is_some_and(|word| word == b"VBRI")
    }
}

/// Whether two frames stand at the beginning: two bytes alone are no proof.
pub(super) fn begins(bytes: &[u8]) -> bool {
    Frame::read(bytes, 0).is_some_and(|frame| {
        bytes.len() == frame.bytes || Frame::read(bytes, frame.bytes).is_some()
    })
}

/// Where the frames begin, behind what is said of the title and the artist.
fn start(bytes: &[u8]) -> usize {
    let Some(&[b'I', b'D', b'3', _, _, flags, a, b, c, d]) = bytes.first_chunk::<10>() else {
        return 0;
    };
    let size = [a, b, c, d].iter().fold(0, |size, part| size << 7 | usize::from(part & 0x7f));
    10 + size + if flags & 0x10 == 0 { 0 } else { 10 }
}

/// Whether another frame stands here, or what stands behind the last one.
fn goes_on(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    let words: [&[u8]; 3] = [b"TAG", b"APETAGEX", b"LYRICSBEGIN"];
    rest.is_empty()
        || Frame::read(bytes, at).is_some()
        || words.iter().any(|word| rest.starts_with(word))
}

/// Every frame that is heard, and where it stands.
fn frames(bytes: &[u8]) -> impl Iterator<Item = (usize, Frame)> {
    let (mut at, mut first) = (start(bytes), true);
    std::iter::from_fn(move || {
        let mut skipped = 0;
        while at + HEAD <= bytes.len() && skipped <= GARBAGE_MAX {
            // One head alone is no proof; the last frame has none behind it.
            let found = Frame::read(bytes, at).filter(|frame| goes_on(bytes, at + frame.bytes));
            let Some(frame) = found.filter(|frame| at + frame.bytes <= bytes.len()) else {
                (at, skipped) = (at + 1, skipped + 1);
                continue;
            };
            let here = at;
            at += frame.bytes;
            if std::mem::take(&mut first) && frame.is_index(bytes, here) {
                continue;
            }
            return Some((here, frame));
        }
        None
    })
}

fn millis(ticks: u64) -> u64 {
    ticks / (TICKS / 1_000)
}

pub(super) fn lasts(bytes: &Bytes) -> Result<u64, NotSound> {
    let ticks: u64 = frames(bytes).map(|(_, frame)| frame.ticks).sum();
    if ticks == 0 {
        return Err(NotSound::Broken("an MP3 without a frame"));
    }
    Ok(ticks.div_ceil(TICKS / 1_000))
}

pub(super) fn cut(bytes: &Bytes, by: Cut) -> Result<Vec<Piece>, NotSound> {
    let (mut pieces, mut begun) = (Vec::<Piece>::new(), None::<(usize, u64)>);
    let (mut clock, mut end) = (0, 0);
    let mut keep = |from: usize, end: usize, since: u64, until: u64| {
        let place = Place { start: millis(since), end: Some(millis(until)) };
        pieces.push(Piece { bytes: bytes.slice(from..end), place });
    };
    for (at, frame) in frames(bytes) {
        let (from, since) = *begun.get_or_insert((at, clock));
        let fits =
            at + frame.bytes - from <= by.bytes && millis(clock + frame.ticks - since) <= by.millis;
        if !fits && end > from {
            keep(from, end, since, clock);
            begun = Some((at, clock));
        }
        clock += frame.ticks;
        end = at + frame.bytes;
    }
    match begun {
        Some((from, since)) => keep(from, end, since, clock),
        None => return Err(NotSound::Broken("an MP3 without a frame")),
    }
    Ok(pieces)
}
