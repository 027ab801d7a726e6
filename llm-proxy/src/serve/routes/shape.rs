//! What a route takes and gives, as data: read by the dispatch, which refuses what is not in it,
//! and written down as JSON Schema.
//!
//! Tables beside the functions, and not schemas derived from types: bodies are read field by field
//! (absent, `null` and set are three things, and money is never a float), so that there are no types
//! to derive from. Answers are held against these tables by every test that asks an operator's call.

use serde_json::{Map, Value, json};

/// A field of an object, or a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) of: Of,
    /// Whether it is always there; all others may be missing or `null`.
    pub(crate) need: bool,
    pub(crate) about: &'static str,
    /// From where and up to where: a number itself, characters of a text, items of a list.
    pub(crate) bounds: (Option<i64>, Option<i64>),
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// A text.
    Text,
    /// A text that nobody else may read.
    Secret,
    /// A key: its text, which nobody else may read, or its public id.
    Key,
    /// A whole number.
    Whole,
    /// A number with a point, written exactly.
    Number,
    /// Yes or no.
    Flag,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Several of them.
    List(&'static Of),
    /// An object of these fields.
    Table(&'static [&'static [Field]]),
    /// An object of other people's fields.
    Free,
    /// Names, and a whole number for each.
    Counts,
    /// Anything.
    Any,
}

/// What an answer is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// JSON that is not described.
    Anything,
    /// An object of these fields.
    Table(&'static [&'static [Field]]),
    /// A list of such objects.
    List(&'static [&'static [Field]]),
    /// `{data, next}`: a part of such a list.
    Page(&'static [&'static [Field]]),
    /// The same under LiteLLM's word for it as well.
    Named(&'static str, &'static [&'static [Field]]),
    /// Something else, by its content type.
    Typed(&'static str),
}

macro_rules! makers {
    ($($name:ident $of:ident;)+) => {$(
        /// A field of that kind.
        pub(crate) const fn $name(name: &'static str, about: &'static str) -> Field {
            Field::new(name, Of::$of, about)
        }
    )+};
}

makers! {
    text Text;
    secret Secret;
    key Key;
    whole Whole;
    number Number;
    flag Flag;
    free Free;
    counts Counts;
    any Any;
}

/// A field of several.
pub(crate) const fn list(name: &'static str, of: &'static Of, about: &'static str) -> Field {
    Field::new(name, Of::List(of), about)
}

/// A field of one of these words.
pub(crate) const fn words(
    name: &'static str,
    words: &'static [&'static str],
    about: &'static str,
) -> Field {
    Field::new(name, Of::Words(words), about)
}

/// A field that is an object.
pub(crate) const fn table(
    name: &'static str,
    fields: &'static [&'static [Field]],
    about: &'static str,
) -> Field {
    Field::new(name, Of::Table(fields), about)
}

impl Field {
    const fn new(name: &'static str, of: Of, about: &'static str) -> Self {
        Self { name, of, need: false, about, bounds: (None, None) }
    }

    /// It is always there.
    pub(crate) const fn need(self) -> Self {
        Self { need: true, ..self }
    }

    /// At least so much, or so many.
    pub(crate) const fn least(self, least: i64) -> Self {
        Self { bounds: (Some(least), self.bounds.1), ..self }
    }

    /// At the most so much, or so many.
    pub(crate) const fn most(self, most: i64) -> Self {
        Self { bounds: (self.bounds.0, Some(most)), ..self }
    }

    /// What a number must be, if that is not it. Other kinds are for the function that reads them:
    /// it says better what is wrong.
    pub(crate) fn refused(&self, written: &str) -> Option<String> {
        let (Of::Whole, Ok(number)) = (self.of, written.parse::<i128>()) else { return None };
        let least = self.bounds.0.filter(|least| number < i128::from(*least));
        let most = i128::from(self.bounds.1.unwrap_or(i64::MAX));
        match least {
            Some(least) => Some(format!("at least {least}")),
            None if number > most => Some(format!("at the most {most}")),
            None => None,
        }
    }

    /// Its JSON Schema.
    pub(crate) fn schema(&self) -> Value {
        let mut schema = self.of.schema();
        let names = match self.of {
            Of::Whole | Of::Number => ["minimum", "maximum"],
            Of::Text | Of::Secret | Of::Key => ["minLength", "maxLength"],
            Of::List(_) => ["minItems", "maxItems"],
            Of::Flag | Of::Words(_) | Of::Table(_) | Of::Free | Of::Counts | Of::Any => ["", ""],
        };
        for (name, bound) in names.into_iter().zip([self.bounds.0, self.bounds.1]) {
            if let Some(bound) = bound.filter(|_| !name.is_empty()) {
                schema[name] = bound.into();
            }
        }
        schema
    }
}

/// The same fields where all of them may be missing together.
pub(crate) const fn perhaps<const N: usize>(mut fields: [Field; N]) -> [Field; N] {
    let mut rest: &mut [Field] = &mut fields;
    while let Some((first, others)) = rest.split_first_mut() {
        first.need = false;
        rest = others;
    }
    fields
}

/// What a page may be asked for: no page is so long, and beyond it nobody means what is said.
pub(crate) const ASKED_MAX: i64 = 1_000_000;

/// Which part of a list is wanted, everywhere the same.
pub(crate) const PART: &[Field] = &[
    text("cursor", "where to go on: the `next` of the page before"),
    whole("limit", "how many, 100 unless said; a page may end before").least(1).most(ASKED_MAX),
];

impl Of {
    /// Its JSON Schema.
    pub(crate) fn schema(self) -> Value {
        match self {
            Self::Text | Self::Key => json!({"type": "string"}),
            Self::Secret => json!({"type": "string", "format": "password"}),
            Self::Whole => json!({"type": "integer", "format": "int64"}),
            Self::Number => json!({"type": "number"}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Words(words) => json!({"type": "string", "enum": words}),
            Self::List(of) => json!({"type": "array", "items": of.schema()}),
            Self::Table(groups) => object(groups),
            Self::Free => json!({"type": "object"}),
            Self::Any => json!({}),
            Self::Counts => {
                json!({"type": "object", "additionalProperties": {"type": "integer"}})
            }
        }
    }
}

impl Shape {
    /// Its JSON Schema.
    pub(crate) fn schema(self) -> Value {
        let page = |groups| {
            let next = json!({"type": ["string", "null"], "description": "the next `cursor`"});
            let data = json!({"type": "array", "items": object(groups)});
            json!({"type": "object", "properties": {"data": data, "next": next},
                "required": ["data", "next"], "additionalProperties": false})
        };
        match self {
            Self::Anything => json!({}),
            Self::Table(groups) => object(groups),
            Self::List(groups) => json!({"type": "array", "items": object(groups)}),
            Self::Page(groups) => page(groups),
            Self::Named(word, groups) => {
                let mut schema = page(groups);
                schema["properties"][word] = schema["properties"]["data"].clone();
                schema
            }
            Self::Typed(_) => json!({"type": "string"}),
        }
    }

    /// Whether it is an object with a field of that name.
    pub(crate) fn has(self, name: &str) -> bool {
        match self {
            Self::Table(groups) => groups.iter().copied().flatten().any(|f| f.name == name),
            Self::Anything | Self::List(_) | Self::Page(_) | Self::Named(..) | Self::Typed(_) => {
                false
            }
        }
    }

    /// What it is sent as.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Typed(kind) => kind,
            Self::Anything | Self::Table(_) | Self::List(_) | Self::Page(_) | Self::Named(..) => {
                "application/json"
            }
        }
    }
}

/// The schema of an object.
pub(crate) fn object(groups: &[&[Field]]) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in groups.iter().copied().flatten() {
        let mut schema = field.schema();
        if !field.about.is_empty() {
            schema["description"] = field.about.into();
        }
        if field.need {
            required.push(Value::from(field.name));
        } else if let Some(kind) = schema.get("type").cloned() {
            schema["type"] = json!([kind, "null"]);
            if let Some(Value::Array(words)) = schema.get_mut("enum") {
                words.push(Value::Null);
            }
        }
        properties.insert(field.name.to_owned(), schema);
    }
    json!({"type": "object", "properties": properties, "required": required,
        "additionalProperties": false})
}
