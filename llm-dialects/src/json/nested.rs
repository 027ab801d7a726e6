//! Keeps the unknown fields of inner objects whose words live in the outer one.
//!
//! A request's `options.num_ctx` or a tool's `function.deprecated` has no `Extra` of its own,
//! because the object around it has none in canonical words. Such a field is kept in the outer
//! `Extra` under its place, dot and all, which is also how a loss should name it.

use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::raw::Raw;

use super::{Object, ObjectWriter};

/// In front of a field of the outer object whose own name looks like a place.
const PLAIN: &str = "./";

/// Everything not taken of an object that has inner objects at `places`.
pub fn rest(o: Object<'_>, origin: DialectId, places: &[&str]) -> Extra {
    let plain = o.rest(origin);
    if !plain.fields().iter().any(|(name, _)| is_odd(name, places)) {
        return plain;
    }
    let mut extra = Extra::new(origin);
    for (name, value) in plain.fields() {
        if is_odd(name, places) {
            extra.push(format!("{PLAIN}{name}"), value.clone());
        } else {
            extra.push(name.clone(), value.clone());
        }
    }
    extra
}

/// Keeps what was not taken of the inner object at `place`.
pub fn keep(extra: &mut Extra, place: &str, inner: Object<'_>, origin: DialectId) {
    for (name, value) in inner.rest(origin).fields() {
        extra.push(format!("{place}.{name}"), value.clone());
    }
}

/// Whether anything was kept of the inner object at `place`.
pub fn any(extra: &Extra, dialect: DialectId, place: &str) -> bool {
    extra.origin() == Some(dialect)
        && extra.fields().iter().any(|(name, _)| inner_name(name, place).is_some())
}

/// Restores the outer object's own fields.
pub fn write_outer(o: &mut ObjectWriter<'_>, extra: &Extra, dialect: DialectId, places: &[&str]) {
    if extra.origin() != Some(dialect) {
        return;
    }
    for (name, value) in extra.fields() {
        if let Some(plain) = name.strip_prefix(PLAIN) {
            write(o, plain, value);
        } else if !is_odd(name, places) {
            write(o, name, value);
        }
    }
}

/// Restores the fields of the inner object at `place`.
pub fn write_inner(o: &mut ObjectWriter<'_>, extra: &Extra, dialect: DialectId, place: &str) {
    if extra.origin() != Some(dialect) {
        return;
    }
    for (name, value) in extra.fields() {
        if let Some(inner) = inner_name(name, place) {
            write(o, inner, value);
        }
    }
}

/// Words that have been written win over a field of the same name that was kept because it said
/// something the words could not: an edit must come out once.
fn write(o: &mut ObjectWriter<'_>, name: &str, value: &Raw) {
    if !o.says(name) {
        o.under(name).raw(value);
    }
}

fn is_odd(name: &str, places: &[&str]) -> bool {
    name.starts_with(PLAIN) || places.iter().any(|place| inner_name(name, place).is_some())
}

fn inner_name<'a>(name: &'a str, place: &str) -> Option<&'a str> {
    name.strip_prefix(place)?.strip_prefix('.')
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::json::{object, write};

    #[test]
    fn fields_return_to_their_places() {
        let body = r#"{"options":{"a":1,"b":null},"options.a":2,"./x":3,"y":4}"#;
        let text = object::text(&Bytes::from_static(body.as_bytes())).unwrap();
        let mut o = Object::root(&text).unwrap();
        let inner = o.object("options").unwrap().unwrap();
        let mut extra = rest(o, DialectId::Ollama, &["options"]);
        keep(&mut extra, "options", inner, DialectId::Ollama);
        assert!(extra.get("options.a").is_some_and(|v| v.get() == "1"));
        assert!(any(&extra, DialectId::Ollama, "options"));
        let out = write::object(|o| {
            write_inner(&mut o.object("options"), &extra, DialectId::Ollama, "options");
            write_outer(o, &extra, DialectId::Ollama, &["options"]);
        });
        assert_eq!(out, body.as_bytes());
    }
}
