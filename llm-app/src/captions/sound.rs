//! Sounds: what they are, how long they last, and where they are cut.
//!
//! WAV is cut between samples and MPEG audio between frames, so that what is heard of the pieces is
//! what would be heard of the whole. Other containers are sent as they are, and refused where that is
//! more than a provider takes. Deliberately absent: decoding, and films of which the sound would have
//! to be taken out.

mod mp3;
mod wav;

use bytes::Bytes;

use super::segment::Place;

/// How sounds are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of a piece: what providers take in one upload.
    pub bytes: usize,
    /// How long a piece lasts, in milliseconds: some models listen no longer.
    pub millis: u64,
}

/// OpenAI takes 25 MiB with all that stands around the file, and its newer models 25 minutes.
pub const CUT: Cut = Cut { bytes: 24 << 20, millis: 20 * 60 * 1_000 };

/// A piece of a sound, as a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Bytes,
    /// Where it lies in the whole.
    pub place: Place,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// RIFF with samples.
    Wav,
    /// MPEG audio.
    Mp3,
    /// Free Lossless Audio Codec.
    Flac,
    /// Ogg.
    Ogg,
    /// MPEG-4, also with a film in it.
    Mp4,
    /// Matroska and WebM.
    Webm,
}

/// What cannot be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSound {
    /// None of the containers.
    #[error("this is no sound that is known here: WAV, MP3, FLAC, Ogg, MP4 or WebM")]
    Unknown,
    /// Its head promises what is not there.
    #[error("the sound is broken: {0}")]
    Broken(&'static str),
    /// More than a provider takes, and nobody here can cut it.
    #[error("a sound of this kind may have {0} bytes at the most: send WAV or MP3")]
    TooLarge(usize),
}

impl Container {
    /// What a file is, by its first bytes.
    pub fn of(bytes: &[u8]) -> Result<Self, NotSound> {
        let at = |from: usize, word: &[u8]| bytes.get(from..).is_some_and(|b| b.starts_with(word));
        Ok(match () {
            () if at(0, b"RIFF") && at(8, b"WAVE") => Self::Wav,
            () if at(0, b"fLaC") => Self::Flac,
            () if at(0, b"OggS") => Self::Ogg,
            () if at(4, b"ftyp") => Self::Mp4,
            () if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) => Self::Webm,
            () if at(0, b"ID3") || mp3::begins(bytes) => Self::Mp3,
            () => return Err(NotSound::Unknown),
        })
    }

    /// A name for it, which says nothing but what it is: providers go by how it ends.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "audio.wav",
            Self::Mp3 => "audio.mp3",
            Self::Flac => "audio.flac",
            Self::Ogg => "audio.ogg",
            Self::Mp4 => "audio.mp4",
            Self::Webm => "audio.webm",
        }
    }

    /// What it is, for whoever is sent it.
    pub fn media(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
            Self::Flac => "audio/flac",
            Self::Ogg => "audio/ogg",
            Self::Mp4 => "audio/mp4",
            Self::Webm => "audio/webm",
        }
    }
}

/// How long a sound lasts in milliseconds, begun ones counted; `None` where its container does not
/// say so where we can read it.
pub fn lasts(bytes: &Bytes) -> Result<Option<u64>, NotSound> {
    Ok(match Container::of(bytes)? {
        Container::Wav => Some(wav::Wav::read(bytes)?.lasts()),
        Container::Mp3 => Some(mp3::lasts(bytes)?),
        Container::Flac | Container::Ogg | Container::Mp4 | Container::Webm => None,
    })
}

/// A sound as pieces that each are small enough; one that is has only itself.
pub fn cut(bytes: &Bytes, by: Cut) -> Result<Vec<Piece>, NotSound> {
    match Container::of(bytes)? {
        Container::Wav => wav::Wav::read(bytes)?.cut(bytes, by),
        Container::Mp3 => mp3::cut(bytes, by),
        Container::Flac | Container::Ogg | Container::Mp4 | Container::Webm => {
            if bytes.len() > by.bytes {
                return Err(NotSound::TooLarge(by.bytes));
            }
            let place = Place { start: 0, end: None };
            Ok(vec![Piece { bytes: bytes.clone(), place }])
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
