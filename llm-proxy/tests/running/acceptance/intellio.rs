//! Questions about a table and the papers behind it, by the plan that somebody pays for.

use std::collections::BTreeMap;

use http::Method;
use llm_core::money::Credits;
use serde_json::{Value, json};

use super::{Day, MODEL, Person};

const BASIC: Person =
    Person { name: "basic", key: "sk-intellio-basic-0123456789abcdef", rules: "plan = \"basic\"" };
const PRO: Person =
    Person { name: "pro", key: "sk-intellio-pro-0123456789abcdef", rules: "plan = \"pro\"" };
const ENTERPRISE: Person = Person {
    name: "enterprise",
    key: "sk-intellio-enterprise-0123456789abcdef",
    rules: "plan = \"enterprise\"",
};
/// Tokens of a month; a credit is a thousand of them.
const PLANS: [(Person, i64); 3] = [(BASIC, 20_000), (PRO, 2_000_000), (ENTERPRISE, 20_000_000)];
const CELLS: usize = 200;
const ANALYSIS: &str = "/api/v1/analysis";

fn configuration() -> String {
    let mut text = format!(
        "[models.smart]\n{MODEL}[features.analysis]\nmodel = \"smart\"\nmax_tokens = 4000\n\
         [models.embeds]\ntiers = [[\"gpt/text-embedding-3-small\"]]\n\
         [features.documents]\nmodel = \"embeds\"\n[batches]\nlease = \"1s\"\n\
         [credits.models]\n\"*\" = \"1 credit per exact 1000 tokens\"\n"
    );
    for (Person { name, .. }, tokens) in PLANS {
        let credits = tokens / 1_000;
        text += &format!(
            "[plans.{name}]\nlimits = [\"{tokens} tokens/month\", \"{credits} credits/month\"]\n"
        );
    }
    text
}

/// Papers of three pages each, and their names.
async fn papers(day: &Day, by: Person) -> (Vec<Value>, BTreeMap<String, u64>) {
    let (mut ids, mut pages) = (Vec::new(), BTreeMap::new());
    for (name, about) in [("3분기 실적.txt", "매출"), ("인사 보고서.txt", "인원")] {
        let text = format!("{name}\u{c}서울 지점의 {about}은 12 늘었다.\u{c}부산은 그대로다.");
        let body = json!({"name": name, "content": text});
        let made = day.data(by, Method::POST, "/api/v1/documents", &body).await;
        pages.insert(name.to_owned(), made["pages"].as_u64().unwrap());
        ids.push(made["id"].clone());
    }
    assert!(pages.values().all(|count| *count == 3), "{pages:?}");
    (ids, pages)
}

fn cells(count: usize) -> Value {
    const COLUMNS: [&str; 8] = ["매출", "비용", "인원", "반품", "방문", "광고", "재고", "평점"];
    let cell = |n: usize| {
        let (row, column) = (n / COLUMNS.len(), n % COLUMNS.len());
        json!({"id": format!("R{row}C{column}"), "row": format!("{row}월"),
            "column": COLUMNS[column], "value": (n * 7_919 % 1_000).to_string()})
    };
    json!({"cells": (0..count).map(cell).collect::<Vec<_>>(), "headers": COLUMNS})
}

/// What each answer stands on is there, by name and page.
fn cited(answer: &Value, pages: &BTreeMap<String, u64>) {
    let cites = answer["annotations"].as_array().unwrap();
    assert!(!cites.is_empty(), "an answer without its source: {answer}");
    for cite in cites {
        let count = pages.get(cite["document"].as_str().unwrap());
        let page = cite["page"].as_u64().unwrap();
        assert!(count.is_some_and(|count| (1..=*count).contains(&page)), "{cite}");
    }
}

/// A limit as somebody sees it: all of it, what was used, and what is left.
async fn limit(day: &Day, by: Person, rule: &str) -> [i64; 3] {
    let me = day.get(by, "/api/v1/usage/me").await;
    let limits = me["limits"].as_array().unwrap();
    let found = limits.iter().find(|one| one["rule"] == rule && one["limit"].is_i64());
    let found = found.unwrap_or_else(|| panic!("{rule}: {me}"));
    assert_eq!(found["reserved"], 0, "nothing is under way: {found}");
    // Of what is not begun nobody wants to know when there is more.
    let resets = found["resets_at"].as_str().map(|at| at.ends_with("-01T00:00:00+09:00"));
    assert_eq!(resets, (found["used"] != 0).then_some(true), "{found}");
    ["limit", "used", "remaining"].map(|name| found[name].as_i64().unwrap())
}

/// Tokens that the log has of somebody's days, once it has all calls.
async fn burned(day: &Day, by: Person, used: i64) -> i64 {
    let sum = |me: &Value| -> i64 {
        let days = me["month"]["days"].as_array().unwrap();
        let tokens = days.iter().flat_map(|day| day["tokens"].as_object().unwrap().values());
        tokens.map(|count| count.as_i64().unwrap()).sum()
    };
    // It is written behind the calls.
    sum(&day.until(by, "/api/v1/usage/me", |me| sum(me) >= used).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_cells_are_answered_each_with_its_source_and_paid_out_of_the_plan() {
    let day = Day::begin(&[BASIC, PRO, ENTERPRISE], &configuration()).await;
    for (by, tokens) in PLANS {
        assert_eq!(limit(&day, by, "tokens/month").await, [tokens, 0, tokens]);
    }
    let (documents, pages) = papers(&day, PRO).await;
    let [_, before, _] = limit(&day, PRO, "tokens/month").await;
    let asked = json!({"question": "이 값은 왜 변했나?", "selection": cells(CELLS),
        "documents": documents, "mode": "per_cell"});
    let made = day.told(PRO, Method::POST, ANALYSIS, &asked).await;
    assert_eq!(made.status, 202, "one job: {}", made.answer);
    let path = format!("{ANALYSIS}/{}", made.answer["data"]["id"].as_str().unwrap());
    let over = |seen: &Value| seen["status"] == "completed" || seen["status"] == "failed";
    let done = day.until(PRO, &path, over).await;
    assert_eq!(done["status"], "completed", "{done}");
    // One for each cell that was selected, and for no other.
    let answers = done["answers"].as_array().unwrap();
    let ids = answers.iter().map(|answer| answer["cell"].as_str().unwrap().to_owned());
    assert!(ids.eq((0..CELLS).map(|n| format!("R{}C{}", n / 8, n % 8))), "{done}");
    for answer in answers {
        assert!(!answer["text"].as_str().unwrap().is_empty(), "{answer}");
        cited(answer, &pages);
    }
    // And as a file for whoever has no key.
    let link = day.get(PRO, &format!("{path}/link?format=json")).await;
    let nobody = Person { key: "", ..PRO };
    let file = day.told(nobody, Method::GET, link["url"].as_str().unwrap(), &Value::Null).await;
    assert_eq!(file.status, 200, "{}", file.answer);
    assert!(file.answer.to_string().contains("3분기 실적.txt"), "{}", file.answer);

    // What is left is what there was less what was used, wherever one looks.
    let [all, used, left] = limit(&day, PRO, "tokens/month").await;
    assert!(used > before && left == all - used, "{all} {used} {left}");
    assert_eq!(burned(&day, PRO, used).await, used, "day by day as in sum");
    let balance = day.get(PRO, "/api/v1/credits/balance").await;
    let credits = &balance["limits"][0];
    let credits: Credits = credits["left"].as_str().unwrap().parse().unwrap();
    assert_eq!(credits.0, left * 1_000, "a credit is a thousand tokens: {balance}");
    for (by, tokens) in [PLANS[0], PLANS[2]] {
        assert_eq!(limit(&day, by, "tokens/month").await, [tokens, 0, tokens], "nobody else's");
    }
    day.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_small_plan_cannot_pay_is_refused_and_what_it_can_is_answered() {
    let day = Day::begin(&[BASIC, PRO], &configuration()).await;
    // More cells than the whole month of this plan has tokens for.
    let large = json!({"question": "왜?", "selection": cells(CELLS), "mode": "per_cell"});
    let made = day.data(BASIC, Method::POST, ANALYSIS, &large).await;
    let path = format!("{ANALYSIS}/{}", made["id"].as_str().unwrap());
    let over = |seen: &Value| seen["status"] == "completed" || seen["status"] == "failed";
    let done = day.until(BASIC, &path, over).await;
    assert_eq!((&done["status"], &done["answers"]), (&json!("failed"), &json!([])), "{done}");
    let job = format!("/api/v1/jobs/{}", done["job_id"].as_str().unwrap());
    let job = day.get(BASIC, &job).await;
    assert!(job["error"].as_str().is_some_and(|why| why.contains("month")), "{job}");
    let [all, used, _] = limit(&day, BASIC, "tokens/month").await;
    assert!(used <= all, "{used} of {all}");
    // The same question is another plan's to ask.
    let made = day.data(PRO, Method::POST, ANALYSIS, &large).await;
    let path = format!("{ANALYSIS}/{}", made["id"].as_str().unwrap());
    let done = day.until(PRO, &path, over).await;
    assert_eq!(done["answers"].as_array().unwrap().len(), CELLS, "{done}");
    day.end().await;
}
