//! Where a `$ref` points, and whether it leads back to itself.

use std::collections::{HashMap, HashSet};

use crate::json::{Field, JsonKind};

/// Schemas nest as deep as people write them; a generated schema of this depth is an attack.
pub(super) const DEPTH_MAX: usize = 64;

/// Pointers to anything but a definition are walked from the root each time; nobody writes many.
const POINTERS_MAX: usize = 64;

/// What the references of one schema point to.
pub(super) struct Targets<'a> {
    root: Field<'a>,
    /// The definitions by their pointer, once one was asked for: walking to each anew would cost
    /// the size of the schema for every reference in it.
    definitions: Option<HashMap<String, Field<'a>>>,
    pointers: usize,
}

impl<'a> Targets<'a> {
    pub(super) fn of(root: Field<'a>) -> Self {
        Self { root, definitions: None, pointers: 0 }
    }

    /// The schema a local reference points to: `#`, `#/$defs/Name`, any JSON pointer.
    pub(super) fn get(&mut self, reference: Field<'_>) -> Option<Field<'a>> {
        let reference = reference.cow().ok()?;
        if reference == "#" {
            return Some(self.root);
        }
        let root = self.root;
        let definitions = self.definitions.get_or_insert_with(|| definitions(root));
        if let Some(found) = definitions.get(&*reference) {
            return Some(*found);
        }
        self.pointers += 1;
        if self.pointers > POINTERS_MAX {
            return None;
        }
        walk(root, reference.strip_prefix("#/")?)
    }
}

fn definitions(root: Field<'_>) -> HashMap<String, Field<'_>> {
    let mut found = HashMap::new();
    let Ok(object) = root.object() else { return found };
    for place in ["$defs", "definitions"] {
        let Some(Ok(inner)) = object.see(place).map(|f| f.object()) else { continue };
        for (name, field) in inner.members() {
            if field.kind() == JsonKind::Object {
                let name = name.replace('~', "~0").replace('/', "~1");
                found.insert(format!("#/{place}/{name}"), field);
            }
        }
    }
    found
}

fn walk<'a>(root: Field<'a>, pointer: &str) -> Option<Field<'a>> {
    let mut at = root;
    for step in pointer.split('/').take(DEPTH_MAX) {
        let step = step.replace("~1", "/").replace("~0", "~");
        at = match at.kind() {
            JsonKind::Object => at.object().ok()?.see(&step)?,
            JsonKind::Array => *at.array().ok()?.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    (at.kind() == JsonKind::Object).then_some(at)
}

/// Where a value stands: two values of one text are the same when they begin at the same byte.
pub(super) type Place = usize;

pub(super) fn place(field: Field<'_>) -> Place {
    field.text().as_ptr() as usize
}

/// Whether some reference leads to a schema that contains it.
pub(super) fn recursive(root: Field<'_>) -> bool {
    let mut search = Search { targets: Targets::of(root), open: Vec::new(), done: HashSet::new() };
    search.visit(root, 0)
}

struct Search<'a> {
    targets: Targets<'a>,
    /// Targets on the way down to here.
    open: Vec<Place>,
    /// Targets that lead nowhere back. Keeps the search linear in the size of the schema.
    done: HashSet<Place>,
}

impl<'a> Search<'a> {
    /// A schema too deep to be followed counts as recursive: writing it out will cut it.
    fn visit(&mut self, field: Field<'a>, depth: usize) -> bool {
        if depth > DEPTH_MAX {
            return true;
        }
        match field.kind() {
            JsonKind::Object => self.object(field, depth),
            JsonKind::Array => {
                field.array().unwrap_or_default().into_iter().any(|f| self.visit(f, depth + 1))
            }
            _ => false,
        }
    }

    fn object(&mut self, field: Field<'a>, depth: usize) -> bool {
        let here = place(field);
        if self.open.contains(&here) {
            return true;
        }
        let Ok(object) = field.object() else { return false };
        self.open.push(here);
        let mut found = false;
        for (name, value) in object.members() {
            found = match &**name {
                "$ref" => self.target(value, depth),
                "$defs" | "definitions" => false,
                _ => self.visit(value, depth + 1),
            };
            if found {
                break;
            }
        }
        self.open.pop();
        found
    }

    fn target(&mut self, reference: Field<'a>, depth: usize) -> bool {
        let Some(target) = self.targets.get(reference) else { return false };
        let there = place(target);
        if self.done.contains(&there) {
            return false;
        }
        let found = self.visit(target, depth + 1);
        if !found {
            self.done.insert(there);
        }
        found
    }
}
