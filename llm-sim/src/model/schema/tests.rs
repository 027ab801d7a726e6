//! Instances conform to their schemas, by a checker that shares nothing with the writer.

use serde_json::{Value, json};

use super::instance;
use crate::model::hint::Hints;

/// Says where a value breaks a schema.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(object) = schema.as_object() else { return Ok(()) };
    let wrong = |why: &str| Err(format!("{at}: {why}: {value} against {schema}"));
    if let Some(target) = object.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(&target[1..]).expect("a dangling reference");
        return check(root, target, value, at);
    }
    if object.get("const").is_some_and(|c| c != value) {
        return wrong("const");
    }
    if let Some(choices) = object.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        return wrong("enum");
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = object.get(key).and_then(Value::as_array)
            && !choices.iter().any(|s| check(root, s, value, at).is_ok())
        {
            return wrong(key);
        }
    }
    for part in object.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        check(root, part, value, at)?;
    }
    if let Some(kind) = object.get("type") {
        let kinds = kind.as_array().cloned().unwrap_or_else(|| vec![kind.clone()]);
        let fits = |kind: &Value| match kind.as_str().unwrap().to_lowercase().as_str() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.as_i64().is_some(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            _ => false,
        };
        if !kinds.iter().any(fits) {
            return wrong("type");
        }
    }
    check_bounds(object, value).or_else(|why| wrong(&why))?;
    if let Some(members) = value.as_object() {
        for name in object.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                return wrong("required");
            }
        }
        for (name, inner) in members {
            match object.get("properties").and_then(|p| p.get(name)) {
                Some(schema) => check(root, schema, inner, &format!("{at}.{name}"))?,
                None if object.get("additionalProperties") == Some(&json!(false)) => {
                    return wrong("additionalProperties");
                }
                None => {}
            }
        }
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = object.get("items") {
            check(root, items, item, &format!("{at}[{n}]"))?;
        }
    }
    Ok(())
}

fn check_bounds(schema: &serde_json::Map<String, Value>, value: &Value) -> Result<(), String> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let size = match value {
        Value::String(s) => Some(("Length", s.chars().count())),
        Value::Array(a) => Some(("Items", a.len())),
        Value::Object(o) => Some(("Properties", o.len())),
        _ => None,
    };
    if let Some((word, size)) = size {
        let (low, high) = (bound(&format!("min{word}")), bound(&format!("max{word}")));
        if low.is_some_and(|l| (size as f64) < l) || high.is_some_and(|h| size as f64 > h) {
            return Err(word.to_owned());
        }
    }
    if let Some(n) = value.as_f64() {
        let bad = bound("minimum").is_some_and(|b| n < b)
            || bound("maximum").is_some_and(|b| n > b)
            || bound("exclusiveMinimum").is_some_and(|b| n <= b)
            || bound("exclusiveMaximum").is_some_and(|b| n >= b)
            || bound("multipleOf").is_some_and(|b| (n / b).fract().abs() > 1e-9);
        if bad {
            return Err("number".to_owned());
        }
    }
    if schema.get("uniqueItems") == Some(&json!(true)) {
        let items = value.as_array().unwrap();
        if items.iter().enumerate().any(|(n, i)| items[..n].contains(i)) {
            return Err("uniqueItems".to_owned());
        }
    }
    Ok(())
}

#[test]
fn instances_conform() {
    let schemas = [
        json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer",
            "minimum": 2, "maximum": 5}}, "required": ["city", "days"], "additionalProperties": false}),
        json!({"type": "array", "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "minItems": 3, "maxItems": 3}),
        json!({"type": ["string", "null"], "minLength": 40, "maxLength": 60}),
        json!({"anyOf": [{"type": "null"}, {"type": "object", "properties": {"a": {"const": 7}},
            "required": ["a"]}]}),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
            {"properties": {"b": {"enum": ["x", "y"]}}, "required": ["b"]}]}),
        json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["name", "children", "next"], "additionalProperties": false}}}),
        json!({"type": "OBJECT", "properties": {"when": {"type": "STRING", "format": "date-time"}},
            "required": ["when"]}),
        json!({"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": true, "minItems": 2}),
        json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true, "minItems": 4}),
        json!({"type": "number", "multipleOf": 0.25, "minimum": 1.1}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2}),
        json!({"type": "object", "properties": {}}),
        json!({"type": "integer", "minimum": -9, "maximum": -3}),
    ];
    for question in ["", "What is the weather in Paris and Rome over 30 days?", "\"quoted\" -4.5 x"]
    {
        for schema in &schemas {
            let value = instance(schema, &Hints::new(question));
            check(schema, schema, &value, "$").unwrap_or_else(|e| panic!("{e}"));
        }
    }
}

#[test]
fn endless_schemas_end() {
    let schema = json!({"$ref": "#"});
    assert!(instance(&schema, &Hints::new("")).is_null());
    let hostile = json!({"type": "array", "items": {"type": "array", "items": {"$ref": "#"}}});
    let text = instance(&hostile, &Hints::new("")).to_string();
    assert!(text.len() < 1_000_000, "{}", text.len());
    let names: Vec<String> = (0..50).map(|n| format!("m{n}")).collect();
    let members: serde_json::Map<_, _> =
        names.iter().map(|n| (n.clone(), json!({"$ref": "#"}))).collect();
    let wide = json!({"type": "object", "properties": members, "required": names});
    assert!(instance(&wide, &Hints::new("")).to_string().len() < 1_000_000);
}

#[test]
fn values_come_from_the_question() {
    let schema = json!({"type": "object", "required": ["location"], "properties": {
        "location": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}}});
    let value = instance(&schema, &Hints::new("How warm is it in Oslo, in fahrenheit?"));
    assert_eq!(value, json!({"location": "Oslo", "unit": "fahrenheit"}));
}

#[test]
fn marks_around_a_question_are_not_repeated() {
    let schema = json!({"type": "object", "required": ["prompt"],
        "properties": {"prompt": {"type": "string"}}});
    let asked = "<<<5eab prompt>>>\n글을 써 줘\n<<<end 5eab>>>";
    assert_eq!(instance(&schema, &Hints::new(asked)), json!({"prompt": "글을 써 줘"}));
    assert_eq!(instance(&schema, &Hints::new("a <<b>> c")), json!({"prompt": "a <<b>> c"}));
}
