//! One schema of a schema: what it says is gathered, then written keyword by keyword.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use llm_core::extra::Losses;

use super::Subset;
use super::refs::{DEPTH_MAX, Place, Targets, place};
use crate::json::place::push_key;
use crate::json::{Field, JsonKind, ObjectWriter};

/// A small schema whose definitions use each other doubles with every level that is written out;
/// no provider takes more than this.
const INLINED_BYTES_MAX: usize = 1 << 20;

/// JSON Schema has some sixty keywords.
const MEMBERS_MAX: usize = 256;

/// How many steps a path shows: eight objects in each other.
const STEPS_SHOWN: usize = 16;

/// Say nothing about which values are admitted.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$vocabulary",
    "title",
    "examples",
    "example",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "propertyOrdering",
];
/// Gemini's proto JSON writes these as strings.
const COUNTS: &[&str] =
    &["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// Where we are in the schema. A list of steps, because a path is only spelled for a loss.
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: &'a str,
    depth: usize,
    /// Whether this schema becomes part of its parent, which can hold no reference then.
    merged: bool,
}

impl<'a> At<'a> {
    pub(super) fn root(path: &'a str) -> Self {
        Self { parent: None, step: path, depth: 0, merged: false }
    }

    fn down(&'a self, step: &'a str) -> Self {
        Self { parent: Some(self), step, depth: self.depth + 1, merged: false }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(STEPS_SHOWN, f)
    }
}

impl At<'_> {
    /// Shows the last steps, and of each name the beginning. Below deep or long names there may be
    /// as many losses as bytes are left, and each spells its path.
    fn show(&self, steps: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return f.write_str(self.step) };
        if steps == 0 {
            return f.write_str("…");
        }
        parent.show(steps - 1, f)?;
        let mut step = String::from(".");
        push_key(&mut step, self.step);
        f.write_str(&step)
    }
}

/// What a schema says, with what it refers to merged in.
struct Node<'a> {
    members: Vec<(Cow<'a, str>, Field<'a>)>,
    /// Names of its types in lower case, `null` aside.
    types: Vec<String>,
    /// Whether `null` is admitted beside something else.
    null: bool,
}

impl<'a> Node<'a> {
    fn get(&self, name: &str) -> Option<Field<'a>> {
        self.members.iter().find(|(n, _)| n == name).map(|(_, f)| *f)
    }

    fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Field<'a>> + 's {
        self.members.iter().filter(move |(n, _)| n == name).map(|(_, f)| *f)
    }

    fn is_object(&self) -> bool {
        self.types.iter().any(|t| t == "object") || self.get("properties").is_some()
    }
}

/// A walk over one schema.
pub(super) struct Fitting<'a, 's> {
    targets: Targets<'a>,
    subset: &'s Subset,
    inline: bool,
    losses: &'s mut Losses,
    /// References being written out on the way down to here.
    open: Vec<Place>,
    inlined_bytes: usize,
}

impl<'a, 's> Fitting<'a, 's> {
    pub(super) fn new(
        root: Field<'a>,
        subset: &'s Subset,
        inline: bool,
        losses: &'s mut Losses,
    ) -> Self {
        Self {
            targets: Targets::of(root),
            subset,
            inline,
            losses,
            open: vec![place(root)],
            inlined_bytes: 0,
        }
    }

    /// Writes the schema `field` into the open object.
    pub(super) fn write(&mut self, field: Field<'a>, at: &At<'_>, mut out: ObjectWriter<'_>) {
        if at.depth > DEPTH_MAX || !matches!(field.kind(), JsonKind::Object | JsonKind::Bool) {
            return self.losses.dropped(at.to_string());
        }
        if field.kind() == JsonKind::Bool {
            // `true` admits anything and so does `{}`; nothing says `false` in every subset.
            if field.text() == "false" {
                self.losses.dropped(at.to_string());
            }
            return;
        }
        let mark = self.open.len();
        let mut members = Vec::new();
        self.gather(field, at, &mut members);
        let node = self.weigh(members);
        self.keywords(&node, at, &mut out);
        self.close(&node, at, &mut out);
        self.open.truncate(mark);
    }

    /// Collects the members of a schema and of what it must be merged with. A member that stands
    /// nearer wins, as the one beside a `$ref` is the more particular.
    fn gather(&mut self, field: Field<'a>, at: &At<'_>, into: &mut Vec<(Cow<'a, str>, Field<'a>)>) {
        let Ok(object) = field.object() else { return };
        let (mut reference, mut all_of) = (None, None);
        for (name, value) in object.members() {
            match &**name {
                // A root must say itself what it is, in every subset.
                "$ref" if self.inline || at.merged || at.depth == 0 => reference = Some(value),
                "allOf" if !self.subset.allows("allOf") => all_of = Some(value),
                _ if into.len() >= MEMBERS_MAX => self.losses.dropped(at.down(name).to_string()),
                "properties" | "required" => into.push((name.clone(), value)),
                known if into.iter().any(|(n, _)| n == known) => {
                    if !ANNOTATIONS.contains(&known) && known != "description" && known != "type" {
                        self.losses.dropped(at.down(known).to_string());
                    }
                }
                _ => into.push((name.clone(), value)),
            }
        }
        if let Some(reference) = reference {
            self.follow(reference, at, into);
        }
        for branch in all_of.and_then(|f| f.array().ok()).unwrap_or_default() {
            let inner = At { depth: at.depth + 1, merged: true, ..*at };
            if inner.depth > DEPTH_MAX {
                self.losses.dropped(at.down("allOf").to_string());
            } else {
                self.gather(branch, &inner, into);
            }
        }
    }

    fn follow(
        &mut self,
        reference: Field<'a>,
        at: &At<'_>,
        into: &mut Vec<(Cow<'a, str>, Field<'a>)>,
    ) {
        let Some(target) = self.targets.get(reference) else {
            return self.losses.dropped(at.down("$ref").to_string());
        };
        self.inlined_bytes += target.text().len();
        let recursive = self.open.contains(&place(target));
        if recursive || self.inlined_bytes > INLINED_BYTES_MAX || self.open.len() > DEPTH_MAX {
            self.losses.dropped(at.down("$ref").to_string());
            // Its type alone still steers the model.
            if let Some(kind) = target.object().ok().and_then(|o| o.see("type")) {
                into.push(("type".into(), kind));
            }
            return;
        }
        self.open.push(place(target));
        self.gather(target, at, into);
    }

    /// Finds out which types a schema admits.
    fn weigh(&self, members: Vec<(Cow<'a, str>, Field<'a>)>) -> Node<'a> {
        let mut node = Node { members, types: Vec::new(), null: false };
        let kind = node.get("type");
        match kind.map(|f| f.kind()) {
            Some(JsonKind::Array) => {
                for name in kind.and_then(|f| f.array().ok()).unwrap_or_default() {
                    node.types.extend(name.cow().map(|n| n.to_ascii_lowercase()));
                }
            }
            _ => node.types.extend(kind.and_then(|f| f.cow().ok()).map(|n| n.to_ascii_lowercase())),
        }
        if node.types.len() > 1 {
            let before = node.types.len();
            node.types.retain(|t| t != "null");
            node.null = node.types.len() < before;
        }
        node.null |= node.get("nullable").is_some_and(|f| f.text() == "true");
        if self.subset.nullable {
            let branches = ["anyOf", "oneOf"].into_iter().filter_map(|n| node.get(n)?.array().ok());
            let values = node.get("enum").and_then(|f| f.array().ok()).unwrap_or_default();
            node.null |= branches.flatten().any(is_null) || values.iter().any(|v| v.is_null());
        }
        node
    }

    fn keywords(&mut self, node: &Node<'a>, at: &At<'_>, out: &mut ObjectWriter<'_>) {
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in &node.members {
            let name = &**name;
            if matches!(name, "properties" | "required") {
                if seen.contains(&name) {
                    continue;
                }
                seen.push(name);
            }
            match name {
                "type" => self.types(node, at, out),
                "nullable" => {}
                "$ref" => match self.targets.get(*value) {
                    Some(_) => out.under(name).raw(&value.raw()),
                    None => self.losses.dropped(at.down(name).to_string()),
                },
                "$defs" | "definitions" => {
                    if !self.inline {
                        self.map([*value].into_iter(), at.down(name), out.under(name).object());
                    }
                }
                "additionalProperties" => self.additional(node, *value, at, out),
                "const" if !self.subset.allows("const") && self.subset.allows("enum") => {
                    out.array("enum").raw(&value.raw());
                }
                "oneOf" if !self.subset.allows("oneOf") && self.subset.allows("anyOf") => {
                    self.losses.approximated(at.down(name).to_string());
                    self.branches("anyOf", *value, &at.down(name), out);
                }
                _ if !self.subset.allows(name) => {
                    if !ANNOTATIONS.contains(&name) {
                        self.losses.dropped(at.down(name).to_string());
                    }
                }
                _ => self.keyword(node, name, *value, at, out),
            }
        }
    }

    fn keyword(
        &mut self,
        node: &Node<'a>,
        name: &str,
        value: Field<'a>,
        at: &At<'_>,
        out: &mut ObjectWriter<'_>,
    ) {
        let below = at.down(name);
        match (name, value.kind()) {
            ("properties", _) => self.map(node.all("properties"), below, out.under(name).object()),
            ("patternProperties" | "dependentSchemas", JsonKind::Object) => {
                self.map([value].into_iter(), below, out.under(name).object());
            }
            ("required", _) => self.required(node, at, out),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", JsonKind::Array) => {
                self.branches(name, value, &below, out);
            }
            (
                "items"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties",
                JsonKind::Object,
            ) => self.write(value, &below, out.under(name).object()),
            ("enum", JsonKind::Array) if self.subset.nullable && node.null => {
                let mut values = out.under(name).array();
                let some = value.array().unwrap_or_default().into_iter().filter(|v| !v.is_null());
                some.for_each(|v| values.raw(&v.raw()));
            }
            ("format", JsonKind::String) if !self.subset.formats.is_empty() => match value.cow() {
                Ok(f) if self.subset.formats.contains(&&*f) => out.under(name).str(&f),
                _ => self.losses.dropped(below.to_string()),
            },
            _ => self.plain(name, value, below, out),
        }
    }

    fn plain(&mut self, name: &str, value: Field<'a>, at: At<'_>, out: &mut ObjectWriter<'_>) {
        let count = match value.kind() {
            JsonKind::Number => value.u64().ok(),
            JsonKind::String if COUNTS.contains(&name) => {
                value.cow().ok().and_then(|text| text.parse().ok())
            }
            _ => None,
        };
        let limit = self.subset.at_most.iter().find(|(n, _)| *n == name).map(|(_, max)| *max);
        match (limit, count) {
            (Some(max), Some(n)) if n > max => self.losses.dropped(at.to_string()),
            (_, Some(n)) if value.kind() == JsonKind::String => out.under(name).u64(n),
            _ => out.under(name).raw(&value.raw()),
        }
    }

    fn types(&mut self, node: &Node<'a>, at: &At<'_>, out: &mut ObjectWriter<'_>) {
        let spell = |t: &str| match self.subset.capitals {
            true => t.to_ascii_uppercase(),
            false => t.to_owned(),
        };
        match (&node.types[..], node.null && !self.subset.nullable) {
            ([], _) => {}
            ([one], false) => _ = out.str("type", &spell(one)),
            (many, null) if !self.subset.nullable => {
                let mut list = out.array("type");
                many.iter().for_each(|t| list.str(&spell(t)));
                if null {
                    list.str("null");
                }
            }
            // One type each is all that this spelling has; a choice of schemas says the same.
            (many, _) if node.get("anyOf").is_none() && self.subset.allows("anyOf") => {
                let mut list = out.array("anyOf");
                many.iter().for_each(|t| _ = list.object().str("type", &spell(t)));
            }
            ([first, ..], _) => {
                self.losses.approximated(at.down("type").to_string());
                out.str("type", &spell(first));
            }
        }
    }

    fn additional(
        &mut self,
        node: &Node<'a>,
        value: Field<'a>,
        at: &At<'_>,
        out: &mut ObjectWriter<'_>,
    ) {
        let (name, text) = ("additionalProperties", value.text());
        if self.subset.closed && node.is_object() {
            if text != "false" {
                self.losses.approximated(at.down(name).to_string());
            }
        } else if self.subset.allows(name) {
            match value.kind() {
                JsonKind::Object => self.write(value, &at.down(name), out.under(name).object()),
                _ => out.under(name).raw(&value.raw()),
            }
        } else if text != "true" {
            // `true` is what its absence means.
            self.losses.dropped(at.down(name).to_string());
        }
    }

    fn required(&mut self, node: &Node<'a>, at: &At<'_>, out: &mut ObjectWriter<'_>) {
        let mut names = HashSet::new();
        let mut array = out.array("required");
        for list in node.all("required") {
            for name in list.array().unwrap_or_default().iter().filter_map(|f| f.cow().ok()) {
                array.str(&name);
                names.insert(name);
            }
        }
        if !self.subset.all_required {
            return;
        }
        for properties in node.all("properties") {
            let Ok(object) = properties.object() else { continue };
            for (name, _) in object.members() {
                if names.insert(name.clone()) {
                    let below = at.down("properties");
                    self.losses.approximated(below.down(name).to_string());
                    array.str(name);
                }
            }
        }
    }

    /// Adds what the subset wants said.
    fn close(&mut self, node: &Node<'a>, at: &At<'_>, out: &mut ObjectWriter<'_>) {
        if node.is_object() {
            if self.subset.all_required
                && node.get("required").is_none()
                && node.get("properties").is_some()
            {
                self.required(node, at, out);
            }
            if self.subset.closed {
                // An object of anything becomes an object of nothing.
                if node.get("properties").is_none() && node.get("additionalProperties").is_none() {
                    self.losses.approximated(at.to_string());
                }
                out.bool("additionalProperties", false);
            }
        }
        if self.subset.nullable && node.null {
            out.bool("nullable", true);
        }
    }

    fn map(
        &mut self,
        maps: impl Iterator<Item = Field<'a>>,
        at: At<'_>,
        mut out: ObjectWriter<'_>,
    ) {
        let mut written: HashSet<Cow<'a, str>> = HashSet::new();
        for (n, map) in maps.enumerate() {
            let Ok(object) = map.object() else { continue };
            for (name, value) in object.members() {
                // Only merged maps can name a property twice.
                if n > 0 && written.contains(name) {
                    self.losses.dropped(at.down(name).to_string());
                    continue;
                }
                self.write(value, &at.down(name), out.under(name).object());
                written.insert(name.clone());
            }
        }
    }

    fn branches(&mut self, name: &str, list: Field<'a>, at: &At<'_>, out: &mut ObjectWriter<'_>) {
        let mut array = out.under(name).array();
        for (n, branch) in list.array().unwrap_or_default().into_iter().enumerate() {
            if self.subset.nullable && is_null(branch) {
                continue;
            }
            self.write(branch, &at.down(&n.to_string()), array.object());
        }
    }
}

/// Whether a schema admits `null` alone.
fn is_null(field: Field<'_>) -> bool {
    let Ok(object) = field.object() else { return false };
    let named = object.see("type").and_then(|f| f.cow().ok());
    named.is_some_and(|t| t.eq_ignore_ascii_case("null"))
        || object.see("const").is_some_and(|f| f.is_null())
}
