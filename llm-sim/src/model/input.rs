//! What a request costs to read: its tokens, and which of them a cache had.

use std::collections::VecDeque;
use std::sync::Mutex;

use llm_core::dialect::DialectId;
use llm_core::prompt::{MediaSource, Message, Part, PartKind, Request, ToolKind};
use llm_core::usage::Usage;

use super::tokens::tokens;
use super::{Wish, hash};

/// Each message costs these beside its words, as chat templates do.
pub const MESSAGE_TOKENS: u64 = 3;
/// A picture, a sound, a film or a document costs so much, whatever its size.
pub const MEDIA_TOKENS: u64 = 256;
/// OpenAI caches prompts from this length on, and in steps of 128.
const AUTOMATIC_MIN: u64 = 1_024;

/// Prefixes that were read before.
#[derive(Debug, Default)]
pub struct PromptCache(Mutex<VecDeque<u64>>);

/// Enough for any test; a long benchmark must not make it grow for ever.
const PREFIXES_MAX: usize = 4_096;

impl PromptCache {
    /// Whether this prefix was there; it is from now on.
    fn hit(&self, prefix: u64) -> bool {
        let Ok(mut seen) = self.0.lock() else { return false };
        if seen.contains(&prefix) {
            return true;
        }
        if seen.len() == PREFIXES_MAX {
            seen.pop_front();
        }
        seen.push_back(prefix);
        false
    }

    /// Forgets all.
    pub fn clear(&self) {
        if let Ok(mut seen) = self.0.lock() {
            seen.clear();
        }
    }
}

/// How many tokens a request has to read.
pub fn input_tokens(request: &Request) -> u64 {
    fold(request).tokens
}

/// The request as the model reads it: one text.
pub(crate) fn rendered(request: &Request) -> String {
    fold(request).text
}

/// The usage of reading.
pub(crate) fn usage(request: &Request, dialect: DialectId, wish: &Wish<'_>) -> Usage {
    let read = fold(request);
    let mut usage = Usage { input: read.tokens, ..Usage::default() };
    let Some(cache) = &wish.cache else { return usage };
    let key = |text: &str| hash::hash(format!("{}\0{text}", request.model).as_bytes());
    match (dialect, read.marked) {
        (DialectId::Anthropic, Some(mark)) => {
            usage.input = read.tokens - mark.tokens;
            if cache.hit(key(&read.text[..mark.len])) {
                usage.cache_read = mark.tokens;
            } else if mark.hour {
                usage.cache_write_1h = mark.tokens;
            } else {
                usage.cache_write = mark.tokens;
            }
        }
        (DialectId::OpenaiChat | DialectId::OpenaiResponses, _) if read.tokens >= AUTOMATIC_MIN => {
            let first = super::tokens::head(&read.text, AUTOMATIC_MIN);
            if cache.hit(key(first)) {
                usage.cache_read = AUTOMATIC_MIN;
                usage.input = read.tokens - AUTOMATIC_MIN;
            }
        }
        _ => {}
    }
    usage
}

/// A place up to which the prompt should be cached.
#[derive(Clone, Copy)]
struct Mark {
    len: usize,
    tokens: u64,
    hour: bool,
}

#[derive(Default)]
struct Read {
    text: String,
    tokens: u64,
    marked: Option<Mark>,
}

impl Read {
    fn add(&mut self, text: &str) {
        self.tokens += tokens(text);
        self.text.push_str(text);
        self.text.push('\0');
    }

    fn mark(&mut self, cache: Option<&llm_core::prompt::CacheMark>) {
        if let Some(mark) = cache {
            let hour = mark.ttl.as_deref() == Some("1h");
            self.marked = Some(Mark { len: self.text.len(), tokens: self.tokens, hour });
        }
    }

    fn message(&mut self, message: &Message) {
        self.tokens += MESSAGE_TOKENS;
        self.text.push_str(&format!("{:?}\0", message.role));
        self.parts(&message.parts);
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            match &part.kind {
                PartKind::Text(t) | PartKind::Refusal(t) => self.add(&t.text),
                PartKind::Reasoning(text) => self.add(text),
                PartKind::ToolCall(call) => {
                    self.add(&call.name);
                    self.add(&call.arguments);
                }
                PartKind::ToolResult(result) => self.parts(&result.content),
                PartKind::Image(m) | PartKind::Video(m) | PartKind::File(m) => {
                    self.media(&m.source)
                }
                PartKind::Audio(a) => self.media(&a.media.source),
                PartKind::Opaque(o) => self.add(o.value.get()),
            }
            self.mark(part.cache.as_ref());
        }
    }

    fn media(&mut self, source: &MediaSource) {
        match source {
            MediaSource::Text(text) => self.add(text),
            MediaSource::Base64(s) | MediaSource::Url(s) | MediaSource::Id(s) => {
                self.tokens += MEDIA_TOKENS;
                self.text.push_str(&format!("{:x}\0", hash::hash(s.as_bytes())));
            }
        }
    }
}

/// Reads in the order in which a prompt is cached: tools, system, messages.
fn fold(request: &Request) -> Read {
    let mut read = Read::default();
    for tool in &request.tools {
        read.add(&tool.name);
        read.add(tool.description.as_deref().unwrap_or_default());
        if let ToolKind::Function { schema: Some(schema), .. } = &tool.kind {
            read.add(schema.get());
        }
        read.mark(tool.cache.as_ref());
    }
    request.system.iter().chain(&request.messages).for_each(|m| read.message(m));
    read
}
