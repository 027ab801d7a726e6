use bytes::BufMut;
use proptest::prelude::*;

use super::*;

/// A WAV with these samples, and a chunk that nobody knows before them.
pub(crate) fn wav(rate: u32, frame: u16, samples: &[u8]) -> Bytes {
    let mut file = Vec::new();
    file.put_slice(b"RIFF\0\0\0\0WAVE");
    file.put_slice(b"LIST\x03\0\0\0abc\0");
    file.put_slice(b"fmt \x10\0\0\0\x01\0\x01\0");
    file.put_u32_le(rate);
    file.put_u32_le(rate * u32::from(frame));
    file.put_u16_le(frame);
    file.put_u16_le(8 * frame);
    file.put_slice(b"data");
    file.put_u32_le(u32::try_from(samples.len()).unwrap());
    file.put_slice(samples);
    file.into()
}

/// An MP3 of these bitrates (numbers of MPEG 1), whose frames are known by their last bytes.
fn mp3(bitrates: &[u8], index: bool) -> (Bytes, Vec<Vec<u8>>) {
    let (mut file, mut frames) = (b"ID3\x03\0\0\0\0\0\x05title".to_vec(), Vec::new());
    for (n, rate) in bitrates.iter().enumerate() {
        let padding = u8::from(n % 3 == 0);
        let head = [0xff, 0xfb, rate << 4 | padding << 1, 0xc4];
        let bitrate = [32, 40, 48, 56, 64, 80, 96, 112, 128][usize::from(*rate) - 1];
        let size = 144 * bitrate * 1_000 / 44_100 + usize::from(padding);
        let mut frame = head.to_vec();
        frame.resize(size - 2, 0);
        frame.put_u16_le(u16::try_from(n).unwrap());
        if n == 0 && index {
            frame[4 + 17..4 + 21].copy_from_slice(b"Info");
        } else {
            frames.push(frame.clone());
        }
        file.extend(frame);
    }
    file.extend(b"TAG the end");
    (file.into(), frames)
}

proptest! {
    #[test]
    fn a_wav_is_cut_between_samples(
        rate in 1u32..100_000,
        frame in 1u16..9,
        count in 0usize..2_000,
        bytes in 60usize..4_000,
        millis in 1u64..2_000,
    ) {
        let samples: Vec<u8> = (0..count * usize::from(frame)).map(|n| (n % 251) as u8).collect();
        let file = wav(rate, frame, &samples);
        prop_assert_eq!(lasts(&file).unwrap(), Some((count as u64 * 1_000).div_ceil(rate.into())));
        let Ok(pieces) = cut(&file, Cut { bytes, millis }) else {
            prop_assert!(u64::from(rate) * millis < 1_000 || bytes < 64);
            return Ok(());
        };
        let mut all = Vec::new();
        for piece in &pieces {
            prop_assert!(piece.bytes.len() <= bytes);
            let before = all.len() / usize::from(frame);
            prop_assert_eq!(piece.place.start, before as u64 * 1_000 / u64::from(rate));
            let read = wav::Wav::read(&piece.bytes).unwrap();
            prop_assert!(read.lasts() <= millis + 1);
            let one = cut(&piece.bytes, CUT).unwrap();
            prop_assert_eq!(&one[0].bytes, &piece.bytes, "a piece is a whole file");
            let data = piece.bytes.windows(4).position(|word| word == b"data").unwrap() + 8;
            all.extend_from_slice(&piece.bytes[data..]);
            let after = all.len() / usize::from(frame);
            prop_assert_eq!(piece.place.end, Some(after as u64 * 1_000 / u64::from(rate)));
        }
        prop_assert_eq!(all, samples);
    }

    #[test]
    fn an_mp3_is_cut_between_frames(
        bitrates in prop::collection::vec(1u8..10, 2..60),
        index: bool,
        bytes in 500usize..5_000,
        millis in 30u64..1_000,
    ) {
        let (file, frames) = mp3(&bitrates, index);
        prop_assert_eq!(Container::of(&file), Ok(Container::Mp3));
        let count = frames.len() as u64;
        prop_assert_eq!(lasts(&file).unwrap(), Some((count * 1_152 * 1_000).div_ceil(44_100)));
        let (mut all, mut seen) = (Vec::new(), 0u64);
        for piece in cut(&file, Cut { bytes, millis }).unwrap() {
            prop_assert!(piece.bytes.len() <= bytes);
            prop_assert_eq!(piece.place.start, seen * 1_152 * 1_000 / 44_100);
            let alone: Vec<_> = mp3::lasts(&piece.bytes).into_iter().collect();
            prop_assert!(alone[0] <= millis + 1);
            all.extend_from_slice(&piece.bytes);
            while frames.iter().take(usize::try_from(seen).unwrap()).map(Vec::len).sum::<usize>()
                < all.len()
            {
                seen += 1;
            }
            prop_assert_eq!(piece.place.end, Some(seen * 1_152 * 1_000 / 44_100));
        }
        prop_assert_eq!(all, frames.concat());
    }

    #[test]
    fn nothing_that_comes_breaks_it(
        begin in prop::sample::select(vec![
            &b"RIFF....WAVEfmt "[..], b"ID3\x03\0\0\x7f\x7f\x7f\x7f", b"\xff\xfb\x90\x44", b"OggS",
            b"RIFF....WAVEdata\xff\xff\xff\xff", b"",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let file = Bytes::from([begin, &rest].concat());
        let _ = (lasts(&file), cut(&file, Cut { bytes: 100, millis: 100 }));
    }
}

#[test]
fn garbage_between_frames_is_skipped() {
    let (file, frames) = mp3(&[9, 9, 9, 9], false);
    let cut_at = 15 + frames[0].len() + frames[1].len();
    let mut torn = file[..cut_at].to_vec();
    torn.extend([0xff, 0xfb, 0x90, 0x44, 1, 2, 3]);
    torn.extend(&file[cut_at..]);
    assert_eq!(lasts(&torn.into()), lasts(&file));
}

#[test]
fn what_nobody_can_cut_is_refused() {
    let ogg = Bytes::from([&b"OggS"[..], &[0; 100]].concat());
    assert_eq!(lasts(&ogg), Ok(None));
    assert_eq!(cut(&ogg, Cut { bytes: 50, millis: 1 }), Err(NotSound::TooLarge(50)));
    assert_eq!(cut(&ogg, CUT).unwrap()[0].bytes, ogg);
    assert_eq!(Container::of(b"hello"), Err(NotSound::Unknown));
    assert_eq!(Container::of(b"\0\0\0\x20ftypM4A "), Ok(Container::Mp4));
}
