//! A picture: a small PNG in the colour of its prompt, written without any compression.

use base64::Engine as _;
use llm_core::answer::{Images, MadeImage, UsageReport};
use llm_core::extra::Extra;
use llm_core::prompt::ImageRequest;
use llm_core::usage::Usage;

use super::tokens::tokens;
use super::{CREATED, hash};

/// Edge of the picture in pixels. The size asked for is not drawn: nobody looks at it, and a
/// megapixel without compression would be three megabytes.
const EDGE: u32 = 16;
/// More pictures than any API makes at once.
const COUNT_MAX: u32 = 10;
/// What one picture costs to write.
const PICTURE_TOKENS: u64 = 272;

pub(crate) fn draw(request: &ImageRequest) -> Images {
    let count = request.count.unwrap_or(1).clamp(1, COUNT_MAX);
    let one = |n: u32| {
        let seed = hash::mix(hash::hash(request.prompt.as_bytes()).wrapping_add(u64::from(n)));
        let [r, g, b, ..] = seed.to_le_bytes();
        let bytes = png(EDGE, [r, g, b]);
        let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
        MadeImage { base64: Some(base64.into()), ..MadeImage::default() }
    };
    let usage = Usage {
        input: tokens(&request.prompt),
        output: PICTURE_TOKENS * u64::from(count),
        images: count,
        ..Usage::default()
    };
    Images {
        created: Some(CREATED),
        images: (0..count).map(one).collect(),
        usage: Some(UsageReport { usage, extra: Extra::default() }),
        extra: Extra::default(),
    }
}

/// A square of one colour, 8 bits a channel.
fn png(edge: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut pixels = Vec::new();
    for _ in 0..edge {
        // Each row says first how it is filtered: not at all.
        pixels.extend([0]);
        (0..edge).for_each(|_| pixels.extend(colour));
    }
    let mut header = Vec::new();
    header.extend(edge.to_be_bytes());
    header.extend(edge.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut out = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    chunk(b"IHDR", &header, &mut out);
    chunk(b"IDAT", &stored(&pixels), &mut out);
    chunk(b"IEND", &[], &mut out);
    out
}

fn chunk(name: &[u8; 4], data: &[u8], out: &mut Vec<u8>) {
    out.extend((data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend(name);
    out.extend(data);
    let sum = crc32(&out[start..]);
    out.extend(sum.to_be_bytes());
}

/// A zlib stream of stored blocks.
fn stored(data: &[u8]) -> Vec<u8> {
    // A stored block has 16 bits for its length.
    const BLOCK_MAX: usize = 65_535;
    let mut out = vec![0x78, 0x01];
    let blocks = data.chunks(BLOCK_MAX);
    let last = blocks.len().saturating_sub(1);
    for (n, block) in blocks.enumerate() {
        let len = block.len() as u16;
        out.push(u8::from(n == last));
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
    }
    out.extend(adler32(data).to_be_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8)
            .fold(crc ^ u32::from(*byte), |c, _| (c >> 1) ^ (0xedb8_8320 & (c & 1).wrapping_neg()))
    };
    !data.iter().fold(u32::MAX, step)
}

fn adler32(data: &[u8]) -> u32 {
    const BASE: u32 = 65_521;
    let (a, b) = data.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % BASE;
        (a, (b + a) % BASE)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        let image = png(2, [1, 2, 3]);
        assert_eq!(&image[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&image[image.len() - 8..], [b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]);
    }
}
