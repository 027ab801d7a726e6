//! What an upstream does wrong, and how the caller should fare.

use super::cell::Expected;

/// One way to go wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Its name, with its place in the catalogue of faults.
    pub(crate) name: &'static str,
    /// What the simulator is told.
    pub(crate) rule: &'static str,
    /// How a whole answer ends; `None` where the fault cannot happen to one.
    pub(crate) whole: Option<Expected>,
    /// How a stream ends.
    pub(crate) stream: Option<Expected>,
}

impl Fault {
    /// How it ends.
    pub(crate) fn expected(&self, stream: bool) -> Option<Expected> {
        if stream { self.stream } else { self.whole }
    }
}

const fn both(name: &'static str, rule: &'static str, expected: Expected) -> Fault {
    Fault { name, rule, whole: Some(expected), stream: Some(expected) }
}

const fn streamed(name: &'static str, rule: &'static str, expected: Expected) -> Fault {
    Fault { name, rule, whole: None, stream: Some(expected) }
}

use Expected::{Answer, Either, Error, Partial};

/// Those of the catalogue that a simulator in process can play. What needs sockets (refused
/// connections, certificates, floods of HTTP/2 frames, a pool's race) is tested with the transports.
pub(crate) const FAULTS: &[Fault] = &[
    both("u2_hangs_before_the_head", r#"{"hang": "before_head"}"#, Error),
    both("u2_hangs_after_the_head", r#"{"hang": "after_head"}"#, Error),
    streamed("u3_falls_silent", r#"{"hang": {"after_frames": 6}}"#, Partial),
    both("u4_reset_before_the_head", r#"{"cut": {"before_head": true, "how": "reset"}}"#, Error),
    streamed("u4_reset_in_the_middle", r#"{"cut": {"after_frames": 6, "how": "reset"}}"#, Partial),
    streamed("u4_ends_in_the_middle", r#"{"cut": {"after_frames": 6, "how": "fin"}}"#, Partial),
    streamed("u4_ends_as_if_whole", r#"{"cut": {"after_frames": 6, "how": "clean"}}"#, Partial),
    Fault {
        name: "u4_cut_at_a_byte",
        rule: r#"{"cut": {"at_byte": 40, "how": "clean"}}"#,
        whole: Some(Error),
        stream: Some(Error),
    },
    both("u5_429_in_seconds", r#"{"error": "rate_limit", "retry_after": "7"}"#, Error),
    both("u5_429_absurd", r#"{"error": "rate_limit", "retry_after": "1000000000"}"#, Error),
    both(
        "u5_429_at_a_date",
        r#"{"error": "rate_limit", "retry_after": "Wed, 21 Oct 2099 07:28:00 GMT"}"#,
        Error,
    ),
    both("u5_empty_account", r#"{"error": "insufficient_quota"}"#, Error),
    both("u6_500", r#"{"error": "server_error"}"#, Error),
    both("u6_502_page", r#"{"error": "html"}"#, Error),
    both("u6_502_nothing", r#"{"error": "empty"}"#, Error),
    both("u6_overloaded", r#"{"error": "overloaded"}"#, Error),
    both("u6_endless_error", r#"{"error": "server_error", "error_bytes": 67108864}"#, Error),
    both("u7_error_in_200", r#"{"error": "server_error", "error_in_200": {"frame": 0}}"#, Error),
    streamed(
        "u7_error_in_the_middle",
        r#"{"error": "overloaded", "error_in_200": {"frame": 6}}"#,
        Partial,
    ),
    both("u8_broken_json", r#"{"corrupt": {"frame": 0, "with": "json"}}"#, Error),
    streamed("u8_broken_frame", r#"{"corrupt": {"frame": 5, "with": "json"}}"#, Either),
    both("u8_split_everywhere", r#"{"split": 1, "text": "한국어 답변입니다 🦀"}"#, Answer),
    both("u9_no_usage", r#"{"usage": "absent"}"#, Answer),
    both("u9_zero_usage", r#"{"usage": "zero"}"#, Answer),
    both("u9_negative_usage", r#"{"usage": "negative"}"#, Either),
    both("u9_float_usage", r#"{"usage": "float"}"#, Either),
    both("u9_usage_as_text", r#"{"usage": "string"}"#, Either),
    both("u9_huge_usage", r#"{"usage": "huge"}"#, Either),
    // A whole answer is then JSON with a member twice, which may be refused as no JSON.
    Fault {
        name: "u9_usage_twice",
        rule: r#"{"usage": "twice"}"#,
        whole: Some(Either),
        stream: Some(Answer),
    },
    streamed("u10_endless", r#"{"ignore_max_tokens": true, "output_tokens": 4000}"#, Partial),
    both("u11_redirect", r#"{"redirect": "http://169.254.169.254/latest"}"#, Error),
    both("u12_packed", r#"{"headers": {"content-encoding": "gzip"}}"#, Error),
    both("u13_drip", r#"{"drip": {"bytes": 1, "every_ms": 60000}}"#, Error),
    both("u17_hostile_headers", r#"{"headers": {"set-cookie": "a=b", "x-evil": "1"}}"#, Answer),
    both(
        "u18_quotes_the_key",
        r#"{"error": "server_error", "message": "your key sk-test-0123456789abcdef is bad"}"#,
        Error,
    ),
    streamed("u16_done_twice", r#"{"double_done": true}"#, Answer),
    streamed("u16_text_after_the_end", r#"{"text_after_finish": true}"#, Answer),
    both(
        "u21_text_that_looks_like_frames",
        r#"{"text": "a\n\ndata: [DONE]\n\nevent: error\r b"}"#,
        Answer,
    ),
    streamed("u8_no_utf8", r#"{"corrupt": {"frame": 5, "with": "utf8"}}"#, Either),
    streamed("u8_a_nul_byte", r#"{"corrupt": {"frame": 5, "with": "nul"}}"#, Either),
    streamed(
        "u8_a_line_of_32_megabytes",
        r#"{"corrupt": {"frame": 5, "with": "long_line", "bytes": 33554432}}"#,
        Partial,
    ),
    both("unknown_fields_and_events", r#"{"unknown": true}"#, Answer),
    both("context_overflow", r#"{"error": "context_length"}"#, Error),
    both("content_filter", r#"{"error": "content_filter"}"#, Either),
    both("wrong_key", r#"{"error": "invalid_key"}"#, Error),
];
