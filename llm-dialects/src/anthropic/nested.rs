//! Unknown fields of small inner objects (`thinking`, `metadata`, an image's `source`).
//!
//! The canonical words have no `Extra` for each of them, so they are kept in the one of the whole,
//! under the path they stood at: `thinking.display`. That is also the name under which another
//! dialect reports them as lost.

use llm_core::extra::Extra;

use super::ID;
use crate::json::{Bad, JsonKind, Object, ObjectWriter};

/// What inner objects said besides, until the outer one is done.
#[derive(Default)]
pub(super) struct Left(Vec<(String, llm_core::raw::Raw)>);

impl Left {
    /// Keeps what nobody took of the inner object at `path`.
    pub(super) fn keep(&mut self, path: &str, inner: Object<'_>) {
        for (name, value) in inner.members() {
            self.0.push((format!("{path}.{name}"), value.raw()));
        }
    }

    /// Everything that was not taken of the outer object, and of the inner ones.
    pub(super) fn rest(self, outer: Object<'_>) -> Extra {
        let mut extra = outer.rest(ID);
        for (name, value) in self.0 {
            extra.push(name, value);
        }
        extra
    }
}

/// Writes again what was kept of the inner object at `path`.
pub(super) fn restore(o: &mut ObjectWriter<'_>, extra: &Extra, path: &str) {
    for (name, value) in own(extra) {
        if let Some(name) = inner_name(name, path) {
            o.under(name).raw(value);
        }
    }
}

/// Writes what was kept of the outer object itself. `inner` are the paths whose fields are
/// restored elsewhere.
pub(super) fn restore_outer(o: &mut ObjectWriter<'_>, extra: &Extra, inner: &[&str]) {
    for (name, value) in own(extra) {
        if !inner.iter().any(|path| inner_name(name, path).is_some()) {
            o.under(name).raw(value);
        }
    }
}

fn own(extra: &Extra) -> &[(llm_core::Str, llm_core::raw::Raw)] {
    if extra.origin() == Some(ID) { extra.fields() } else { &[] }
}

fn inner_name<'a>(name: &'a str, path: &str) -> Option<&'a str> {
    name.strip_prefix(path)?.strip_prefix('.')
}

/// The inner object of that name, if its `type` is one of `kinds`; otherwise it stays untouched
/// among the rest, so that a kind we do not know returns as it came.
pub(super) fn take_kind<'a>(
    outer: &mut Object<'a>,
    name: &str,
    kinds: &[&str],
) -> Result<Option<(String, Object<'a>)>, Bad> {
    let Some(field) = outer.see(name).filter(|f| f.kind() == JsonKind::Object) else {
        return Ok(None);
    };
    let mut inner = field.object()?;
    let kind = match inner.see("type").map(|f| f.cow()) {
        Some(Ok(kind)) if kinds.contains(&&*kind) => kind.into_owned(),
        _ => return Ok(None),
    };
    outer.take(name)?;
    inner.take("type")?;
    Ok(Some((kind, inner)))
}
