//! Secrets that are unlike any other text, in every place where a secret can be, and all that can go
//! wrong around them: none of them is found anywhere afterwards.
//!
//! The proxy logs everything that it can log. What is looked through is its log, its metrics, every
//! answer (those to the owners of the secrets as well), what operators can ask, the traces that it
//! sent, and every file that it keeps. Words of questions and answers may be in files, sealed.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use llm_sim::script::Rule;
use llm_sim::upstream::{Upstream, Vendor};
use serde_json::{Value, json};

use crate::client::{Client, client};
use crate::collector::Collector;
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const APP: Key = Key { name: "app", key: "sk-CANARYAPP0a1b2c3d4e5f60718293a4b5", limit: "" };
/// In the configuration and the environment.
const ADMIN: &str = "CANARYADMIN0a1b2c3d4e5f6071";
const PROVIDER: &str = "sk-CANARYPROVIDER0a1b2c3d4e5f";
const HEADER: &str = "CANARYHEADER0a1b2c3d4e5f6071";
const JWT: &str = "CANARYJWT-that-both-sides-know-of-32-bytes-and-more";
const HOOK: &str = "whsec_Q0FOQVJZSE9PSzAxMjM0NTY3ODlhYmNkZWY=";
const SEAL: &str = "Q0FOQVJZU0VBTDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU=";
const OTLP: &str = "CANARYOTLP0a1b2c3d4e5f607182";
/// Shown or stored while it runs.
const STORED: &str = "sk-CANARYSTORED0a1b2c3d4e5f60";
const OWN: &str = "sk-CANARYOWN0a1b2c3d4e5f60718";
const WRONG: &str = "sk-CANARYWRONG0a1b2c3d4e5f607";
const IN_QUERY: &str = "CANARYQUERY0a1b2c3d4e5f60718";
const LITERAL: &str = "sk-CANARYLITERAL0a1b2c3d4e5f6";
const PASSWORD: &str = "CANARYPASSWORD0a1b2c3d4e5f";
/// Words of people and of models.
const ASKED: &str = "CANARYQUESTION said quietly";
const ANSWERED: &str = "CANARYANSWER said back";

const SECRETS: [&str; 14] = [
    APP.key, ADMIN, PROVIDER, HEADER, JWT, HOOK, SEAL, OTLP, STORED, OWN, WRONG, IN_QUERY, LITERAL,
    PASSWORD,
];

/// All that goes wrong at a provider. It repeats the key that it was shown, as providers do.
fn faults() -> Vec<Value> {
    let repeats = format!("Incorrect API key provided: {PROVIDER}. You can find yours elsewhere.");
    vec![
        json!({"do": {"text": ANSWERED}}),
        json!({"do": {"error": "invalid_key", "message": repeats}}),
        json!({"do": {"error": "rate_limit", "message": repeats, "retry_after_ms": 1}}),
        json!({"do": {"error": "server_error", "message": repeats}}),
        json!({"do": {"error": "bad_request", "message": repeats}}),
        json!({"do": {"error": "overloaded"}}),
        json!({"do": {"error": "html"}}),
        json!({"do": {"error": "empty"}}),
        json!({"do": {"text": ANSWERED, "corrupt": {"with": "json"}}}),
        json!({"do": {"text": ANSWERED, "corrupt": {"with": "utf8"}}}),
        json!({"do": {"text": ANSWERED, "corrupt": {"frame": 2, "with": "json"}}}),
        json!({"do": {"text": ANSWERED, "cut": {"at_byte": 100}}}),
        json!({"do": {"text": ANSWERED, "cut": {"before_head": true}}}),
        json!({"do": {"text": ANSWERED, "cut": {"after_frames": 3, "how": "fin"}}}),
        json!({"do": {"redirect": format!("http://127.0.0.1:1/?key={IN_QUERY}")}}),
        json!({"do": {"text": ANSWERED, "headers": {"x-request-id": format!("req {PROVIDER}")}}}),
    ]
}

fn place(upstream: String, otlp: &Collector, folder: tempfile::TempDir) -> Place {
    let store = sqlite(folder.path());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let [header, jwt, hook, telling] = [("s1", HEADER), ("s2", JWT), ("s3", HOOK), ("s4", OTLP)]
        .map(|(name, text)| file(name, text));
    let more = format!(
        "seal_keys = \"env:CANARY_SEAL\"\n\
         [providers.second]\nkind = \"openai\"\nbase_url = \"{upstream}\"\n\
         keys = [\"env:KILL_OPENAI\"]\nretries = 1\nheaders = {{ \"x-more\" = \"file:{header}\" }}\n\
         [prices.\"second/m\"]\ninput = \"1\"\noutput = \"1\"\n\
         [providers.gone]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
         keys = [\"env:KILL_OPENAI\"]\nretries = 0\n\
         [prices.\"gone/m\"]\ninput = \"1\"\noutput = \"1\"\n\
         [models.gone]\ntiers = [[\"gone/m\"]]\n\
         [models.second]\ntiers = [[\"second/m\"]]\ncache = {{ ttl = \"30m\", scope = \"key\" }}\n\
         [plans.all]\nlimits = [\"$100/month\"]\n\
         [auth.jwt]\nissuer = \"https://login.example\"\naudience = [\"gateway\"]\n\
         algorithms = [\"HS256\"]\nsecret = \"file:{jwt}\"\ncreate_users = true\nplan = \"all\"\n\
         [webhooks.app]\nurl = \"http://127.0.0.1:1/hooks\"\nsecret = \"file:{hook}\"\n\
         private = true\nevents = [\"budget.*\"]\n\
         [telemetry]\notlp = \"http://{}\"\nheaders = {{ authorization = \"file:{telling}\" }}\n",
        otlp.address
    );
    let server = "listen = \"127.0.0.1:0\"\nbyok = \"allowed\"\nlog = \"json\"".to_owned();
    let more = Box::leak(more.into_boxed_str());
    let keys = vec![APP];
    Place { keys, server, more, ..Place::new(folder, store, upstream) }
}

/// The configuration has its further lines of `[store]` where `more` begins, which is behind other
/// tables; so it is written again with them in their place.
fn start(place: &Place) -> Proxy {
    Proxy::start_with(place, |command, path| {
        let text = std::fs::read_to_string(path).unwrap();
        let line = "seal_keys = \"env:CANARY_SEAL\"\n";
        let text = text.replacen(line, "", 1).replacen("[store]\n", &format!("[store]\n{line}"), 1);
        std::fs::write(path, text).unwrap();
        command.env("CANARY_SEAL", SEAL).env("LLM_PROXY_LOG", "trace");
        command.env("KILL_ADMIN", ADMIN).env("KILL_OPENAI", PROVIDER).env("RUST_BACKTRACE", "1");
    })
}

/// A request, and all that came of it: status, head and body.
async fn sent(client: &Client, request: http::request::Builder, body: String) -> String {
    let Ok(request) = request.body(Full::new(Bytes::from(body))) else { return String::new() };
    let Ok(response) = client.request(request).await else { return "no answer".to_owned() };
    let (head, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => "broke off".to_owned(),
    };
    format!("{:?} {:?} {body}", head.status, head.headers)
}

fn post(proxy: &Proxy, path: &str) -> http::request::Builder {
    let request = Request::post(format!("http://{}{path}", proxy.address));
    request.header("content-type", "application/json")
}

fn asked(model: &str, stream: bool) -> String {
    json!({"model": model, "stream": stream, "max_tokens": 50,
        "messages": [{"role": "user", "content": ASKED}]})
    .to_string()
}

fn token() -> String {
    #[expect(clippy::disallowed_methods, reason = "tokens end by the real calendar")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims =
        json!({"iss": "https://login.example", "aud": "gateway", "sub": "ann", "exp": now + 600});
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(JWT.as_bytes()))
        .unwrap()
}

/// Everything that was said, by where.
struct Said(Vec<(String, String)>);

impl Said {
    fn put(&mut self, place: impl Into<String>, text: String) {
        self.0.push((place.into(), text));
    }

    /// Where something was said that nobody may say.
    fn hits(&self, secrets: &[&str], places: impl Fn(&str) -> bool) -> Vec<String> {
        let mut hits = Vec::new();
        for (place, text) in self.0.iter().filter(|(place, _)| places(place)) {
            for secret in secrets {
                let packed = STANDARD.encode(secret);
                let bare = secret.trim_start_matches("sk-").trim_start_matches("whsec_");
                for form in [*secret, bare, packed.trim_end_matches('=')] {
                    if let Some(at) = text.find(form) {
                        let from =
                            (at.saturating_sub(160)..=at).find(|n| text.is_char_boundary(*n));
                        let line: String = text[from.unwrap_or(at)..].chars().take(240).collect();
                        hits.push(format!("{place}: {form}: …{line}…"));
                        break;
                    }
                }
            }
        }
        hits
    }
}

/// Every file below a folder, as text.
fn files(folder: &Path, said: &mut Said) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, said);
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            said.put(format!("file {}", path.display()), text);
        }
    }
}

/// Calls of each kind, by everybody who may ask, and by some who may not.
async fn calls(proxy: &Proxy, client: &Client, said: &mut Said, keys: &[(&str, &str)]) {
    for (header, key) in keys {
        let request = post(proxy, "/v1/chat/completions").header(*header, *key);
        let answer = sent(client, request, asked("plain", false)).await;
        said.put(format!("answer by {header}"), answer);
    }
    let bearer = format!("Bearer {}", APP.key);
    for (path, model) in [
        ("/v1/chat/completions", "gone"),
        ("/v1/messages", "second"),
        ("/v1/responses", "plain"),
        ("/v1/chat/completions", "nobody"),
    ] {
        let mut body: Value = serde_json::from_str(&asked(model, false)).unwrap();
        if path == "/v1/responses" {
            body = json!({"model": model, "input": ASKED, "store": true});
        }
        let request = post(proxy, path).header("authorization", &bearer);
        let request = request.header("idempotency-key", format!("once{path}{model}"));
        said.put(format!("answer at {path}"), sent(client, request, body.to_string()).await);
    }
    let query = post(proxy, &format!("/v1beta/models/plain:generateContent?key={IN_QUERY}"));
    let body = json!({"contents": [{"parts": [{"text": ASKED}]}]}).to_string();
    said.put("answer to a key in the query", sent(client, query, body).await);
    let broken = post(proxy, "/v1/chat/completions").header("authorization", &bearer);
    said.put("answer to no JSON", sent(client, broken, format!("{{\"model\": {ASKED}")).await);
}

/// All faults, of an own key of the caller's and of the proxy's, whole and as streams.
async fn failures(
    proxy: &Proxy,
    client: &Client,
    said: &mut Said,
    (upstream, made): (&Upstream, &str),
) {
    for fault in faults() {
        for stream in [false, true] {
            let own = format!("openai={OWN}");
            let own = post(proxy, "/v1/chat/completions")
                .header("authorization", format!("Bearer {}", APP.key))
                .header("x-gw-provider-key", own);
            let ours = post(proxy, "/v1/chat/completions")
                .header("authorization", format!("Bearer {made}"));
            for (request, model) in [(own, "plain"), (ours, "second")] {
                let rule: Rule = serde_json::from_value(fault.clone()).unwrap();
                upstream.script(vec![rule]);
                let answer = sent(client, request, asked(model, stream)).await;
                said.put(format!("answer after {fault}"), answer);
            }
        }
    }
    upstream.script(Vec::new());
}

/// What operators get wrong: in calls, and in the file.
async fn mistakes(proxy: &Proxy, place: &Place, client: &Client, said: &mut Said) {
    for (path, body) in [
        ("/key/info", json!({"key": WRONG})),
        ("/key/delete", json!({"keys": [WRONG]})),
        ("/key/generate", json!({"key": LITERAL, "frobnicate": LITERAL})),
        ("/key/update", json!({"key": WRONG, "max_budget": LITERAL})),
    ] {
        let request = post(proxy, path).header("authorization", format!("Bearer {ADMIN}"));
        said.put(format!("answer at {path}"), sent(client, request, body.to_string()).await);
    }
    let path = place.folder.path().join("proxy.toml");
    let right = std::fs::read_to_string(&path).unwrap();
    for wrong in [
        format!("{right}\n[providers.bad]\nkind = \"openai\"\nkeys = [\"{LITERAL}\"]\n"),
        format!("{right}\n[providers.bad]\nkind = \"openai\"\nkeyz = \"{LITERAL}\"\n"),
        format!("{right}\n[providers.bad]\nkind = \"openai\nkeys = [\"{LITERAL}\n"),
    ] {
        std::fs::write(&path, wrong).unwrap();
        proxy.signal("-HUP");
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    std::fs::write(&path, right).unwrap();
}

/// Everything that an operator can look at.
async fn looks(proxy: &Proxy, said: &mut Said, made: &str) {
    let document: Value = serde_json::from_str(&looked(proxy, "/openapi.json").await).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let whole = paths.filter(|(path, item)| !path.contains('{') && item["get"].is_object());
    let named = ["/admin/providers/openai/keys", "/metrics"];
    for path in whole.map(|(path, _)| path.as_str()).chain(named) {
        said.put(format!("admin {path}"), looked(proxy, path).await);
    }
    // Who asks about a key by the key itself is answered with it, as LiteLLM does: the only place.
    let found = looked(proxy, &format!("/key/info?key={made}")).await;
    said.put("admin /key/info", found.replacen(&format!("{{\"key\":\"{made}\""), "", 1));
}

async fn looked(proxy: &Proxy, path: &str) -> String {
    let request = Request::get(format!("http://{}{path}", proxy.address))
        .header("authorization", format!("Bearer {ADMIN}"));
    let answer = sent(&client(), request, String::new()).await;
    // Behind the head.
    answer.split_once("} ").map_or(answer.clone(), |(_, body)| body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_anywhere() {
    let simulator = simulator().await;
    let upstream = simulator.upstream(Vendor::OpenAi).unwrap();
    let traces = Collector::start(200).await;
    let folder = tempfile::tempdir().unwrap();
    let place = place(simulator.base_url(Vendor::OpenAi), &traces, folder);
    let proxy = start(&place);
    let client = client();
    let mut said = Said(Vec::new());
    let bearer = |request: http::request::Builder, key: &str| {
        request.header("authorization", format!("Bearer {key}"))
    };
    // A key that is made: shown to whoever makes it, and to nobody else.
    let wanted = json!({"key_alias": "made", "user_id": "bob"}).to_string();
    let made = sent(&client, bearer(post(&proxy, "/key/generate"), ADMIN), wanted).await;
    let made = made.split("\"key\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let made = made.expect("a key is shown once").to_owned();
    let jwt = token();
    let stored = json!({"mode": "add", "keys": [{"key": STORED, "label": "spare"}]}).to_string();
    let at = format!("http://{}/admin/providers/openai/keys", proxy.address);
    said.put(
        "answer to a stored key",
        sent(&client, bearer(Request::put(at), ADMIN), stored).await,
    );
    failures(&proxy, &client, &mut said, (upstream, &made)).await;
    let bearers = [APP.key, &made, &jwt, WRONG, ADMIN].map(|key| format!("Bearer {key}"));
    let mut keys: Vec<_> = bearers.iter().map(|b| ("authorization", b.as_str())).collect();
    keys.extend([("x-api-key", APP.key), ("x-goog-api-key", WRONG), ("api-key", STORED)]);
    calls(&proxy, &client, &mut said, &keys).await;
    mistakes(&proxy, &place, &client, &mut said).await;
    looks(&proxy, &mut said, &made).await;
    traces.until(|taken| !taken.is_empty()).await;
    let log = proxy.stop_and_say();
    for (n, letter) in traces.taken().iter().enumerate() {
        said.put(format!("trace {n}"), letter.body.clone());
    }
    let levels = ["\"level\":\"TRACE\"", "\"level\":\"DEBUG\""];
    let told = levels.map(|level| log.lines().filter(|line| line.contains(level)).count());
    assert!(told[0] > 5 && told[1] > 10, "it logs everything that it can: {told:?}");
    said.put("log", log);
    files(&place.folder.path().join("data"), &mut said);
    for file in ["ledger.db", "ledger.db-wal"] {
        if let Ok(bytes) = std::fs::read(place.folder.path().join(file)) {
            said.put(format!("file {file}"), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    refused(&mut said);
    let signature = jwt.rsplit('.').next().unwrap().to_owned();
    let mut secrets = SECRETS.to_vec();
    secrets.extend([made.as_str(), signature.as_str()]);
    let mut hits = said.hits(&secrets, |_| true);
    let words = [&ASKED[..14], &ANSWERED[..12]];
    // An answer says what was answered, and a refusal may name what was wrong with the question.
    hits.extend(said.hits(&words, |place| !place.starts_with("answer")));
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
    println!("{} places, none with a secret", said.0.len());
    simulator.shutdown().await;
}

/// Starts that are refused, for what is wrong with an address that has a password in it.
fn refused(said: &mut Said) {
    for (variable, line) in [
        ("CANARY_URL", format!("postgres://app:{PASSWORD}@127.0.0.1:1/none")),
        ("CANARY_URL", format!("mysql://app:{PASSWORD}@127.0.0.1:1/none")),
        ("CANARY_REDIS", format!("redis://:{PASSWORD}@127.0.0.1:1/0")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = if variable == "CANARY_URL" { "env:CANARY_URL" } else { "memory:" };
        let redis = (variable == "CANARY_REDIS").then(|| "env:CANARY_REDIS".to_owned());
        let place = Place {
            redis,
            ..Place::new(folder, store.to_owned(), "http://127.0.0.1:1/v1".to_owned())
        };
        let mut command = place.command();
        command.env(variable, &line).env("LLM_PROXY_LOG", "trace").arg("serve");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A Redis that does not answer is gone without: that one goes on.
        std::thread::sleep(Duration::from_secs(3));
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        for text in [output.stdout, output.stderr] {
            said.put(format!("start with {variable}"), String::from_utf8_lossy(&text).into_owned());
        }
    }
}
