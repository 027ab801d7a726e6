//! The most that a call can use, read from its peek.
//!
//! A token is at least one byte of the body, and the JSON around a message is longer than what a
//! chat template puts in its place, so that the body's length bounds what can be read. What does
//! not stand in the body (a picture behind an address, a file, an earlier answer) is bounded by
//! the model's context window alone.

use llm_core::call::{Call, Has, Operation, Payload};
use llm_core::capability::Capability;
use llm_core::error::{Error, Kind};
use llm_core::money::{Bound, Kinds};
use llm_core::prompt::{Prompt, Tool, ToolKind};
use llm_core::usage::TokenKind;
use memchr::memmem;

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
    if asks_to_go_first(call) {
        let text = "going before others costs more than any price here says; leave it out";
        return Err(Error::new(Kind::Unsupported, text).in_field("service_tier"));
    }
    let opaque = Has::IMAGES | Has::AUDIO | Has::FILES | Has::VIDEO | Has::SERVER_STATE;
    let bytes = body_bytes(call);
    let seen = bytes.saturating_add(OVERHEAD_TOKENS);
    // What a provider's own tools find is read by the model as well, and stands nowhere here.
    let fed = call.operation == Operation::Chat && may_use_own_tools(call);
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
    if !may_cache(call) {
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
        calls_max: calls(call)?,
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

/// Whether a provider is asked to serve this call before others, at another price than its list.
fn asks_to_go_first(call: &Call) -> bool {
    let Payload::Raw { bytes, .. } = &call.payload else { return false };
    call.operation == Operation::Chat
        && memmem::find(bytes, b"\"service_tier\"").is_some_and(|at| {
            let rest = bytes.get(at + b"\"service_tier\"".len()..).unwrap_or_default();
            let value = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
            value.is_some_and(|v| v.starts_with(b"\"priority\"") || v.starts_with(b"\"fast\""))
        })
}

fn body_bytes(call: &Call) -> u64 {
    let bytes = match &call.payload {
        Payload::Raw { bytes, .. } => bytes.len() as u64,
        // Nobody has written them yet: a third of the bytes is what the peek of words says.
        Payload::Typed(_) => u64::from(call.peek.input_tokens_estimate).saturating_mul(3),
    };
    bytes.max(1)
}

/// Whether the call may ask for a cache to be written, in any dialect's word for it.
fn may_cache(call: &Call) -> bool {
    match &call.payload {
        Payload::Raw { bytes, .. } => {
            memmem::find(bytes, b"cache").is_some() || may_hide_names(bytes)
        }
        Payload::Typed(_) => true,
    }
}

/// Whether the call may ask for a provider's own tools (searches, interpreters), which are billed
/// apiece. The functions of a caller's own cost nothing beside their tokens, and holding a search's
/// price for each of their calls would refuse people who can pay.
fn may_use_own_tools(call: &Call) -> bool {
    match &call.payload {
        Payload::Raw { bytes, .. } => {
            OWN_TOOLS.iter().any(|w| memmem::find(bytes, w).is_some()) || may_hide_names(bytes)
        }
        Payload::Typed(prompt) => match &**prompt {
            Prompt::Chat(request) => {
                let native = |t: &Tool| matches!(t.kind, ToolKind::Native(_));
                request.tools.iter().any(native) || !request.extra.is_empty()
            }
            _ => false,
        },
    }
}

/// Pieces of the names of such tools, in all dialects.
const OWN_TOOLS: [&[u8]; 8] = [
    b"\"web_",
    b"_search",
    b"Search\"",
    b"\"code_",
    b"codeExecution",
    b"url_context",
    b"urlContext",
    b"\"mcp\"",
];

/// Whether letters are written as numbers: then a name may stand there that a search for its letters
/// does not find. Clients that write so write everything so, and mean nothing by it; they are held
/// for more than they use, and get it back.
fn may_hide_names(bytes: &[u8]) -> bool {
    memmem::find_iter(bytes, b"\\u00").any(|at| {
        let code = bytes.get(at + 4..at + 6).unwrap_or_default();
        // A letter, a digit or a sign that names are made of.
        matches!(code, [b'3' | b'4' | b'5' | b'6' | b'7', _])
    })
}

/// What is billed by the piece.
fn calls(call: &Call) -> Result<u32, Error> {
    if call.operation == Operation::Chat {
        return Ok(if may_use_own_tools(call) { TOOL_CALLS_MAX } else { 0 });
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
