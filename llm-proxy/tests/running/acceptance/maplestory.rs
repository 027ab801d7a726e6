//! Another's API behind the gateway: retries, a cache, the key and metrics, and not a line of code.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::{Day, Person};
use crate::client::{ADMIN_PAGE, text};

const ANN: Person =
    Person { name: "ann", key: "sk-maple-ann-0123456789abcdef", rules: "limits = [\"9/hour\"]" };
const BOB: Person =
    Person { name: "bob", key: "sk-maple-bob-0123456789abcdef", rules: "unlimited = true" };
/// What the API knows the application by; the same words as the key of another provider.
const OWN: &str = "sk-0123456789abcdef";
const CHARACTER: &str = "/maplestory/v1/character/basic?ocid=abc&date=2026-11-20";

/// What the API has once said, in the order in which it did; the last is said from then on.
fn recorded() -> HashMap<(Method, &'static str), Vec<(u16, Value)>> {
    let busy = json!({"error": {"name": "OPENAPI00007", "message": "API 점검 중"}});
    let character = json!({"character_name": "돌의정령", "character_level": 275,
        "world_name": "스카니아"});
    let wrong =
        json!({"error": {"name": "OPENAPI00004", "message": "Please input valid parameter"}});
    HashMap::from([
        ((Method::GET, CHARACTER), vec![(503, busy.clone()), (200, character)]),
        ((Method::GET, "/maplestory/v1/id?character_name=%EC%97%86"), vec![(400, wrong)]),
        ((Method::POST, "/maplestory/v1/notice"), vec![(503, busy)]),
    ])
}

type Seen = Arc<Mutex<Vec<(Method, String, HeaderMap)>>>;

/// The recorded API on a socket, and what it was asked.
async fn api() -> (SocketAddr, Seen) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, recorded) = (Seen::default(), Arc::new(recorded()));
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, recorded) = (Arc::clone(&kept), Arc::clone(&recorded));
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (method, path) = (request.method().clone(), request.uri().to_string());
                let times = {
                    let mut seen = seen.lock().unwrap();
                    let before = seen.iter().filter(|(m, p, _)| (m, p) == (&method, &path)).count();
                    seen.push((method.clone(), path.clone(), request.headers().clone()));
                    before
                };
                let said = recorded.get(&(method, path.as_str()));
                let said = said.and_then(|all| all.get(times).or(all.last())).cloned();
                async move {
                    let (status, body) = said.unwrap_or((404, json!({"error": "not recorded"})));
                    let body = Full::new(Bytes::from(body.to_string()));
                    let response = Response::builder().status(status);
                    let response = response.header("content-type", "application/json");
                    Ok::<_, Infallible>(response.body(body).unwrap())
                }
            });
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, seen)
}

/// A number of the metrics.
fn counted(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} is not in {page}")).trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_api_is_asked_again_kept_and_counted_by_configuration_alone() {
    let (address, seen) = api().await;
    let more = format!(
        "[passthrough.nexon]\nbase_url = \"http://{address}\"\ncache_ttl = \"10m\"\nretries = 2\n\
         auth = {{ header = \"x-nxopen-api-key\", key = \"env:KILL_OPENAI\" }}\n\
         methods = [\"GET\", \"POST\"]\npaths = [\"/maplestory/\"]\n"
    );
    let day = Day::begin(&[ANN, BOB], &more).await;
    let asks = async |by: Person, method: Method, path: &str| {
        day.told(by, method, &format!("/passthrough/nexon{path}"), &Value::Null).await
    };
    // It was away for a moment, which nobody has to know.
    let first = asks(ANN, Method::GET, CHARACTER).await;
    assert_eq!((first.status.as_u16(), &first.answer["character_level"]), (200, &json!(275)));
    assert_eq!(seen.lock().unwrap().len(), 2, "asked again, by itself");
    // And once more it is not asked at all.
    let again = asks(ANN, Method::GET, CHARACTER).await;
    assert_eq!((again.status, &again.answer), (first.status, &first.answer));
    assert!(again.header("age").is_some() && first.header("age").is_none());
    assert_eq!(seen.lock().unwrap().len(), 2, "kept for ten minutes");
    // For others it is asked anew: what one may see another may not.
    assert!(asks(BOB, Method::GET, CHARACTER).await.header("age").is_none());
    assert_eq!(seen.lock().unwrap().len(), 3);
    // What the API says of a mistake is said on, and kept by nobody.
    let wrong = "/maplestory/v1/id?character_name=%EC%97%86";
    for before in [3, 4] {
        let told = asks(ANN, Method::GET, wrong).await;
        assert_eq!(told.answer["error"]["name"], "OPENAPI00004", "{}", told.answer);
        assert_eq!((told.status.as_u16(), seen.lock().unwrap().len()), (400, before + 1));
    }
    // What may not be done twice is done once.
    let posted = asks(BOB, Method::POST, "/maplestory/v1/notice").await;
    assert_eq!((posted.status.as_u16(), seen.lock().unwrap().len()), (503, 6));
    assert_eq!(asks(BOB, Method::GET, "/other/x").await.status, 404);
    for (_, _, headers) in seen.lock().unwrap().iter() {
        assert_eq!(headers["x-nxopen-api-key"], OWN, "the key that the configuration names");
        assert!(!headers.contains_key("authorization"), "and never the caller's");
        let all = format!("{headers:?}");
        assert!(!all.contains(ANN.key) && !all.contains(BOB.key));
    }
    // A caller's limit holds as it does for models: four were used, one of them out of the cache.
    let mut allowed = 0;
    let refused = loop {
        let told = asks(ANN, Method::GET, CHARACTER).await;
        match told.status.as_u16() {
            200 if allowed < 18 => allowed += 1,
            status => break status,
        }
    };
    assert!(refused == 429 && allowed >= 5, "{refused} after {allowed}");
    measured(&day, allowed).await;
    day.end().await;
}

/// What a scraper sees of it. Answers are counted when they have ended.
async fn measured(day: &Day, allowed: usize) {
    let page = text(day.proxy.address, ADMIN_PAGE).await;
    let requests: f64 = page
        .lines()
        .filter(|line| line.starts_with("gw_passthrough_requests_total{api=\"nexon\""))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    let all = f64::from(u32::try_from(6 + allowed).unwrap());
    assert!((requests - all).abs() < 0.5, "{requests} and not {all}: {page}");
    let cached = "gw_passthrough_requests_total{api=\"nexon\",outcome=\"hit\"} ";
    assert!(counted(&page, cached) >= 1.0);
    assert!(counted(&page, "gw_passthrough_seconds_count{api=\"nexon\"} ") >= 6.0);
    assert!(!page.contains("돌의정령") && !page.contains("ocid"), "nothing of what was asked");
}
