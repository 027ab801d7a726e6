//! One pass over an object, stopping at the members of a table.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{BadRequest, Member, Members, Reader, aside};

/// Shows `reader` each member of the table; says whether the object has any member at all.
pub(super) fn object<'a>(
    text: &'a str,
    members: Members,
    reader: &mut Reader<'a>,
) -> Result<bool, BadRequest> {
    let mut refusal = None;
    let mut parser = serde_json::Deserializer::from_str(text);
    let walk = Walk { members, reader, refusal: &mut refusal };
    let any = parser.deserialize_map(walk).and_then(|any| parser.end().map(|()| any));
    any.map_err(|e| refusal.unwrap_or_else(|| syntax(&e)))
}

/// What is wrong with a body that does not start like an object.
pub(super) fn no_object(text: &str) -> BadRequest {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => BadRequest::syntax("the body must be a JSON object"),
        Err(e) => syntax(&e),
    }
}

/// Names the place. The parser's words hold no content: it was never asked for a type.
fn syntax(error: &serde_json::Error) -> BadRequest {
    BadRequest::syntax(format!("not valid JSON: {error}"))
}

struct Walk<'r, 'a> {
    members: Members,
    reader: &'r mut Reader<'a>,
    /// Why the reader stopped: the parser's own error has no room for it.
    refusal: &'r mut Option<BadRequest>,
}

impl<'a> Visitor<'a> for Walk<'_, 'a> {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut any = false;
        let mut seen = 0u64;
        while let Some(at) = map.next_key_seed(Key(self.members))? {
            any = true;
            let found = match at {
                Found::Nothing => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                // Deeper down the names are the dialect's.
                Found::Aside(name) if self.reader.path.is_none() => {
                    self.reader.aside(name, map.next_value::<&RawValue>()?.get())
                }
                Found::Aside(_) => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Found::Member(bit, name, _) if seen & bit != 0 => {
                    Err(self.reader.bad(name, "stands twice"))
                }
                Found::Member(bit, name, means) => {
                    seen |= bit;
                    let json = map.next_value::<&RawValue>()?.get();
                    let both = aside(name).filter(|_| self.reader.path.is_none());
                    let kept = both.map_or(Ok(()), |name| self.reader.aside(name, json));
                    kept.and_then(|()| self.reader.member(name, means, json))
                }
            };
            if let Err(bad) = found {
                *self.refusal = Some(bad);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(any)
    }
}

/// What a key of an object is to us.
#[derive(Clone, Copy)]
enum Found {
    Nothing,
    /// A member that speaks to the gateway.
    Aside(&'static str),
    /// The bit of its place in the table, its name, its meaning.
    Member(u64, &'static str, Member),
}

/// Finds a key in the table without keeping it.
struct Key(Members);

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Found;

    fn deserialize<D: Deserializer<'a>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Found;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Found, E> {
        let mut members = self.0.iter().enumerate();
        // A table is never longer than the bits: `Layout::new` sees to it.
        let member = members.find(|(_, (name, _))| *name == key);
        Ok(match member {
            Some((at, (name, means))) => Found::Member(1u64 << (at % 64), name, *means),
            None => aside(key).map_or(Found::Nothing, Found::Aside),
        })
    }
}
