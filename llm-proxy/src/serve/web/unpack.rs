//! Questions that come packed, within the bounds of those that do not: what counts is the size that
//! it has when it is unpacked, and nothing is unpacked beyond it.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use llm_core::error::{Error, Kind};

/// A small body that unpacks to a large one is found out in steps of this.
const STEP: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

/// A body as it is, whichever way it was packed.
pub(crate) async fn unpacked(
    headers: &HeaderMap,
    body: Bytes,
    bytes_max: u64,
) -> Result<Bytes, Error> {
    let mut said = headers.get_all(CONTENT_ENCODING).iter();
    let Some(first) = said.next() else { return Ok(body) };
    // Packed twice is not smaller, but is the shape of a bomb.
    let coding = if said.next().is_some() { None } else { first.to_str().ok() };
    let coding = match coding.map(|name| name.trim().to_ascii_lowercase()).as_deref() {
        Some("" | "identity") => return Ok(body),
        Some("gzip" | "x-gzip") => Coding::Gzip,
        Some("deflate") => Coding::Deflate,
        Some("br") => Coding::Brotli,
        Some(_) | None => {
            let text = "this content-encoding is not understood: gzip, deflate and br are";
            return Err(Error::new(Kind::Unsupported, text));
        }
    };
    // Elsewhere: a few bytes can be much work.
    let done = tokio::task::spawn_blocking(move || whole(&body, coding, bytes_max)).await;
    done.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the body was not unpacked")))
}

fn whole(body: &[u8], coding: Coding, bytes_max: u64) -> Result<Bytes, Error> {
    match coding {
        Coding::Gzip => read(MultiGzDecoder::new(body), bytes_max),
        Coding::Deflate => read(ZlibDecoder::new(body), bytes_max),
        Coding::Brotli => read(brotli::Decompressor::new(body, STEP), bytes_max),
    }
}

fn read(packed: impl Read, bytes_max: u64) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    let read = packed.take(bytes_max.saturating_add(1)).read_to_end(&mut out);
    if out.len() as u64 > bytes_max {
        let text = format!("a request may have {bytes_max} bytes at the most, unpacked");
        return Err(Error::new(Kind::TooLarge, text));
    }
    match read {
        Ok(_) => Ok(Bytes::from(out)),
        Err(_) => Err(Error::new(Kind::BadRequest, "the request's body is not packed as it says")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn packed(bytes: &[u8], coding: Coding) -> Vec<u8> {
        match coding {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Brotli => {
                let mut out = Vec::new();
                let mut encoder = brotli::CompressorWriter::new(&mut out, 4_096, 3, 18);
                encoder.write_all(bytes).unwrap();
                drop(encoder);
                out
            }
        }
    }

    const ALL: [Coding; 3] = [Coding::Gzip, Coding::Deflate, Coding::Brotli];

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked_and_what_is_cut_is_refused(
            bytes in prop::collection::vec(any::<u8>(), 1..5_000),
            at in any::<prop::sample::Index>(),
            coding in prop::sample::select(ALL.to_vec()),
        ) {
            let packed = packed(&bytes, coding);
            let most = bytes.len() as u64;
            prop_assert_eq!(whole(&packed, coding, most).unwrap(), &bytes[..]);
            let small = whole(&packed, coding, most - 1).unwrap_err();
            prop_assert_eq!(small.kind(), Kind::TooLarge);
            let cut = &packed[..at.index(packed.len())];
            prop_assert!(whole(cut, coding, most).map_or(true, |read| read != bytes));
        }

        #[test]
        fn noise_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            for coding in ALL {
                let _ = whole(&bytes, coding, 10_000);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_its_bound() {
        for coding in ALL {
            let bomb = packed(&vec![b' '; 64 << 20], coding);
            assert!(bomb.len() < 1 << 20);
            assert_eq!(whole(&bomb, coding, 1 << 20).unwrap_err().kind(), Kind::TooLarge);
        }
    }
}
