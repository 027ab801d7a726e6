//! Where a piece of text comes from: `annotations`, both ways.

use std::ops::Range;

use llm_core::Str;
use llm_core::prompt::{Citation, Opaque};

use super::notation::ME;
use crate::json::{ArrayWriter, Field, JsonKind, Object};

/// Reads one annotation. A kind that we do not know has nothing but its wire form.
pub(super) fn read(field: Field<'_>) -> Citation {
    let object = field.object().ok();
    let kind = object.as_ref().and_then(|o| o.see("type")).and_then(|f| f.str().ok());
    let wire = Opaque { origin: ME, kind: kind.unwrap_or_default(), value: field.raw() };
    let cited = object.and_then(|mut o| o.take_if("url_citation", JsonKind::Object)?.object().ok());
    let mut citation = cited.map(members).unwrap_or_default();
    citation.wire = Some(wire);
    citation
}

fn members(mut o: Object<'_>) -> Citation {
    let mut text = |name| o.take_if(name, JsonKind::String).and_then(|f| f.str().ok());
    let (url, title, quote) = (text("url"), text("title"), text("content"));
    let mut place = |name| o.take_if(name, JsonKind::Number).and_then(|f| f.u32().ok());
    let (start, end) = (place("start_index"), place("end_index"));
    Citation { start, end, url, title, quote, wire: None }
}

/// Writes one annotation that [`can_say`] said yes to. `text` is where the piece of text stands
/// that it belongs to, in characters of the whole: providers that do not count cite the piece.
pub(super) fn write(array: &mut ArrayWriter<'_>, citation: &Citation, text: &Range<u64>) {
    if let Some(wire) = citation.wire.as_ref().filter(|w| w.origin == ME) {
        array.raw(&wire.value);
        return;
    }
    let mut o = array.object();
    o.str("type", "url_citation");
    let mut inner = o.object("url_citation");
    inner.u64("start_index", citation.start.map_or(text.start, u64::from));
    inner.u64("end_index", citation.end.map_or(text.end, u64::from));
    inner.str("url", citation.url.as_deref().unwrap_or_default());
    inner.str("title", citation.title.as_deref().unwrap_or_default());
    inner.opt_str("content", citation.quote.as_ref());
}

/// How many characters a text has.
pub(super) fn chars(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// Whether there is anything to write: this dialect cites addresses only.
pub(super) fn can_say(citation: &Citation) -> bool {
    let own = citation.wire.as_ref().is_some_and(|w| w.origin == ME);
    own || citation.url.as_ref().is_some_and(|u: &Str| !u.is_empty())
}
