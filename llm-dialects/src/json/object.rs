//! Reads JSON one level at a time, as slices of the body.
//!
//! A codec takes the members it knows; the rest becomes [`Extra`], as written. Nothing is copied
//! but strings with escapes, and an error knows its place without anyone having kept a path.
//! Typed `serde` structs are for the frames of a stream, where speed counts and nothing is kept.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::raw::{Raw, RawNumber};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::limits;
use super::scan::{Broken, Scan};

mod bad;

pub use bad::Bad;
use bad::Reason;

/// Members of one object. A schema of ten thousand properties is the largest anyone has sent; a
/// member is six bytes on the wire and a hundred in here, and each `take` looks at all of them.
const MEMBERS_MAX: usize = 1 << 16;
/// Elements of one array. The tokens of an embeddings request are the longest.
const ELEMENTS_MAX: usize = 1 << 20;

/// One JSON value inside a body.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    root: &'a Str,
    text: &'a str,
}

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl JsonKind {
    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// The text of a body; an error when it is no UTF-8.
pub fn text(body: &Bytes) -> Result<Str, Bad> {
    Str::try_from(body.clone()).map_err(|_| Bad::body(Reason::Syntax, "the body is not UTF-8"))
}

impl<'a> Field<'a> {
    /// The whole body. Refused when it is larger or deeper than anyone may send: what follows
    /// reads level by level.
    pub fn root(root: &'a Str) -> Result<Self, Bad> {
        limits::size(root.as_bytes())
            .map_err(|too| Bad::body(Reason::Large, too.message.to_string()))?;
        let mut scan = Scan::new(root);
        let read = scan.value(&mut ()).and_then(|text| scan.end().map(|()| text));
        read.map(|text| Self { root, text }).map_err(|broken| Bad::unread(root, broken))
    }

    /// A value that `serde` found in a body; `None` when it comes from another one.
    pub fn within(root: &'a Str, value: &'a RawValue) -> Option<Self> {
        let (body, inner) = (root.as_bytes().as_ptr_range(), value.get().as_bytes().as_ptr_range());
        let inside = body.start <= inner.start && inner.end <= body.end;
        inside.then_some(Self { root, text: value.get() })
    }

    /// What it is.
    pub fn kind(&self) -> JsonKind {
        match self.text.as_bytes().first() {
            Some(b'"') => JsonKind::String,
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') | None => JsonKind::Null,
            Some(_) => JsonKind::Number,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.kind() == JsonKind::Null
    }

    /// Its text, as written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The value, kept as it is written.
    pub fn raw(&self) -> Raw {
        Raw::from_parsed(self.root.slice_ref(self.text))
    }

    /// A string; a slice of the body unless it has escapes.
    pub fn str(&self) -> Result<Str, Bad> {
        match self.cow()? {
            Cow::Borrowed(s) => Ok(self.root.slice_ref(s)),
            Cow::Owned(s) => Ok(s.into()),
        }
    }

    /// A string that need not be kept.
    pub fn cow(&self) -> Result<Cow<'a, str>, Bad> {
        self.want(JsonKind::String)?;
        match self.text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
            Some(inner) if memchr::memchr(b'\\', inner.as_bytes()).is_none() => {
                Ok(Cow::Borrowed(inner))
            }
            _ => match serde_json::from_str::<String>(self.text) {
                Ok(s) => Ok(Cow::Owned(s)),
                // A lone surrogate passes the scanner but is no character.
                Err(_) => Err(self.bad("is not a valid string")),
            },
        }
    }

    /// A boolean.
    pub fn bool(&self) -> Result<bool, Bad> {
        self.want(JsonKind::Bool)?;
        Ok(self.text == "true")
    }

    /// A number, as written.
    pub fn number(&self) -> Result<RawNumber, Bad> {
        self.want(JsonKind::Number)?;
        RawNumber::parse(self.root.slice_ref(self.text)).ok_or_else(|| self.bad("is not a number"))
    }

    /// A whole number that is not negative (`3.0` is 3).
    pub fn u64(&self) -> Result<u64, Bad> {
        self.want(JsonKind::Number)?;
        RawNumber::whole(self.text).ok_or_else(|| self.bad("must be a non-negative integer"))
    }

    /// A whole number that fits 32 bits.
    pub fn u32(&self) -> Result<u32, Bad> {
        u32::try_from(self.u64()?).map_err(|_| self.bad("is too large"))
    }

    /// A number as a double.
    pub fn f64(&self) -> Result<f64, Bad> {
        Ok(self.number()?.as_f64())
    }

    /// The members of an object.
    pub fn object(&self) -> Result<Object<'a>, Bad> {
        self.want(JsonKind::Object)?;
        let members = match members(self.root, &mut Scan::new(self.text)) {
            Err(Unread::Deep) => deep_members(self.root, &mut Scan::new(self.text)),
            read => read,
        };
        let members = members.map_err(|why| self.bad(why.of("object", "members")))?;
        Ok(Object { this: *self, members })
    }

    /// The elements of an array.
    pub fn array(&self) -> Result<Vec<Field<'a>>, Bad> {
        self.want(JsonKind::Array)?;
        let elements = match elements(self.root, &mut Scan::new(self.text)) {
            Err(Unread::Deep) => deep_elements(self.root, &mut Scan::new(self.text)),
            read => read,
        };
        elements.map_err(|why| self.bad(why.of("array", "elements")))
    }

    /// Reads the value into a type of `serde`'s. Its own error is not passed on: it quotes what it
    /// read, and an error must not.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, Bad> {
        serde_json::from_str(self.text).map_err(|_| self.bad("is not of the expected type"))
    }

    /// An error at this value.
    pub fn bad(&self, message: impl Into<Cow<'static, str>>) -> Bad {
        let offset = (self.text.as_ptr() as usize).wrapping_sub(self.root.as_ptr() as usize);
        Bad {
            root: self.root.clone(),
            offset: offset.min(self.root.len()),
            member: None,
            message: message.into(),
            reason: Reason::Value,
        }
    }

    fn want(&self, kind: JsonKind) -> Result<(), Bad> {
        let is = self.kind();
        if is == kind {
            return Ok(());
        }
        Err(self.bad(format!("must be {}, not {}", kind.name(), is.name())))
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.text)
    }
}

/// The members of an object, to be taken one by one.
pub struct Object<'a> {
    this: Field<'a>,
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    name: Cow<'a, str>,
    sign: Sign,
    field: Field<'a>,
    taken: bool,
}

/// What nearly always tells a name from others (its length, its first letter and its last): each `take`
/// looks at all names of its object.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sign(u32);

impl Sign {
    #[inline]
    fn of(name: &str) -> Self {
        let (first, last) = match name.as_bytes() {
            [] => (0, 0),
            [only] => (*only, *only),
            [first, .., last] => (*first, *last),
        };
        Self((name.len() as u32) << 16 | u32::from(first) << 8 | u32::from(last))
    }
}

impl Member<'_> {
    #[inline]
    fn is(&self, sign: Sign, name: &str) -> bool {
        self.sign == sign && !self.taken && self.name == name
    }
}

impl<'a> Object<'a> {
    /// The body, which must be an object.
    pub fn root(root: &'a Str) -> Result<Self, Bad> {
        // What can be read is read in one pass; of what cannot, the two find out why.
        Self::at_once(root).map_or_else(|| Field::root(root)?.object(), Ok)
    }

    fn at_once(root: &'a Str) -> Option<Self> {
        limits::size(root.as_bytes()).ok()?;
        let mut scan = Scan::new(root);
        let start = scan.rest()?;
        let members = members(root, &mut scan).ok()?;
        let text = start.get(..start.len() - scan.left())?;
        scan.end().ok()?;
        Some(Self { this: Field { root, text }, members })
    }

    /// The object itself, for errors about it as a whole.
    pub fn field(&self) -> Field<'a> {
        self.this
    }

    /// Takes a member. `null` is the same as absent, but stays among the rest, so that it returns
    /// as written. A member that stands twice is refused: whoever reads the other one would see
    /// another request.
    pub fn take(&mut self, name: &str) -> Result<Option<Field<'a>>, Bad> {
        let mut found: Option<usize> = None;
        let sign = Sign::of(name);
        for (at, member) in self.members.iter().enumerate() {
            if member.is(sign, name) {
                if found.is_some() {
                    return Err(member.field.bad("stands twice"));
                }
                found = Some(at);
            }
        }
        let Some(at) = found else { return Ok(None) };
        let member = &mut self.members[at];
        if member.field.is_null() {
            return Ok(None);
        }
        member.taken = true;
        Ok(Some(member.field))
    }

    /// Takes a member if it is of that kind; otherwise it stays among the rest. For answers, where
    /// a field of an unexpected type must not cost the whole answer.
    pub fn take_if(&mut self, name: &str, kind: JsonKind) -> Option<Field<'a>> {
        let sign = Sign::of(name);
        let member = self.members.iter_mut().find(|m| m.is(sign, name))?;
        if member.field.kind() != kind {
            return None;
        }
        member.taken = true;
        Some(member.field)
    }

    /// Looks at a member without taking it.
    pub fn see(&self, name: &str) -> Option<Field<'a>> {
        let sign = Sign::of(name);
        self.members.iter().find(|m| m.is(sign, name)).map(|m| m.field)
    }

    /// The names of the members not yet taken, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter(|m| !m.taken).map(|m| &*m.name)
    }

    /// All members not yet taken, in order.
    pub fn members(&self) -> impl Iterator<Item = (&Cow<'a, str>, Field<'a>)> {
        self.members.iter().filter(|m| !m.taken).map(|m| (&m.name, m.field))
    }

    /// A name of [`Object::members`], kept as it stands in the body.
    pub fn name(&self, name: &str) -> Str {
        let root = self.this.root;
        let (body, inner) = (root.as_bytes().as_ptr_range(), name.as_bytes().as_ptr_range());
        // One with escapes stands there otherwise than it is said.
        let inside = body.start <= inner.start && inner.end <= body.end;
        if inside { root.slice_ref(name) } else { name.to_owned().into() }
    }

    /// A string member.
    pub fn str(&mut self, name: &str) -> Result<Option<Str>, Bad> {
        self.take(name)?.map(|f| f.str()).transpose()
    }

    /// A string member that must be there.
    pub fn need_str(&mut self, name: &'static str) -> Result<Str, Bad> {
        self.need(name)?.str()
    }

    /// A boolean member.
    pub fn bool(&mut self, name: &str) -> Result<Option<bool>, Bad> {
        self.take(name)?.map(|f| f.bool()).transpose()
    }

    /// A member that is a whole number.
    pub fn u64(&mut self, name: &str) -> Result<Option<u64>, Bad> {
        self.take(name)?.map(|f| f.u64()).transpose()
    }

    /// A member that is a whole number of 32 bits.
    pub fn u32(&mut self, name: &str) -> Result<Option<u32>, Bad> {
        self.take(name)?.map(|f| f.u32()).transpose()
    }

    /// A member that is a number, as written.
    pub fn number(&mut self, name: &str) -> Result<Option<RawNumber>, Bad> {
        self.take(name)?.map(|f| f.number()).transpose()
    }

    /// A member, as written.
    pub fn raw(&mut self, name: &str) -> Result<Option<Raw>, Bad> {
        Ok(self.take(name)?.map(|f| f.raw()))
    }

    /// A member that is an object.
    pub fn object(&mut self, name: &str) -> Result<Option<Object<'a>>, Bad> {
        self.take(name)?.map(|f| f.object()).transpose()
    }

    /// A member that is an array; empty when absent.
    pub fn array(&mut self, name: &str) -> Result<Vec<Field<'a>>, Bad> {
        self.take(name)?.map_or(Ok(Vec::new()), |f| f.array())
    }

    /// A member that must be there.
    pub fn need(&mut self, name: &'static str) -> Result<Field<'a>, Bad> {
        self.take(name)?.ok_or_else(|| self.missing(name))
    }

    /// The error for a member that is not there.
    pub fn missing(&self, name: impl Into<Cow<'static, str>>) -> Bad {
        Bad { member: Some(name.into()), ..self.this.bad("is required") }
    }

    /// Everything not taken, as written.
    pub fn rest(self, origin: DialectId) -> Extra {
        let mut extra = Extra::new(origin);
        for (name, field) in self.members() {
            extra.push(self.name(name), field.raw());
        }
        extra
    }
}

/// Why an object or an array could not be read, though it was passed over once.
enum Unread {
    /// A name that is no text.
    Broken,
    Many,
    /// It nests deeper than a body may: whoever found it found it in a frame of a provider's, where
    /// nothing is refused for that.
    Deep,
}

impl Unread {
    fn of(&self, what: &str, of_which: &str) -> String {
        match self {
            Self::Broken | Self::Deep => format!("is not a valid {what}"),
            Self::Many => format!("has too many {of_which}"),
        }
    }
}

impl From<Broken> for Unread {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Syntax => Self::Broken,
            Broken::Deep => Self::Deep,
        }
    }
}

/// The members of the object that comes next, in order, duplicates and all: serde's maps would hide
/// both.
fn members<'a>(root: &'a Str, scan: &mut Scan<'a>) -> Result<Vec<Member<'a>>, Unread> {
    let mut at = scan.object()?;
    let mut members = Vec::with_capacity(8);
    while let Some(name) = at.next(scan)? {
        if members.len() == MEMBERS_MAX {
            return Err(Unread::Many);
        }
        let name = scan.read(name).ok_or(Unread::Broken)?;
        let field = Field { root, text: scan.value(&mut ())? };
        members.push(Member { sign: Sign::of(&name), name, field, taken: false });
    }
    Ok(members)
}

/// The same, apart from the way of nearly all of them.
#[cold]
fn deep_members<'a>(root: &'a Str, scan: &mut Scan<'a>) -> Result<Vec<Member<'a>>, Unread> {
    let (mut at, mut members) = (scan.object()?, Vec::new());
    while let Some(name) = at.next(scan)? {
        if members.len() == MEMBERS_MAX {
            return Err(Unread::Many);
        }
        let name = scan.read(name).ok_or(Unread::Broken)?;
        let field = Field { root, text: scan.known()? };
        members.push(Member { sign: Sign::of(&name), name, field, taken: false });
    }
    Ok(members)
}

/// The elements of the array that comes next.
fn elements<'a>(root: &'a Str, scan: &mut Scan<'a>) -> Result<Vec<Field<'a>>, Unread> {
    let mut at = scan.list()?;
    let mut elements = Vec::with_capacity(4);
    while at.next(scan)? {
        if elements.len() == ELEMENTS_MAX {
            return Err(Unread::Many);
        }
        elements.push(Field { root, text: scan.value(&mut ())? });
    }
    Ok(elements)
}

/// The same, apart from the way of nearly all of them.
#[cold]
fn deep_elements<'a>(root: &'a Str, scan: &mut Scan<'a>) -> Result<Vec<Field<'a>>, Unread> {
    let (mut at, mut elements) = (scan.list()?, Vec::new());
    while at.next(scan)? {
        if elements.len() == ELEMENTS_MAX {
            return Err(Unread::Many);
        }
        elements.push(Field { root, text: scan.known()? });
    }
    Ok(elements)
}

#[cfg(test)]
mod tests;
