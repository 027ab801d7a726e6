//! The most that a call can use, read from its peek.
//!
//! A token is at least one byte of the body, and the JSON around a message is longer than what a
//! chat template puts in its place, so that the body's length bounds what can be read. What does
//! not stand in the body (a picture behind an address, a file, an earlier answer) is bounded by
//! the model's context window alone.

use llm_core::call::{Call, Has, Operation, Payload, Signs};
use llm_core::capability::Capability;
use llm_core::error::{Error, Kind};
use llm_core::money::{Bound, Kinds};
use llm_core::prompt::{Prompt, Tool, ToolKind};
use llm_core::usage::TokenKind;

use crate::stage::send;

/// Tools, schemas and a provider's own instructions around them.
const OVERHEAD_TOKENS: u64 = 1024;
/// A window that nobody told us: as large as the largest on the market.
const WINDOW_TOKENS_UNKNOWN: u64 = 2_000_000;
/// What a model writes at the most that nobody told us anything about.
const OUTPUT_TOKENS_UNKNOWN: u64 = 131_072;
/// Uses of a provider's own tools (searches) that one call may make and that are billed apiece.
const TOOL_CALLS_MAX: u32 = 8;
/// One unit of a rerank: so many documents, each of so many bytes at most before it counts double.
const RERANK_DOCUMENTS: usize = 100;
const RERANK_DOCUMENT_BYTES: usize = 500;
/// The leanest speech codec in use writes so many bits a second.
const AUDIO_BITS_PER_SECOND: u64 = 6_000;

/// The bound of a call at a model that takes everything; [`at`] narrows it.
pub(super) fn of(call: &Call) -> Result<Bound, Error> {
    let peek = &call.peek;
    let chats = call.operation == Operation::Chat;
    let mentions = if chats { Mentions::of(call) } else { Mentions::ALL };
    if chats && mentions.first {
        let text = "going before others costs more than any price here says; leave it out";
        return Err(Error::new(Kind::Unsupported, text).in_field("service_tier"));
    }
    let opaque = Has::IMAGES | Has::AUDIO | Has::FILES | Has::VIDEO | Has::SERVER_STATE;
    let bytes = body_bytes(call);
    let seen = bytes.saturating_add(OVERHEAD_TOKENS);
    // What a provider's own tools find is read by the model as well, and stands nowhere here.
    let fed = chats && mentions.own_tools;
    let alone = peek.has.0 & opaque == 0 && !fed;
    let input = if alone { seen } else { seen.max(WINDOW_TOKENS_UNKNOWN) };
    let writes = matches!(
        call.operation,
        Operation::Chat | Operation::Transcribe | Operation::Translate | Operation::Image
    );
    let output = peek.output_tokens_max.map_or(u64::MAX, u64::from);
    let mut kinds = Kinds::ALL;
    if !peek.has.all(Has::AUDIO) {
        kinds = kinds.without(TokenKind::AudioIn);
    }
    if !mentions.cache {
        kinds = kinds.without(TokenKind::CacheWrite).without(TokenKind::CacheWrite1h);
    }
    let hears = matches!(call.operation, Operation::Transcribe | Operation::Translate);
    Ok(Bound {
        input_tokens_max: input,
        output_tokens_max: if writes { output } else { 0 },
        candidates: peek.candidates,
        images_max: if call.operation == Operation::Image {
            u32::from(peek.candidates.max(1))
        } else {
            0
        },
        calls_max: calls(call, fed)?,
        audio_ms_max: if hears { bytes.saturating_mul(8_000) / AUDIO_BITS_PER_SECOND } else { 0 },
        kinds,
    })
}

/// The bound at a model: it reads no more than its window, and writes no more than it can.
pub(super) fn at(bound: &Bound, capability: &Capability) -> Bound {
    let known = |tokens: u32| (tokens > 0).then_some(u64::from(tokens));
    let window = known(capability.context_tokens_max);
    let most = known(capability.output_tokens_max).or(window).unwrap_or(OUTPUT_TOKENS_UNKNOWN);
    let mut kinds = bound.kinds;
    if !capability.audio_out {
        kinds = kinds.without(TokenKind::AudioOut);
    }
    Bound {
        input_tokens_max: bound.input_tokens_max.min(window.unwrap_or(WINDOW_TOKENS_UNKNOWN)),
        output_tokens_max: bound.output_tokens_max.min(most),
        kinds,
        ..*bound
    }
}

fn body_bytes(call: &Call) -> u64 {
    let bytes = match &call.payload {
        Payload::Raw { bytes, .. } => bytes.len() as u64,
        // Nobody has written them yet: a third of the bytes is what the peek of words says.
        Payload::Typed(_) => u64::from(call.peek.input_tokens_estimate).saturating_mul(3),
    };
    bytes.max(1)
}

/// What a body mentions that makes a call dearer than its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mentions {
    /// A cache may be written, in any dialect's word for it.
    cache: bool,
    /// A provider's own tools may be used (searches, interpreters), which are billed apiece and
    /// read more than stands here. The functions of a caller's own cost nothing beside their
    /// tokens, and holding a search's price for each of their calls would refuse people who can pay.
    own_tools: bool,
    /// The call is to be served before others, at another price than the list's.
    first: bool,
}

impl Mentions {
    const ALL: Self = Self { cache: true, own_tools: true, first: false };

    fn of(call: &Call) -> Self {
        match &call.payload {
            // Who has not looked knows nothing that makes it cheaper.
            Payload::Raw { .. } => call.peek.signs.map_or(Self::ALL, |signs| {
                // Some models search without being given a tool.
                Self::read(signs, call.peek.has, call.peek.model.value.contains("search"))
            }),
            Payload::Typed(prompt) => match &**prompt {
                Prompt::Chat(request) => {
                    let native = |t: &Tool| matches!(t.kind, ToolKind::Native(_));
                    let own_tools = request.tools.iter().any(native) || !request.extra.is_empty();
                    Self { own_tools, ..Self::ALL }
                }
                _ => Self { own_tools: false, ..Self::ALL },
            },
        }
    }

    fn read(signs: Signs, has: Has, searches: bool) -> Self {
        let tool = has.all(Has::TOOLS) && signs.has(Signs::OWN_TOOL);
        Self {
            cache: signs.has(Signs::CACHE),
            own_tools: searches || tool || signs.has(Signs::SEARCH),
            first: signs.has(Signs::FIRST),
        }
    }
}

/// What is billed by the piece.
fn calls(call: &Call, own_tools: bool) -> Result<u32, Error> {
    if call.operation == Operation::Chat {
        return Ok(if own_tools { TOOL_CALLS_MAX } else { 0 });
    }
    if call.operation != Operation::Rerank {
        return Ok(1);
    }
    // Documents are counted only in words: a rerank is small and rare.
    let Prompt::Rerank(rerank) = send::words(call)? else { return Ok(1) };
    let pieces = rerank
        .documents
        .iter()
        .map(|d| (rerank.query.len() + d.get().len()).div_ceil(RERANK_DOCUMENT_BYTES).max(1));
    let units = pieces.fold(0usize, usize::saturating_add).div_ceil(RERANK_DOCUMENTS).max(1);
    Ok(u32::try_from(units).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use llm_core::dialect::{DialectId, Route};

    use super::*;

    #[test]
    fn what_makes_a_call_dearer_is_seen_however_it_is_written() {
        let of = |members: &str| {
            let body = Bytes::from(format!("{{\"model\":\"m\",{members}}}"));
            let caller = llm_dialects::caller(DialectId::OpenaiChat).unwrap();
            let peek = caller.peek(&Route::new(Operation::Chat), &body).unwrap();
            let m = Mentions::read(peek.signs.unwrap(), peek.has, false);
            (m.cache, m.own_tools, m.first)
        };
        for (members, expected) in [
            // What people speak of costs nothing but its tokens, however it is written.
            (r#""messages":[{"content":"search the code_base"}]"#, (false, false, false)),
            (PROSE, (false, false, false)),
            (r#""messages":[{"content":[{"text":"a","cache_control":{}}]}]"#, (true, false, false)),
            (r#""tools":[{"type":"function","function":{"name":"f"}}]"#, (false, false, false)),
            (r#""tools":[{"type":"web_search_preview"}]"#, (false, true, false)),
            (r#""tools":[{"type":"web_\u0073earch_preview"}]"#, (false, true, false)),
            (r#""tools":[{"\u0067oogleSearch":{}}]"#, (false, true, false)),
            (r#""tools":[],"x":[{"type":"web_search_preview"}]"#, (false, false, false)),
            (r#""web_search_options":{}"#, (false, true, false)),
            (r#""\u0063ache_control":{}"#, (true, false, false)),
            (r#""tools":[{}],"messages":[{"content":"\uc548\ub155"}]"#, (false, false, false)),
            (r#""service_tier": "priority""#, (false, false, true)),
            (r#""service_tier" :"f\u0061st""#, (false, false, true)),
            (r#""service_tier":"auto","priority":"fast""#, (false, false, false)),
        ] {
            assert_eq!(of(members), expected, "{members}");
        }
    }

    /// A tool is offered, so that its words would count.
    const PROSE: &str = r#""tools":[{}],"messages":[{"content":"\u003cb> a cache of food, \"web_search\", \"service_tier\": \"priority\" and codeExecution"}]"#;
}
