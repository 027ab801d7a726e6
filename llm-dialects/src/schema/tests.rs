use llm_core::extra::LossReason;
use serde_json::{Value, json};

use super::*;

const PLAIN: Subset = Subset {
    keywords: &[
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "anyOf",
        "description",
        "format",
    ],
    ..Subset::STANDARD
};

fn run(schema: &Value, subset: &Subset) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let out = fit(&Raw::of(schema).unwrap(), subset, "tool", &mut losses);
    let said = losses.iter().map(|l| match l.reason {
        LossReason::Dropped => format!("-{}", l.path),
        LossReason::Approximated => format!("~{}", l.path),
        LossReason::Reordered => format!("={}", l.path),
    });
    (serde_json::from_str(out.get()).unwrap(), said.collect())
}

#[test]
fn what_the_subset_has_stays_and_the_rest_is_reported_where_it_stood() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "title": "T", "type": "object",
        "properties": {
            "z": {"type": "integer", "minimum": 1, "default": 3},
            "a": {"type": "array", "items": {"type": "string", "format": "uri", "maxLength": 4}},
            "minimum": {"const": "kept: a property, no keyword"},
        },
        "required": ["z"], "additionalProperties": true,
    });
    let (out, losses) = run(&schema, &Subset { formats: &["date"], ..PLAIN });
    assert_eq!(
        out,
        json!({"type": "object", "properties": {
            "z": {"type": "integer"},
            "a": {"type": "array", "items": {"type": "string"}},
            "minimum": {"enum": ["kept: a property, no keyword"]},
        }, "required": ["z"]})
    );
    let at = |p: &str| format!("-tool.properties.{p}");
    let mut want = vec![at("z.minimum"), at("a.items.format"), at("a.items.maxLength")];
    let mut losses = losses;
    want.sort();
    losses.sort();
    assert_eq!(losses, want);
}

#[test]
fn property_order_and_numbers_stay_as_written() {
    let text = r#"{"type":"object","properties":{"z":{"enum":[1.50,2]},"a":{},"m":{}}}"#;
    let out = fit(&Raw::parse(text).unwrap(), &PLAIN, "s", &mut Losses::default());
    assert_eq!(out.get(), text);
}

#[test]
fn objects_are_closed_and_their_properties_required() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "object", "additionalProperties": {"type": "string"}},
        "b": {"type": "object"},
    }, "required": ["a"]});
    let (out, losses) = run(&schema, &Subset { closed: true, all_required: true, ..PLAIN });
    assert_eq!(out["additionalProperties"], false);
    assert_eq!(out["required"], json!(["a", "b"]));
    assert_eq!(out["properties"]["a"], json!({"type": "object", "additionalProperties": false}));
    let p = |p: &str| format!("~tool.properties.{p}");
    assert_eq!(losses, [p("a.additionalProperties"), p("b")]);
}

#[test]
fn references_are_written_out_and_recursion_is_cut() {
    let schema = json!({
        "$ref": "#/$defs/Tree",
        "$defs": {
            "Tree": {"type": "object", "properties": {
                "leaf": {"$ref": "#/$defs/Leaf", "description": "near"},
                "more": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
            }},
            "Leaf": {"type": "string", "description": "far"},
        },
    });
    let want = json!({"type": "object", "properties": {
        "leaf": {"type": "string", "description": "near"},
        "more": {"type": "array", "items": {"type": "object"}},
    }});
    for refs in [Refs::Inlined, Refs::Acyclic] {
        let (out, losses) = run(&schema, &Subset { refs, ..PLAIN });
        assert_eq!(out, want);
        assert_eq!(losses, ["-tool.properties.more.items.$ref"]);
    }
    let (out, losses) = run(&schema, &PLAIN);
    assert_eq!(out["properties"]["more"]["items"], json!({"$ref": "#/$defs/Tree"}));
    assert_eq!(out["$defs"]["Leaf"]["type"], "string");
    assert_eq!(losses, [""; 0]);
}

#[test]
fn references_that_do_not_recurse_stay_where_they_may() {
    let schema = json!({"type": "object", "properties": {
        "a": {"$ref": "#/$defs/P"}, "b": {"$ref": "#/$defs/P"}, "c": {"$ref": "https://else"},
    }, "$defs": {"P": {"type": "object", "maxProperties": 1}}});
    let (out, losses) = run(&schema, &Subset { refs: Refs::Acyclic, closed: true, ..PLAIN });
    assert_eq!(out["properties"]["b"], json!({"$ref": "#/$defs/P"}));
    assert_eq!(out["$defs"]["P"], json!({"type": "object", "additionalProperties": false}));
    assert!(losses.contains(&"-tool.properties.c.$ref".to_owned()), "{losses:?}");
    assert!(losses.contains(&"-tool.$defs.P.maxProperties".to_owned()), "{losses:?}");
}

#[test]
fn null_is_spelled_both_ways() {
    let gemini = Subset { nullable: true, capitals: true, ..PLAIN };
    let standard = json!({"type": "object", "properties": {
        "a": {"type": ["string", "null"]},
        "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "c": {"type": ["string", "integer", "null"]},
        "d": {"enum": ["x", null]},
    }});
    let spelled = json!({"type": "OBJECT", "properties": {
        "a": {"type": "STRING", "nullable": true},
        "b": {"anyOf": [{"type": "INTEGER"}], "nullable": true},
        "c": {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}], "nullable": true},
        "d": {"enum": ["x"], "nullable": true},
    }});
    assert_eq!(run(&standard, &gemini), (spelled, vec![]));
    let back =
        json!({"type": "ARRAY", "nullable": true, "minItems": "2", "items": {"type": "STRING"}});
    let (out, _) = run(&back, &Subset::STANDARD);
    assert_eq!(out, json!({"type": ["array", "null"], "minItems": 2, "items": {"type": "string"}}));
}

#[test]
fn branches_are_merged_or_rewritten() {
    let schema = json!({
        "allOf": [
            {"$ref": "#/$defs/A"},
            {"properties": {"b": {"type": "string"}, "a": {}}, "required": ["b"]},
        ],
        "properties": {"u": {"oneOf": [{"type": "string"}, {"const": 4}]}},
        "$defs": {"A": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}},
    });
    let (out, losses) = run(&schema, &Subset { refs: Refs::Inlined, ..PLAIN });
    assert_eq!(out["required"], json!(["a", "b"]));
    assert_eq!(
        out["properties"],
        json!({
            "u": {"anyOf": [{"type": "string"}, {"enum": [4]}]},
            "a": {"type": "number"}, "b": {"type": "string"},
        })
    );
    assert_eq!(losses, ["~tool.properties.u.oneOf", "-tool.properties.a"]);
}

#[test]
fn a_value_above_its_limit_goes() {
    let subset = Subset { at_most: &[("minItems", 1)], ..Subset::STANDARD };
    let (out, losses) = run(&json!({"items": {"minItems": 1}, "minItems": 2}), &subset);
    assert_eq!(out, json!({"items": {"minItems": 1}}));
    assert_eq!(losses, ["-tool.minItems"]);
}

#[test]
fn hostile_schemas_end() {
    let inlined = Subset { refs: Refs::Inlined, ..Subset::STANDARD };
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({"items": deep});
    }
    assert_eq!(run(&deep, &inlined).1.len(), 1);
    // Each definition uses the next one twice: written out, 2^25 of them.
    let mut defs = serde_json::Map::new();
    for n in 0..25 {
        let next = format!("#/$defs/d{}", n + 1);
        defs.insert(format!("d{n}"), json!({"items": {"$ref": next}, "contains": {"$ref": next}}));
    }
    defs.insert("d25".into(), json!({"type": "string"}));
    let bomb = json!({"$ref": "#/$defs/d0", "$defs": defs});
    assert!(run(&bomb, &inlined).0.to_string().len() < 4 << 20);
    assert!(run(&bomb, &Subset { refs: Refs::Acyclic, ..Subset::STANDARD }).1.is_empty());
    let ring = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
    assert_eq!(run(&ring, &Subset::STANDARD).1, ["-tool.$ref"]);
    for odd in [json!(true), json!([1]), json!({"type": 7, "properties": [], "required": 1})] {
        run(&odd, &inlined);
    }
}

/// With whole paths this takes as long as the square of the schema, and as much memory.
#[test]
fn the_path_of_a_loss_is_short_however_long_the_names() {
    let keywords: String = (0..3000).map(|n| format!("\"k{n}\":1,")).collect();
    let inner = format!("{{{keywords}\"type\":\"object\"}}");
    let names = ["b".into(), "name".repeat(100_000)];
    let schema = names.iter().fold(inner, |inner, name| {
        let members: String = (0..10).map(|n| format!("\"{n}{name}\":{inner},")).collect();
        format!("{{\"properties\":{{{members}\"x\":{{}}}}}}")
    });
    let mut losses = Losses::default();
    fit(&Raw::parse(schema).unwrap(), &PLAIN, "tool", &mut losses);
    assert!(losses.len() > 100 && losses.iter().all(|l| l.path.len() < 400));
    let deep = (0..30).fold(json!({"bad": 1}), |deep, _| json!({"properties": {"p": deep}}));
    let path = &run(&deep, &PLAIN).1[0];
    assert!(path.starts_with("-….p.properties.") && path.ends_with(".p.bad"), "{path}");
}
