//! Lists of long tables: each page and each search is there at once, however much else there is.
//!
//! A few things are made as applications make them; then the tables are filled behind the proxy's
//! back, with copies that are older: one in a hundred is the same person's, the others are other
//! people's. Pages are short enough to end before the copies of what is sealed, which nobody can
//! open. Whether indexes are used is seen by how long it takes, and on Postgres by its own counts of
//! rows that were read without one.

mod tables;

use std::time::Duration;

use http::Method;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::tables::Tables;
use super::{ANN, Ann, MORE, SLOWER, full, place, start};
use crate::client::operate;
use crate::proxy::{ADMIN, Proxy, simulator, sqlite};
use crate::server::Server;

/// A page's questions, on a machine of its own.
const PAGE_WITHIN: Duration = Duration::from_millis(50);
/// A month of all users in one answer: what the database does of it is held to less in the log's own
/// tests, and the rest are thousands of lines that are written.
const REPORT_WITHIN: Duration = Duration::from_millis(300);
/// Each is asked for so often.
const TRIES: u32 = 5;
/// Of each kind, so many are made: a page of five does not reach the copies.
const MADE: usize = 7;
/// On a machine that others use, a page may be so many times the work that it was while the tables
/// were short, and so much more.
const TIMES: u32 = 3;
const MORE_WORK: Duration = Duration::from_millis(50);

/// Rows of the long tables.
fn rows() -> i64 {
    if full() { 1_000_000 } else { 60_000 }
}

const OWN: [&str; 27] = [
    "/api/v1/chat/conversations?limit=5",
    "{talk}/messages?limit=5",
    "/api/v1/chat/search?q=%EA%B5%AC%EB%A6%84&limit=5",
    "/api/v1/templates?limit=5",
    "/api/v1/templates/t1/versions?limit=5",
    "/api/v1/experiments?limit=5",
    "/api/v1/feedback?limit=5",
    "/api/v1/documents?limit=5",
    "/api/v1/documents?limit=5&collection=x",
    "/api/v1/jobs?limit=5",
    "/api/v1/jobs?limit=5&state=failed",
    "/api/v1/jobs?limit=5&state=pending",
    "/api/v1/jobs?limit=5&state=completed",
    "/api/v1/jobs?limit=5&kind=nothing",
    "/api/v1/jobs?limit=5&kind=batch",
    "/api/v1/jobs?limit=5&kind=captions",
    "/api/v1/jobs?limit=5&kind=captions&state=completed",
    "/api/v1/jobs?limit=5&cursor=00000000000000000000000000000003",
    "/api/v1/prompts/boosts?limit=5",
    "/v1/files?limit=5",
    "/v1/batches?limit=5",
    "/api/v1/audit/events?limit=5",
    "/api/v1/audit/events?limit=5&about=nobody",
    "/api/v1/usage/me",
    "/api/v1/usage/me/history",
    "/api/v1/credits/balance",
    "/api/v1/credits/history",
];
const REPORTS: [&str; 3] =
    ["/admin/usage?by=user,day", "/admin/usage/users", "/global/spend/report?group_by=customer"];
const OPERATORS: [&str; 47] = [
    "/admin/requests?limit=50",
    "/admin/requests?limit=50&user=u7",
    "/admin/requests?limit=50&user=nobody",
    "/admin/requests?limit=50&model=m1",
    "/admin/requests?limit=50&cursor={last}",
    "/admin/requests?limit=50&model=rare",
    "/admin/requests?limit=50&user=rare",
    "/admin/requests?limit=50&user=rare&model=rare",
    "/admin/requests?limit=50&user=rare&model=m1",
    "/admin/requests?limit=50&user=rare&tag=prod",
    "/admin/requests?limit=50&user=rare&tag=nothing",
    "/admin/requests?limit=50&tag=prod",
    "/admin/requests?limit=50&tag=rare",
    "/admin/requests?limit=50&tag=nothing",
    "/admin/requests?limit=50&user=u7&tag=nothing",
    "/admin/requests?limit=50&user=u7&tag=rare",
    "/admin/requests?limit=50&model=m1&tag=prod",
    "/admin/requests?limit=50&user=u7&model=m1",
    "/admin/requests?limit=50&user=u7&cursor={last}",
    "/admin/requests?limit=50&from=2020-01-01&to=2020-02-01",
    "/admin/requests?limit=50&user=ann",
    "/admin/usage?by=model&user=u7",
    "/admin/usage?by=model&user=rare",
    "/admin/usage?by=day&model=rare",
    "/admin/usage/users/u7",
    "/admin/usage/users/u7/history",
    "/key/list?limit=50",
    "/key/list?limit=50&user_id=u7",
    "/key/list?limit=50&team_id=t7",
    "/key/list?limit=50&user_id=u8",
    "/key/list?limit=50&user_id=u8&replaced=true",
    "/key/list?limit=50&user_id=u7&team_id=t8",
    "/team/list?limit=50",
    "/organization/list?limit=50",
    "/user/list?limit=50",
    "/user/list?limit=50&team_id=t7",
    "/admin/audit?limit=50",
    "/admin/audit?limit=50&who=w1",
    "/admin/audit?limit=50&about=a7",
    "/admin/audit?limit=50&who=w1&about=odd",
    "/admin/wallets/ann",
    "/admin/wallets/ann?kind=settle",
    "/admin/wallets/ann?kind=release",
    "/admin/wallets/ann?kind=grant,refund",
    "/admin/wallets/ann?from=2020-01-01&to=2020-02-01",
    "/admin/wallets/ann/months",
    "/admin/webhooks",
];
/// Hundreds of lines; and somebody's calls with a label that many others have and they have not, which
/// are looked for in some thousands of rows until a page says where to go on.
const LARGE: [&str; 5] = [
    "/spend/logs",
    "/spend/logs?user_id=u7",
    "/spend/logs?user_id=rare",
    "/spend/logs?user_id=rare&start_date=2020-01-01&end_date=2099-01-01",
    "/admin/requests?limit=50&user=u7&tag=even",
];

/// Something of everything, as applications make it.
async fn made(ann: &Ann) -> String {
    let mut talk = String::new();
    for number in 0..MADE {
        talk = ann.talk().await;
        let asked = json!({"content": format!("구름 {number}")});
        let said = ann.post(&format!("{talk}/messages"), asked).await;
        let template = json!({"name": format!("t{number}"), "text": "안녕"});
        ann.post("/api/v1/templates", template).await;
        let id = &said["reply"]["id"];
        ann.post("/api/v1/feedback", json!({"about": "message", "id": id, "thumb": "up"})).await;
        let document =
            json!({"name": format!("d{number}.txt"), "content": "서울의 구름", "collection": "x"});
        ann.post("/api/v1/documents", document).await;
        ann.post("/api/v1/audit/events", json!({"action": "looked", "about": "it"})).await;
    }
    for number in 0..MADE {
        let prompt = json!({"prompt": format!("구름에 대한 글 {number}")});
        ann.post("/api/v1/prompts/boost", prompt).await;
        let variants = json!([{"name": "a", "template": "t0"}, {"name": "b", "template": "t1"}]);
        let experiment = json!({"name": format!("e{number}"), "variants": variants});
        ann.post("/api/v1/experiments", experiment).await;
    }
    batch(ann).await;
    let operators = [
        ("/admin/wallets/ann/grant", json!({"event_id": "gift", "credits": 1_000})),
        ("/key/generate", json!({"user_id": "person", "team_id": "team"})),
        ("/organization/new", json!({"organization_id": "org"})),
    ];
    for (path, body) in operators {
        let (status, told) = operate(ann.proxy, Method::POST, path, &body.to_string()).await;
        assert_eq!(status, 200, "{path}: {told}");
    }
    talk
}

/// A file and a batch that has ended.
async fn batch(ann: &Ann) {
    let line = json!({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "plain", "messages": [{"role": "user", "content": "hi"}]}});
    let form = format!(
        "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\n{line}\r\n--x--\r\n"
    );
    let request = http::Request::post(format!("http://{}/v1/files", ann.proxy))
        .header("authorization", format!("Bearer {}", ANN.key))
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Full::new(form.into()))
        .unwrap();
    let file = ann.client.request(request).await.unwrap().into_body().collect().await.unwrap();
    let file: Value = serde_json::from_slice(&file.to_bytes()).unwrap();
    let asked = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions",
        "completion_window": "24h"});
    let (status, made) = ann.ask(Method::POST, "/v1/batches", &asked).await;
    assert_eq!(status, 200, "{made}");
    let path = format!("/v1/batches/{}", made["id"].as_str().unwrap());
    for _ in 0..600 {
        if ann.ask(Method::GET, &path, &Value::Null).await.1["status"] == "completed" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the batch has not ended");
}

/// What a page takes.
struct Took {
    best: Duration,
    median: Duration,
    /// How long the proxy works for it.
    worked: Duration,
}

async fn page(proxy: &Proxy, ann: &Ann, key: &str, path: &str) -> Took {
    let (mut times, before) = (Vec::new(), proxy.worked());
    for _ in 0..TRIES {
        let began = Instant::now();
        let request = http::Request::get(format!("http://{}{path}", ann.proxy))
            .header("authorization", format!("Bearer {key}"))
            .body(Full::default())
            .unwrap();
        let (head, body) = ann.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let told = String::from_utf8_lossy(&body);
        assert_eq!(head.status, 200, "{path}: {told}\n{}", proxy.said());
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let (best, median) = (times[0], times[times.len() / 2]);
    Took { best, median, worked: (proxy.worked() - before) / TRIES }
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Asked {
    Page,
    Large,
    Report,
}

impl Asked {
    /// What it may take on a machine of its own.
    fn within(self) -> Duration {
        match self {
            Self::Page | Self::Large => PAGE_WITHIN,
            Self::Report => REPORT_WITHIN,
        }
    }

    /// What work it may be, where it was less while the tables were short.
    fn work(self, short: Duration) -> Duration {
        match self {
            Self::Page => short * TIMES + MORE_WORK,
            Self::Large | Self::Report => self.within() * SLOWER,
        }
    }
}

/// Who asks for what.
fn pages(talk: &str, last: &str) -> Vec<(&'static str, String, Asked)> {
    let own = OWN.map(|path| (ANN.key, path, Asked::Page)).into_iter();
    let operators = OPERATORS.map(|path| (ADMIN, path, Asked::Page));
    let large = LARGE.map(|path| (ADMIN, path, Asked::Large));
    let reports = REPORTS.map(|path| (ADMIN, path, Asked::Report));
    let all = own.chain(operators).chain(large).chain(reports);
    let path = |path: &str| path.replace("{talk}", talk).replace("cursor={last}", &cursor(last));
    all.map(|(key, of, asked)| (key, path(of), asked)).collect()
}

fn cursor(last: &str) -> String {
    if last.is_empty() { String::new() } else { format!("cursor={last}") }
}

async fn long(store: String, url: String, folder: tempfile::TempDir) {
    let simulator = simulator().await;
    let place = place(&simulator, folder, store);
    assert!(MORE.contains("ann"));
    let proxy = start(&place);
    let talk = made(&Ann::new(&proxy)).await;
    // The log is written behind the calls.
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.stop();
    let proxy = start(&place);
    let mut short = Vec::new();
    for (key, path, _) in pages(&talk, "") {
        short.push(page(&proxy, &Ann::new(&proxy), key, &path).await.worked);
    }
    proxy.stop();
    let mut tables = Tables::open(&url).await;
    let began = Instant::now();
    tables.fill(rows()).await;
    println!("{} rows in each of {} tables: {:?}", rows(), tables::LONG.len(), began.elapsed());
    let before = tables.unindexed().await;
    let last = tables.last_calls().await;
    let proxy = start(&place);
    let ann = Ann::new(&proxy);
    let mut late = Vec::new();
    for ((key, path, asked), short) in pages(&talk, &last).into_iter().zip(short) {
        let Took { best, median, worked } = page(&proxy, &ann, key, &path).await;
        println!(
            "{best:>8.1?} ({median:>8.1?}), {worked:>8.1?} of work, {short:>8.1?} when short: {path}"
        );
        // Others use the machine too: then it is the work that counts.
        // Its page is full of lines by now.
        let asked = if path == "/api/v1/credits/history" { Asked::Large } else { asked };
        let is_late = if full() { best > asked.within() } else { worked > asked.work(short) };
        if is_late {
            late.push(format!("{path}: {best:?}, {worked:?} of work, {short:?} when short"));
        }
    }
    proxy.stop();
    assert!(late.is_empty(), "{}", late.join("\n"));
    let after = tables.unindexed().await;
    for (table, read) in &after {
        let read = read - before.get(table).copied().unwrap_or_default();
        println!("{read:>10} rows of {table} were read without an index");
        // Less than once is what the server itself looks at.
        assert!(read < rows(), "{table}: {read}");
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_long_tables_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    long(store.clone(), store, folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_long_tables_on_a_server() {
    let Some(server) = Server::shared() else { return };
    let url = server.database().await;
    long(url.clone(), url, tempfile::tempdir().unwrap()).await;
}
