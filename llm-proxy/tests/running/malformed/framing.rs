//! Requests whose frame is broken: heads, lengths, chunks.

use super::shapes::Shape;
use super::{APP, Case, Expect, JSON, head, posted};

const BODY: &str = r#"{"model":"plain","messages":[{"role":"user","content":"hi"}]}"#;
const PATH: &str = "/v1/chat/completions";

fn case(name: &str, bytes: impl Into<Vec<u8>>, expect: Expect) -> Case {
    Case { expect, ..Case::refused(format!("framing: {name}"), Shape::None, bytes.into()) }
}

/// A head with further lines, and what follows it.
fn with(lines: &str, body: &str) -> String {
    format!("{}{lines}\r\n{body}", head("POST", PATH, APP.key, JSON))
}

/// How long a body is said to be.
fn lengths() -> Vec<Case> {
    let n = BODY.len();
    let bad = [
        ("a length that is a word", "content-length: ten\r\n".to_owned()),
        ("a length below nothing", "content-length: -1\r\n".to_owned()),
        ("a length with a plus", format!("content-length: +{n}\r\n")),
        ("a length in hex", "content-length: 0x10\r\n".to_owned()),
        ("two lengths", format!("content-length: {n}\r\ncontent-length: 5\r\n")),
        ("a list of lengths", format!("content-length: {n}, 5\r\n")),
        ("a length beyond all", "content-length: 99999999999999999999999\r\n".to_owned()),
        ("an empty length", "content-length: \r\n".to_owned()),
        ("chunks that are not", "transfer-encoding: xchunked\r\n".to_owned()),
        ("chunks twice", "transfer-encoding: chunked, chunked\r\n".to_owned()),
        ("chunks and then packed", "transfer-encoding: chunked, gzip\r\n".to_owned()),
        ("packed on the way", "transfer-encoding: gzip\r\n".to_owned()),
        ("as it is, on the way", "transfer-encoding: identity\r\n".to_owned()),
        ("a length and chunks", format!("content-length: {n}\r\ntransfer-encoding: chunked\r\n")),
    ];
    let mut cases: Vec<_> = bad
        .iter()
        .map(|(name, lines)| case(name, with(lines, BODY), Expect::RefusedOrClosed))
        .collect();
    cases.extend([
        case(
            "longer than what comes",
            with("content-length: 9999\r\n", BODY),
            Expect::RefusedOrClosed,
        ),
        case("longer than allowed", with("content-length: 999999999\r\n", BODY), Expect::Refused),
        case("no length at all", with("", BODY), Expect::Refused),
        case("shorter than what comes", with("content-length: 20\r\n", BODY), Expect::Refused),
    ]);
    cases
}

fn chunks() -> Vec<Case> {
    let n = BODY.len();
    let bad = [
        ("a size that is a word", format!("zz\r\n{BODY}\r\n0\r\n\r\n")),
        ("a size below nothing", format!("-5\r\n{BODY}\r\n0\r\n\r\n")),
        ("a size beyond all", format!("fffffffffffffffff\r\n{BODY}\r\n0\r\n\r\n")),
        ("a size of nothing", format!("\r\n{BODY}\r\n0\r\n\r\n")),
        ("no end of a chunk", format!("{n:x}\r\n{BODY}0\r\n\r\n")),
        ("no last chunk", format!("{n:x}\r\n{BODY}\r\n")),
        ("half a chunk", format!("{n:x}\r\n{}", &BODY[..20])),
        ("bare line feeds", format!("{n:x}\n{BODY}\n0\n\n")),
        ("a note without end", format!("{n:x};{}\r\n{BODY}\r\n0\r\n\r\n", "a".repeat(100_000))),
        ("spaces in a size", format!("{n:x} 5\r\n{BODY}\r\n0\r\n\r\n")),
        ("more than allowed", format!("7fffffff\r\n{BODY}")),
    ];
    let lines = "transfer-encoding: chunked\r\n";
    let all = bad.iter().map(|(name, body)| {
        case(&format!("chunks: {name}"), with(lines, body), Expect::RefusedOrClosed)
    });
    all.collect()
}

/// Lines of heads.
fn lines() -> Vec<Case> {
    use Expect::{NoFault, RefusedOrClosed};
    let rest = format!("content-length: {}\r\n", BODY.len());
    let good = with(&rest, BODY);
    let line =
        |name: &str, more: &str, expect| case(name, with(&format!("{more}{rest}"), BODY), expect);
    vec![
        case("no host", good.replacen("host: proxy\r\n", "", 1), RefusedOrClosed),
        case(
            "two hosts",
            good.replacen("host: proxy", "host: proxy\r\nhost: other", 1),
            RefusedOrClosed,
        ),
        line("no colon", "no colon here\r\n", RefusedOrClosed),
        line("a space before the colon", "x-name : value\r\n", RefusedOrClosed),
        line("an empty name", ": value\r\n", RefusedOrClosed),
        line("a folded line", "x-name: a\r\n b\r\n", RefusedOrClosed),
        line("a zero byte", "x-name: a\0b\r\n", RefusedOrClosed),
        line("a control character", "x-name: a\u{1}b\r\n", RefusedOrClosed),
        line("a bare return", "x-name: a\rb\r\n", RefusedOrClosed),
        line("a name in brackets", "(x): a\r\n", RefusedOrClosed),
        line("a huge line", &format!("x-name: {}\r\n", "a".repeat(100_000)), RefusedOrClosed),
        line("too many lines", &"x-name: a\r\n".repeat(2_000), RefusedOrClosed),
        line("an unknown expectation", "expect: the-unexpected\r\n", NoFault),
        line("an upgrade", "upgrade: websocket\r\n", NoFault),
        line("h2c without settings", "upgrade: h2c\r\nhttp2-settings: !!\r\n", NoFault),
        line("another key as well", "x-api-key: sk-other\r\n", NoFault),
        line("a method over the method", "x-http-method-override: DELETE\r\n", NoFault),
        line("a path over the path", "x-original-url: /key/generate\r\n", NoFault),
    ]
}

/// First lines.
fn firsts() -> Vec<Case> {
    use Expect::{NoFault, RefusedOrClosed};
    let good = with(&format!("content-length: {}\r\n", BODY.len()), BODY);
    let first = |line: &str| good.replacen("POST /v1/chat/completions HTTP/1.1", line, 1);
    let get = |line: &str| format!("{line}\r\nhost: proxy\r\nconnection: close\r\n\r\n");
    vec![
        case("no version", first("POST /v1/chat/completions"), RefusedOrClosed),
        case("a version to come", first("POST /v1/chat/completions HTTP/7.3"), RefusedOrClosed),
        case(
            "a version that is a word",
            first("POST /v1/chat/completions HTTP/x"),
            RefusedOrClosed,
        ),
        case("no path", first("POST HTTP/1.1"), RefusedOrClosed),
        case("two paths", first("POST /v1/chat /completions HTTP/1.1"), RefusedOrClosed),
        case(
            "a method of brackets",
            first("<POST> /v1/chat/completions HTTP/1.1"),
            RefusedOrClosed,
        ),
        case(
            "a method that nobody knows",
            first("FROB /v1/chat/completions HTTP/1.1"),
            RefusedOrClosed,
        ),
        case("a zero byte in the path", first("POST /v1/\0chat HTTP/1.1"), RefusedOrClosed),
        case(
            "a long path",
            first(&format!("POST /{} HTTP/1.1", "a".repeat(9_000))),
            RefusedOrClosed,
        ),
        case(
            "an endless path",
            first(&format!("POST /{} HTTP/1.1", "a".repeat(200_000))),
            RefusedOrClosed,
        ),
        case("a path up", first("POST /v1/../key/generate HTTP/1.1"), RefusedOrClosed),
        case("a path up, escaped", first("POST /v1/%2e%2e/key/generate HTTP/1.1"), RefusedOrClosed),
        case(
            "a broken escape",
            first("POST /v1beta/models/%zz:generateContent HTTP/1.1"),
            RefusedOrClosed,
        ),
        case("two slashes", first("POST //v1//chat/completions HTTP/1.1"), RefusedOrClosed),
        case("the whole address", first("POST http://other/nothing HTTP/1.1"), RefusedOrClosed),
        case("an authority", first("CONNECT other:443 HTTP/1.1"), RefusedOrClosed),
        case("a trace", get("TRACE /v1/models HTTP/1.1"), RefusedOrClosed),
        case("everything", get("OPTIONS * HTTP/1.1"), NoFault),
        case("a star", get("GET * HTTP/1.1"), RefusedOrClosed),
    ]
}

/// What is cut off, or no request of this kind at all.
fn frames() -> Vec<Case> {
    use Expect::{NoFault, RefusedOrClosed};
    let good = with(&format!("content-length: {}\r\n", BODY.len()), BODY);
    vec![
        case("half a head", &good.as_bytes()[..60], RefusedOrClosed),
        case("half a first line", &b"POST /v1/ch"[..], RefusedOrClosed),
        case("nothing but lines", "\r\n".repeat(50), RefusedOrClosed),
        case("nothing", "", RefusedOrClosed),
        case("bare line feeds", good.replace("\r\n", "\n"), NoFault),
        case("a greeting of TLS", &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0][..], RefusedOrClosed),
        case("noise", noise(4_096), RefusedOrClosed),
        case("half a preface of HTTP/2", &b"PRI * HTTP/2.0\r\n\r\nSM"[..], RefusedOrClosed),
        case(
            "HTTP/2 and noise",
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &noise(512)].concat(),
            RefusedOrClosed,
        ),
        case(
            "HTTP/2 and a frame that is too large",
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[255, 255, 255, 0, 0, 0, 0, 0, 1]].concat(),
            RefusedOrClosed,
        ),
    ]
}

/// Keys, and no key.
fn keys() -> Vec<Case> {
    let good = with(&format!("content-length: {}\r\n", BODY.len()), BODY);
    vec![
        Case {
            shape: Shape::OpenAi,
            ..case(
                "no such path",
                posted("POST", "/v1/nothing", APP.key, JSON, b"{}"),
                Expect::Refused,
            )
        },
        Case {
            shape: Shape::OpenAi,
            ..case("no key", good.replacen(APP.key, "", 1), Expect::Refused)
        },
        Case {
            shape: Shape::OpenAi,
            ..case(
                "a key of letters beyond ASCII",
                good.replacen(APP.key, "sk-\u{e9}\u{d55c}", 1),
                Expect::Refused,
            )
        },
        Case {
            shape: Shape::OpenAi,
            ..case("a long key", good.replacen(APP.key, &"k".repeat(20_000), 1), Expect::Refused)
        },
    ]
}

/// Bytes without sense, the same each time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(chunks());
    cases.extend(lines());
    cases.extend(firsts());
    cases.extend(frames());
    cases.extend(keys());
    cases
}
