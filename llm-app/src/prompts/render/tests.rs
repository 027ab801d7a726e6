use proptest::prelude::*;
use serde_json::json;

use super::*;

fn variable(name: &str, kind: Kind, required: bool) -> Variable {
    let (name, kind) = (name.to_owned(), kind.word().to_owned());
    Variable { name, kind, required, default: None, about: None }
}

fn declared_ones() -> Vec<Variable> {
    vec![
        variable("topic", Kind::Text, true),
        variable("count", Kind::Number, false),
        variable("formal", Kind::Flag, false),
        variable("points", Kind::List, false),
    ]
}

fn filled(text: &str) -> Result<String, NotRendered> {
    let values = json!({"topic": "봄", "count": 3, "points": ["가", "나"]});
    let values: BTreeMap<String, Value> = serde_json::from_value(values).unwrap();
    render(text, &declared_ones(), &values)
}

#[test]
fn what_people_know_works() {
    for (text, written) in [
        ("{{ topic }}을 {{count}}줄로\n", "봄을 3줄로\n"),
        ("{% if formal %}합니다{% else %}해{% endif %}", "해"),
        ("{% for p in points %}{{ loop.index }}. {{ p }}\n{% endfor %}", "1. 가\n2. 나\n"),
        ("{{ points|join(', ') }} {{ points|length }} {{ topic|upper }}", "가, 나 2 봄"),
        ("{# nobody reads this ~ * #}{{ '{{' }}x{{ \"}}\" }}", "{{x}}"),
        ("<b>{{ topic }}</b> { } a ~ b", "<b>봄</b> { } a ~ b"),
        ("{% if count >= 2 and not formal %}y{% endif %}{{ points[0] }}", "y가"),
    ] {
        assert_eq!(filled(text).as_deref(), Ok(written), "{text}");
    }
}

#[test]
fn what_grows_or_reaches_out_is_refused() {
    for text in [
        "{% set x = topic %}",
        "{{ topic ~ topic }}",
        "{{ 'a' * 1000000 }}",
        "{{ topic + topic }}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% import 'x' as y %}",
        "{% macro m() %}{% endmacro %}",
        "{% filter upper %}{% endfilter %}",
        "{% with a = 1 %}{% endwith %}",
        "{% raw %}{{ x }}{% endraw %}",
        "{{ {'a': 1} }}",
        "{{ range(10) }}",
        "{{ topic|replace('a', 'b') }}",
        "{{ unknown }}",
        "{{ topic.__class__ }}",
        "{{ topic",
        "{% if %}",
        "{{ (topic }}",
        "{{ topic) }}",
        "{% for p in points recursive %}{{ loop(points) }}{% endfor %}",
        "{{ debug() }}",
        "",
        " ",
        "{%- set x = 1 -%}",
        "{{ topic|attr('x') }}",
        "{{ self }}",
        "{% autoescape true %}{% endautoescape %}",
    ] {
        assert!(filled(text).is_err(), "{text}");
    }
    let loops = "{% for a in points %}".repeat(20) + "x" + &"{% endfor %}".repeat(20);
    assert_eq!(filled(&loops), Err(NotRendered::Text("line 1: it takes too many steps".into())));
    let long = json!({"topic": "x".repeat(VALUES_MAX - 100)});
    let long: BTreeMap<String, Value> = serde_json::from_value(long).unwrap();
    let many = render(&"{{ topic }}".repeat(9), &declared_ones(), &long);
    assert!(matches!(many, Err(NotRendered::Text(why)) if why.contains("too long")));
}

#[test]
fn values_are_held_against_what_was_declared() {
    for (values, why) in [
        (json!({}), "topic is missing"),
        (json!({"topic": null}), "topic is missing"),
        (json!({"topic": 1}), "topic is no text"),
        (json!({"topic": "x", "count": "3"}), "count is no number"),
        (json!({"topic": "x", "formal": "yes"}), "formal is no flag"),
        (json!({"topic": "x", "points": [1]}), "points is no list"),
        (json!({"topic": "x", "other": "비밀"}), "not declared"),
        (json!({"topic": "x".repeat(VALUES_MAX + 1)}), "bytes together"),
    ] {
        let given: BTreeMap<String, Value> = serde_json::from_value(values.clone()).unwrap();
        let said = render("{{ topic }}", &declared_ones(), &given).unwrap_err().to_string();
        assert!(said.contains(why) && !said.contains("비밀"), "{values}: {said}");
    }
    let mut twice = declared_ones();
    twice.push(variable("topic", Kind::Text, false));
    assert!(check("x", &twice).is_err());
    for name in ["", "1a", "a b", "loop", "한글", &"x".repeat(65)] {
        assert!(check("x", &[variable(name, Kind::Text, false)]).is_err(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is written, there is an end, a bound and no panic.
    #[test]
    fn nothing_panics_and_everything_is_bounded(
        parts in prop::collection::vec(prop_oneof![
            Just("{{ "), Just(" }}"), Just("{% "), Just(" %}"), Just("{#"), Just("#}"),
            Just("if "), Just("for "), Just("in "), Just("endfor"), Just("endif"), Just("set "),
            Just("topic"), Just("points"), Just("count"), Just("loop"), Just("|upper"),
            Just("|join"), Just("("), Just(")"), Just("["), Just("]"), Just("'"), Just("\""),
            Just("\\"), Just("~"), Just("*"), Just("-"), Just("{"), Just("}"), Just("가"), Just("1"),
            Just(" "), Just("x"), Just("."), Just("="), Just("raw "), Just("recursive ")
        ], 0..40),
    ) {
        if let Ok(written) = filled(&parts.concat()) {
            prop_assert!(written.len() <= WRITTEN_MAX);
        }
    }

    #[test]
    fn text_without_braces_is_written_as_it_is(text in "[^{}]{1,200}") {
        prop_assume!(!text.trim().is_empty());
        prop_assert_eq!(filled(&text).ok(), Some(text));
    }

    /// Code that the reader lets in has none of the marks outside of texts: so the engine and the
    /// reader agree about where code begins and ends.
    #[test]
    fn a_value_is_never_code(value in "\\PC{0,60}") {
        let values = BTreeMap::from([("topic".to_owned(), json!(value.clone()))]);
        let written = render("<{{ topic }}>", &declared_ones(), &values);
        prop_assert_eq!(written, Ok(format!("<{value}>")));
    }
}
