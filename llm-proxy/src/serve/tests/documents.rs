//! Documents and analyses over HTTP, against simulated providers.

use llm_app::people::Consent;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, Simulator};
use llm_store::deposits::Owner;
use llm_store::sql::{Failure, Session, Task};
use serde_json::json;

use super::*;

const OTHER: &str = "sk-other-0123456789abcdef0123456789abcde";

/// Models that answer as the simulator does, and one that says what a test has written.
fn with(data: &Path, scripted: &str) -> Config {
    let path = data.join("proxy.toml");
    drop(config(data, "unlimited = true"));
    let text = std::fs::read_to_string(&path).unwrap();
    let text = format!(
        r#"{text}
        [[keys]]
        name = "other"
        key = "env:OTHER"
        unlimited = true
        [providers.scripted]
        kind = "openai-compatible"
        base_url = "{scripted}"
        keys = ["env:KEY"]
        [models.scripted]
        tiers = [["scripted/gpt-4o-mini"]]
        [prices."scripted/gpt-4o-mini"]
        input = "0.15"
        output = "0.60"
        [features.documents]
        model = "simulated/text-embedding-3-small"
        [features.analysis]
        model = "smart"
        [batches]
        lease = "1s"
        "#
    );
    std::fs::write(&path, text).unwrap();
    let asked = Asked { config: Some(path), ..Asked::default() };
    resolve(&asked, &Environment).unwrap_or_else(|report| panic!("{report}")).config
}

async fn app(proxy: &Running, method: Method, path: &str, key: &str, body: &str) -> (u16, Value) {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let path = format!("/api/v1{path}");
    let response = proxy.send(method.clone(), &path, &headers, body.to_owned()).await;
    let answer = json(&response);
    super::admin::shape::holds(&method, &path, response.status(), &answer);
    let told = if answer["success"] == true { &answer["data"] } else { &answer["error"] };
    (response.status().as_u16(), told.clone())
}

async fn upload(proxy: &Running, name: &str, collection: Option<&str>, text: &str) -> Value {
    let body = json!({"name": name, "content": text, "collection": collection});
    let (status, made) = app(proxy, Method::POST, "/documents", KEY, &body.to_string()).await;
    assert_eq!(status, 200, "{made}");
    made
}

async fn settled(proxy: &Running, path: &str, until: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let (_, seen) = app(proxy, Method::GET, path, KEY, "").await;
        if until(&seen) {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{path} does not end within twenty seconds");
}

async fn agree(proxy: &Running, consent: Consent) {
    let grant = proxy.house.keys.grant(KEY).await.unwrap();
    let people = proxy.house.apps.as_ref().unwrap().now().ground.people.clone();
    people.agree(&Owner::of(&grant.principal), consent).await.unwrap();
}

#[tokio::test]
async fn documents_are_kept_listed_and_searched() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "http://127.0.0.1:9/v1")).await;
    let text = "머리말\u{c}서울 지점의 삼분기 매출은 12억 원이다.\u{c}끝";
    let made = upload(&proxy, "보고서.txt", Some("재무"), text).await;
    assert_eq!((&made["pages"], &made["embedded"]), (&json!(3), &json!(true)), "{made}");
    // As a form, with the file's own name and type.
    let form = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"menu.csv\"\r\n\
        content-type: text/csv\r\n\r\ndish,price\nsoup,3\n\r\n--x\r\n\
        content-disposition: form-data; name=\"collection\"\r\n\r\n음식\r\n--x--\r\n";
    let bearer = format!("Bearer {KEY}");
    let headers =
        [("authorization", &*bearer), ("content-type", "multipart/form-data; boundary=x")];
    let menu = proxy.send(Method::POST, "/api/v1/documents", &headers, form).await;
    assert_eq!(menu.status(), StatusCode::OK, "{menu:?}");
    let menu = json(&menu)["data"].clone();
    assert_eq!((&menu["name"], &menu["media_type"]), (&json!("menu.csv"), &json!("text/csv")));
    // Found by a Korean word with another ending, with document and page.
    let asked = json!({"query": "서울에서의 매출은?", "limit": 1}).to_string();
    let (status, found) = app(&proxy, Method::POST, "/documents/search", KEY, &asked).await;
    assert_eq!(status, 200, "{found}");
    let hit = &found["data"][0];
    assert_eq!((&hit["document"], &hit["page"]), (&json!("보고서.txt"), &json!(2)), "{found}");
    assert!(hit["excerpt"].as_str().unwrap().contains("12억"));
    // A page of a list, and what follows.
    let (_, page) = app(&proxy, Method::GET, "/documents?limit=1", KEY, "").await;
    assert_eq!(page["data"][0]["id"], menu["id"]);
    let next = format!("/documents?limit=1&cursor={}", page["next"].as_str().unwrap());
    let (_, page) = app(&proxy, Method::GET, &next, KEY, "").await;
    assert_eq!((&page["data"][0]["id"], &page["next"]), (&made["id"], &Value::Null));
    let (_, page) =
        app(&proxy, Method::GET, "/documents?collection=%EC%9E%AC%EB%AC%B4", KEY, "").await;
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    // Another's is not there.
    let path = format!("/documents/{}", made["id"].as_str().unwrap());
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(app(&proxy, method, &path, OTHER, "").await.0, 404);
    }
    let (_, found) = app(&proxy, Method::POST, "/documents/search", OTHER, &asked).await;
    assert_eq!((&found["data"], &found["looked"]), (&json!([]), &json!(0)));
    let (_, page) = app(&proxy, Method::GET, "/documents", OTHER, "").await;
    assert_eq!(page["data"], json!([]));
    // A job embeds what nobody waits for.
    let later = json!({"name": "later.txt", "content": "나중에", "async": true}).to_string();
    let (status, later) = app(&proxy, Method::POST, "/documents", KEY, &later).await;
    assert_eq!((status, &later["embedded"]), (202, &json!(false)), "{later}");
    assert_eq!(later["job_id"].as_str().map(str::len), Some(32));
    let later = format!("/documents/{}", later["id"].as_str().unwrap());
    settled(&proxy, &later, |seen| seen["embedded"] == true).await;
    // Who has not agreed has nothing kept, and takes back what there is.
    agree(&proxy, Consent::Withdrawn).await;
    let body = json!({"name": "b.txt", "content": "x"}).to_string();
    let (status, why) = app(&proxy, Method::POST, "/documents", KEY, &body).await;
    assert_eq!((status, &why["code"]), (403, &json!("CONSENT_REQUIRED")));
    let gone = app(&proxy, Method::DELETE, &path, KEY, "").await;
    assert_eq!(gone, (200, json!({"id": made["id"], "deleted": true})));
    assert_eq!(app(&proxy, Method::GET, &path, KEY, "").await.0, 404);
    proxy.stop().await;
    let files = std::fs::read_dir(data.path()).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        for words in ["삼분기", "보고서.txt", "재무", "soup"] {
            let found = bytes.windows(words.len()).any(|window| window == words.as_bytes());
            assert!(!found, "{words} stands in {}", file.display());
        }
    }
}

#[tokio::test]
async fn mistakes_about_documents_are_told_by_their_fields() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "http://127.0.0.1:9/v1")).await;
    for (body, field) in [
        (json!({"name": "a.pdf", "content": "no base64"}), "content"),
        (json!({"name": "a.pdf", "content": "aGVsbG8="}), "content"),
        (json!({"name": "a.exe", "content": "x"}), "media_type"),
        (json!({"name": "a.txt", "content": ""}), "content"),
        (json!({"name": "a.txt", "content": "x", "colour": 1}), "colour"),
        (json!({"content": "x"}), "name"),
    ] {
        let (status, why) = app(&proxy, Method::POST, "/documents", KEY, &body.to_string()).await;
        assert_eq!((status, &why["details"]["param"]), (400, &json!(field)), "{why}");
    }
    for query in ["limit=0", "limit=101", "limit=99999999999999999999", "cursor=x"] {
        let (status, _) = app(&proxy, Method::GET, &format!("/documents?{query}"), KEY, "").await;
        assert_eq!(status, 400, "{query}");
    }
    let wrong = json!({"query": "x", "limit": 99_999_999}).to_string();
    assert_eq!(app(&proxy, Method::POST, "/documents/search", KEY, &wrong).await.0, 400);
    proxy.stop().await;
}

fn cells(count: usize) -> Value {
    let cell = |n: usize| json!({"id": format!("B{n}"), "column": "매출", "value": n.to_string()});
    json!({"cells": (0..count).map(cell).collect::<Vec<_>>(), "headers": ["매출"]})
}

#[tokio::test]
async fn an_analysis_cites_and_is_downloaded() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "http://127.0.0.1:9/v1")).await;
    let book = upload(&proxy, "책.txt", None, "하나\u{c}둘").await;
    let asked = json!({"question": "얼마?", "selection": cells(3), "documents": [book["id"]]});
    let (status, made) = app(&proxy, Method::POST, "/analysis", KEY, &asked.to_string()).await;
    assert_eq!((status, &made["status"]), (200, &json!("completed")), "{made}");
    for claim in made["claims"].as_array().unwrap() {
        assert!(claim["cells"].as_array().unwrap().iter().all(|id| id == "B0"), "{made}");
        assert_eq!(claim["annotations"][0]["document"], "책.txt");
    }
    let path = format!("/analysis/{}", made["id"].as_str().unwrap());
    assert_eq!(app(&proxy, Method::GET, &path, KEY, "").await, (200, made.clone()));
    // Links work without a key, until they end.
    for (format, kind) in
        [("markdown", "text/markdown"), ("csv", "text/csv"), ("json", "application/json")]
    {
        let link = format!("{path}/link?format={format}");
        let (status, link) = app(&proxy, Method::GET, &link, KEY, "").await;
        assert_eq!(status, 200, "{link}");
        let file = proxy.send(Method::GET, link["url"].as_str().unwrap(), &[], "").await;
        assert_eq!(file.status(), StatusCode::OK);
        assert!(file.headers()["content-type"].to_str().unwrap().starts_with(kind));
        assert!(file.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
        let text = String::from_utf8_lossy(file.body());
        assert!(text.contains("책.txt") && text.contains("B0"), "{text}");
    }
    let (_, link) = app(&proxy, Method::GET, &format!("{path}/link?seconds=1"), KEY, "").await;
    let url = link["url"].as_str().unwrap().to_owned();
    for at in [url.len() - 1, url.len() - 40, url.len() / 2] {
        let mut bad = url.clone().into_bytes();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bad).unwrap();
        let refused = proxy.send(Method::GET, &bad, &[], "").await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{bad}");
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(proxy.send(Method::GET, &url, &[], "").await.status(), StatusCode::NOT_FOUND);
    for wrong in ["x", "%20", &"A".repeat(5_000)] {
        let path = format!("/api/v1/downloads/{wrong}");
        assert_eq!(proxy.send(Method::GET, &path, &[], "").await.status(), StatusCode::NOT_FOUND);
    }
    for wrong in ["format=pdf", "seconds=0", "seconds=999999999999999999999", "seconds=604801"] {
        assert_eq!(app(&proxy, Method::GET, &format!("{path}/link?{wrong}"), KEY, "").await.0, 400);
    }
    // Another's is not there.
    for path in [path.clone(), format!("{path}/link")] {
        assert_eq!(app(&proxy, Method::GET, &path, OTHER, "").await.0, 404);
    }
    assert_eq!(app(&proxy, Method::DELETE, &path, OTHER, "").await.0, 404);
    assert_eq!(app(&proxy, Method::POST, "/analysis", OTHER, &asked.to_string()).await.0, 404);
    for (body, field) in [
        (json!({"question": "?"}), "selection"),
        (json!({"question": "", "selection": cells(1)}), "question"),
        (json!({"selection": cells(1)}), "question"),
        (json!({"question": "?", "selection": {"cells": [{"id": 1}]}}), "selection"),
        (json!({"question": "?", "selection": cells(1), "mode": "all"}), "mode"),
        (json!({"question": "?", "documents": [], "collection": "x"}), "collection"),
        (json!({"question": "?", "selection": cells(1), "colour": 1}), "colour"),
    ] {
        let (status, why) = app(&proxy, Method::POST, "/analysis", KEY, &body.to_string()).await;
        assert_eq!((status, &why["details"]["param"]), (400, &json!(field)), "{why}");
    }
    assert_eq!(app(&proxy, Method::DELETE, &path, KEY, "").await.0, 200);
    assert_eq!(app(&proxy, Method::GET, &path, KEY, "").await.0, 404);
    agree(&proxy, Consent::Withdrawn).await;
    assert_eq!(app(&proxy, Method::POST, "/analysis", KEY, &asked.to_string()).await.0, 403);
    proxy.stop().await;
}

/// A question that somebody has saved, by its name or id, as far as whoever asks may see it.
#[tokio::test]
async fn a_saved_template_asks_the_question() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "http://127.0.0.1:9/v1")).await;
    let save = json!({"name": "매출 질문", "text": "{{ branch }} 지점은 {{ years }}년에 얼마?",
        "variables": [{"name": "branch"}, {"name": "years", "kind": "number", "default": 2026}]});
    let (status, saved) = app(&proxy, Method::POST, "/templates", KEY, &save.to_string()).await;
    assert_eq!(status, 200, "{saved}");
    let change = json!({"text": "{{ branch }}?", "labels": {"short": 0, "production": 1}});
    let path = format!("/templates/{}", saved["id"].as_str().unwrap());
    assert_eq!(app(&proxy, Method::PATCH, &path, KEY, &change.to_string()).await.0, 200);
    let ask = |more: Value| {
        let mut body = json!({"selection": cells(3)});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let branch = json!({"branch": "서울"});
    for (more, question) in [
        (json!({"template": "매출 질문", "variables": branch}), "서울 지점은 2026년에 얼마?"),
        (json!({"template": saved["id"], "variables": branch, "label": "short"}), "서울?"),
        (json!({"template": saved["id"], "variables": branch, "version": 2}), "서울?"),
    ] {
        let (status, made) = app(&proxy, Method::POST, "/analysis", KEY, &ask(more)).await;
        assert_eq!((status, &made["question"]), (200, &json!(question)), "{made}");
    }
    let wanted = json!({"template": "매출 질문", "variables": branch});
    let another = app(&proxy, Method::POST, "/analysis", OTHER, &ask(wanted)).await;
    assert_eq!(another.0, 404, "another's template is not there: {another:?}");
    for (more, field) in [
        (json!({"question": "?", "template": "매출 질문"}), "template"),
        (json!({"question": "?", "variables": branch}), "template"),
        (json!({"question": "?", "label": "short"}), "template"),
        (json!({"template": "매출 질문"}), "variables"),
        (json!({"template": "매출 질문", "variables": {"branch": 7}}), "variables"),
        (json!({"template": "매출 질문", "variables": {"x": "y"}}), "variables"),
        (
            json!({"template": "매출 질문", "variables": branch, "version": 1, "label": "short"}),
            "label",
        ),
        (json!({}), "question"),
    ] {
        let (status, why) = app(&proxy, Method::POST, "/analysis", KEY, &ask(more)).await;
        assert_eq!((status, &why["details"]["param"]), (400, &json!(field)), "{why}");
    }
    // What operators have saved is everybody's.
    let shared = json!({"name": "모두", "text": "{{ branch }}!", "access": "global",
        "variables": [{"name": "branch"}]});
    assert_eq!(app(&proxy, Method::POST, "/templates", ADMIN, &shared.to_string()).await.0, 200);
    let wanted = ask(json!({"template": "모두", "variables": branch}));
    let (status, made) = app(&proxy, Method::POST, "/analysis", OTHER, &wanted).await;
    assert_eq!((status, &made["question"]), (200, &json!("서울!")), "{made}");
    // When their time is up they go, whether or not anybody asks again.
    let database = proxy.house.store.database().unwrap();
    assert_eq!(database.write(Older(false)).await.unwrap(), 4);
    super::upkeep::once(&proxy.house).await;
    assert_eq!(database.write(Older(false)).await.unwrap(), 4);
    assert_eq!(database.write(Older(true)).await.unwrap(), 4);
    super::upkeep::once(&proxy.house).await;
    assert_eq!(database.write(Older(true)).await.unwrap(), 0);
    proxy.stop().await;
}

/// Makes all analyses older, or looks how many there are.
struct Older(bool);

impl Task for Older {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let expires = if self.0 { "1" } else { "expires" };
        session.run(format!("UPDATE analysis SET expires = {expires}"), &[]).await
    }
}

/// As a browser sends what a Korean spreadsheet has saved.
#[tokio::test]
async fn a_table_in_korean_letters_of_old_is_read() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "http://127.0.0.1:9/v1")).await;
    let send = async |table: &[u8]| {
        let head = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
            content-type: application/vnd.ms-excel\r\n\r\n";
        let form = [head.as_bytes(), table, b"\r\n--x--\r\n"].concat();
        let bearer = format!("Bearer {KEY}");
        let headers =
            [("authorization", &*bearer), ("content-type", "multipart/form-data; boundary=x")];
        let sent = proxy.send(Method::POST, "/api/v1/documents", &headers, form).await;
        (sent.status().as_u16(), json(&sent))
    };
    // "지점,매출\n부산,37\n" in CP949.
    let table = b"\xc1\xf6\xc1\xa1,\xb8\xc5\xc3\xe2\n\xba\xce\xbb\xea,37\n";
    let (status, made) = send(table).await;
    assert_eq!(status, 200, "{made}");
    let asked = json!({"query": "부산 매출", "limit": 1}).to_string();
    let (_, found) = app(&proxy, Method::POST, "/documents/search", KEY, &asked).await;
    assert!(found["data"][0]["excerpt"].as_str().unwrap().contains("부산,37"), "{found}");
    let (status, why) = send(b"caf\xe9,1\n").await;
    let message = why["error"].to_string();
    assert!(status == 400 && message.contains("CP949"), "{why}");
    proxy.stop().await;
}

#[tokio::test]
async fn two_hundred_cells_are_a_job() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "http://127.0.0.1:9/v1")).await;
    let asked = json!({"question": "무슨 뜻?", "selection": cells(200), "mode": "per_cell"});
    let (status, made) = app(&proxy, Method::POST, "/analysis", KEY, &asked.to_string()).await;
    assert_eq!(status, 202, "{made}");
    assert!(made["job_id"].is_string() && made["claims"] == json!([]));
    let path = format!("/analysis/{}", made["id"].as_str().unwrap());
    let over = |seen: &Value| seen["status"] == "completed" || seen["status"] == "failed";
    let done = settled(&proxy, &path, over).await;
    assert_eq!((&done["status"], &done["parts"]), (&json!("completed"), &json!(5)), "{done}");
    let answered: Vec<&Value> =
        done["answers"].as_array().unwrap().iter().map(|answer| &answer["cell"]).collect();
    let wanted: Vec<Value> = (0..200).map(|n| json!(format!("B{n}"))).collect();
    assert!(answered.into_iter().eq(&wanted), "one for each cell, and no other");
    let depot = proxy.house.depot.as_ref().unwrap();
    let job = made["job_id"].as_str().unwrap().parse().unwrap();
    // The job ends a moment after its analysis.
    let mut tries = 0;
    let artefacts = loop {
        match depot.jobs.artefacts(job, &llm_store::jobs::Whose::all()).await {
            Ok(artefacts) => break artefacts,
            Err(why) => assert!(tries < 100, "{why}"),
        }
        tries += 1;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(artefacts[0].name, "report.json");
    proxy.stop().await;
}

#[tokio::test]
async fn what_cites_what_is_not_there_is_never_shown() {
    let data = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let upstream = simulator.upstream(Vendor::OpenAi).unwrap();
    let proxy = Running::start(with(data.path(), &simulator.base_url(Vendor::OpenAi))).await;
    let says = |text: &str, times: Value| {
        let rule = json!({"times": times, "do": {"text": text}});
        Script::parse(rule.to_string().as_bytes()).unwrap().pop().unwrap()
    };
    let wrong = r#"{"claims":[{"text":"planted","cells":["Z9"]}]}"#;
    let right = r#"{"claims":[{"text":"맞음","cells":["B0"]}]}"#;
    let mut asked = json!({"question": "?", "selection": cells(2), "model": "scripted"});
    upstream.script(vec![says(wrong, json!("always"))]);
    let (status, why) = app(&proxy, Method::POST, "/analysis", KEY, &asked.to_string()).await;
    assert_eq!((status, &why["code"]), (502, &json!("CORRUPT_REPLY")), "{why}");
    assert!(!why.to_string().contains("planted") && !why.to_string().contains("Z9"));
    assert_eq!(upstream.requests().len(), 3, "asked again, and then no more");
    let last = upstream.requests().pop().unwrap().body;
    assert!(last.contains("your_last_answer_was_refused") && last.contains("Z9"));
    // Once wrong, then right.
    upstream.script(vec![says(wrong, json!(1)), says(right, json!("always"))]);
    let (status, made) = app(&proxy, Method::POST, "/analysis", KEY, &asked.to_string()).await;
    assert_eq!((status, &made["refused"]), (200, &json!(1)), "{made}");
    assert_eq!(made["claims"][0]["text"], "맞음");
    // As a job it fails, and shows nothing.
    upstream.script(vec![says(wrong, json!("always"))]);
    asked["async"] = json!(true);
    let (status, made) = app(&proxy, Method::POST, "/analysis", KEY, &asked.to_string()).await;
    assert_eq!(status, 202, "{made}");
    let path = format!("/analysis/{}", made["id"].as_str().unwrap());
    let failed = settled(&proxy, &path, |seen| seen["status"] == "failed").await;
    assert_eq!(failed["claims"], json!([]));
    assert_eq!(app(&proxy, Method::GET, &format!("{path}/link"), KEY, "").await.0, 409);
    proxy.stop().await;
    simulator.shutdown().await;
}
