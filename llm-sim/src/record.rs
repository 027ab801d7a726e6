//! What came, and what became of it: read by tests through `/__sim/requests`.

use std::collections::{BTreeMap, VecDeque};

use http::HeaderMap;
use serde::Serialize;

use crate::model::hash;

/// Requests kept; older ones make room. A benchmark sends millions.
pub const RECORDS_MAX: usize = 2_048;
/// Bytes kept of each body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Models counted; a caller that invents names must not fill the memory.
const MODELS_MAX: usize = 1_024;
/// Headers whose values are keys.
const SECRET_HEADERS: [&str; 5] =
    ["authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"];

/// One request.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// Its number, from 1, in the order of arrival.
    pub seq: u64,
    /// Method.
    pub method: String,
    /// Path and query; a key in the query is hidden.
    pub path: String,
    /// Headers; keys are hidden behind a prefix of their hash.
    pub headers: BTreeMap<String, String>,
    /// The body as text, up to [`BODY_BYTES_MAX`].
    pub body: String,
    /// Length of the body.
    pub body_bytes: usize,
    /// What was asked for; empty when the path means nothing.
    pub operation: String,
    /// Which model; empty when none is named.
    pub model: String,
    /// Whether a stream was wanted.
    pub stream: bool,
    /// Whether the request was read and found right; `None` when a script spoke before.
    pub accepted: Option<bool>,
    /// What was wrong with it.
    pub problem: Option<String>,
    /// Whether a rule of the script was used.
    pub scripted: bool,
    /// Status of the answer; `None` while or when there is no head.
    pub status: Option<u16>,
    /// Bytes of the answer's body that were handed to the socket.
    pub bytes_sent: u64,
    /// Pieces of the answer: frames of a stream, a token in each that has text.
    pub pieces: u64,
    /// How many of them were handed to the socket.
    pub pieces_sent: u64,
    /// Tokens that the answer would have had if nobody had cut it.
    pub output_tokens: u64,
    /// Whether the exchange is over.
    pub done: bool,
    /// Whether the caller left before the end of the answer.
    pub left_early: bool,
}

/// The records and the counts.
#[derive(Debug, Default)]
pub struct Records {
    ring: VecDeque<Record>,
    seq: u64,
    attempts: BTreeMap<String, u64>,
}

/// What `/__sim/requests` answers.
#[derive(Debug, Serialize)]
pub struct Page<'a> {
    /// Those after `since`, oldest first.
    pub requests: Vec<&'a Record>,
    /// Number of the last request that came.
    pub last: u64,
    /// How many requests named each model.
    pub attempts: &'a BTreeMap<String, u64>,
}

impl Records {
    /// Keeps a record, and gives it its number.
    pub fn open(&mut self, mut record: Record) -> u64 {
        self.seq += 1;
        record.seq = self.seq;
        let room = self.attempts.len() < MODELS_MAX;
        if let Some(count) = self.attempts.get_mut(&record.model) {
            *count += 1;
        } else if room && !record.model.is_empty() {
            self.attempts.insert(record.model.clone(), 1);
        }
        if self.ring.len() == RECORDS_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(record);
        self.seq
    }

    /// Changes a record, if it is still kept.
    pub fn edit(&mut self, seq: u64, change: impl FnOnce(&mut Record)) {
        let first = self.ring.front().map_or(u64::MAX, |r| r.seq);
        let at = seq.checked_sub(first).and_then(|n| usize::try_from(n).ok());
        if let Some(record) = at.and_then(|n| self.ring.get_mut(n)) {
            change(record);
        }
    }

    /// The records after a number.
    pub fn since(&self, since: u64) -> Page<'_> {
        let requests = self.ring.iter().filter(|r| r.seq > since).collect();
        Page { requests, last: self.seq, attempts: &self.attempts }
    }

    /// All that are kept.
    pub fn all(&self) -> Vec<Record> {
        self.ring.iter().cloned().collect()
    }

    /// Forgets all but the numbering: a test that polls `since` must not see numbers twice.
    pub fn clear(&mut self) {
        self.ring.clear();
        self.attempts.clear();
    }
}

/// Headers as they are kept.
pub fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = match SECRET_HEADERS.contains(&name.as_str()) {
            true => hidden(&text),
            false => text.into_owned(),
        };
        let kept = out.entry(name.to_string()).or_default();
        if !kept.is_empty() {
            kept.push_str(", ");
        }
        kept.push_str(&text);
    }
    out
}

/// A path as it is kept: Gemini's clients may send their key in the query.
pub fn path(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some(("key", key)) => format!("key={}", hidden(key)),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// The first bytes of a body, as text.
pub fn body(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(BODY_BYTES_MAX)]).into_owned()
}

/// Tells keys apart without telling them.
fn hidden(value: &str) -> String {
    let (scheme, key) = match value.split_once(' ') {
        Some((scheme, key)) => (format!("{scheme} "), key),
        None => (String::new(), value),
    };
    format!("{scheme}#{:08x}", hash::hash(key.as_bytes()) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_editable() {
        let mut records = Records::default();
        for _ in 0..RECORDS_MAX + 10 {
            records.open(Record { model: "m".into(), ..Record::default() });
        }
        assert_eq!(records.all().len(), RECORDS_MAX);
        let last = records.since(0).last;
        records.edit(last, |r| r.status = Some(200));
        records.edit(1, |r| r.status = Some(500));
        assert_eq!(records.since(last - 1).requests[0].status, Some(200));
        assert_eq!(records.since(0).attempts["m"], last);
    }

    #[test]
    fn keys_are_hidden() {
        let mut map = HeaderMap::new();
        map.insert("authorization", "Bearer sk-very-secret".parse().unwrap());
        map.insert("x-other", "seen".parse().unwrap());
        let kept = headers(&map);
        assert!(kept["authorization"].starts_with("Bearer #"));
        assert!(!kept["authorization"].contains("secret"));
        assert_eq!(kept["x-other"], "seen");
        assert!(!path("/v1/models?key=abc&x=1").contains("abc"));
    }
}
