//! Providers' keys: stored, tried, and brought along by calls.

use llm_sim::upstream::Vendor;
use llm_sim::{Options, Simulator};

use super::*;

const ASK: &str =
    r#"{"model":"smart","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}"#;
const GOOD: &str = "sk-stored-canary-0123456789abcd";
const OWN: &str = "sk-own-canary-0123456789abcd";
const WRONG: &str = "sk-invalid-canary-0123456789";

/// A simulated provider on sockets, and a configuration that leads there.
struct Ground {
    data: tempfile::TempDir,
    simulator: Simulator,
}

impl Ground {
    async fn new() -> Self {
        let options = Options { port_base: 0, ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        Self { data: tempfile::tempdir().unwrap(), simulator }
    }

    /// A configuration with these lines for the server, the key of callers and everything else.
    fn config(&self, server: &str, key: &str, rest: &str) -> Config {
        let data = self.data.path();
        std::fs::write(data.join("wrong"), WRONG).unwrap();
        std::fs::write(data.join("right"), "sk-file-canary-0123456789abcd").unwrap();
        let folder = data.display();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_key = \"env:ADMIN\"\n{server}\n\
             [store]\ndata = \"{folder}\"\n\
             [[keys]]\nname = \"app\"\nkey = \"env:KEY\"\n{key}\n\
             [models.smart]\ntiers = [[\"openai/gpt-4o-mini\"]]\n\
             cache = {{ ttl = \"30m\", scope = \"global\" }}\n{rest}"
        );
        let path = data.join("proxy.toml");
        std::fs::write(&path, text.replace("FOLDER", &folder.to_string())).unwrap();
        let asked = Asked { config: Some(path), ..Asked::default() };
        resolve(&asked, &Environment).unwrap_or_else(|report| panic!("{report}")).config
    }

    /// One provider with a file for its key.
    fn openai(&self, keys: &str) -> String {
        let at = self.simulator.base_url(Vendor::OpenAi);
        format!("[providers.openai]\nbase_url = \"{at}\"\nkeys = [{keys}]\nretries = 0\n")
    }

    fn seen(&self) -> usize {
        self.simulator.upstream(Vendor::OpenAi).unwrap().requests().len()
    }
}

impl Running {
    async fn operate(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        let bearer = format!("Bearer {ADMIN}");
        let headers = [("authorization", &*bearer)];
        let response = self.send(method, path, &headers, body.to_owned()).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        for secret in [GOOD, OWN, WRONG] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
        (response.status(), serde_json::from_str(&text).unwrap_or_default())
    }

    async fn bring(&self, keys: &[&str]) -> Response<Bytes> {
        let bearer = format!("Bearer {KEY}");
        let mut headers = vec![("authorization", &*bearer), ("content-type", "application/json")];
        headers.extend(keys.iter().map(|key| ("x-gw-provider-key", *key)));
        let mut request = Request::new(Full::new(Bytes::from(ASK)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() =
            format!("http://{}/v1/chat/completions", self.address).parse().unwrap();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }
}

const KEYS: &str = "/admin/providers/openai/keys";

#[tokio::test]
async fn a_stored_key_is_used_at_once_and_after_a_restart_and_shown_to_nobody() {
    let ground = Ground::new().await;
    let config = ground.config("", "unlimited = true", &ground.openai("\"file:FOLDER/wrong\""));
    let proxy = Running::start(config.clone()).await;
    assert_ne!(proxy.ask("/v1/chat/completions", ASK).await.status(), StatusCode::OK);
    let body = format!(r#"{{"mode":"add","keys":[{{"key":"{GOOD}","label":"spare"}}]}}"#);
    let (status, listed) = proxy.operate(Method::PUT, KEYS, &body).await;
    assert_eq!(status, StatusCode::OK, "{listed}");
    assert_eq!(proxy.ask("/v1/chat/completions", ASK).await.status(), StatusCode::OK);
    let keys = listed["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!((&keys[0]["from"], &keys[1]["from"]), (&"file".into(), &"store".into()));
    assert_eq!((&keys[1]["last_four"], &keys[1]["state"]), (&"…abcd".into(), &"new".into()));
    assert_eq!(keys[0]["health"], "rejected", "the one of the file rests: {listed}");
    for (wrong, status) in [
        (body.clone(), StatusCode::CONFLICT),
        (r#"{"keys":["two words"]}"#.to_owned(), StatusCode::BAD_REQUEST),
        (format!(r#"{{"keys":"{GOOD}"}}"#), StatusCode::BAD_REQUEST),
        (r#"{"mode":"some","keys":[]}"#.to_owned(), StatusCode::BAD_REQUEST),
    ] {
        let (came, answer) = proxy.operate(Method::PUT, KEYS, &wrong).await;
        assert_eq!(came, status, "{answer}");
    }
    let unknown = "/admin/providers/nobody/keys";
    assert_eq!(proxy.operate(Method::GET, unknown, "").await.0, StatusCode::NOT_FOUND);
    let page = proxy.get("/metrics", "").await;
    assert!(!String::from_utf8_lossy(page.body()).contains("canary"));
    proxy.stop().await;
    for file in std::fs::read_dir(ground.data.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && !path.ends_with("wrong") && !path.ends_with("right") {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|some| some == b"canary"), "{}", path.display());
        }
    }
    let proxy = Running::start(config).await;
    assert_eq!(proxy.ask("/v1/chat/completions", ASK).await.status(), StatusCode::OK);
    let (status, listed) = proxy.operate(Method::DELETE, &format!("{KEYS}/spare"), "").await;
    assert_eq!((status, listed["keys"].as_array().unwrap().len()), (StatusCode::OK, 1));
    let (status, _) = proxy.operate(Method::DELETE, &format!("{KEYS}/openai-1"), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the file is not changed here");
    proxy.stop().await;
}

/// A provider of which the file says that its keys come later has none until then.
#[tokio::test]
async fn a_pool_may_begin_empty_and_be_replaced() {
    let ground = Ground::new().await;
    let proxy = Running::start(ground.config("", "unlimited = true", &ground.openai(""))).await;
    let none = proxy.ask("/v1/chat/completions", ASK).await;
    assert!(none.status().is_server_error() || none.status().is_client_error(), "{none:?}");
    assert_eq!(ground.seen(), 0, "nobody was asked without a key");
    for (label, key) in [("one", "sk-one-0123456789"), ("two", "sk-two-0123456789")] {
        let body = format!(r#"{{"keys":[{{"key":"{key}","label":"{label}"}}]}}"#);
        let (status, listed) = proxy.operate(Method::PUT, KEYS, &body).await;
        assert_eq!((status, listed["keys"].as_array().unwrap().len()), (StatusCode::OK, 1));
        assert_eq!(listed["keys"][0]["id"], *label);
        assert_eq!(proxy.ask("/v1/chat/completions", ASK).await.status(), StatusCode::OK);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn keys_of_every_kind_are_tried() {
    let ground = Ground::new().await;
    let mut rest = ground.openai("\"file:FOLDER/right\", \"file:FOLDER/wrong\"");
    rest += "validate = true\n";
    for (kind, vendor) in [
        ("anthropic", Vendor::Anthropic),
        ("gemini", Vendor::Gemini),
        ("cohere", Vendor::Cohere),
        ("ollama", Vendor::Ollama),
        ("openai-compatible", Vendor::OpenAi),
    ] {
        let at = ground.simulator.base_url(vendor);
        rest += &format!("[providers.{kind}]\nbase_url = \"{at}\"\n");
        if kind != "ollama" {
            rest += "keys = [\"file:FOLDER/right\"]\n";
        }
    }
    rest += "[providers.simulated]\n[models.gone]\ntiers = [[\"openai/gpt-4.1-mini\"]]\n";
    let proxy = Running::start(ground.config("", "unlimited = true", &rest)).await;
    let validate = async |kind: &str, body: &str| {
        let path = format!("/admin/providers/{kind}/validate");
        let (status, report) = proxy.operate(Method::POST, &path, body).await;
        assert_eq!(status, StatusCode::OK, "{kind}: {report}");
        report
    };
    for kind in ["anthropic", "gemini", "cohere", "ollama", "openai-compatible", "simulated"] {
        let report = validate(kind, "{}").await;
        assert_eq!(report["ok"], true, "{report}");
        assert!(report["keys"][0]["models_visible"].as_u64().unwrap() > 0, "{report}");
        let deep = validate(kind, r#"{"deep":true}"#).await;
        let checks = deep["keys"][0]["checks"].as_array().unwrap();
        assert!(checks.len() >= 2 && checks.iter().all(|c| c["ok"] == true), "{kind}: {deep}");
        if kind != "ollama" {
            let wrong = validate(kind, &format!(r#"{{"key":"{WRONG}"}}"#)).await;
            assert_eq!(wrong["keys"][0]["status"], "invalid", "{wrong}");
            assert!(wrong["keys"][0]["advice"]["ko"].as_str().unwrap().contains("키"), "{wrong}");
        }
    }
    // As at a start, for providers that are to be tried then.
    crate::serve::vendors::trial::at_start(Arc::clone(&proxy.house)).await;
    let ready = json(&proxy.get("/health/readiness", "").await);
    assert_eq!(ready["dead_keys"], serde_json::json!(["openai/openai-2: invalid"]), "{ready}");
    let report = validate("openai", "{}").await;
    assert_eq!(report["ok"], false);
    assert_eq!(report["keys"][0]["configured_invisible"][0], "gpt-4.1-mini", "{report}");
    assert_eq!(report["keys"][1]["status"], "invalid", "{report}");
    let ready = json(&proxy.get("/health/readiness", "").await);
    assert_eq!(ready["status"], "degraded");
    assert_eq!(ready["dead_keys"][0], "openai/openai-2: invalid", "{ready}");
    // Models are listed to whoever can buy nothing any more.
    let rule = r#"[{"match":{"operation":"chat"},"times":"always",
        "do":{"error":"insufficient_quota"}}]"#;
    let upstream = ground.simulator.upstream(Vendor::OpenAi).unwrap();
    upstream.script(serde_json::from_str(rule).unwrap());
    let body = format!(r#"{{"key":"{GOOD}","deep":true}}"#);
    let report = validate("openai", &body).await;
    assert_eq!(report["keys"][0]["status"], "no_quota", "{report}");
    let stored = format!(r#"{{"keys":["{GOOD}"]}}"#);
    proxy.operate(Method::PUT, KEYS, &stored).await;
    validate("openai", r#"{"deep":true}"#).await;
    let (_, listed) = proxy.operate(Method::GET, KEYS, "").await;
    assert_eq!(listed["keys"][2]["state"], "invalid", "{listed}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_call_brings_its_own_key_where_that_may_be() {
    let ground = Ground::new().await;
    let openai = ground.openai("\"file:FOLDER/wrong\"");
    let own = format!("openai={OWN}");
    // Refused unless somebody has said otherwise.
    let proxy = Running::start(ground.config("", "limits = [\"3/day\"]", &openai)).await;
    let refused = proxy.bring(&[&own]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(json(&refused)["error"]["param"], "x-gw-provider-key");
    assert_eq!(ground.seen(), 0);
    proxy.stop().await;

    let allowed = "byok = \"allowed\"";
    let limits = "limits = [\"3/day\", \"$0.0000001/day\"]";
    let proxy = Running::start(ground.config(allowed, limits, &openai)).await;
    for wrong in ["nobody=sk-0123456789", "openai", "openai=", "openai=a,openai=b"] {
        assert_eq!(proxy.bring(&[wrong]).await.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    // Its money is somebody else's; the number of calls is counted all the same, and no answer is
    // shared however global the model's cache is.
    for _ in 0..3 {
        let answer = proxy.bring(&[&own]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        assert_eq!(answer.headers()["x-gw-cost"], "0");
    }
    assert_eq!(ground.seen(), 3);
    assert_eq!(proxy.bring(&[&own]).await.status(), StatusCode::TOO_MANY_REQUESTS);
    proxy.stop().await;

    // A wrong one is its owner's trouble: no other key is tried, and none rests for it.
    let openai = ground.openai("\"file:FOLDER/right\"");
    let proxy = Running::start(ground.config(allowed, "unlimited = true", &openai)).await;
    let before = ground.seen();
    let wrong = proxy.bring(&[&format!("openai={WRONG}")]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "{wrong:?}");
    assert_eq!(ground.seen(), before + 1);
    let (_, listed) = proxy.operate(Method::GET, KEYS, "").await;
    assert_eq!(listed["keys"][0]["health"], "up");
    assert_eq!(proxy.ask("/v1/chat/completions", ASK).await.status(), StatusCode::OK);
    proxy.stop().await;

    // A plan may want it, and may charge for it.
    let plans = "[plans.own]\nbyok = \"required\"\nbyok_charge = true\nlimits = [\"$1/day\"]\n";
    let rest = format!("{plans}{openai}");
    let proxy = Running::start(ground.config("", "plan = \"own\"", &rest)).await;
    assert_eq!(proxy.ask("/v1/chat/completions", ASK).await.status(), StatusCode::FORBIDDEN);
    let charged = proxy.bring(&[&own]).await;
    assert_eq!(charged.status(), StatusCode::OK, "{charged:?}");
    assert_ne!(charged.headers()["x-gw-cost"], "0");
    let (_, log) = proxy.operate(Method::GET, "/admin/requests", "").await;
    assert!(!log.to_string().contains("canary"));
    proxy.stop().await;
}
