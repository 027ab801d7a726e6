//! Answers to GET that are kept in memory for a while: of one key's owner, for the same address and
//! the same wishes. What an API says is not to be kept is not.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

/// Bytes of all answers together.
const SHELF_BYTES_MAX: usize = 32 << 20;
/// Bytes of one; it is gathered while it passes.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 20;
/// What an entry weighs beside its bytes.
const AROUND_BYTES: usize = 1_024;
/// Wishes that are a part of the question; an answer that depends on others is not kept.
const WISHES: [&str; 3] = ["accept", "accept-language", "accept-encoding"];

/// An answer that is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) at: Instant,
    until: Instant,
}

/// All of them, the oldest first out.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: HashMap<String, Kept>,
    order: VecDeque<String>,
    bytes: usize,
}

/// The question: whose it is, where it goes, and what is wished.
pub(super) fn question(owner: &str, to: &str, headers: &HeaderMap) -> Option<String> {
    let conditional = ["range", "if-none-match", "if-modified-since", "if-range", "if-match"];
    if conditional.iter().any(|name| headers.contains_key(*name)) {
        return None;
    }
    let mut question = format!("{}:{owner}{}:{to}", owner.len(), to.len());
    for name in WISHES {
        let value = headers.get(name).map_or(&b""[..], |value| value.as_bytes());
        question.push_str(&format!(" {}:{}", value.len(), value.escape_ascii()));
    }
    Some(question)
}

/// Whether an answer may be kept.
pub(super) fn may_keep(status: StatusCode, headers: &HeaderMap) -> bool {
    let words = |name| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').map(|word| word.trim().to_ascii_lowercase()))
    };
    let refused = |word: String| ["no-store", "private", "no-cache"].contains(&&*word);
    status == StatusCode::OK
        && !headers.contains_key(SET_COOKIE)
        && !words(CACHE_CONTROL).any(refused)
        && words(VARY).all(|word| WISHES.contains(&&*word))
}

impl Shelf {
    pub(super) fn get(&self, question: &str, now: Instant) -> Option<Kept> {
        self.0.lock().kept.get(question).filter(|kept| now < kept.until).cloned()
    }

    pub(super) fn put(
        &self,
        question: String,
        (headers, body): (HeaderMap, Bytes),
        now: Instant,
        ttl: Duration,
    ) {
        let weight = |name: &str, body: &Bytes| name.len() * 2 + body.len() + AROUND_BYTES;
        let added = weight(&question, &body);
        let kept = Kept { headers, body, at: now, until: now + ttl };
        let mut shelf = self.0.lock();
        let shelf = &mut *shelf;
        shelf.bytes += added;
        match shelf.kept.insert(question.clone(), kept) {
            Some(old) => shelf.bytes -= weight(&question, &old.body),
            None => shelf.order.push_back(question),
        }
        while shelf.bytes > SHELF_BYTES_MAX {
            let Some(oldest) = shelf.order.pop_front() else { return };
            if let Some(old) = shelf.kept.remove(&oldest) {
                shelf.bytes -= weight(&oldest, &old.body);
            }
        }
    }
}
