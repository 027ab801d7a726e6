//! Fits a JSON schema to what a provider understands.
//!
//! Every provider takes some subset of JSON Schema and refuses the rest with a 400, each another
//! one. Here a schema is walked once as it is written and written again without what the subset
//! lacks; whatever that changes about the values the schema admits is reported. Nothing is decided
//! about what a provider can take: its dialect holds a [`Subset`] as data.

mod node;
mod refs;

use bytes::BytesMut;
use llm_core::Str;
use llm_core::extra::Losses;
use llm_core::raw::Raw;

use crate::json::{Field, JsonKind, ObjectWriter};
use node::{At, Fitting};

/// What a provider understands of JSON Schema.
#[derive(Clone, Copy, Debug)]
pub struct Subset {
    /// Keywords that may stay; empty means any. Anything else is dropped with a loss, but for
    /// annotations that carry no constraint (`$schema`, `$id`, `$comment`, `title`, `examples`,
    /// `default`). `const` becomes a one-value `enum`, `oneOf` becomes `anyOf` and `allOf` is
    /// merged into its parent where the subset has only the latter.
    pub keywords: &'static [&'static str],
    /// Values of `format` that may stay; empty means any.
    pub formats: &'static [&'static str],
    /// Keywords whose value must not be larger than this (Anthropic takes `minItems` 0 and 1).
    pub at_most: &'static [(&'static str, u64)],
    /// What becomes of `$ref`.
    pub refs: Refs,
    /// Objects must say `additionalProperties: false`; it is added where it is missing.
    pub closed: bool,
    /// Every property must be required; missing ones are added with an `Approximated` loss.
    pub all_required: bool,
    /// `type: ["string", "null"]` is written `type: "string", nullable: true`; otherwise the other
    /// way round.
    pub nullable: bool,
    /// Type names in capitals (`STRING`); otherwise in lower case.
    pub capitals: bool,
}

/// What becomes of `$ref`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refs {
    /// Written out in place; recursion is cut with a loss.
    Inlined,
    /// May stay, as long as no schema contains itself; a recursive one is written out and cut.
    Acyclic,
    /// May stay.
    Any,
}

impl Subset {
    /// All of JSON Schema, in its standard spelling. For schemas that were written in another
    /// (Gemini's capitals and `nullable`).
    pub const STANDARD: Self = Self {
        keywords: &[],
        formats: &[],
        at_most: &[],
        refs: Refs::Any,
        closed: false,
        all_required: false,
        nullable: false,
        capitals: false,
    };

    fn allows(&self, keyword: &str) -> bool {
        self.keywords.is_empty() || self.keywords.contains(&keyword)
    }
}

/// The schema, with everything outside the subset taken out and reported below `path`. Property
/// order is kept: models write in it.
pub fn fit(schema: &Raw, subset: &Subset, path: &str, losses: &mut Losses) -> Raw {
    let Ok(root) = Field::root(schema.text()) else {
        // Deeper than anyone may send, so that it was made here and no caller's words are lost
        // that a request could have carried.
        losses.dropped(path.to_owned());
        return Raw::from_parsed(Str::from_static("{}"));
    };
    if root.kind() != JsonKind::Object {
        return schema.clone();
    }
    let mut out = BytesMut::with_capacity(schema.get().len() + 64);
    let inline = match subset.refs {
        Refs::Inlined => true,
        Refs::Acyclic => refs::recursive(root),
        Refs::Any => false,
    };
    let mut fitting = Fitting::new(root, subset, inline, losses);
    fitting.write(root, &At::root(path), ObjectWriter::begin(&mut out));
    match Str::try_from(out.freeze()) {
        Ok(text) => Raw::from_parsed(text),
        Err(_) => schema.clone(),
    }
}

#[cfg(test)]
mod tests;
