//! What was asked, as 32 bytes.
//!
//! Two tries of one request must have one fingerprint, and two requests must not. A client that
//! writes its body anew for each try writes the same values, in the same words, but maybe with its
//! members in another order (maps that are randomised) or with another multipart boundary (they
//! are drawn). So the canonical body is
//!
//! - of JSON: its tokens as they were written, without the white space between them, the members
//!   of each object sorted by name. Numbers and strings are left as they are: whoever reads `1.0`
//!   as `1`, or a long number as the nearest double, calls two requests one. Of members with one
//!   name the order stays, since readers differ on which counts;
//! - of multipart: what stands between its boundaries, without them;
//! - of anything else, and of what only looks like JSON: its bytes.
//!
//! A mistake here is a 422 that should have been a replay, never the replay of another request.
//! The hash is BLAKE3, as everywhere in this crate: it is asked for bodies of many MiB before
//! anything is known about them.

use std::fmt;

use blake3::Hasher;
use http::Method;

/// Another way to make them is another version: old records are then 422 and never misread.
const VERSION: &[u8] = b"llm idempotency 1";
/// Deeper JSON is hashed as it is; no client nests its schemas half as deep, and each level takes
/// stack.
const DEPTH_MAX: usize = 64;

/// A request, as far as it must be the same when it is sent again.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who asks: the line of the virtual key. Another key of the tenant gets no replay of what this
    /// one was told.
    pub asker: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The path as it was routed, with those query parameters that change an answer, and without
    /// any that hold a credential.
    pub path: &'a str,
    /// The header of that name.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What was asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    /// Enough to tell two apart; with all of it a log reader could try out what was asked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "Fingerprint({a:02x}{b:02x}{c:02x}…)")
    }
}

impl Fingerprint {
    /// Of a request.
    pub fn of(asked: &Asked<'_>) -> Self {
        let mut hash = Hasher::new();
        hash.update(VERSION);
        for word in [asked.asker, asked.method.as_str(), asked.path] {
            part(&mut hash, word.as_bytes());
        }
        if let Some(boundary) = asked.content_type.and_then(boundary) {
            hash.update(b"m");
            multipart(&mut hash, asked.body, boundary);
        } else if let Some(digest) = json(asked.body) {
            hash.update(b"j").update(&digest);
        } else {
            hash.update(b"r").update(asked.body);
        }
        Self(*hash.finalize().as_bytes())
    }
}

fn part(hash: &mut Hasher, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// The boundary of a multipart body.
fn boundary(content_type: &str) -> Option<&str> {
    let (media, parameters) = content_type.split_once(';')?;
    let kind = media.trim().get(..10)?;
    if !kind.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    (!bare.is_empty()).then_some(bare)
}

/// What stands between lines that begin with a boundary. Only beginnings of lines are looked at:
/// a boundary has no line end, so that the whole takes one pass whatever the body is.
fn multipart(hash: &mut Hasher, body: &[u8], boundary: &str) {
    let is_boundary = |at: usize| {
        let rest = body.get(at..).and_then(|rest| rest.strip_prefix(b"--"));
        rest.is_some_and(|rest| rest.starts_with(boundary.as_bytes()))
    };
    let (mut from, mut line) = (0, Some(0));
    while let Some(at) = line {
        if is_boundary(at) {
            part(hash, body.get(from..at).unwrap_or_default());
            from = at + 2 + boundary.len();
        }
        let next = body[at..].iter().position(|b| *b == b'\n');
        line = next.map(|offset| at + offset + 1);
    }
    part(hash, body.get(from..).unwrap_or_default());
}

/// The digest of a JSON body; `None` where it is none, or too deep.
fn json(body: &[u8]) -> Option<[u8; 32]> {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).ok()?;
    let mut hash = Hasher::new();
    Scan { bytes: body, at: 0 }.value(&mut hash, DEPTH_MAX)?;
    Some(*hash.finalize().as_bytes())
}

/// A pass over JSON that is known to be JSON.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn value(&mut self, hash: &mut Hasher, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(hash, depth.checked_sub(1)?)?,
            b'[' => self.array(hash, depth.checked_sub(1)?)?,
            b'"' => _ = hash.update(self.string()?),
            _ => _ = hash.update(self.scalar()),
        }
        Some(())
    }

    /// Members are sorted before they are hashed, so each value is hashed for itself; arrays and
    /// scalars go into the hash of what they stand in, since a body may hold a million of them.
    fn object(&mut self, hash: &mut Hasher, depth: usize) -> Option<()> {
        let mut members: Vec<(&'a [u8], [u8; 32])> = Vec::new();
        self.at += 1;
        while self.peek()? != b'}' {
            let name = self.string()?;
            // The colon.
            self.peek()?;
            self.at += 1;
            let mut value = Hasher::new();
            self.value(&mut value, depth)?;
            members.push((name, *value.finalize().as_bytes()));
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        members.sort_by_key(|(name, _)| *name);
        hash.update(b"{").update(&(members.len() as u64).to_le_bytes());
        for (name, value) in members {
            // A name ends with its quotation mark.
            hash.update(name).update(&value);
        }
        Some(())
    }

    fn array(&mut self, hash: &mut Hasher, depth: usize) -> Option<()> {
        self.at += 1;
        hash.update(b"[");
        while self.peek()? != b']' {
            self.value(hash, depth)?;
            if self.peek()? == b',' {
                self.at += 1;
            }
            hash.update(b",");
        }
        self.at += 1;
        hash.update(b"]");
        Some(())
    }

    /// A string with its quotation marks.
    fn string(&mut self) -> Option<&'a [u8]> {
        let from = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.bytes.get(from..self.at)
    }

    fn scalar(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b']' | b'}');
        let size = rest.iter().position(ends).unwrap_or(rest.len());
        self.at += size;
        rest.get(..size).unwrap_or_default()
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }
}
