//! Forms: boundaries, parts and their heads.

use super::shapes::Shape;
use super::{APP, Case, Expect, posted};

const ROUTES: [&str; 3] = ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/files"];

/// A form of parts: their heads' lines and their contents.
fn form(boundary: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (head, content) in parts {
        body.push_str(&format!("--{boundary}\r\n{head}\r\n\r\n{content}\r\n"));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    body.into_bytes()
}

const FILE: (&str, &str) =
    ("content-disposition: form-data; name=\"file\"; filename=\"a.wav\"", "RIFF0000WAVE");
const MODEL: (&str, &str) = ("content-disposition: form-data; name=\"model\"", "plain");

/// A name, a type and a body.
type Body = (&'static str, &'static str, Vec<u8>);

const KIND: &str = "multipart/form-data; boundary=b";

/// No form that anybody can read.
fn bad() -> Vec<Body> {
    let good = form("b", &[FILE, MODEL]);
    let kind = KIND;
    let long = "b".repeat(70_000);
    let named = |name: &str| format!("content-disposition: form-data; name=\"{name}\"");
    let purpose = named("purpose");
    let many = form("b", &vec![("content-disposition: form-data; name=\"x\"", "1"); 10_000]);
    vec![
        ("no boundary", "multipart/form-data", good.clone()),
        ("an empty boundary", "multipart/form-data; boundary=", good.clone()),
        ("another boundary", "multipart/form-data; boundary=other", good.clone()),
        ("an endless boundary", "multipart/form-data; boundary=b", form(&long, &[FILE, MODEL])),
        ("no form", "application/json", br#"{"model":"plain"}"#.to_vec()),
        ("no type", "", good.clone()),
        ("nothing", kind, Vec::new()),
        ("only the end", kind, b"--b--\r\n".to_vec()),
        ("no end", kind, good[..good.len() - 8].to_vec()),
        ("half a part", kind, good[..good.len() / 2].to_vec()),
        ("half a head", kind, b"--b\r\ncontent-disp".to_vec()),
        ("a part without a head", kind, b"--b\r\n\r\nx\r\n--b--\r\n".to_vec()),
        ("a part without a name", kind, form("b", &[("content-disposition: form-data", "x")])),
        ("a head that is none", kind, form("b", &[("no colon here", "x")])),
        ("no file", kind, form("b", &[MODEL, (&*purpose, "batch")])),
        ("ten thousand parts", kind, many),
        ("noise", kind, vec![0xfe; 2_000]),
    ]
}

/// What some readers take, and others do not.
fn odd() -> Vec<Body> {
    let named = |name: &str| format!("content-disposition: form-data; name=\"{name}\"");
    let [purpose, bare] = [named("purpose"), named("model")];
    let deep = format!("{}; x=\"{}\"", FILE.0, "a".repeat(30_000));
    vec![
        ("the same field twice", KIND, form("b", &[FILE, MODEL, (&*bare, "other")])),
        ("a head without end", KIND, form("b", &[(&*deep, "x"), MODEL, (&*purpose, "batch")])),
        (
            "a file of another folder",
            KIND,
            form(
                "b",
                &[
                    (
                        "content-disposition: form-data; name=\"file\"; filename=\"../../etc/passwd\"",
                        "x",
                    ),
                    MODEL,
                    (&*purpose, "batch"),
                ],
            ),
        ),
        (
            "a file whose name breaks lines",
            KIND,
            form(
                "b",
                &[
                    ("content-disposition: form-data; name=\"file\"; filename=\"a%0d%0ab\0\"", "x"),
                    MODEL,
                    (&*purpose, "batch"),
                ],
            ),
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let [refused, perhaps] = [bad(), odd()];
    let mut cases = Vec::new();
    for path in ROUTES {
        for (list, expect) in [(&refused, Expect::Refused), (&perhaps, Expect::NoFault)] {
            for (name, kind, body) in list {
                let more = if kind.is_empty() {
                    String::new()
                } else {
                    format!("content-type: {kind}\r\n")
                };
                let bytes = posted("POST", path, APP.key, &more, body);
                let name = format!("{path}: form: {name}");
                cases.push(Case { expect, ..Case::refused(name, Shape::OpenAi, bytes) });
            }
        }
    }
    cases
}
