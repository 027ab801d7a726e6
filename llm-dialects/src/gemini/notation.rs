//! How a caller spelled what can be spelled in several ways.
//!
//! Google's JSON accepts each field as `camelCase` and as `snake_case`, enums as words and as
//! numbers, and a lone object where a list is meant. Clients use all of it, often mixed in one
//! request. The words do not care; the spelling is kept beside them in bits, so that a request
//! returns to Gemini as it came. Where something known holds something unknown, the rest of it is
//! kept under the name of the known thing (a *remainder*) and written back into it.

use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::extra::{Extra, Notation};
use llm_core::raw::Raw;

use crate::json::{Bad, Field, Object, ObjectWriter, write};

/// This dialect.
pub(super) const ME: DialectId = DialectId::Gemini;

/// A field in both of its spellings, with the bit that says that it stood in the second.
#[derive(Debug)]
pub(super) struct Name {
    /// As the API writes it.
    pub(super) camel: &'static str,
    /// As the proto names it.
    pub(super) snake: &'static str,
    /// Set when it stood as `snake`.
    pub(super) bit: u32,
}

impl Name {
    /// Both spellings and the bit.
    pub(super) const fn new(camel: &'static str, snake: &'static str, bit: u32) -> Self {
        Self { camel, snake, bit }
    }

    /// The spelling that `notation` remembers.
    pub(super) fn spelled(&self, notation: Notation) -> &'static str {
        if notation.has(self.bit) { self.snake } else { self.camel }
    }

    /// Looks at the field in either spelling.
    pub(super) fn see<'a>(&self, o: &Object<'a>) -> Option<Field<'a>> {
        o.see(self.camel).or_else(|| o.see(self.snake)).filter(|f| !f.is_null())
    }

    /// Takes the field in either spelling. Both at once are refused, as the API does: whoever
    /// reads the other one would see another request.
    pub(super) fn take<'a>(
        &self,
        o: &mut Object<'a>,
        bits: &mut u32,
    ) -> Result<Option<Field<'a>>, Bad> {
        match (o.take(self.camel)?, o.take(self.snake)?) {
            (Some(_), Some(twice)) => Err(twice.bad("stands twice")),
            (None, Some(field)) => {
                *bits |= self.bit;
                Ok(Some(field))
            }
            (camel, None) => Ok(camel),
        }
    }
}

/// What was not understood of `o`, with its spelling.
pub(super) fn rest(o: Object<'_>, bits: u32) -> Extra {
    o.rest(ME).noted(bits)
}

/// Keeps what was not understood of an inner object under the name of that object.
pub(super) fn keep_remainder(extra: &mut Extra, name: &'static str, inner: Object<'_>) {
    let rest = inner.rest(ME);
    if rest.is_empty() {
        return;
    }
    let mut out = bytes::BytesMut::new();
    ObjectWriter::begin(&mut out).extra(&rest, ME);
    if let Ok(text) = Str::try_from(out.freeze()) {
        extra.push(Str::from_static(name), Raw::from_parsed(text));
    }
}

/// Writes the remainder of that name back into its object.
pub(super) fn restore_remainder(o: &mut ObjectWriter<'_>, extra: &Extra, name: &str) {
    let Some(remainder) = extra.get_from(ME, name) else { return };
    let Ok(inner) = Object::root(remainder.text()) else { return };
    for (name, field) in inner.members() {
        o.kept(name, &field.raw());
    }
}

/// Writes back what was not understood, but for remainders (which the writers of the objects they
/// belong to restore) and for [`Aside`]s.
pub(super) fn restore(o: &mut ObjectWriter<'_>, extra: &Extra, remainders: &[&str]) {
    if extra.origin() != Some(ME) {
        return;
    }
    for (name, value) in extra.fields() {
        if !remainders.contains(&&**name) && !name.starts_with(ASIDE) {
            o.kept(name, value);
        }
    }
}

/// Begins the name of an aside. No field of the API can be called so.
const ASIDE: char = '\0';

/// Keeps the caller's own spelling of something whose meaning is in the words already (a schema
/// with type names in capitals). It must not count as lost anywhere else, and a field that says
/// `null` never does; so the text is kept in a name.
pub(super) fn keep_aside(extra: &mut Extra, what: &str, text: &str) {
    extra.push(format!("{ASIDE}{what}{ASIDE}{text}"), Raw::from_parsed(Str::from_static("null")));
}

/// The caller's own spelling, as kept.
pub(super) fn aside(extra: &Extra, what: &str) -> Option<Raw> {
    if extra.origin() != Some(ME) {
        return None;
    }
    extra.fields().iter().find_map(|(name, _)| {
        let text = name.strip_prefix(ASIDE)?.strip_prefix(what)?.strip_prefix(ASIDE)?;
        Raw::parse(text.to_owned()).ok()
    })
}

/// A string as JSON.
pub(super) fn quoted(text: &str) -> Raw {
    let mut out = bytes::BytesMut::with_capacity(text.len() + 2);
    write::string(&mut out, text);
    Raw::from_parsed(Str::try_from(out.freeze()).unwrap_or_default())
}
