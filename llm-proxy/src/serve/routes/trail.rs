//! What operators change, written down: a line before, and one that says what became of it.
//!
//! Before, since a process that ends in between must have left a trace, and since what cannot be
//! written down is not done. Secrets are left out by what the table says of a field, and whatever is
//! not described is left out as well.

use llm_core::Str;
use llm_store::audit::{Draft, Outcome, Trail};
use serde_json::{Map, Value};

use super::super::admin::refusal::Refusal;
use super::Takes;
use super::ask::{Ask, Operator};
use super::shape::{Field, Of};

/// What stands in place of what nobody may read.
const HIDDEN: &str = "…";

/// A change that is under way.
pub(super) struct Note {
    trail: Option<Trail>,
    draft: Draft,
}

impl Note {
    /// Writes that it was asked for. Without a store there is no trail, and nothing lasts that
    /// could be changed.
    pub(super) async fn open(ask: &Ask, by: &Operator) -> Result<Self, Refusal> {
        let trail = ask.house.office.as_ref().map(|office| office.trail.clone());
        let draft = Draft {
            who: by.id.clone(),
            what: Str::from(format!("{} {}", ask.route.verb.name(), ask.route.path)),
            about: about(ask),
            detail: Str::from(detail(ask)),
            outcome: Outcome::Asked,
        };
        let note = Self { trail, draft };
        note.write(note.draft.clone()).await?;
        Ok(note)
    }

    /// Writes what became of it. It has happened: where this line is missing, the one before says
    /// so.
    pub(super) async fn close(self, ask: &Ask, why: Option<&Refusal>) {
        let (outcome, detail) = match why {
            None => (Outcome::Done, Value::Object(Map::new())),
            Some(why) => {
                let why = [("code".to_owned(), Value::from(why.code()))];
                (Outcome::Refused, Value::Object(why.into_iter().collect()))
            }
        };
        let about = ask.about.clone().unwrap_or_else(|| self.draft.about.clone());
        let detail = Str::from(detail.to_string());
        let draft = Draft { about, detail, outcome, ..self.draft.clone() };
        if self.write(draft).await.is_err() {
            tracing::error!(what = %self.draft.what, "the end of a change was not written down");
        }
    }

    async fn write(&self, draft: Draft) -> Result<(), Refusal> {
        let Some(trail) = &self.trail else { return Ok(()) };
        let (who, what, outcome) = (draft.who.clone(), draft.what.clone(), draft.outcome.name());
        let head = trail.append(draft).await?;
        // The head goes where whoever owns the database cannot mend it.
        tracing::info!(target: "audit", %who, %what, outcome, %head, "changed by an operator");
        Ok(())
    }
}

/// Whom it is about, as far as the request says so: a name in the path, or the first key or id.
fn about(ask: &Ask) -> Str {
    if let Some(name) = ask.names.first() {
        return Str::from(shown(name));
    }
    let named = fields(ask).find_map(|field| {
        let is_name = matches!(field.of, Of::Key) || field.name.ends_with("_id");
        let raw = ask.fields.peek(field.name).filter(|_| is_name)?;
        let name: String = serde_json::from_str(raw.get()).ok()?;
        Some(Str::from(shown(&name)))
    });
    named.unwrap_or_default()
}

fn fields(ask: &Ask) -> impl Iterator<Item = &'static Field> {
    let groups: &'static [&'static [Field]] = match ask.route.takes {
        Takes::Fields(groups) => groups,
        Takes::Nothing | Takes::Raw(_) | Takes::Form(_) => &[],
    };
    groups.iter().copied().flatten()
}

/// The fields of the body, without what is secret.
fn detail(ask: &Ask) -> String {
    let mut said = Map::new();
    for field in fields(ask) {
        let Some(raw) = ask.fields.peek(field.name) else { continue };
        let value = match field.of {
            // As it was written: an amount is never a float, also not here.
            Of::Number => Value::from(raw.get().trim_matches('"')),
            Of::Text
            | Of::Secret
            | Of::Key
            | Of::Whole
            | Of::Flag
            | Of::Words(_)
            | Of::List(_)
            | Of::Table(_)
            | Of::Free
            | Of::Counts
            | Of::Any => serde_json::from_str(raw.get()).unwrap_or_default(),
        };
        said.insert(field.name.to_owned(), readable(field.of, value));
    }
    Value::Object(said).to_string()
}

fn readable(of: Of, value: Value) -> Value {
    match (of, value) {
        (_, Value::Null) => Value::Null,
        (Of::Key, Value::String(text)) => shown(&text).into(),
        (Of::List(of), Value::Array(all)) => {
            all.into_iter().map(|one| readable(*of, one)).collect()
        }
        (Of::Text | Of::Whole | Of::Number | Of::Flag | Of::Words(_), value) => match value {
            Value::String(text) => shown(&text).into(),
            Value::Array(_) | Value::Object(_) => HIDDEN.into(),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        },
        (
            Of::Secret | Of::Key | Of::List(_) | Of::Table(_) | Of::Free | Of::Counts | Of::Any,
            _,
        ) => HIDDEN.into(),
    }
}

/// A name as it may be read: one that is a key's text is not repeated, wherever it was written.
fn shown(name: &str) -> &str {
    if name.starts_with("sk-") { "sk-…" } else { name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_left_out_wherever_they_are_written() {
        let key = "sk-0123456789";
        for (of, value, wanted) in [
            (Of::Key, json!(key), json!("sk-…")),
            (Of::Key, json!("key-1"), json!("key-1")),
            (Of::Text, json!(key), json!("sk-…")),
            (Of::Secret, json!("x"), json!("…")),
            (Of::List(&Of::Key), json!(["key-1", key]), json!(["key-1", "sk-…"])),
            (Of::Free, json!({"a": key}), json!("…")),
            (Of::Text, json!({"a": key}), json!("…")),
            (Of::Whole, json!(5), json!(5)),
        ] {
            assert_eq!(readable(of, value.clone()), wanted, "{of:?} {value}");
        }
    }
}
