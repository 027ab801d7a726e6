use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

fn passes(text: &str) -> Result<(), Broken> {
    let mut scan = Scan::new(text);
    scan.skip(None)?;
    scan.end()
}

#[track_caller]
fn agrees(text: &str) {
    let parsed = serde_json::from_str::<IgnoredAny>(text).is_ok();
    match passes(text) {
        Err(Broken::Deep) => {}
        scanned => assert_eq!(scanned.is_ok(), parsed, "{text:?}"),
    }
}

#[test]
fn the_same_is_json_as_for_a_parser() {
    for text in [
        "",
        " ",
        "1",
        "-",
        "-0",
        "01",
        "1.",
        "1.5",
        ".5",
        "1e",
        "1e+5",
        "1E-5",
        "1e5.2",
        "-1.2e3",
        "+1",
        "nul",
        "null",
        "nullx",
        "true",
        "false",
        "[]",
        "[ ]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,2]",
        "{}",
        "{ }",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1}",
        "{\"a\" : 1 , \"b\":[{}]}",
        "{1:2}",
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u1234\"",
        "\"\\ud800\"",
        "\"a\nb\"",
        "\"a\u{7f}b\"",
        "\"\u{0}\"",
        "[}",
        "{]",
        "]",
        "[[]",
        "[]]",
        "1 1",
        "\u{feff}1",
    ] {
        agrees(text);
    }
}

#[test]
fn long_strings_are_looked_at_to_their_end() {
    for len in 0..200 {
        for (at, odd) in [(len, '"'), (len, '\n'), (len / 2, '\u{1f}'), (len / 2, '\\')] {
            let mut text = "가b".repeat(200).chars().take(len).collect::<Vec<_>>();
            text.insert(at, odd);
            agrees(&format!("\"{}\"", text.iter().collect::<String>()));
            agrees(&format!("\"{}", text.iter().collect::<String>()));
        }
        agrees(&format!("\"{}\\n{}\"", "x".repeat(len), "y".repeat(len)));
    }
}

#[test]
fn depth_is_bounded_and_nothing_is_called_by_itself() {
    let nested = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
    assert_eq!(passes(&nested(DEPTH_MAX)), Ok(()));
    assert_eq!(passes(&nested(DEPTH_MAX + 1)), Err(Broken::Deep));
    assert_eq!(passes(&"[".repeat(1_000_000)), Err(Broken::Deep));
    assert_eq!(passes(&"{\"a\":".repeat(1_000_000)), Err(Broken::Deep));
}

#[test]
fn members_and_items_come_one_by_one() {
    let text = r#" { "a" : [1, "x\u0041", {"b":null}], "\u0063":"d" } "#;
    let mut scan = Scan::new(text);
    let mut members = scan.object().unwrap();
    assert!(members.next(&mut scan).unwrap().unwrap().says("a"));
    let mut items = scan.list().unwrap();
    assert!(items.next(&mut scan).unwrap());
    assert_eq!(scan.value(None), Ok("1"));
    assert!(items.next(&mut scan).unwrap());
    assert_eq!(scan.text().unwrap().read().as_deref(), Some("xA"));
    assert!(items.next(&mut scan).unwrap());
    let mut seen = Vec::new();
    assert_eq!(scan.value(Some(&mut |text| seen.push(text.raw))), Ok(r#"{"b":null}"#));
    assert_eq!(seen, ["b"]);
    assert!(!items.next(&mut scan).unwrap());
    assert!(members.next(&mut scan).unwrap().unwrap().says("c"));
    assert_eq!(scan.value(None), Ok("\"d\""));
    assert!(members.next(&mut scan).unwrap().is_none());
    assert_eq!(scan.end(), Ok(()));
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<f64>().prop_map(|n| serde_json::json!(n).to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|s| serde_json::json!(s).to_string()),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let name = any::<String>().prop_map(|s| serde_json::json!(s).to_string());
        let member = (name, inner.clone()).prop_map(|(n, v)| format!("{n} :{v}"));
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|v| format!("[{}]", v.join(", "))),
            prop::collection::vec(member, 0..6).prop_map(|v| format!("{{{}}}", v.join(" ,"))),
        ]
    })
}

proptest! {
    #[test]
    fn json_passes(text in json()) {
        prop_assert_eq!(passes(&text), Ok(()));
        let mut scan = Scan::new(&text);
        prop_assert_eq!(scan.value(None), Ok(&text[..]));
    }

    #[test]
    fn what_is_nearly_json_is_judged_as_a_parser_judges_it(
        text in json(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}:,\"\\\\ 0-9eE+.u\n\t-]?"), 1..4),
    ) {
        let mut letters: Vec<char> = text.chars().collect();
        for (at, with) in edits {
            if letters.is_empty() {
                break;
            }
            let at = at.index(letters.len());
            match with.chars().next() {
                Some(letter) => letters[at] = letter,
                None => drop(letters.remove(at)),
            }
        }
        agrees(&letters.iter().collect::<String>());
    }

    #[test]
    fn any_text_is_judged_as_a_parser_judges_it(text in "[\\[\\]{}:,\"\\\\ 0-9eE+.truefalsn\n-]{0,24}") {
        agrees(&text);
    }
}
