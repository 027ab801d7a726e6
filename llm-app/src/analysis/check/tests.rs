use llm_core::Str;

use super::super::selection::Cell;
use super::super::source::Shown;
use super::*;

fn cell(id: &str, value: &str) -> Cell {
    Cell { id: id.into(), row: None, column: None, value: value.into(), unit: None }
}

fn shown(document: &str, page: u32, text: &str) -> Shown {
    Shown { document: document.into(), page, text: text.into() }
}

#[test]
fn an_answer_that_cites_what_is_there_is_held() {
    let cells = [cell("B7", "12"), cell("매출 3", "13")];
    let pages = [shown("보고서.pdf", 2, "머리말\n서울의 매출은 12억이다.\n끝")];
    let allowed = Allowed::of(&Part { cells: &cells, pages: &pages });
    let claims = allowed
        .claims(
            r#"```json
            {"claims":[{"text":"서울의 매출은 12억","cells":["B7","매출 3","B7"],
              "sources":[{"document":"보고서.pdf","page":2},{"document":"보고서.pdf","page":2}]},
              {"text":"두 번째","cells":["B7"]}]}```"#,
        )
        .unwrap();
    assert_eq!(claims[0].cells, [Str::from("B7"), Str::from("매출 3")]);
    let cited = &claims[0].annotations;
    assert_eq!((cited.len(), &*cited[0].document, cited[0].page), (1, "보고서.pdf", 2));
    assert_eq!(cited[0].quote.as_deref(), Some("서울의 매출은 12억이다."));
    assert!(allowed.claims(r#"{"claims":[]}"#).unwrap().is_empty());
    // The same again, of what was found before.
    let again = Allowed::of(&Part { cells: &cells, pages: &pages }).by(&claims);
    assert!(again.claims(r#"{"claims":[{"text":"x","cells":["B7"]}]}"#).is_ok());
    let only = [claims[1].clone()];
    let again = Allowed::of(&Part { cells: &cells, pages: &pages }).by(&only);
    assert!(again.claims(r#"{"claims":[{"text":"x","cells":["매출 3"]}]}"#).is_err());
}

#[test]
fn one_wrong_citation_refuses_all_of_it() {
    let cells = [cell("a", "1"), cell("b", "2")];
    let pages = [shown("d", 1, "x"), shown("d", 3, "y"), shown("e", 2, "z")];
    let allowed = Allowed::of(&Part { cells: &cells, pages: &pages });
    for (answer, reason) in [
        (r#"{"claims":[{"text":"x","cells":["a","c"]}]}"#, "the cell \"c\""),
        (r#"{"claims":[{"text":"x","cells":["A"]}]}"#, "the cell \"A\""),
        (r#"{"claims":[{"text":"x","cells":[]}]}"#, "cites nothing"),
        (r#"{"claims":[{"text":"x","sources":[{"document":"d","page":2}]}]}"#, "page 2"),
        (r#"{"claims":[{"text":"x","sources":[{"document":"e","page":1}]}]}"#, "page 1"),
        (r#"{"claims":[{"text":"x","sources":[{"document":"d","page":-1}]}]}"#, "page -1"),
        (r#"{"claims":[{"text":"x","sources":[{"document":"d","page":4294967297}]}]}"#, "page 4"),
        (r#"{"claims":[{"text":"x","sources":[{"document":"f","page":1}]}]}"#, "document \"f\""),
        (r#"{"claims":[{"text":" ","cells":["a"]}]}"#, "no text"),
        (r#"{"claims":[{"text":"x","cells":["a"],"cells":["b"]}]}"#, "schema"),
        (r#"{"claims":[{"text":"x","cells":["a"],"note":"y"}]}"#, "schema"),
        (r#"{"claims":[{"text":"x","cells":"a"}]}"#, "schema"),
        (r#"{"claims":{}}"#, "schema"),
        (r#"{"claims":[{"text":"x","cells":["a"]}]} and more"#, "schema"),
        (r#"[]"#, "schema"),
        ("", "schema"),
        ("I would rather not.", "schema"),
    ] {
        let reasons = allowed.claims(answer).unwrap_err();
        assert!(reasons[0].contains(reason), "{answer}: {reasons:?}");
    }
    // The right ones beside a wrong one do not help, and what is told is bounded.
    let mut many: Vec<String> = (0..100).map(|n| format!("\"x{n}\"")).collect();
    many.push("\"a\"".to_owned());
    let answer = format!(r#"{{"claims":[{{"text":"x","cells":[{}]}}]}}"#, many.join(","));
    let reasons = allowed.claims(&answer).unwrap_err();
    assert_eq!((reasons.len(), reasons.last().map(String::as_str)), (11, Some("and 90 more")));
}

#[test]
fn each_cell_is_answered_once_and_no_other() {
    let cells = [cell("a", "1"), cell("b", "2")];
    let allowed = Allowed::of(&Part { cells: &cells, pages: &[] });
    let answer = r#"{"answers":{"b":{"text":"둘"},"a":{"text":"하나","sources":[]}}}"#;
    assert_eq!(allowed.answers(answer).unwrap().len(), 2);
    for (answer, reason) in [
        (r#"{"answers":{"a":{"text":"x"}}}"#, "\"b\" has no answer"),
        (r#"{"answers":{"a":{"text":"x"},"b":{"text":"x"},"a":{"text":"y"}}}"#, "twice"),
        (r#"{"answers":{"a":{"text":"x"},"b":{"text":"x"},"c":{"text":"y"}}}"#, "not there"),
        (r#"{"answers":{"a":{"text":"x"},"b":{"text":""}}}"#, "no text"),
        (
            r#"{"answers":{"a":{"text":"x","sources":[{"document":"d","page":1}]},"b":{"text":"x"}}}"#,
            "document",
        ),
        (r#"{"answers":[{"cell":"a","text":"x"}]}"#, "schema"),
        (r#"{"claims":[]}"#, "schema"),
    ] {
        let reasons = allowed.answers(answer).unwrap_err();
        assert!(reasons.iter().any(|one| one.contains(reason)), "{answer}: {reasons:?}");
    }
}
