//! One pass over an object, stopping at the members of a table.

use serde::de::IgnoredAny;

use super::signs::Look;
use super::{BadRequest, Member, Members, Reader, aside, limits};
use crate::json::scan::{Broken, Scan, See, Text};

/// Why a walk ended early.
enum Stop {
    /// The reader has seen something that it does not take.
    Refused(BadRequest),
    /// This is no object.
    Broken(Broken),
}

impl From<BadRequest> for Stop {
    fn from(bad: BadRequest) -> Self {
        Self::Refused(bad)
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// Shows `reader` each member of the table; says whether the object has any member at all.
pub(super) fn object<'a>(
    text: &'a str,
    members: Members,
    reader: &mut Reader<'a>,
) -> Result<bool, BadRequest> {
    walk(&mut Scan::new(text), members, reader).map_err(|stop| match stop {
        Stop::Refused(bad) => bad,
        Stop::Broken(Broken::Deep) => limits::too_deep(),
        Stop::Broken(Broken::Syntax) => syntax(text),
    })
}

/// What is wrong with a body that does not start like an object.
pub(super) fn no_object(text: &str) -> BadRequest {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => BadRequest::syntax("the body must be a JSON object"),
        Err(_) => syntax(text),
    }
}

/// Names the place, which a parser knows. Its words hold no content: it was never asked for a type.
fn syntax(text: &str) -> BadRequest {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => BadRequest::syntax("not valid JSON"),
        Err(error) => BadRequest::syntax(format!("not valid JSON: {error}")),
    }
}

fn walk<'a>(scan: &mut Scan<'a>, table: Members, reader: &mut Reader<'a>) -> Result<bool, Stop> {
    let (mut any, mut seen) = (false, 0u64);
    let mut members = scan.object()?;
    while let Some(name) = members.next(scan)? {
        any = true;
        reader.signs.name(name);
        match find(table, name) {
            Found::Nothing => scan.skip(&mut reader.signs)?,
            // Deeper down the names are the dialect's.
            Found::Aside(name) if reader.path.is_none() => {
                let json = scan.value(&mut reader.signs)?;
                reader.aside(name, json)?;
            }
            Found::Aside(_) => scan.skip(&mut reader.signs)?,
            Found::Member(bit, name, _) if seen & bit != 0 => {
                return Err(reader.bad(name, "stands twice").into());
            }
            Found::Member(bit, name, means) => {
                seen |= bit;
                let json = match means {
                    Member::Mentions(texts) => {
                        let (has, seen) = (&mut reader.peek.has, &mut reader.signs);
                        scan.value(&mut Look::new(texts, has, seen))?
                    }
                    _ => scan.value(&mut reader.signs)?,
                };
                if let Some(name) = aside(name.as_bytes()).filter(|_| reader.path.is_none()) {
                    reader.aside(name, json)?;
                }
                reader.member(name, means, json)?;
            }
        }
    }
    scan.end()?;
    Ok(any)
}

/// What a key of an object is to us.
enum Found {
    Nothing,
    /// A member that speaks to the gateway.
    Aside(&'static str),
    /// The bit of its place in the table, its name, its meaning.
    Member(u64, &'static str, Member),
}

fn find(table: Members, name: Text<'_>) -> Found {
    if !name.escaped {
        return known(table, name.raw);
    }
    // What no string can say is no name of ours.
    name.read().map_or(Found::Nothing, |name| known(table, name.as_bytes()))
}

fn known(table: Members, name: &[u8]) -> Found {
    // A table is never longer than the bits: `Layout::new` sees to it.
    match table.iter().enumerate().find(|(_, (known, _))| known.as_bytes() == name) {
        Some((at, (name, means))) => Found::Member(1u64 << (at % 64), name, *means),
        None => aside(name).map_or(Found::Nothing, Found::Aside),
    }
}
