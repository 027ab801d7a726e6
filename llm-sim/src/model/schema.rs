//! An instance of a JSON schema: what a model that follows schemas would write.
//!
//! Values are taken from the question where a property's name says what it wants (a city, a
//! number, an address), and are plain placeholders elsewhere. What a schema may say and this
//! reader does not obey: `not`, `if`, `dependentSchemas`, `propertyNames`, `contains`.

use std::cell::Cell;

use serde_json::{Map, Number, Value, json};

use super::hint::Hints;
use super::{hash, pattern};

/// A schema that refers to itself ends here: below it only what is required is written, and the
/// first alternative that ends is taken.
const DEPTH_MAX: usize = 12;
/// A hostile `minItems` or `minLength` must not become a gigabyte.
const COUNT_MAX: u64 = 1_000;
/// A schema whose twenty members are each like itself would have more values than there are
/// atoms, however shallow it is cut.
const VALUES_MAX: usize = 10_000;

/// Writes an instance of `schema`.
pub fn instance(schema: &Value, hints: &Hints) -> Value {
    let left = Cell::new(VALUES_MAX);
    Writer { root: schema, hints, left: &left }.value(schema, "", 0)
}

struct Writer<'a> {
    root: &'a Value,
    hints: &'a Hints,
    left: &'a Cell<usize>,
}

impl Writer<'_> {
    fn value(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let Some(object) = schema.as_object() else { return json!({}) };
        self.left.set(self.left.get().saturating_sub(1));
        if depth > 2 * DEPTH_MAX || self.spent() {
            return Value::Null;
        }
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            return self.value(self.resolve(target), name, depth + 1);
        }
        if let Some(fixed) = object.get("const") {
            return fixed.clone();
        }
        if let Some(choices) = object.get("enum").and_then(Value::as_array) {
            return self.hints.choose(choices);
        }
        for key in ["anyOf", "oneOf", "any_of"] {
            if let Some(choices) = object.get(key).and_then(Value::as_array) {
                return self.alternative(object, choices, name, depth);
            }
        }
        if let Some(all) = object.get("allOf").and_then(Value::as_array) {
            return self.value(&self.merged(object, all), name, depth + 1);
        }
        match kind(object).as_str() {
            "object" => self.object(object, depth),
            "array" => self.array(object, name, depth),
            "integer" => number(object, self.hints.number(name), true),
            "number" => number(object, self.hints.number(name), false),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => Value::String(string(object, name, self.hints)),
        }
    }

    /// What is not written any more leaves the instance short of its schema, which nobody will
    /// read to its end.
    fn spent(&self) -> bool {
        self.left.get() == 0
    }

    fn resolve(&self, target: &str) -> &Value {
        static NOTHING: Value = Value::Null;
        let pointer = target.strip_prefix('#').unwrap_or(target);
        self.root.pointer(pointer).unwrap_or(&NOTHING)
    }

    /// The first alternative that is not null; near the floor, null or the first that refers to
    /// nothing. Neighbours of the list hold for each alternative.
    fn alternative(
        &self,
        outer: &Map<String, Value>,
        choices: &[Value],
        name: &str,
        depth: usize,
    ) -> Value {
        let null = |s: &&Value| s.get("type").and_then(Value::as_str) == Some("null");
        let ends = |s: &&Value| null(s) || s.get("$ref").is_none();
        let picked = if depth >= DEPTH_MAX {
            choices.iter().find(null).or_else(|| choices.iter().find(ends))
        } else {
            choices.iter().find(|s| !null(s))
        };
        let Some(picked) = picked.or(choices.first()) else { return Value::Null };
        let mut rest = outer.clone();
        for key in ["anyOf", "oneOf", "any_of", "description", "title"] {
            rest.remove(key);
        }
        if rest.keys().all(|k| k.starts_with('$') || k == "default" || k == "type") {
            return self.value(picked, name, depth + 1);
        }
        let all = [picked.clone()];
        self.value(&self.merged(&rest, &all), name, depth + 1)
    }

    fn merged(&self, outer: &Map<String, Value>, all: &[Value]) -> Value {
        let mut out = outer.clone();
        out.remove("allOf");
        for part in all {
            let part = match part.get("$ref").and_then(Value::as_str) {
                Some(target) => self.resolve(target),
                None => part,
            };
            for (key, value) in part.as_object().into_iter().flatten() {
                match (out.get_mut(key), value) {
                    (Some(Value::Object(a)), Value::Object(b)) => a.extend(b.clone()),
                    (Some(Value::Array(a)), Value::Array(b)) if key == "required" => {
                        a.extend(b.iter().cloned());
                    }
                    _ => {
                        out.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        Value::Object(out)
    }

    fn object(&self, schema: &Map<String, Value>, depth: usize) -> Value {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut out = Map::new();
        for (name, inner) in properties(schema) {
            let wanted = required.contains(&name.as_str());
            // Optional members are written when the question says something about them, or when
            // the schema requires nothing at all and an empty object would be no answer.
            let told = required.is_empty() || self.hints.says(name, inner);
            if !self.spent() && (wanted || (told && depth < DEPTH_MAX / 2)) {
                out.insert(name.clone(), self.value(inner, name, depth + 1));
            }
        }
        for name in required {
            if !out.contains_key(name) && !self.spent() {
                let extra = schema.get("additionalProperties").filter(|s| s.is_object());
                let value = extra.map(|s| self.value(s, name, depth + 1));
                out.insert(name.to_owned(), value.unwrap_or_else(|| json!("value")));
            }
        }
        let least = count(schema, "minProperties").unwrap_or(0);
        let inner = schema.get("additionalProperties").filter(|s| s.is_object());
        for n in out.len() as u64..least {
            let value = inner.map(|s| self.value(s, "value", depth + 1));
            out.insert(format!("key{n}"), value.unwrap_or_else(|| json!("value")));
        }
        Value::Object(out)
    }

    fn array(&self, schema: &Map<String, Value>, name: &str, depth: usize) -> Value {
        let least = count(schema, "minItems").unwrap_or(0);
        let most = count(schema, "maxItems").unwrap_or(COUNT_MAX).max(least);
        let mut out: Vec<Value> = Vec::new();
        for inner in schema.get("prefixItems").and_then(Value::as_array).into_iter().flatten() {
            out.push(self.value(inner, name, depth + 1));
        }
        let inner = schema.get("items").filter(|s| s.is_object());
        let usual = if depth >= DEPTH_MAX { least } else { least.max(2).min(most) };
        let Some(inner) = inner else {
            while (out.len() as u64) < least {
                out.push(json!(format!("item {}", out.len() + 1)));
            }
            return Value::Array(out);
        };
        let distinct = schema.get("uniqueItems") == Some(&Value::Bool(true));
        for n in out.len() as u64..usual {
            let hints = self.hints.nth(n as usize);
            let value = Writer { root: self.root, hints: &hints, left: self.left }.value(
                inner,
                name,
                depth + 1,
            );
            if !distinct || !out.contains(&value) {
                out.push(value);
            } else if let Some(other) = another(inner, &out) {
                out.push(other);
            }
        }
        Value::Array(out)
    }
}

/// Another value of the same kind, where items must differ.
fn another(schema: &Value, so_far: &[Value]) -> Option<Value> {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return choices.iter().find(|c| !so_far.contains(c)).cloned();
    }
    let next = match so_far.last()? {
        Value::Number(n) => json!(n.as_i64()? + so_far.len() as i64),
        Value::String(s) => json!(format!("{s} {}", so_far.len() + 1)),
        _ => return None,
    };
    (!so_far.contains(&next)).then_some(next)
}

/// Members in the order in which the schema wants them written, where it says so (Gemini does).
fn properties(schema: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let members = schema.get("properties").and_then(Value::as_object);
    let mut members: Vec<_> = members.into_iter().flatten().collect();
    if let Some(order) = schema.get("propertyOrdering").and_then(Value::as_array) {
        let place = |n: &str| order.iter().position(|o| o.as_str() == Some(n));
        members.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    }
    members
}

/// The type wanted: the first that is not null of a list, in lower case because Gemini shouts.
fn kind(schema: &Map<String, Value>) -> String {
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.find(|k| *k != "null").or(Some("null"))
        }
        _ => None,
    };
    let guess = || {
        let has = |key| schema.contains_key(key);
        if has("properties") || has("required") || has("additionalProperties") {
            "object"
        } else if has("items") || has("prefixItems") {
            "array"
        } else if has("minimum") || has("maximum") || has("multipleOf") {
            "number"
        } else {
            "string"
        }
    };
    kind.unwrap_or_else(guess).to_ascii_lowercase()
}

fn number(schema: &Map<String, Value>, hint: Option<f64>, whole: bool) -> Value {
    let get = |key: &str| schema.get(key).and_then(Value::as_f64);
    let step = get("multipleOf").filter(|s| *s > 0.0).or(whole.then_some(1.0));
    let nudge = step.unwrap_or(0.5);
    // In draft 4 and OpenAPI 3.0 the exclusive bounds are flags beside the bound.
    let flag = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    let mut low = get("minimum").unwrap_or(f64::NEG_INFINITY);
    let mut high = get("maximum").unwrap_or(f64::INFINITY);
    low = low.max(get("exclusiveMinimum").map_or(low, |b| b + nudge));
    high = high.min(get("exclusiveMaximum").map_or(high, |b| b - nudge));
    if flag("exclusiveMinimum") {
        low += nudge;
    }
    if flag("exclusiveMaximum") {
        high -= nudge;
    }
    let mut value = hint.unwrap_or(1.0).max(low).min(high);
    if low.is_finite() && high.is_finite() && low > high {
        value = (get("minimum").unwrap_or(low) + get("maximum").unwrap_or(high)) / 2.0;
    }
    if let Some(step) = step {
        let up = (value / step).ceil() * step;
        value = if up <= high { up } else { (value / step).floor() * step };
    }
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return json!(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn string(schema: &Map<String, Value>, name: &str, hints: &Hints) -> String {
    if let Some(format) = schema.get("format").and_then(Value::as_str)
        && let Some(text) = formatted(format, hints.seed())
    {
        return text;
    }
    if let Some(text) = schema.get("pattern").and_then(Value::as_str).and_then(pattern::example) {
        return text;
    }
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let mut text = hints.string(name, description);
    let least = count(schema, "minLength").unwrap_or(0);
    let most = count(schema, "maxLength").unwrap_or(COUNT_MAX);
    while (text.chars().count() as u64) < least {
        text.push('x');
    }
    text.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect()
}

fn formatted(format: &str, seed: u64) -> Option<String> {
    Some(match format {
        "date-time" => "2026-01-15T09:30:00Z".to_owned(),
        "date" => "2026-01-15".to_owned(),
        "time" => "09:30:00Z".to_owned(),
        "duration" => "PT30M".to_owned(),
        "email" | "idn-email" => "user@example.com".to_owned(),
        "uri" | "url" | "iri" => "https://example.com/".to_owned(),
        "uri-reference" => "/example".to_owned(),
        "hostname" => "example.com".to_owned(),
        "ipv4" => "192.0.2.1".to_owned(),
        "ipv6" => "2001:db8::1".to_owned(),
        "uuid" => hash::uuid(seed),
        _ => return None,
    })
}

fn count(schema: &Map<String, Value>, key: &str) -> Option<u64> {
    // Gemini writes counts as strings.
    let value = schema.get(key)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.map(|n| n.min(COUNT_MAX))
}

#[cfg(test)]
mod tests;
