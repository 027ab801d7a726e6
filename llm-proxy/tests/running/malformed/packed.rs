//! Bodies that are not packed as they say, or unpack to more than anybody may send.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::bodies::ROUTES;
use super::{APP, Case, JSON, posted};

const BODY: &[u8] = br#"{"model":"plain","messages":[{"role":"user","content":"hi"}]}"#;
const BOMB: usize = 64 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn br(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut out, 4_096, 1, 18);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    out
}

pub(super) fn cases() -> Vec<Case> {
    let bomb = vec![b' '; BOMB];
    let [gz, zlib, brotli] = [gzip(&bomb), deflate(&bomb), br(&bomb)];
    let stacked = vec!["gzip"; 50].join(", ");
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let all: Vec<(&str, &str, Vec<u8>)> = vec![
        ("a bomb of gzip", "gzip", gz.clone()),
        ("a bomb of deflate", "deflate", zlib),
        ("a bomb of brotli", "br", brotli),
        ("a bomb in a bomb", "gzip", gzip(&gz)),
        ("half a packet of gzip", "gzip", half(gzip(BODY))),
        ("half a packet of deflate", "deflate", half(deflate(BODY))),
        ("half a packet of brotli", "br", half(br(BODY))),
        ("gzip that is none", "gzip", BODY.to_vec()),
        ("deflate that is none", "deflate", BODY.to_vec()),
        ("brotli that is none", "br", vec![0xff; 100]),
        ("gzip of nothing", "gzip", Vec::new()),
        ("gzip of no JSON", "gzip", gzip(b"not JSON")),
        ("packed as nobody here knows", "zstd", BODY.to_vec()),
        ("packed in words of nobody", "\"gzip\"", gzip(BODY)),
        ("packed twice", "gzip, gzip", gzip(&gzip(BODY))),
        ("packed fifty times", &stacked, gzip(BODY)),
    ];
    let mut cases = Vec::new();
    for route in &ROUTES {
        for (name, coding, body) in &all {
            let more = format!("{JSON}content-encoding: {coding}\r\n");
            let bytes = posted("POST", route.path, APP.key, &more, body);
            cases.push(Case::refused(format!("{}: {name}", route.path), route.shape, bytes));
        }
    }
    cases
}
