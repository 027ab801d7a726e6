//! Schemas in the API's own spelling.
//!
//! `parameters` and `responseSchema` hold a subset of OpenAPI with type names in capitals and
//! `nullable`; `parametersJsonSchema` and `responseJsonSchema` hold JSON Schema. The words hold
//! JSON Schema, so that any provider can take it; the own spelling is kept aside for Gemini.
//! In the other direction nothing is converted at all: the API takes JSON Schema in the second
//! pair of fields, and passes over keywords it does not know.

use bytes::BytesMut;
use llm_core::Str;
use llm_core::extra::{Extra, Losses};
use llm_core::raw::Raw;
use memchr::memmem;

use super::names;
use super::notation::{aside, keep_aside};
use crate::json::{ArrayWriter, Field, JsonKind, ObjectWriter};
use crate::schema::{self, Subset};

/// Deeper schemas are left as they are.
const DEPTH_MAX: usize = 32;
/// What the own spelling is kept aside as.
const OWN: &str = "schema";

/// The schema in JSON Schema's spelling.
pub(super) fn read(own: &Raw, extra: &mut Extra) -> Raw {
    let Some(standard) = standard(own) else { return own.clone() };
    keep_aside(extra, OWN, own.get());
    standard
}

/// The schema in the caller's own spelling; `None` when somebody wrote another one since.
pub(super) fn own(schema: &Raw, extra: &Extra) -> Option<Raw> {
    match aside(extra, OWN) {
        Some(own) => standard(&own).is_some_and(|s| s == *schema).then_some(own),
        None => Some(schema.clone()),
    }
}

/// The schema in JSON Schema's spelling, when its own differs.
fn standard(own: &Raw) -> Option<Raw> {
    const MARKS: [&str; 8] = [
        "\"nullable\"",
        "\"OBJECT\"",
        "\"STRING\"",
        "\"NUMBER\"",
        "\"INTEGER\"",
        "\"BOOLEAN\"",
        "\"ARRAY\"",
        "\"NULL\"",
    ];
    let text = own.get().as_bytes();
    let marked = MARKS.iter().any(|m| memmem::find(text, m.as_bytes()).is_some());
    let numbered = has_numbers(text);
    if !marked && !numbered {
        return None;
    }
    let worded = if numbered { with_words(own) } else { own.clone() };
    // What a caller of Gemini cannot say there cannot be lost from it either.
    Some(schema::fit(&worded, &Subset::STANDARD, "", &mut Losses::default()))
}

/// Whether a `type` is a number, as clients made from the proto write it.
fn has_numbers(text: &[u8]) -> bool {
    memmem::find_iter(text, b"\"type\"").any(|at| {
        let rest = text.get(at + 6..).unwrap_or_default().trim_ascii_start();
        let value = rest.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
        value.first().is_some_and(u8::is_ascii_digit)
    })
}

/// The schema with types as words.
fn with_words(own: &Raw) -> Raw {
    let Ok(root) = Field::root(own.text()) else { return own.clone() };
    let mut out = BytesMut::with_capacity(own.get().len() + 32);
    if root.kind() != JsonKind::Object {
        return own.clone();
    }
    node(root, ObjectWriter::begin(&mut out), 0);
    Str::try_from(out.freeze()).map_or_else(|_| own.clone(), Raw::from_parsed)
}

fn node(field: Field<'_>, mut out: ObjectWriter<'_>, depth: usize) {
    let Ok(object) = field.object() else { return };
    for (name, value) in object.members() {
        let inner = depth < DEPTH_MAX;
        match (&**name, value.kind()) {
            ("type", JsonKind::Number) => {
                out.under(name).str(&names::of_number(value.text(), names::SCHEMA_TYPE));
            }
            ("items" | "additionalProperties", JsonKind::Object) if inner => {
                node(value, out.under(name).object(), depth + 1);
            }
            ("properties" | "$defs" | "defs", JsonKind::Object) if inner => {
                named(value, out.under(name).object(), depth + 1);
            }
            ("anyOf" | "any_of" | "oneOf" | "allOf" | "prefixItems", JsonKind::Array) if inner => {
                listed(value, out.under(name).array(), depth + 1);
            }
            _ => {
                out.under(name).json(value.text());
            }
        }
    }
}

fn named(field: Field<'_>, mut out: ObjectWriter<'_>, depth: usize) {
    let Ok(object) = field.object() else { return };
    for (name, value) in object.members() {
        match value.kind() {
            JsonKind::Object => node(value, out.under(name).object(), depth),
            _ => {
                out.under(name).json(value.text());
            }
        }
    }
}

fn listed(field: Field<'_>, mut out: ArrayWriter<'_>, depth: usize) {
    for value in field.array().unwrap_or_default() {
        match value.kind() {
            JsonKind::Object => node(value, out.object(), depth),
            _ => out.raw(&value.raw()),
        }
    }
}
