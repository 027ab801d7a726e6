//! The two laws over handmade streams, and what each framing makes of its oddities.

use bytes::Bytes;
use llm_core::dialect::{Frame, FrameKind, Framing};
use proptest::prelude::*;

use super::*;

mod recorded;

/// Splits a stream that comes in these pieces.
pub(super) fn split<'a>(
    framing: Framing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Frame> {
    let (mut splitter, mut out) = (Splitter::new(framing), Vec::new());
    for piece in pieces {
        splitter.feed(&Bytes::copy_from_slice(piece), &mut out).unwrap();
    }
    splitter.finish(&mut out);
    out
}

/// Splits a stream that comes at once, and checks that nothing of it was lost.
pub(super) fn whole(framing: Framing, stream: &[u8]) -> Vec<Frame> {
    let frames = split(framing, [stream]);
    let raw: Vec<u8> = frames.iter().flat_map(|f| f.raw.to_vec()).collect();
    assert_eq!(raw, stream, "the raw bytes do not join to the stream");
    frames
}

fn read(framing: Framing, stream: &str) -> Vec<(FrameKind, String, Option<String>)> {
    let text = |b: &Bytes| String::from_utf8_lossy(b).into_owned();
    let frames = whole(framing, stream.as_bytes());
    let read = frames.iter().map(|f| (f.kind, text(&f.data), f.event.as_ref().map(text)));
    read.filter(|(kind, ..)| *kind != FrameKind::Padding).collect()
}

fn event(data: &str) -> (FrameKind, String, Option<String>) {
    (FrameKind::Event, data.into(), None)
}

fn named(name: &str, data: &str) -> (FrameKind, String, Option<String>) {
    (FrameKind::Event, data.into(), Some(name.into()))
}

const SSE: &[&str] = &[
    "",
    "data: a\n\n",
    "data: a\n\ndata: [DONE]\n\n",
    "\u{feff}data: a\r\n\r\nevent: x\r\ndata: b\r\n\r\n",
    "data: a\r\rdata: b\r\r",
    "data: a\r\n\rdata: b\n\r\ndata: c\r\r\n",
    ": note\n\n: note\ndata: a\n: inside\ndata:b\n\nid: 1\nretry: 5\n\n",
    "event: x\n\ndata\n\ndata:\n\ndata:  \n\ndata:\ndata:\n\n",
    "data: {\"text\":\"안녕하세요, 세계\"}\n\ndata: {\"text\":\"끝\"}\n\n",
    "data: a\n\n{\n  \"error\": {\n    \"code\": 499\n  }\n}\n",
    "data: a\nstray\ndata: b\n\nstray: too",
    "data: a\n\ndata: {\"cut\":",
    "data: a\n\ndata: b\n",
    "data: a\n\ndata: b\r",
    "data: a\n\ndata: b\r\n\r",
    "\n\n\r\n\r\rdata: a",
    "\u{feff}",
];

const NDJSON: &[&str] = &[
    "",
    "{\"a\":1}\n{\"b\":2}\n",
    "\u{feff}{\"a\":1}\r\n\r\n  \n{\"b\":\"한국어\"}",
    "{\"a\":\r1}\n\n",
    "{\"a\":1}\r",
    "\r\n\r",
];

const ARRAY: &[&str] = &[
    "",
    "[]",
    "[{\"a\":1},{\"b\":[2,{}]}]",
    "[{\"a\":\"}]\\\"{[\\\\\"}\r\n,\r\n{\"b\":\"한국어\"}\n]\n",
    "\u{feff} [ {} , [] , \"x\\\"]\" , -1.5e3,null ,true]",
    "{\"error\":{\"code\":400}}\n",
    "{\"error\":{}} more",
    "[{\"a\":1},{\"b\":",
    "[{\"a\":1},12",
    "[{\"a\":1},\"cut \\",
    "[{\"a\":1}] more",
    "Internal Server Error",
    "[}{]]]",
    "[{\"a\":1},",
];

#[test]
fn frames_are_the_same_wherever_the_stream_is_cut() {
    for (framing, corpus) in
        [(Framing::Sse, SSE), (Framing::Ndjson, NDJSON), (Framing::JsonArray, ARRAY)]
    {
        for stream in corpus {
            let bytes = stream.as_bytes();
            let expected = whole(framing, bytes);
            for cut in 0..=bytes.len() {
                let (a, b) = bytes.split_at(cut);
                assert_eq!(split(framing, [a, b]), expected, "{stream:?} cut at {cut}");
            }
            for size in 1..8 {
                assert_eq!(split(framing, bytes.chunks(size)), expected, "{stream:?} by {size}");
            }
        }
    }
}

#[test]
fn an_event_ends_at_its_blank_line_however_lines_end() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = "event: x|data: a|data: b||data:c||:note||".replace('|', end);
        assert_eq!(read(Framing::Sse, &stream), [named("x", "a\nb"), event("c")]);
    }
    let mixed = read(Framing::Sse, "\u{feff}data: a\r\n\ndata: b\n\r\n: c\r\r");
    assert_eq!(mixed, [event("a"), event("b")]);
}

#[test]
fn a_comment_does_not_wait_for_a_blank_line() {
    let (mut splitter, mut out) = (Splitter::new(Framing::Sse), Vec::new());
    splitter.feed(&Bytes::from_static(b": still here\n"), &mut out).unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].kind, &out[0].raw[..]), (FrameKind::Padding, &b": still here\n"[..]));
}

#[test]
fn data_without_content_is_padding() {
    assert_eq!(read(Framing::Sse, "data\n\ndata:\n\ndata:  \n\ndata:\ndata: \n\n"), []);
    assert_eq!(read(Framing::Sse, "event: ping\n\nid: 7\n\n"), []);
}

#[test]
fn one_space_behind_the_colon_belongs_to_the_framing() {
    assert_eq!(read(Framing::Sse, "data:  a \n\n"), [event(" a ")]);
    assert_eq!(read(Framing::Sse, "event:\ndata:a\n\n"), [event("a")]);
    assert_eq!(read(Framing::Sse, "event: a\nevent: b\ndata: c\n\n"), [named("b", "c")]);
}

#[test]
fn what_is_pending_at_the_end_is_unfinished() {
    for stream in
        ["data: a\n\ndata: {\"b\"", "data: a\n\ndata: {\"b\"\n", "data: a\n\ndata: {\"b\"\r"]
    {
        let unfinished = (FrameKind::Unfinished, "{\"b\"".into(), None);
        assert_eq!(read(Framing::Sse, stream), [event("a"), unfinished]);
    }
    let unfinished = (FrameKind::Unfinished, "{\"b\"".into(), None);
    assert_eq!(read(Framing::Ndjson, "{}\n{\"b\""), [event("{}"), unfinished.clone()]);
    assert_eq!(read(Framing::JsonArray, "[{} ,{\"b\""), [event("{}"), unfinished]);
    // The last CR ends the blank line; only its LF is missing, if it had one.
    assert_eq!(read(Framing::Sse, "data: a\r\n\r"), [event("a")]);
}

#[test]
fn stray_lines_are_gathered_and_their_bytes_pass_once() {
    let stream = "data: a\n\n{\n  \"error\": {}\n}\n\ndata: b\n\nlast";
    let stray = (FrameKind::Stray, "{\n  \"error\": {}\n}\nlast".into(), None);
    assert_eq!(read(Framing::Sse, stream), [event("a"), event("b"), stray]);
    let frames = whole(Framing::Sse, stream.as_bytes());
    assert!(frames.last().unwrap().raw.is_empty());
    // Without a bound a page of HTML would be kept whole.
    let page = whole(Framing::Sse, "x".repeat(999).as_bytes());
    assert_eq!(page.len(), 2);
    let page = whole(Framing::Sse, "<p>line</p>\n".repeat(100_000).as_bytes());
    assert!(page.last().unwrap().data.len() <= 64 << 10);
}

#[test]
fn elements_of_an_array_are_frames() {
    let stream = "[{\"a\":\"]},\\\"\"}\n,\n[1],2, \"x\" ,null]\n";
    let expected = ["{\"a\":\"]},\\\"\"}", "[1]", "2", "\"x\"", "null"].map(event);
    assert_eq!(read(Framing::JsonArray, stream), expected);
    assert_eq!(read(Framing::JsonArray, " {\"error\":{}}\n"), [event("{\"error\":{}}")]);
    let stray = (FrameKind::Stray, "Bad Gateway".into(), None);
    assert_eq!(read(Framing::JsonArray, "Bad Gateway"), [stray]);
}

#[test]
fn a_frame_within_a_chunk_is_a_slice_of_it() {
    for (framing, stream) in [
        (Framing::Sse, "event: x\ndata: one\n\ndata: two\n\n"),
        (Framing::Ndjson, "{\"one\":1}\n{\"two\":2}\n"),
        (Framing::JsonArray, "[{\"one\":1},{\"two\":2}]"),
    ] {
        let chunk = Bytes::from(stream.to_owned());
        let (mut splitter, mut out) = (Splitter::new(framing), Vec::new());
        splitter.feed(&chunk, &mut out).unwrap();
        let within = chunk.as_ptr_range();
        for frame in out {
            assert!(within.contains(&frame.raw.as_ptr()), "{frame:?}");
            assert!(frame.data.is_empty() || within.contains(&frame.data.as_ptr()), "{frame:?}");
        }
    }
}

#[test]
fn a_frame_that_is_too_large_ends_the_stream() {
    for framing in [Framing::Sse, Framing::Ndjson, Framing::JsonArray] {
        let (good, bad) = match framing {
            Framing::Sse => ("data: a\n\n".to_owned(), format!("data: {}\n\n", "x".repeat(99))),
            Framing::Ndjson => ("{}\n".to_owned(), format!("{}\n", "x".repeat(99))),
            Framing::JsonArray => ("[{}".to_owned(), format!(",{{{}}}]", "x".repeat(99))),
        };
        for size in [1, 7, 64, 1000] {
            let mut splitter = Splitter::new(framing).with_frame_bytes_max(64);
            let (mut out, mut failed) = (Vec::new(), false);
            for piece in format!("{good}{bad}").as_bytes().chunks(size) {
                failed |= splitter.feed(&Bytes::copy_from_slice(piece), &mut out).is_err();
            }
            assert!(failed, "{framing:?} by {size}");
            assert!(splitter.feed(&Bytes::new(), &mut out).is_err());
            splitter.finish(&mut out);
            assert_eq!(out.len(), 1, "{framing:?} by {size}: {out:?}");
        }
        // Alone in its piece.
        let mut splitter = Splitter::new(framing).with_frame_bytes_max(64);
        let mut out = Vec::new();
        splitter.feed(&good.into(), &mut out).unwrap();
        assert!(splitter.feed(&bad.into(), &mut out).is_err(), "{framing:?}");
        assert_eq!(out.len(), 1, "{framing:?}: {out:?}");
    }
}

/// Pieces that streams are made of, so that random ones have structure.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "data",
        "event",
        "id",
        ":",
        " ",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        "1",
        "\u{feff}",
        "안",
        "[DONE]",
        "data: {}\n\n",
        "{}\n",
    ]);
    prop::collection::vec(
        prop_oneof![9 => piece.prop_map(|p| p.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|b| vec![b])],
        0..60,
    )
    .prop_map(|p| p.concat())
}

/// How an event stream reads, written down naively: events that are complete, and stray lines.
fn naive(stream: &str) -> (Vec<(Option<String>, String)>, String) {
    let lines = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let lines = lines.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut stray, mut name, mut data) = (vec![], vec![], None, vec![]);
    for line in lines.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            _ if line.is_empty() => {
                let joined = data.join("\n");
                if !joined.trim_ascii().is_empty() {
                    events.push((name.take(), joined));
                }
                (name, data) = (None, vec![]);
            }
            "data" => data.push(value),
            "event" => name = Some(value.to_owned()).filter(|v| !v.is_empty()),
            "" | "id" | "retry" => {}
            _ => stray.push(line),
        }
    }
    (events, stray.join("\n"))
}

proptest! {
    #[test]
    fn events_are_read_as_the_standard_says(stream in stream()) {
        // The naive reading decodes first, which is only right for a stream that is whole.
        let text = format!("{}\n\n", String::from_utf8_lossy(&stream));
        let frames = read(Framing::Sse, &text);
        let (events, stray) = naive(&text);
        let is = |kind| frames.iter().filter(move |(k, ..)| *k == kind);
        let read: Vec<_> = is(FrameKind::Event).map(|(_, d, n)| (n.clone(), d.clone())).collect();
        prop_assert_eq!(read, events);
        let read: Vec<_> = is(FrameKind::Stray).map(|(_, d, _)| d.clone()).collect();
        prop_assert_eq!(read.concat(), stray);
    }

    #[test]
    fn any_bytes_keep_both_laws(
        stream in stream(),
        cuts in prop::collection::vec(0..300usize, 0..9),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % (stream.len() + 1)).collect();
        cuts.push(stream.len());
        cuts.sort_unstable();
        for framing in [Framing::Sse, Framing::Ndjson, Framing::JsonArray] {
            let expected = whole(framing, &stream);
            let mut from = 0;
            let pieces = cuts.iter().map(|to| {
                let piece = &stream[from..*to];
                from = *to;
                piece
            });
            prop_assert_eq!(split(framing, pieces), expected);
        }
    }
}
