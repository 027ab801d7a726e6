//! What is told of calls beside their answers: lines of the log, traces, errors, metrics.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use llm_sim::upstream::{Upstream, Vendor};
use serde_json::Value;

use crate::client::{ADMIN_PAGE, ask, client, get, text};
use crate::collector::{Collector, Letter};
use crate::proxy::{ADMIN, Key, Place, Proxy, simulator, sqlite};

const APP: Key = Key { name: "app", key: "sk-app-0123456789abcdef0123456789", limit: "" };
const WORDS: &str = "words-that-nobody-logs";
const PRICE: &str = "[prices.\"openai/gpt-4o-mini\"]\ninput = \"1\"\noutput = \"1\"\n";

fn body(stream: bool) -> String {
    format!(
        "{{\"model\":\"plain\",\"stream\":{stream},\"max_tokens\":9,\"messages\":\
         [{{\"role\":\"user\",\"content\":\"{WORDS}\"}}]}}"
    )
}

/// Lines of requests, once there are as many.
async fn lines(proxy: &Proxy, count: usize) -> Vec<Value> {
    for _ in 0..200 {
        let said = proxy.said();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["target"] == "access").collect();
        if lines.len() >= count {
            return lines;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("not {count} lines: {}", proxy.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_has_a_line_for_programs_and_none_for_people() {
    let simulator = simulator().await;
    let at = simulator.base_url(Vendor::OpenAi);
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let server = "listen = \"127.0.0.1:0\"\nlog = \"json\"".to_owned();
    let place = Place { keys: vec![APP], server, more: PRICE, ..Place::new(folder, store, at) };
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    let answer = ask(&client, proxy.address, APP.key, body(false)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(ask(&client, proxy.address, APP.key, body(true)).await.unwrap().status(), 200);
    let other = body(false).replace("\"plain\"", "\"nobody's\\nmodel\"");
    assert_eq!(ask(&client, proxy.address, APP.key, other).await.unwrap().status(), 404);
    assert_eq!(ask(&client, proxy.address, "sk-wrong", body(false)).await.unwrap().status(), 401);
    get(proxy.address, "/admin/usage?by=key", ADMIN).await;
    let lines = lines(&proxy, 5).await;
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    let all: BTreeSet<_> = statuses.iter().copied().collect();
    assert_eq!((lines.len(), all), (5, BTreeSet::from([200, 401, 404])), "{lines:?}");
    let line = lines.iter().find(|line| line["request_id"] == *id).unwrap();
    assert_eq!(
        (&line["model"], &line["deployment"]),
        (&"plain".into(), &"openai/gpt-4o-mini".into())
    );
    assert_eq!((&line["route"], &line["key"]), (&"openai_chat".into(), &"app".into()));
    for number in ["queue_us", "first_token_us", "total_us", "input_tokens", "output_tokens"] {
        assert!(line[number].as_u64().is_some(), "{number}: {line}");
    }
    assert!(line["cost_nanos"].as_u64().unwrap() > 0, "{line}");
    let said = proxy.said();
    assert!(!said.contains(WORDS) && !said.contains(APP.key), "{said}");
    assert!(said.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{said}");
    proxy.stop();

    // People are shown nothing of all this.
    let place = Place { server: "listen = \"127.0.0.1:0\"".to_owned(), ..place };
    let proxy = Proxy::start(&place, None).unwrap();
    assert_eq!(ask(&client, proxy.address, APP.key, body(false)).await.unwrap().status(), 200);
    let page = text(proxy.address, ADMIN_PAGE).await;
    for name in [
        "gw_journal_bytes ",
        "gw_ledger_unfolded ",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_open_fds ",
        "process_start_time_seconds ",
        "gw_build_info{version=",
        "gw_telemetry_dropped_total{to=\"sentry\"}",
    ] {
        assert!(page.lines().any(|line| line.starts_with(name)), "{name}: {page}");
    }
    let number = |name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    assert!(number("gw_journal_bytes ") > 0.0 && number("process_open_fds ") > 3.0);
    assert!(!proxy.said().contains("access"), "{}", proxy.said());
    proxy.stop();
    simulator.shutdown().await;
}

/// A letter about a call that was answered by the second who was asked.
fn traced(letter: &Value) {
    let of = &letter["resourceSpans"][0];
    assert_eq!(of["resource"]["attributes"][0]["value"]["stringValue"], "here");
    let spans = of["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 3, "a request, and two attempts: {letter}");
    let attribute = |span: &Value, name: &str| {
        let all = span["attributes"].as_array().unwrap();
        let found = all.iter().find(|one| one["key"] == name);
        found.map(|one| one["value"].as_object().unwrap().values().next().unwrap().clone())
    };
    assert_eq!(spans[0]["name"], "chat again");
    assert_eq!(attribute(&spans[0], "gen_ai.provider.name").unwrap(), "openai");
    assert_eq!(attribute(&spans[0], "gen_ai.response.model").unwrap(), "gpt-4o-mini");
    assert_eq!(attribute(&spans[0], "gw.attempts").unwrap(), "2");
    assert_ne!(attribute(&spans[0], "gen_ai.usage.output_tokens").unwrap(), "0");
    assert_eq!(spans[1]["parentSpanId"], spans[0]["spanId"]);
    assert_eq!((&spans[1]["name"], &spans[1]["status"]["code"]), (&"chat m".into(), &2.into()));
    assert!(
        attribute(&spans[1], "error.type").is_some()
            && attribute(&spans[2], "error.type").is_none()
    );
    let ids: BTreeSet<_> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    let all: BTreeSet<_> = spans.iter().map(|span| span["traceId"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), all.len(), all.first().unwrap().len()), (3, 1, 32));
    let nanos =
        |span: &Value, name: &str| -> u128 { span[name].as_str().unwrap().parse().unwrap() };
    for span in spans {
        let (began, ended) = (nanos(span, "startTimeUnixNano"), nanos(span, "endTimeUnixNano"));
        assert!(nanos(&spans[0], "startTimeUnixNano") <= began && began <= ended, "{span}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_traced_and_errors_are_told_without_a_word_of_anybody() {
    let simulator = simulator().await;
    let (traces, errors) = (Collector::start(200).await, Collector::start(200).await);
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let dsn = folder.path().join("dsn");
    std::fs::write(&dsn, format!("http://dsn-key@{}/7\n", errors.address)).unwrap();
    let more = format!(
        "[providers.gone]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
         keys = [\"env:KILL_OPENAI\"]\nretries = 0\n\
         [prices.\"gone/m\"]\ninput = \"1\"\noutput = \"1\"\n\
         [models.again]\ntiers = [[\"gone/m\"], [\"openai/gpt-4o-mini\"]]\n\
         [telemetry]\notlp = \"http://{}\"\nservice = \"here\"\nenvironment = \"test\"\n\
         sentry = \"file:{}\"\n",
        traces.address,
        dsn.display()
    );
    let at = simulator.base_url(Vendor::OpenAi);
    let more = Box::leak(more.into_boxed_str());
    let place = Place { keys: vec![APP], more, ..Place::new(folder, store, at) };
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    let asked = body(false).replace("\"plain\"", "\"again\"");
    let answer = ask(&client, proxy.address, APP.key, asked).await.unwrap();
    assert_eq!(answer.status(), 200);
    let letters = traces.until(|taken| !taken.is_empty()).await;
    assert!(letters[0].head.starts_with("post /v1/traces "), "{}", letters[0].head);
    traced(&serde_json::from_str(&letters[0].body).unwrap());

    // A file that cannot be served is an error of ours to be told of.
    let path = place.folder.path().join("proxy.toml");
    let bad =
        std::fs::read_to_string(&path).unwrap() + "[frobnicate]\nx = \"sk-0123456789abcdefghij\"\n";
    std::fs::write(&path, bad).unwrap();
    proxy.signal("-HUP");
    let letters = errors.until(|taken| !taken.is_empty()).await;
    assert!(letters[0].head.starts_with("post /api/7/envelope/ "), "{}", letters[0].head);
    assert!(letters[0].head.contains("sentry_key=dsn-key"), "{}", letters[0].head);
    let event: Value = serde_json::from_str(letters[0].body.lines().nth(2).unwrap()).unwrap();
    assert_eq!((&event["level"], &event["environment"]), (&"error".into(), &"test".into()));
    assert!(event["message"]["formatted"].as_str().unwrap().contains("frobnicate"), "{event}");
    for letter in traces.taken().iter().chain(&errors.taken()) {
        for secret in [WORDS, APP.key, "sk-0123456789abcdef"] {
            assert!(!letter.body.contains(secret), "{}", letter.body);
        }
    }
    assert!(!proxy.said().contains("dsn-key"), "{}", proxy.said());
    proxy.stop();
    simulator.shutdown().await;
}

const BEGUN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A question within a trace, and the head with which it came to the provider.
async fn within(proxy: &Proxy, upstream: &Upstream, model: &str, begun: &[&str]) -> Value {
    let mut request = Request::post(format!("http://{}/v1/chat/completions", proxy.address))
        .header("authorization", format!("Bearer {}", APP.key))
        .header("content-type", "application/json")
        .header("tracestate", "rojo=1,congo=2");
    for parent in begun {
        request = request.header("traceparent", *parent);
    }
    let body = body(false).replace("\"plain\"", &format!("\"{model}\""));
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    assert_eq!(client().request(request).await.unwrap().status(), 200);
    let seen = upstream.requests().pop().unwrap();
    serde_json::to_value(seen).unwrap()["headers"].clone()
}

/// The spans of all letters.
fn spans(letters: &[Letter]) -> Vec<Value> {
    let mut all = Vec::new();
    for letter in letters {
        let letter: Value = serde_json::from_str(&letter.body).unwrap();
        let spans = letter["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        all.extend(spans.iter().cloned());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_that_was_begun_goes_on() {
    let simulator = simulator().await;
    let upstream = simulator.upstream(Vendor::OpenAi).unwrap();
    let traces = Collector::start(200).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, at) = (sqlite(folder.path()), simulator.base_url(Vendor::OpenAi));
    let more = format!(
        "[providers.ours]\nkind = \"openai\"\nbase_url = \"{at}\"\nkeys = [\"env:KILL_OPENAI\"]\n\
         retries = 0\ntrace = true\n\
         [models.traced]\ntiers = [[\"ours/gpt-4o-mini\"]]\n\
         [prices.\"ours/gpt-4o-mini\"]\ninput = \"1\"\noutput = \"1\"\n\
         [telemetry]\notlp = \"http://{}\"\n",
        traces.address
    );
    let more = Box::leak(more.into_boxed_str());
    let place = Place { keys: vec![APP], more, ..Place::new(folder, store, at) };
    let proxy = Proxy::start(&place, None).unwrap();

    let seen = within(&proxy, upstream, "traced", &[BEGUN]).await;
    let all = spans(&traces.until(|taken| spans(taken).len() >= 2).await);
    let [request, attempt] = &all[..] else { panic!("{all:?}") };
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!((&request["traceId"], &attempt["traceId"]), (&trace.into(), &trace.into()));
    assert_eq!(request["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(request["traceState"], "rojo=1,congo=2");
    assert_eq!(attempt["parentSpanId"], request["spanId"]);
    // The provider is told of the very span that is told of it.
    let told = format!("00-{trace}-{}-01", attempt["spanId"].as_str().unwrap());
    assert_eq!(
        (&seen["traceparent"], &seen["tracestate"]),
        (&told.into(), &"rojo=1,congo=2".into())
    );

    // Others have no business with it.
    let seen = within(&proxy, upstream, "plain", &[BEGUN]).await;
    assert!(seen["traceparent"].is_null() && seen["tracestate"].is_null(), "{seen}");
    // Where none was begun that anybody can read, the call is one by itself, under its own id.
    for odd in [&[][..], &["00-none"], &[&BEGUN[..54]]] {
        let seen = within(&proxy, upstream, "traced", odd).await;
        let told = seen["traceparent"].as_str().unwrap();
        assert!(
            told.len() == 55 && !told.contains(trace) && seen["tracestate"].is_null(),
            "{seen}"
        );
        let own = told[3..35].to_owned();
        let letters = traces.until(|t| spans(t).iter().any(|s| s["traceId"] == *own)).await;
        let root = spans(&letters).into_iter().find(|span| span["traceId"] == *own).unwrap();
        assert_eq!(root["parentSpanId"], "");
    }
    // Who began it keeps nothing of it: then nobody does, and the provider knows.
    let unkept = BEGUN.replace("-01", "-00").replace("4bf9", "aaaa");
    let seen = within(&proxy, upstream, "traced", &[&unkept]).await;
    assert!(seen["traceparent"].as_str().unwrap().ends_with("-00"), "{seen}");
    within(&proxy, upstream, "traced", &[&BEGUN.replace("4bf9", "bbbb")]).await;
    let last = |t: &[Letter]| spans(t).iter().any(|s| s["traceId"].to_string().contains("bbbb"));
    let letters = traces.until(last).await;
    assert!(!spans(&letters).iter().any(|s| s["traceId"].to_string().contains("aaaa")));
    proxy.stop();
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_take_traces_keeps_no_call_waiting() {
    let simulator = simulator().await;
    // One that refuses all of them; and one that is not there at all.
    let refusing = Collector::start(400).await;
    for otlp in [format!("http://{}", refusing.address), "http://127.0.0.1:1".to_owned()] {
        let folder = tempfile::tempdir().unwrap();
        let more = Box::leak(format!("[telemetry]\notlp = \"{otlp}\"\n").into_boxed_str());
        let at = simulator.base_url(Vendor::OpenAi);
        let keys = vec![APP];
        let place = Place { keys, more, ..Place::new(folder, "memory:".to_owned(), at) };
        let proxy = Proxy::start(&place, None).unwrap();
        let client = client();
        for _ in 0..5 {
            let answer = ask(&client, proxy.address, APP.key, body(false)).await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        let dropped = async {
            loop {
                let page = text(proxy.address, ADMIN_PAGE).await;
                if page.contains("gw_telemetry_dropped_total{to=\"otlp\"} 5") {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        let counted = tokio::time::timeout(std::time::Duration::from_secs(20), dropped).await;
        assert!(counted.is_ok(), "{}", proxy.said());
        proxy.stop();
    }
    simulator.shutdown().await;
}
