//! What makes two calls the same question.
//!
//! Everything that a call sends is in its key but a short list of members that change nothing of an
//! answer; a field nobody here knows is in it. So a mistake in this file is a miss, and never
//! another question's answer. Of a body's notation, white space and the order of its own members
//! are left out; the order inside of them is not, since a model is shown schemas as they are
//! written. Deliberately absent: a tree. A body is passed over once, as slices.

use std::fmt::{self, Write};

use blake3::Hasher;
use llm_core::Str;
use llm_core::call::{Call, Has, Operation, Payload};
use llm_core::dialect::DialectId;
use llm_core::prompt::Prompt;
use llm_core::store::CacheKey;
use memchr::memchr2;
use smallvec::SmallVec;

use crate::model::{CacheScope, Model};

/// Another way to make keys is another version, so that old recordings are missed and not misread.
const VERSION: &[u8] = b"llm answer key 1";

/// Members that say how an answer comes and for whom it is asked, but not what is asked.
const VOLATILE: [&[u8]; 6] =
    [b"stream", b"stream_options", b"cache", b"user", b"metadata", b"safety_identifier"];
/// Of these, what holds where the answer repeats the others: they would show one caller's labels
/// to the next.
const VOLATILE_UNREPEATED: usize = 3;

/// The key of a call to the model of that name; `None` when its answer must not be kept.
pub(super) fn key(call: &Call, model: &Model, scope: CacheScope) -> Option<CacheKey> {
    let cached = match call.operation {
        Operation::Chat
        | Operation::Embed
        | Operation::Rerank
        | Operation::Moderate
        | Operation::CountTokens => true,
        // Large, or not ours to understand.
        _ => false,
    };
    // An answer that depends on what a provider remembers is not the question's alone.
    if !cached || call.peek.has.all(Has::SERVER_STATE) {
        return None;
    }
    let principal = &*call.grant.principal;
    let kept_for = match scope {
        CacheScope::Key => principal.key.0.clone(),
        CacheScope::User => principal.user.as_ref()?.0.clone(),
        CacheScope::Team => principal.team.as_ref()?.0.clone(),
        CacheScope::Global => Str::new(),
    };
    let mut hash = Hasher::new();
    hash.update(VERSION);
    // A user and a team of one name are two.
    hash.update(&[scope as u8, u8::from(call.controls.no_fallback)]);
    part(&mut hash, call.operation.name().as_bytes());
    part(&mut hash, call.dialect.name().as_bytes());
    part(&mut hash, model.name.as_bytes());
    targets(&mut hash, model);
    permissions(&mut hash, call);
    headers(&mut hash, call);
    if let Some(space) = &call.controls.cache_space {
        part(&mut hash, b"space");
        part(&mut hash, space.as_bytes());
    }
    match &call.payload {
        Payload::Raw { bytes, .. } => {
            body(&mut hash, bytes, call.peek.model.span.is_some(), volatile(call.dialect));
        }
        Payload::Typed(prompt) => words(&mut hash, prompt),
    }
    let question = *hash.finalize().as_bytes();
    Some(CacheKey { tenant: principal.tenant.clone(), scope: kept_for, question })
}

fn volatile(dialect: DialectId) -> &'static [&'static [u8]] {
    match dialect {
        // Its answers repeat `user` and `metadata`.
        DialectId::OpenaiResponses => &VOLATILE[..VOLATILE_UNREPEATED],
        DialectId::OpenaiChat
        | DialectId::OpenaiCompletions
        | DialectId::Anthropic
        | DialectId::Gemini
        | DialectId::Cohere
        | DialectId::CohereV1
        | DialectId::Ollama
        | DialectId::OllamaGenerate => &VOLATILE,
    }
}

fn part(hash: &mut Hasher, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// Who may answer: under another configuration the same name is another question.
fn targets(hash: &mut Hasher, model: &Model) {
    for tier in &model.tiers {
        hash.update(&(tier.len() as u64).to_le_bytes());
        tier.iter().for_each(|choice| part(hash, choice.target.id.0.as_bytes()));
    }
}

/// Whoever may use other targets may get another answer: a recording made for one who may use all
/// must not reach one who may not.
fn permissions(hash: &mut Hasher, call: &Call) {
    for scope in [&call.grant.principal.scope, &call.grant.plan.models] {
        hash.update(&(scope.models.len() as u64).to_le_bytes());
        scope.models.iter().for_each(|m| part(hash, m.as_bytes()));
    }
}

/// Headers that go upstream, by name: a map gives them in any order.
fn headers(hash: &mut Hasher, call: &Call) {
    let mut all: SmallVec<[(&str, &[u8]); 8]> =
        call.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    // Stable: values of one name stay as they came.
    all.sort_by_key(|(name, _)| *name);
    hash.update(&(all.len() as u64).to_le_bytes());
    for (name, value) in all {
        part(hash, name.as_bytes());
        part(hash, value);
    }
}

/// A body: its members by name, without those that change nothing, or all of its bytes where it is
/// no JSON object. `named` says that the model stood in the body; its resolved name is in the key.
fn body(hash: &mut Hasher, bytes: &[u8], named: bool, volatile: &[&[u8]]) {
    let Some(mut members) = members(bytes) else {
        hash.update(b"b");
        return part(hash, bytes);
    };
    hash.update(b"o");
    members.retain(|m| !(volatile.contains(&m.name) || named && m.name == b"model"));
    // Stable: of two members of one name a reader takes the first or the last.
    members.sort_by_key(|m| m.name);
    for member in &members {
        part(hash, member.name);
        let length = plain(member.value, &mut |piece| {
            hash.update(piece);
        });
        // Behind it, since white space is not counted beforehand.
        hash.update(&[0xff]);
        hash.update(&(length as u64).to_le_bytes());
    }
    hash.update(&(members.len() as u64).to_le_bytes());
}

/// A member of the body, both parts as written; the name without its quotes.
struct Member<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

/// The members of an object; `None` when the bytes are anything else.
fn members(bytes: &[u8]) -> Option<SmallVec<[Member<'_>; 16]>> {
    let mut all = SmallVec::new();
    let mut at = space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    at = space(bytes, at + 1);
    if bytes.get(at) == Some(&b'}') {
        return (space(bytes, at + 1) == bytes.len()).then_some(all);
    }
    loop {
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let name_end = text_end(bytes, at)?;
        let name = bytes.get(at + 1..name_end - 1)?;
        at = space(bytes, name_end);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        let from = space(bytes, at + 1);
        at = value_end(bytes, from)?;
        all.push(Member { name, value: bytes.get(from..at)?.trim_ascii_end() });
        match bytes.get(at) {
            Some(b',') => at = space(bytes, at + 1),
            Some(b'}') => return (space(bytes, at + 1) == bytes.len()).then_some(all),
            _ => return None,
        }
    }
}

/// Where the value ends that begins here: at the comma or bracket that does not belong to it.
fn value_end(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut depth) = (from, 0u32);
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = text_end(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b',' | b'}' if depth == 0 => return (at > from).then_some(at),
            b']' => return None,
            _ => {}
        }
        at += 1;
    }
}

/// The place behind the quote that ends the string which begins at `start`.
fn text_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn space(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|b| is_space(**b)).count()
}

/// Gives a value away without the white space between its tokens, and says how long that is. Space
/// that keeps two words apart stays as one: such text is no JSON, and must not be taken for some.
fn plain<'a>(value: &'a [u8], out: &mut impl FnMut(&'a [u8])) -> usize {
    let (mut from, mut at, mut length) = (0, 0, 0);
    let mut give = |piece: &'a [u8]| {
        length += piece.len();
        out(piece);
    };
    while let Some(byte) = value.get(at) {
        match byte {
            b'"' => at = text_end(value, at).unwrap_or(value.len()),
            b if is_space(*b) => {
                give(&value[from..at]);
                let end = space(value, at);
                let before = at.checked_sub(1).and_then(|b| value.get(b));
                if before.is_some_and(is_word) && value.get(end).is_some_and(is_word) {
                    give(b" ");
                }
                (from, at) = (end, end);
            }
            _ => at += 1,
        }
    }
    give(&value[from..]);
    length
}

fn is_word(byte: &u8) -> bool {
    !matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',' | b'"')
}

/// Words that a program wrote, by what they print for a programmer: derived, so that a field which
/// is added is in it, and every text stands in quotes. Another build may print otherwise and miss.
fn words(hash: &mut Hasher, prompt: &Prompt) {
    hash.update(b"w");
    let mut out = Printed(hash);
    // Writing into a hash cannot fail.
    let _ = match prompt {
        Prompt::Chat(request) if request.stream || request.user.is_some() => {
            let request =
                llm_core::prompt::Request { stream: false, user: None, ..request.clone() };
            write!(out, "{:?}", Prompt::Chat(request))
        }
        Prompt::Embed(request) if request.user.is_some() => {
            let request = llm_core::prompt::EmbedRequest { user: None, ..request.clone() };
            write!(out, "{:?}", Prompt::Embed(request))
        }
        prompt => write!(out, "{prompt:?}"),
    };
}

struct Printed<'h>(&'h mut Hasher);

impl Write for Printed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
