//! Reads the few facts of a request that a gateway must know, without building a tree.
//!
//! A dialect says in a [`Layout`] which members mean what; [`peek`] passes over the body once and
//! stops only at those. What it finds are slices of the body and their places, so that a relay can
//! change a value where it stands. A member of the layout that stands twice is refused: whoever
//! reads the other one would see another request than we bill.
//!
//! Deliberately absent: the words of the request (`decode` reads them, if anybody needs them), and
//! any repair of what is wrong.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use llm_core::Str;
use llm_core::call::{Aside, Peek, Spanned};
use llm_core::completion::CANDIDATES_MAX;
use llm_core::dialect::BadRequest;
use llm_core::raw::RawNumber;
use memchr::{memchr, memmem};

use super::{limits, utf8};

mod signs;
mod walk;

use signs::Seen;

/// Model names become keys of maps, and parts of log lines.
const MODEL_BYTES_MAX: usize = 256;
/// Likewise the names of end users; some clients put a JSON object into the string.
const USER_BYTES_MAX: usize = 1024;
/// A layout's members are marked in one word while we pass.
const MEMBERS_MAX: usize = 64;

/// Models in their order; the first of them is the one that is meant where none is named.
pub const MODELS: &str = "models";

/// Members of an object, and what they mean.
pub type Members = &'static [(&'static str, Member)];

/// What a dialect's request looks like from far away.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    members: Members,
    stream_default: bool,
    model_needed: bool,
}

/// What a member of a request means.
#[derive(Clone, Copy, Debug)]
pub enum Member {
    /// The model: a string.
    Model,
    /// Whether a stream is wanted: a boolean.
    Stream,
    /// A cap on the answer's tokens. Where several stand the largest counts, for money is held
    /// for it.
    Cap,
    /// The same where a negative number means that there is none.
    CapUnlessNegative,
    /// How many answers are wanted: at least one.
    Candidates,
    /// The end user: a string. The first one counts.
    User,
    /// The object whose `include_usage` asks for a usage frame.
    UsageOption,
    /// That flag: a boolean.
    UsageFlag,
    /// Counts as these bits of [`llm_core::call::Has`] when it says something: not `null`,
    /// `false`, `""`, `[]`, `{}`.
    Has(u16),
    /// Counts as the bits of each text that stands somewhere in its JSON. A text with its quotes
    /// on is found as a key or as a whole string, never in the middle of prose, where quotes are
    /// escaped.
    Mentions(&'static [(&'static str, u16)]),
    /// An object with members that mean something.
    Within(Members),
    /// Means nothing here, but must not stand twice.
    Once,
}

impl Layout {
    /// Made in constants, so that a table that is too long does not compile.
    pub const fn new(members: Members) -> Self {
        assert!(fit_a_word(members), "more members than fit a word");
        Self { members, stream_default: false, model_needed: true }
    }

    /// A stream is what a request gets that does not say.
    #[must_use]
    pub const fn streams_by_default(mut self) -> Self {
        self.stream_default = true;
        self
    }

    /// The model need not stand in the body: the path names it.
    #[must_use]
    pub const fn model_elsewhere(mut self) -> Self {
        self.model_needed = false;
        self
    }
}

const fn fit_a_word(members: Members) -> bool {
    let mut at = 0;
    while at < members.len() {
        if let Member::Within(inner) = members[at].1
            && !fit_a_word(inner)
        {
            return false;
        }
        at += 1;
    }
    members.len() <= MEMBERS_MAX
}

/// Reads the facts. `null` is the same as absent.
pub fn peek(body: &Bytes, layout: &Layout) -> Result<Peek, BadRequest> {
    // How deep it is, the walk counts.
    limits::size(body)?;
    // Checked as a whole, so that a body is refused here or nowhere: what is relayed and what is
    // decoded must not differ in what they take.
    let text = utf8::read(body).map_err(|_| BadRequest::syntax("not UTF-8"))?;
    let start = text.len() - text.trim_ascii_start().len();
    match body.get(start) {
        None => return Err(BadRequest::syntax("the body is empty")),
        Some(b'{') => {}
        Some(_) => return Err(walk::no_object(text)),
    }
    let signs = Seen::default();
    let mut reader = Reader { body, path: None, peek: Peek::default(), signs };
    reader.peek.stream = layout.stream_default;
    reader.peek.members_start = start + 1;
    reader.peek.input_tokens_estimate = u32::try_from(body.len() / 3).unwrap_or(u32::MAX);
    reader.peek.members_any = walk::object(text, layout.members, &mut reader)?;
    let listed = || reader.peek.asides.iter().any(|aside| aside.name == MODELS);
    if layout.model_needed && reader.peek.model.span.is_none() && !listed() {
        return Err(BadRequest::invalid("model", "model is missing"));
    }
    reader.peek.signs = Some(reader.signs.signs);
    Ok(reader.peek)
}

/// The member of that name that speaks to the gateway, in whichever dialect it stands: LiteLLM's and
/// OpenRouter's. None of our dialects has a member of such a name, but for `metadata`, of which a
/// part is ours.
fn aside(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        b"cache" => "cache",
        b"fallbacks" => "fallbacks",
        b"disable_fallbacks" => "disable_fallbacks",
        b"num_retries" => "num_retries",
        b"metadata" => "metadata",
        b"mock_response" => "mock_response",
        b"timeout" => "timeout",
        b"request_timeout" => "request_timeout",
        b"models" => MODELS,
        _ => return None,
    })
}

/// Gathers what the walk finds.
struct Reader<'a> {
    body: &'a Bytes,
    /// The object we are in, when it is not the whole body.
    path: Option<&'static str>,
    peek: Peek,
    /// What any string gives away, wherever it stands.
    signs: Seen,
}

impl<'a> Reader<'a> {
    /// A member of the layout, with the JSON text of its value.
    fn member(
        &mut self,
        name: &'static str,
        means: Member,
        json: &'a str,
    ) -> Result<(), BadRequest> {
        // These are written over, and so their places are wanted even where they say `null`.
        match means {
            Member::UsageOption => self.peek.usage_option = Some(self.span(json)),
            Member::UsageFlag => self.peek.usage_flag = Some(self.span(json)),
            Member::Stream => self.peek.stream_span = Some(self.span(json)),
            _ => {}
        }
        if json == "null" {
            return Ok(());
        }
        match means {
            Member::Model => self.peek.model = self.string(name, json, MODEL_BYTES_MAX)?,
            Member::Stream => self.peek.stream = self.boolean(name, json)?,
            Member::Cap => self.cap(name, json)?,
            Member::CapUnlessNegative if is_negative(json) => {}
            Member::CapUnlessNegative => self.cap(name, json)?,
            Member::Candidates => {
                let wanted = integer(json).and_then(|n| u16::try_from(n).ok());
                let Some(wanted) = wanted.filter(|n| (1..=CANDIDATES_MAX).contains(n)) else {
                    let range = format!("must be an integer from 1 to {CANDIDATES_MAX}");
                    return Err(self.bad(name, &range));
                };
                self.peek.candidates = self.peek.candidates.max(wanted);
            }
            Member::User => {
                let user = self.string(name, json, USER_BYTES_MAX)?;
                self.peek.user.get_or_insert(user);
            }
            Member::UsageOption => self.within(name, USAGE_FLAG, json)?,
            Member::UsageFlag => self.peek.wants_usage_frame = self.boolean(name, json)?,
            Member::Has(bits) => self.peek.has.add_if(says_something(json), bits),
            // Those with quotes on were looked for on the way here.
            Member::Mentions(texts) => {
                for (text, bits) in texts.iter().filter(|(text, _)| !signs::is_whole(text)) {
                    // A bit that is set already need not be looked for.
                    let open = !self.peek.has.all(*bits);
                    let has = open && memmem::find(&plain_names(json), text.as_bytes()).is_some();
                    self.peek.has.add_if(has, *bits);
                }
            }
            Member::Within(members) => self.within(name, members, json)?,
            Member::Once => {}
        }
        Ok(())
    }

    /// A member that speaks to the gateway. What it says is read by whoever obeys it.
    fn aside(&mut self, name: &'static str, json: &str) -> Result<(), BadRequest> {
        if self.peek.asides.iter().any(|known| known.name == name) {
            return Err(self.bad(name, "stands twice"));
        }
        let value = self.span(json);
        self.peek.asides.push(Aside { name, value });
        Ok(())
    }

    fn within(
        &mut self,
        name: &'static str,
        members: Members,
        json: &'a str,
    ) -> Result<(), BadRequest> {
        if !json.starts_with('{') {
            return Err(self.bad(name, "must be an object"));
        }
        let outer = self.path.replace(name);
        walk::object(json, members, self)?;
        self.path = outer;
        Ok(())
    }

    fn cap(&mut self, name: &'static str, json: &str) -> Result<(), BadRequest> {
        let Some(cap) = integer(json).and_then(|n| u32::try_from(n).ok()) else {
            return Err(self.bad(name, "must be an integer from 0 to 4294967295"));
        };
        self.peek.output_tokens_max = self.peek.output_tokens_max.max(Some(cap));
        Ok(())
    }

    fn boolean(&self, name: &'static str, json: &str) -> Result<bool, BadRequest> {
        match json {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.bad(name, "must be true or false")),
        }
    }

    fn string(
        &self,
        name: &'static str,
        json: &'a str,
        bytes_max: usize,
    ) -> Result<Spanned<Str>, BadRequest> {
        let inner = json.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        let Some(inner) = inner else { return Err(self.bad(name, "must be a string")) };
        let value = if inner.contains('\\') {
            // A lone surrogate passes the scanner but is no character.
            let unescaped = serde_json::from_str::<String>(json);
            unescaped.map_err(|_| self.bad(name, "is not a valid string"))?.into()
        } else {
            let kept = Str::try_from(self.body.slice_ref(inner.as_bytes()));
            kept.map_err(|_| self.bad(name, "is not a valid string"))?
        };
        if value.is_empty() {
            return Err(self.bad(name, "must not be empty"));
        }
        if value.len() > bytes_max {
            return Err(self.bad(name, &format!("is longer than {bytes_max} bytes")));
        }
        Ok(Spanned { value, span: Some(self.span(json)) })
    }

    /// Where a piece of the body stands in it.
    fn span(&self, json: &str) -> Range<usize> {
        let start = json.as_ptr().addr().saturating_sub(self.body.as_ptr().addr());
        start..start + json.len()
    }

    fn bad(&self, name: &'static str, what: &str) -> BadRequest {
        match self.path {
            None => BadRequest::invalid(name, format!("{name} {what}")),
            Some(path) => {
                let param = format!("{path}.{name}");
                let message = format!("{param} {what}");
                BadRequest::invalid(param, message)
            }
        }
    }
}

/// The text with the escapes of letters, digits and `_` written out. No client escapes these, but
/// whoever would have a picture held for at the price of text would write `im\u0061ge_url`.
fn plain_names(json: &str) -> Cow<'_, [u8]> {
    let bytes = json.as_bytes();
    // Code in a prompt is full of escapes, but of none like these.
    let Some(mut at) = memmem::find(bytes, br"\u00") else { return Cow::Borrowed(bytes) };
    // Where the run of backslashes begins that the one found belongs to.
    at -= bytes[..at].iter().rev().take_while(|b| **b == b'\\').count();
    let (mut plain, mut copied) = (Vec::new(), 0);
    while let Some(skip) = memchr(b'\\', &bytes[at..]) {
        at += skip;
        let code = bytes.get(at + 1..at + 6).and_then(|code| code.strip_prefix(b"u00"));
        let code = code.and_then(|code| str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match code.filter(|c| c.is_ascii_alphanumeric() || *c == b'_') {
            Some(code) => {
                plain.extend_from_slice(&bytes[copied..at]);
                plain.push(code);
                at += 6;
                copied = at;
            }
            // The character behind a backslash is escaped by it, another backslash included.
            None => at = bytes.len().min(at + 2),
        }
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    plain.extend_from_slice(&bytes[copied..]);
    Cow::Owned(plain)
}

/// A whole number that is not negative (`3.0` is 3, as it is to `decode`).
fn integer(json: &str) -> Option<u64> {
    if let Ok(number) = json.parse() {
        return Some(number);
    }
    RawNumber::parse(json)?.as_u64()
}

/// Whether a number is below zero, which `-0` is not.
fn is_negative(json: &str) -> bool {
    RawNumber::parse(json).is_some_and(|number| number.as_f64() < 0.0)
}

fn says_something(json: &str) -> bool {
    match json.as_bytes() {
        b"false" | b"\"\"" => false,
        [b'[' | b'{', inner @ .., _] => !inner.trim_ascii().is_empty(),
        _ => true,
    }
}

const USAGE_FLAG: Members = &[("include_usage", Member::UsageFlag)];

#[cfg(test)]
mod tests;
