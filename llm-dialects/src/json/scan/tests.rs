use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

fn passes(text: &str) -> Result<(), Broken> {
    let mut scan = Scan::new(text);
    scan.skip(&mut ())?;
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
fn what_tells_is_seen_wherever_it_stands() {
    // Behind it come so many letters that the text ends in, behind and between the blocks.
    for (around, behind) in [("a", 0), ("\u{e9}", 3), ("가", 17), ("!", 40), ("\u{7f}", 130)] {
        for len in (0..70).chain([127, 128, 129, 200, 300]) {
            for odd in
                ["\"", "\\", "\\n", "\\\"", "\u{1f}", "\0", "\n", " ", "#", "[", "]", "\u{80}"]
            {
                let text = format!("{}{odd}{}", around.repeat(len), around.repeat(behind));
                agrees(&format!("\"{text}\""));
                agrees(&format!("[\"{text}\",\"x\"]{}", " ".repeat(behind)));
                agrees(&format!("\"{text}"));
            }
        }
    }
}

#[test]
fn counts_are_digits_alone() {
    for text in [
        "0",
        "7",
        "123",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "00",
        "01",
        "-1",
        "+1",
        "1.0",
        "1.",
        "1e3",
        "1E3",
        "\"1\"",
        "{}",
        "true",
        "",
        "n",
        "nul",
    ] {
        let expected = match serde_json::from_str::<u64>(text) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(Broken::Syntax),
        };
        for space in ["", " ", "\n\t "] {
            assert_eq!(Scan::new(&format!("{space}{text}")).count(), expected, "{text}");
        }
    }
    assert_eq!(Scan::new(" null").count(), Ok(None));
    // What stands behind it is looked at by whoever goes on.
    let mut scan = Scan::new("12 ,");
    assert_eq!((scan.count(), scan.next_byte()), (Ok(Some(12)), Some(b',')));
}

#[test]
fn depth_is_bounded_and_nothing_is_called_by_itself() {
    let nested = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
    assert_eq!(passes(&nested(DEPTH_MAX)), Ok(()));
    assert_eq!(passes(&nested(DEPTH_MAX + 1)), Err(Broken::Deep));
    assert_eq!(passes(&"[".repeat(1_000_000)), Err(Broken::Deep));
    assert_eq!(passes(&"{\"a\":".repeat(1_000_000)), Err(Broken::Deep));
}

#[derive(Default)]
struct Seen<'a> {
    names: Vec<&'a str>,
    strings: Vec<(&'a str, bool)>,
}

impl<'a> See<'a> for Seen<'a> {
    fn name(&mut self, name: Text<'a>) {
        self.names.push(str::from_utf8(name.raw).unwrap());
    }

    fn string(&mut self, text: Text<'a>, named: bool) {
        self.strings.push((str::from_utf8(text.raw).unwrap(), named));
    }
}

#[test]
fn members_and_items_come_one_by_one() {
    let text = r#" { "a" : [1, "x\u0041", {"b":["c",null],"d":"e"}], "\u0063":"d" } "#;
    let mut scan = Scan::new(text);
    let mut members = scan.object().unwrap();
    assert!(members.next(&mut scan).unwrap().unwrap().says(b"a"));
    let mut items = scan.list().unwrap();
    assert!(items.next(&mut scan).unwrap());
    assert_eq!(scan.value(&mut ()), Ok("1"));
    assert!(items.next(&mut scan).unwrap());
    assert_eq!(scan.text().unwrap().read().as_deref(), Some("xA"));
    assert!(items.next(&mut scan).unwrap());
    let mut seen = Seen::default();
    assert_eq!(scan.value(&mut seen), Ok(r#"{"b":["c",null],"d":"e"}"#));
    assert_eq!((seen.names, seen.strings), (vec!["b", "d"], vec![("c", false), ("e", true)]));
    assert!(!items.next(&mut scan).unwrap());
    assert!(members.next(&mut scan).unwrap().unwrap().says(b"c"));
    assert_eq!(scan.value(&mut ()), Ok("\"d\""));
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
        prop_assert_eq!(scan.value(&mut ()), Ok(&text[..]));
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
