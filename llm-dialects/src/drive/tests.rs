//! The table of the module, row by row, with a decoder whose words are its own.

use bytes::Bytes;
use llm_core::completion::{Finish, FinishReason};
use llm_core::dialect::{Corrupt, Frame, FrameKind, Framing, StreamDecoder};
use llm_core::event::{Event, Notice};
use llm_core::fault::FaultClass;

use super::*;

/// Each frame is one word: what to do.
#[derive(Default)]
struct Words {
    begun: bool,
    /// What the end of the bytes means.
    at_end: Vec<Event>,
}

impl StreamDecoder for Words {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        assert_ne!(frame.kind, FrameKind::Padding);
        if !self.begun {
            self.begun = true;
            out.push(Event::Start(Box::default()));
        }
        match (frame.kind, &frame.data[..]) {
            (FrameKind::Stray, b"{}") => {
                let fault = Fault::new(200, FaultClass::Server, "stray");
                out.push(Event::Failure(Error::upstream(fault)));
            }
            (FrameKind::Stray, _) => {}
            (_, b"\"ping\"") => out.push(Event::Notice(Notice::Ping)),
            (_, b"[DONE]") => {
                out.push(Event::Finish { candidate: 0, finish: Finish::new(FinishReason::Stop) });
                out.push(Event::End);
            }
            (_, b"\"end-ping\"") => out.extend([Event::End, Event::Notice(Notice::Ping)]),
            _ => return Err(Corrupt::new("no word")),
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        out.append(&mut self.at_end);
    }
}

/// Which events a stream gives, by one letter each, and the class of the failure.
fn drive_with(words: Words, stream: &str, size: usize) -> (String, Option<FaultClass>) {
    let splitter = Splitter::new(Framing::Sse).with_frame_bytes_max(64);
    let mut driver = Driver::with(splitter, Box::new(words));
    let mut out = Vec::new();
    for chunk in stream.as_bytes().chunks(size) {
        driver.feed(Bytes::copy_from_slice(chunk), &mut out);
    }
    driver.finish(&mut out);
    assert!(driver.is_over());
    let before = out.len();
    driver.feed(Bytes::from_static(b"data: \"ping\"\n\n"), &mut out);
    driver.finish(&mut out);
    assert_eq!(out.len(), before, "an event after the end");
    let mut class = None;
    let letters = out.iter().map(|event| match event {
        Event::Start(_) => 's',
        Event::Notice(_) => 'p',
        Event::Finish { .. } => 'f',
        Event::End => 'e',
        Event::Failure(error) => {
            class = error.fault().map(|f| f.class);
            'x'
        }
        other => panic!("{other:?}"),
    });
    (letters.collect(), class)
}

fn drive(stream: &str) -> (String, Option<FaultClass>) {
    let whole = drive_with(Words::default(), stream, usize::MAX);
    for size in 1..9 {
        assert_eq!(drive_with(Words::default(), stream, size), whole, "{stream:?} by {size}");
    }
    whole
}

fn good(letters: &str) -> (String, Option<FaultClass>) {
    (letters.into(), None)
}

fn failed(letters: &str, class: FaultClass) -> (String, Option<FaultClass>) {
    (letters.into(), Some(class))
}

#[test]
fn events_pass_and_padding_does_not() {
    assert_eq!(drive(": note\n\ndata: \"ping\"\n\ndata:\n\ndata: [DONE]\n\n"), good("spfe"));
}

#[test]
fn nothing_comes_after_the_end() {
    assert_eq!(drive("data: [DONE]\n\ndata: [DONE]\n\ndata: bad\n\nstray"), good("sfe"));
    assert_eq!(drive("data: \"end-ping\"\n\n"), good("se"));
}

#[test]
fn a_broken_frame_is_a_failure_and_the_last_event() {
    assert_eq!(drive("data: bad\n\ndata: [DONE]\n\n"), failed("sx", FaultClass::Corrupt));
}

#[test]
fn a_frame_that_is_too_large_fails_after_those_before_it() {
    let stream = format!("data: \"ping\"\n\ndata: {}\n\n", "x".repeat(99));
    assert_eq!(drive(&stream), failed("spx", FaultClass::Corrupt));
}

#[test]
fn a_missing_end_is_a_cut() {
    for stream in ["", "\n\n", ": note\n\n", "data: \"pi", "data: [DO"] {
        assert_eq!(drive(stream), failed("x", FaultClass::Truncated), "{stream:?}");
    }
    assert_eq!(drive("data: \"ping\"\n\n"), failed("spx", FaultClass::Truncated));
}

#[test]
fn an_event_without_its_blank_line_counts_when_it_is_whole() {
    assert_eq!(drive("data: \"ping\"\n\ndata: [DONE]"), good("spfe"));
    assert_eq!(drive("data: \"ping\""), failed("spx", FaultClass::Truncated));
}

#[test]
fn text_outside_the_framing_is_for_the_decoder() {
    assert_eq!(drive("data: \"ping\"\n\n{}\n"), failed("spx", FaultClass::Server));
    assert_eq!(drive("data: \"ping\"\n\nwhat\n"), failed("spx", FaultClass::Truncated));
}

#[test]
fn a_dialect_may_end_by_ending() {
    let words = || Words { at_end: vec![Event::End], ..Words::default() };
    assert_eq!(drive_with(words(), "data: \"ping\"\n\n", 3), good("spe"));
}

#[test]
fn a_large_chunk_is_no_other_than_small_ones() {
    let stream = "\n".repeat(200_000) + "data: \"ping\"\n\ndata: [DONE]\n\n";
    assert_eq!(drive_with(Words::default(), &stream, usize::MAX), good("spfe"));
}
