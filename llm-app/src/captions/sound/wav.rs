//! RIFF: a head, the form of the samples, and the samples.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Cut, NotSound, Piece};
use crate::captions::segment::Place;

/// What stands before a chunk: its name and its length.
const CHUNK_HEAD: usize = 8;
/// Bytes of a form: the longest known one has 40.
const FORM_MAX: usize = 1_024;

/// What a file says of its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wav {
    form: Bytes,
    /// Samples of all channels in a second.
    rate: u64,
    /// Bytes of a sample of all channels.
    frame: usize,
    /// Where the samples begin and end in the file: whole ones.
    data: (usize, usize),
}

impl Wav {
    pub(super) fn read(bytes: &Bytes) -> Result<Self, NotSound> {
        let broken = NotSound::Broken("a WAV without a form or samples");
        let word = |at: usize| {
            let four = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(four.try_into().ok()?))
        };
        let (mut at, mut form) = (12, None);
        loop {
            let name = bytes.get(at..at + 4).ok_or(broken)?;
            let size = usize::try_from(word(at + 4).ok_or(broken)?).map_err(|_| broken)?;
            let body = at + CHUNK_HEAD;
            if name == b"fmt " && (16..=FORM_MAX).contains(&size) {
                form = Some(body..body.checked_add(size).ok_or(broken)?);
            }
            if name == b"data" {
                let form = form.ok_or(broken)?;
                let half = |at: usize| {
                    let two = bytes.get(at..at + 2)?;
                    Some(u16::from_le_bytes(two.try_into().ok()?))
                };
                let rate = u64::from(word(form.start + 4).ok_or(broken)?);
                let frame = usize::from(half(form.start + 12).ok_or(broken)?);
                if rate == 0 || frame == 0 || bytes.len() < form.end {
                    return Err(broken);
                }
                // Whoever writes as it comes says the length of the samples too long, or 0.
                let there = bytes.len() - body;
                let size = if size == 0 { there } else { size.min(there) };
                let data = (body, body + size / frame * frame);
                return Ok(Self { form: bytes.slice(form), rate, frame, data });
            }
            let odd = size & 1;
            at = body.checked_add(size).and_then(|next| next.checked_add(odd)).ok_or(broken)?;
        }
    }

    fn samples(&self) -> u64 {
        ((self.data.1 - self.data.0) / self.frame) as u64
    }

    /// When a sample is heard: in thousandths that are whole.
    fn instant(&self, sample: u64) -> u64 {
        let ms = u128::from(sample) * 1_000 / u128::from(self.rate);
        u64::try_from(ms).unwrap_or(u64::MAX)
    }

    pub(super) fn lasts(&self) -> u64 {
        let ms = (u128::from(self.samples()) * 1_000).div_ceil(u128::from(self.rate));
        u64::try_from(ms).unwrap_or(u64::MAX)
    }

    /// Files of their own, each with a head that says its length.
    pub(super) fn cut(&self, bytes: &Bytes, by: Cut) -> Result<Vec<Piece>, NotSound> {
        let head = 12 + CHUNK_HEAD + self.form.len() + CHUNK_HEAD + (self.form.len() & 1);
        let room = by.bytes.saturating_sub(head) / self.frame;
        let long = u128::from(by.millis) * u128::from(self.rate) / 1_000;
        let each = (room as u64).min(u64::try_from(long).unwrap_or(u64::MAX));
        if each == 0 {
            return Err(NotSound::Broken("one sample is too large"));
        }
        let all = self.samples();
        let (mut from, mut pieces) = (0, Vec::new());
        while from < all {
            let until = from.saturating_add(each).min(all);
            let place = Place { start: self.instant(from), end: Some(self.instant(until)) };
            let bytes = if from == 0 && until == all && bytes.len() <= by.bytes {
                bytes.clone()
            } else {
                self.file(bytes, (from, until), head)
            };
            pieces.push(Piece { bytes, place });
            from = until;
        }
        Ok(pieces)
    }

    fn file(&self, bytes: &Bytes, (from, until): (u64, u64), head: usize) -> Bytes {
        let byte = |sample: u64| {
            let offset = usize::try_from(sample).unwrap_or(usize::MAX).saturating_mul(self.frame);
            self.data.0.saturating_add(offset).min(self.data.1)
        };
        let samples = bytes.slice(byte(from)..byte(until));
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let mut file = BytesMut::with_capacity(head + samples.len());
        file.put_slice(b"RIFF");
        file.put_u32_le(size(head - CHUNK_HEAD + samples.len()));
        file.put_slice(b"WAVEfmt ");
        file.put_u32_le(size(self.form.len()));
        file.put_slice(&self.form);
        file.put_bytes(0, self.form.len() & 1);
        file.put_slice(b"data");
        file.put_u32_le(size(samples.len()));
        file.put_slice(&samples);
        file.freeze()
    }
}
