//! Where a piece of text comes from: `annotations`, both ways.

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

/// Writes one annotation; false when it says nothing that this dialect has a word for.
pub(super) fn write(array: &mut ArrayWriter<'_>, citation: &Citation) -> bool {
    if let Some(wire) = citation.wire.as_ref().filter(|w| w.origin == ME) {
        array.raw(&wire.value);
        return true;
    }
    if !can_say(citation) {
        return false;
    }
    let mut o = array.object();
    o.str("type", "url_citation");
    let mut inner = o.object("url_citation");
    // Required here, and not every provider counts.
    inner.u64("start_index", u64::from(citation.start.unwrap_or(0)));
    inner.u64("end_index", u64::from(citation.end.unwrap_or(0)));
    inner.str("url", citation.url.as_deref().unwrap_or_default());
    inner.str("title", citation.title.as_deref().unwrap_or_default());
    inner.opt_str("content", citation.quote.as_ref());
    true
}

/// Whether there is anything to write: this dialect cites addresses only.
pub(super) fn can_say(citation: &Citation) -> bool {
    let own = citation.wire.as_ref().is_some_and(|w| w.origin == ME);
    own || citation.url.as_ref().is_some_and(|u: &Str| !u.is_empty())
}
