use proptest::prelude::*;

use super::*;

/// All of an answer, shown in pieces of that size: status, body, whether the line may be kept.
fn read(answer: &[u8], piece: usize) -> Result<(u16, Vec<u8>, bool), Wrong> {
    let mut buffer = BytesMut::new();
    let mut pieces = answer.chunks(piece);
    let mut head = loop {
        if let Some(head) = super::head(&mut buffer, &Method::POST)? {
            break head;
        }
        buffer.extend_from_slice(pieces.next().ok_or(Wrong("no head"))?);
    };
    let mut body = Vec::new();
    loop {
        match head.framing.take(&mut buffer)? {
            Taken::Data(data) => {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
            Taken::End => break,
            Taken::More => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None if head.framing == Framing::Close => break,
                None => return Err(Wrong("cut")),
            },
        }
    }
    assert_eq!(head.framing.has_ended(), head.framing != Framing::Close);
    let keep = head.keep && buffer.is_empty() && pieces.next().is_none();
    Ok((head.status.as_u16(), body, keep))
}

const SIZES: [usize; 6] = [1, 2, 3, 7, 64, 1 << 20];

fn reads(answer: &[u8], status: u16, body: &[u8], keep: bool) {
    for size in SIZES {
        let said = String::from_utf8_lossy(answer);
        assert_eq!(read(answer, size), Ok((status, body.to_vec(), keep)), "{size}: {said}");
    }
}

fn refuses(answer: &[u8]) {
    for size in SIZES {
        assert!(read(answer, size).is_err(), "{size}: {}", String::from_utf8_lossy(answer));
    }
}

#[test]
fn bodies_end_where_they_say() {
    reads(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", true);
    reads(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, b"", true);
    reads(b"HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n", 204, b"", true);
    reads(b"HTTP/1.1 200 OK\r\n\r\nall", 200, b"all", false);
    reads(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab", 200, b"ab", false);
    reads(
        b"HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 1\r\n\r\na",
        200,
        b"a",
        false,
    );
    let twice = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na";
    reads(twice, 200, b"a", true);
    // What follows is nobody's.
    reads(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc", 200, b"a", false);
}

#[test]
fn pieces_are_put_together() {
    let chunked = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        [head, body].concat().into_bytes()
    };
    reads(&chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 200, b"abcde", true);
    reads(
        &chunked("A;x=\"y\"\r\n0123456789\r\n0\r\na: b\r\nc: d\r\n\r\n"),
        200,
        b"0123456789",
        true,
    );
    reads(&chunked("0\r\n\r\n"), 200, b"", true);
    for wrong in [
        "\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nab",
        "-1\r\n",
        "g\r\n",
        "00000000000000001\r\na\r\n0\r\n\r\n",
        "3;\nabc\r\n0\r\n\r\n",
    ] {
        refuses(&chunked(wrong));
    }
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(20 << 10));
    refuses(&chunked(&long));
    let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(5 << 10));
    refuses(&chunked(&trailers));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for wrong in [
        "content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "content-length: +5\r\n\r\nhello",
        "content-length: 5, 5\r\n\r\nhello",
        "content-length: \r\n\r\nhello",
        "content-length: 99999999999999999999999\r\n\r\nhello",
        "content length: 5\r\n\r\nhello",
    ] {
        refuses(format!("HTTP/1.1 200 OK\r\n{wrong}").as_bytes());
    }
    refuses(b"HTTP/2 200 OK\r\n\r\n");
    refuses(b"HTTP/1.1 99 OK\r\n\r\n");
    refuses(b"HTTP/1.1 101 Switching\r\n\r\n");
}

#[test]
fn heads_on_the_way_are_passed_over() {
    let early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n\
                  HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    reads(early, 200, b"ok", true);
}

#[test]
fn names_and_values_are_what_was_sent() {
    let answer = b"HTTP/1.1 200 OK\r\nX-Own:  a b \r\nempty:\r\nset-cookie: 1\r\nset-cookie: 2\r\n\
                   content-length: 0\r\n\r\n";
    let head = super::head(&mut BytesMut::from(&answer[..]), &Method::GET).unwrap().unwrap();
    assert_eq!(head.headers["x-own"], "a b");
    assert_eq!(head.headers["empty"], "");
    let cookies: Vec<_> = head.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["1", "2"]);
}

proptest! {
    /// Any body in any pieces, shown in any sizes.
    #[test]
    fn any_body_arrives(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..12),
        shown in 1usize..400,
    ) {
        let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for piece in &pieces {
            chunked.extend(format!("{:x}\r\n", piece.len()).bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        let whole = pieces.concat();
        prop_assert_eq!(read(&chunked, shown), Ok((200, whole.clone(), true)));
        // Nothing that is cut off passes for whole.
        prop_assert!(read(&chunked[..chunked.len() - 1], shown).is_err());
        let mut length = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
        let head = length.len();
        let mut bytes = std::mem::take(&mut length).into_bytes();
        bytes.extend_from_slice(&whole);
        prop_assert_eq!(read(&bytes, shown), Ok((200, whole.clone(), true)));
        if !whole.is_empty() {
            prop_assert!(read(&bytes[..head + whole.len() - 1], shown).is_err());
        }
    }

    /// Whatever comes, it is read or refused.
    #[test]
    fn anything_is_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        shown in 1usize..64,
    ) {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        answer.extend_from_slice(&bytes);
        let _ = read(&answer, shown);
        let _ = read(&bytes, shown);
    }
}
