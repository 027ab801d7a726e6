//! The laws of framing: nothing is lost, and cuts change nothing.

use bytes::Bytes;
use llm_core::dialect::{Frame, FrameKind, Framing};
use llm_dialects::frame::Splitter;

/// The first byte of the input says where to cut the rest, so that a fuzzer can change the cuts
/// without changing the stream.
pub(super) fn pieces(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((seed, stream)) = input.split_first() else { return (&[], Vec::new()) };
    let mut random = u64::from(*seed) + 1;
    let (mut rest, mut pieces) = (stream, Vec::new());
    while !rest.is_empty() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let len = 1 + (random >> 33) as usize % (1 + usize::from(*seed) / 4);
        let (piece, after) = rest.split_at(len.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    (stream, pieces)
}

pub(super) fn split(framing: Framing, input: &[u8]) {
    let (stream, pieces) = pieces(input);
    let (whole, failed) = frames(framing, usize::MAX, [stream]);
    assert!(!failed, "refused without a limit");
    let raw: Vec<u8> = whole.iter().flat_map(|f| f.raw.to_vec()).collect();
    assert_eq!(raw, stream, "the raw bytes do not join to the stream");
    for frame in &whole {
        let empty = frame.data.is_empty();
        assert_eq!(frame.kind == FrameKind::Padding, empty, "{frame:?}");
    }
    assert_eq!(frames(framing, usize::MAX, pieces.iter().copied()), (whole, false));
    // A limit that is met must be met wherever the cuts are.
    const SMALL: usize = 32;
    assert_eq!(frames(framing, SMALL, pieces), frames(framing, SMALL, [stream]));
}

fn frames<'a>(
    framing: Framing,
    bytes_max: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Frame>, bool) {
    let mut splitter = Splitter::new(framing).with_frame_bytes_max(bytes_max);
    let (mut out, mut failed) = (Vec::new(), false);
    for piece in pieces {
        failed |= splitter.feed(&Bytes::copy_from_slice(piece), &mut out).is_err();
    }
    splitter.finish(&mut out);
    (out, failed)
}
