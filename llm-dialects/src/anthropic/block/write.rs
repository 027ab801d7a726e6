//! Parts to blocks: how each kind is spelled. What may be said where, and what is lost, is decided
//! by whoever writes a request or an answer.

use llm_core::Str;
use llm_core::extra::Extra;
use llm_core::prompt::{CacheMark, Citation, Media, MediaSource, Opaque, ToolCall};
use llm_core::raw::Raw;
use serde::de::IgnoredAny;

use crate::anthropic::nested::{restore, restore_outer};
use crate::anthropic::{ID, note};
use crate::json::{ObjectWriter, write};
use crate::state;

/// Paths of inner objects whose unknown fields are restored inside them.
const INNER: &[&str] = &["source", "cache_control"];

/// `cache_control` and whatever else a block had.
pub(in crate::anthropic) fn cache(
    o: &mut ObjectWriter<'_>,
    mark: Option<&CacheMark>,
    extra: &Extra,
) {
    if let Some(mark) = mark {
        let mut inner = o.object("cache_control");
        inner.str("type", "ephemeral").opt_str("ttl", mark.ttl.as_ref());
        restore(&mut inner, extra, "cache_control");
    }
    restore_outer(o, extra, INNER);
}

/// A `text` block's own members.
pub(in crate::anthropic) fn text(o: &mut ObjectWriter<'_>, text: &str) {
    o.str("type", "text").str("text", text);
}

/// `citations`, those that this dialect can say. Gives whether that is all of them.
pub(in crate::anthropic) fn citations(
    o: &mut ObjectWriter<'_>,
    list: &[Citation],
    say: impl Fn(&Citation) -> Option<Raw>,
) -> bool {
    let said: Vec<Raw> = list.iter().filter_map(say).collect();
    if !said.is_empty() {
        let mut array = o.array("citations");
        said.iter().for_each(|raw| array.raw(raw));
    }
    said.len() == list.len()
}

/// A citation as Anthropic made it; its API takes no other.
pub(in crate::anthropic) fn own_citation(citation: &Citation) -> Option<Raw> {
    citation.wire.as_ref().filter(|w| w.origin == ID).map(|w| w.value.clone())
}

/// A citation for a client of this dialect. Another provider's is shown as a search result, with
/// its own words in the pointer that clients return.
pub(in crate::anthropic) fn said_citation(citation: &Citation) -> Option<Raw> {
    let Some(wire) = citation.wire.as_ref().filter(|w| w.origin != ID) else {
        return own_citation(citation);
    };
    let url = citation.url.as_ref()?;
    let text = write::object(|o| {
        o.str("type", "web_search_result_location").str("url", url);
        o.str_or_null("title", citation.title.as_deref());
        o.str("cited_text", citation.quote.as_deref().unwrap_or_default());
        o.str("encrypted_index", &state::token(wire));
    });
    Some(Raw::from_parsed(Str::try_from(text.freeze()).ok()?))
}

/// A `thinking` block's own members. The signature is a JSON string as written.
pub(in crate::anthropic) fn thinking(
    o: &mut ObjectWriter<'_>,
    text: &str,
    signature: Option<&Raw>,
) {
    o.str("type", "thinking").str("thinking", text).opt_raw("signature", signature);
}

/// A `redacted_thinking` block that carries a token.
pub(in crate::anthropic) fn redacted(o: &mut ObjectWriter<'_>, state: &Opaque, previous: bool) {
    let token = if previous { super::previous_token(state) } else { state::token(state) };
    o.str("type", "redacted_thinking").str("data", &token);
}

/// `input`, and whether it says just what the model wrote.
pub(in crate::anthropic) fn arguments(o: &mut ObjectWriter<'_>, call: &ToolCall) -> bool {
    let text = call.arguments.trim();
    if call.custom {
        o.object("input").str("input", &call.arguments);
        return false;
    }
    if text.is_empty() || text == "null" {
        o.object("input");
    } else if is_object(text) {
        o.json("input", text);
    } else {
        // A call that was cut short is still what the model said.
        o.object("input").str("input", &call.arguments);
        return false;
    }
    true
}

/// Whether the text is a JSON object.
pub(in crate::anthropic) fn is_object(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// An `image` block's own members.
pub(in crate::anthropic) fn image(
    o: &mut ObjectWriter<'_>,
    media: &Media,
    mime: Option<&str>,
    extra: &Extra,
) {
    o.str("type", "image");
    source(&mut o.object("source"), media, mime, extra);
}

/// A `document` block's own members.
pub(in crate::anthropic) fn document(
    o: &mut ObjectWriter<'_>,
    media: &Media,
    mime: Option<&str>,
    extra: &Extra,
) {
    o.str("type", "document");
    source(&mut o.object("source"), media, mime, extra);
    o.opt_str("title", media.name.as_ref());
}

fn source(o: &mut ObjectWriter<'_>, media: &Media, mime: Option<&str>, extra: &Extra) {
    let (kind, name, value) = match &media.source {
        MediaSource::Base64(data) => ("base64", "data", data),
        MediaSource::Url(url) => ("url", "url", url),
        MediaSource::Id(id) => ("file", "file_id", id),
        MediaSource::Text(text) if extra.notation(ID).has(note::CONTENT_SOURCE) => {
            ("content", "content", text)
        }
        MediaSource::Text(text) => ("text", "data", text),
    };
    o.str("type", kind);
    if let Some(mime) = mime {
        o.str("media_type", mime);
    }
    o.str(name, value);
    restore(o, extra, "source");
}
