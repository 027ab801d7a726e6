//! Jobs over HTTP: captions with simulated providers, paid out of a wallet.

use std::time::Duration;

use serde_json::json;

use super::*;

const OTHER: &str = "sk-other-0123456789abcdef0123456789abcde";

/// A configuration with users: one whose plan keeps for long, and a neighbour without any.
pub(super) fn users(data: &Path, more: &str) -> Config {
    let limits = format!(
        "unlimited = true\nuser = \"min\"\nplan = \"pro\"\n\
         [plans.pro]\nlimits = [\"6000/minute\"]\nretention = \"30d\"\n\
         [[keys]]\nname = \"other\"\nkey = \"env:OTHER\"\nunlimited = true\nuser = \"so\"\n\
         [batches]\nlease = \"1s\"\n{more}"
    );
    let limits = limits.replacen("unlimited = true\n", "", 1);
    config(data, &limits)
}

/// A WAV of so many seconds: a thousand bytes each.
pub(super) fn wav(seconds: usize) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    for word in [1_000u32, 1_000] {
        file.extend(word.to_le_bytes());
    }
    file.extend([1, 0, 8, 0]);
    file.extend(b"data");
    file.extend(u32::try_from(seconds * 1_000).unwrap().to_le_bytes());
    file.resize(file.len() + seconds * 1_000, 0x80);
    file
}

impl Running {
    pub(super) async fn app(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: &str,
    ) -> Response<Bytes> {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        let response = self.send(method.clone(), path, &headers, body.to_owned()).await;
        if let Ok(answer) = serde_json::from_slice(response.body()) {
            super::admin::shape::holds(&method, path, response.status(), &answer);
        }
        response
    }

    /// What an application is told, where it is told.
    pub(super) async fn data(&self, method: Method, path: &str, key: &str, body: &str) -> Value {
        let response = self.app(method, path, key, body).await;
        assert!(response.status().is_success(), "{path}: {response:?}");
        json(&response)["data"].clone()
    }

    pub(super) async fn sound(&self, key: &str, seconds: usize) -> String {
        let bearer = format!("Bearer {key}");
        let form = "multipart/form-data; boundary=x";
        let headers = [("authorization", &*bearer), ("content-type", form)];
        let mut body = b"--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n\
            --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"secret-film.wav\"\r\n\r\n"
            .to_vec();
        body.extend(wav(seconds));
        body.extend(b"\r\n--x--\r\n");
        let response = self.send(Method::POST, "/v1/files", &headers, body).await;
        json(&response)["id"].as_str().unwrap_or_else(|| panic!("{response:?}")).to_owned()
    }

    /// A job, once it has ended and nothing is owed for it.
    pub(super) async fn over(&self, id: &str, key: &str) -> Value {
        for _ in 0..600 {
            let job = self.data(Method::GET, &format!("/api/v1/jobs/{id}"), key, "").await;
            let settled = job["credits"]["settled"].as_bool().unwrap_or(true);
            if settled && !["pending", "processing"].contains(&job["state"].as_str().unwrap()) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("a job of a few calls ends within half a minute");
    }

    pub(super) async fn give(&self, user: &str, credits: u32) {
        let body = json!({"event_id": format!("gift-{credits}"), "credits": credits}).to_string();
        let path = format!("/admin/wallets/{user}/grant");
        let given = self.app(Method::POST, &path, ADMIN, &body).await;
        assert_eq!(given.status(), StatusCode::OK, "{given:?}");
    }

    async fn left(&self, key: &str) -> (String, String) {
        let balance = self.data(Method::GET, "/api/v1/credits/balance", key, "").await;
        let text = |name: &str| balance[name].as_str().unwrap().to_owned();
        (text("available"), text("held"))
    }
}

fn captions(file: &str) -> String {
    json!({"kind": "captions", "input_file_id": file, "languages": ["en", "ja"]}).to_string()
}

#[tokio::test]
async fn captions_are_made_and_charged_once() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(users(data.path(), "")).await;
    proxy.give("min", 1_000).await;
    let file = proxy.sound(KEY, 720).await;
    let job = proxy.data(Method::POST, "/api/v1/jobs", KEY, &captions(&file)).await;
    assert_eq!(job["credits"]["reserved"], "240", "{job}");
    let id = job["id"].as_str().unwrap();
    let done = proxy.over(id, KEY).await;
    assert_eq!((&done["state"], &done["progress"]), (&json!("completed"), &json!(100)), "{done}");
    assert_eq!((&done["credits"]["charged"], &done["attempts"]), (&json!("240"), &json!(1)));
    assert_eq!(proxy.left(KEY).await, ("760".to_owned(), "0".to_owned()));
    let artefacts = done["artefacts"].as_array().unwrap();
    assert_eq!(artefacts.len(), 12);
    // As many segments in every language and notation, at the same times.
    let path = format!("/api/v1/jobs/{id}/artefacts");
    let mut times = Vec::new();
    for language in ["original", "en", "ja"] {
        let whole = proxy.get(&format!("{path}/{language}.json"), KEY).await;
        let whole: Value = serde_json::from_slice(whole.body()).unwrap();
        let segments = whole["segments"].as_array().unwrap().clone();
        assert_eq!(segments.len(), 72, "one in ten seconds");
        times.push(segments.iter().map(|one| one["end_ms"].clone()).collect::<Vec<_>>());
        for (ending, media, mark) in [
            ("srt", "application/x-subrip; charset=utf-8", " --> "),
            ("vtt", "text/vtt; charset=utf-8", " --> "),
            ("ass", "text/x-ssa; charset=utf-8", "Dialogue: "),
        ] {
            let file =
                proxy.app(Method::GET, &format!("{path}/{language}.{ending}"), KEY, "").await;
            assert_eq!(file.headers()["content-type"], media);
            let text = String::from_utf8_lossy(file.body()).into_owned();
            assert_eq!(text.matches(mark).count(), 72, "{text}");
        }
    }
    assert_eq!((&times[0], &times[0]), (&times[1], &times[2]));
    assert_eq!(times[0].last(), Some(&json!(720_000)));
    // Its events, from any of them on, until its end.
    let events = proxy.app(Method::GET, &format!("/api/v1/jobs/{id}/events"), KEY, "").await;
    let events = String::from_utf8_lossy(events.body()).into_owned();
    assert!(events.starts_with("id: 1\nevent: created\n"), "{events}");
    assert!(events.contains("event: progress") && events.trim_end().contains("event: completed"));
    let last = done["last_event"].as_u64().unwrap();
    let rest = format!("/api/v1/jobs/{id}/events?after={}", last - 1);
    let rest = proxy.app(Method::GET, &rest, KEY, "").await;
    let rest = String::from_utf8_lossy(rest.body()).into_owned();
    assert!(rest.starts_with(&format!("id: {last}\nevent: completed\n")), "{rest}");
    let polled = format!("/api/v1/jobs/{id}?since={}", last - 2);
    let polled = proxy.data(Method::GET, &polled, KEY, "").await;
    assert_eq!(polled["events"].as_array().unwrap().len(), 2, "{polled}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_job_is_its_owners_and_its_plan_says_how_long_it_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(users(data.path(), "")).await;
    proxy.give("min", 100).await;
    let file = proxy.sound(KEY, 5).await;
    let job = proxy.data(Method::POST, "/api/v1/jobs", KEY, &captions(&file)).await;
    let id = job["id"].as_str().unwrap();
    proxy.over(id, KEY).await;
    for (method, path, body) in [
        (Method::GET, format!("/api/v1/jobs/{id}"), ""),
        (Method::GET, format!("/api/v1/jobs/{id}/events"), ""),
        (Method::GET, format!("/api/v1/jobs/{id}/artefacts/en.srt"), ""),
        (Method::PATCH, format!("/api/v1/jobs/{id}"), r#"{"retention":"2h"}"#),
        (Method::DELETE, format!("/api/v1/jobs/{id}"), ""),
        (Method::POST, format!("/api/v1/jobs/{id}/cancel"), ""),
        (Method::GET, "/api/v1/jobs/x".to_owned(), ""),
        (Method::GET, format!("/api/v1/jobs/{id}/artefacts/none"), ""),
    ] {
        let key = if path.ends_with("x") || path.ends_with("none") { KEY } else { OTHER };
        let foreign = proxy.app(method, &path, key, body).await;
        assert_eq!(foreign.status(), StatusCode::NOT_FOUND, "{path}: {foreign:?}");
    }
    let page = proxy.data(Method::GET, "/api/v1/jobs?kind=captions&state=completed", KEY, "").await;
    assert_eq!((&page["data"][0]["id"], &page["next"]), (&json!(id), &Value::Null));
    assert_eq!(proxy.data(Method::GET, "/api/v1/jobs", OTHER, "").await["data"], json!([]));
    // Another's file is none.
    let foreign = proxy.app(Method::POST, "/api/v1/jobs", OTHER, &captions(&file)).await;
    assert_eq!(foreign.status(), StatusCode::BAD_REQUEST, "{foreign:?}");
    let path = format!("/api/v1/jobs/{id}");
    let before = proxy.data(Method::GET, &path, KEY, "").await["expires_at"].clone();
    let longer = proxy.data(Method::PATCH, &path, KEY, r#"{"retention":"30d"}"#).await;
    assert!(longer["expires_at"].as_str() > before.as_str(), "{longer}");
    let more = proxy.app(Method::PATCH, &path, KEY, r#"{"retention":"90d"}"#).await;
    assert_eq!(more.status(), StatusCode::FORBIDDEN);
    let page = proxy.data(Method::GET, "/api/v1/jobs?limit=1", KEY, "").await;
    assert!(page["next"].is_null(), "{page}");
    proxy.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_or_paid_is_refused_and_what_fails_is_given_back() {
    let data = tempfile::tempdir().unwrap();
    let more = "[models.deaf]\ntiers = [[\"nobody/whisper-1\"]]\n[providers.nobody]\n\
        kind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:9/v1\"\nkeys = [\"env:KEY\"]\n\
        retries = 0\n[prices.\"nobody/whisper-1\"]\ninput = \"0\"\noutput = \"0\"\n";
    let proxy = Running::start(users(data.path(), more)).await;
    let file = proxy.sound(KEY, 720).await;
    let poor = proxy.app(Method::POST, "/api/v1/jobs", KEY, &captions(&file)).await;
    assert_eq!(poor.status(), StatusCode::PAYMENT_REQUIRED, "{poor:?}");
    assert_eq!(json(&poor)["error"]["code"], "INSUFFICIENT_CREDITS");
    proxy.give("min", 240).await;
    for (field, value) in [
        ("kind", json!("songs")),
        ("languages", json!(["en", "EN"])),
        ("languages", json!(["english please"])),
        ("language", json!("?")),
        ("input_file_id", json!("file-none")),
        ("retention", json!("1y")),
        ("colour", json!("red")),
    ] {
        let mut body: Value = serde_json::from_str(&captions(&file)).unwrap();
        body[field] = value;
        let refused = proxy.app(Method::POST, "/api/v1/jobs", KEY, &body.to_string()).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{field}: {refused:?}");
        assert_eq!(json(&refused)["error"]["details"]["param"], *field, "{refused:?}");
    }
    // Nobody answers: the job has failed in the end, and all comes back.
    let mut body: Value = serde_json::from_str(&captions(&file)).unwrap();
    body["model"] = json!("nothing-of-that-name");
    let job = proxy.data(Method::POST, "/api/v1/jobs", KEY, &body.to_string()).await;
    let failed = proxy.over(job["id"].as_str().unwrap(), KEY).await;
    assert_eq!((&failed["state"], &failed["credits"]["charged"]), (&json!("failed"), &json!("0")));
    assert!(failed["error"].is_string() && failed["artefacts"].is_null(), "{failed}");
    assert_eq!(proxy.left(KEY).await, ("240".to_owned(), "0".to_owned()));
    // One that waits for its next attempt is cancelled at once.
    body["model"] = json!("deaf");
    let job = proxy.data(Method::POST, "/api/v1/jobs", KEY, &body.to_string()).await;
    assert_eq!(proxy.left(KEY).await.1, "240");
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    proxy.data(Method::DELETE, &path, KEY, "").await;
    let cancelled = proxy.over(job["id"].as_str().unwrap(), KEY).await;
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    assert_eq!(proxy.left(KEY).await, ("240".to_owned(), "0".to_owned()));
    proxy.stop().await;
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_the_same_job() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(users(data.path(), "")).await;
    proxy.give("min", 40).await;
    let bearer = format!("Bearer {KEY}");
    let mut form =
        b"--x\r\ncontent-disposition: form-data; name=\"kind\"\r\n\r\ncaptions\r\n--x\r\n\
        content-disposition: form-data; name=\"languages\"\r\n\r\nen, ja\r\n--x\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"
            .to_vec();
    form.extend(wav(90));
    form.extend(b"\r\n--x--\r\n");
    let mut ids = Vec::new();
    for again in 0..3 {
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "multipart/form-data; boundary=x"),
            ("idempotency-key", "post-1"),
        ];
        let made = proxy.send(Method::POST, "/api/v1/jobs", &headers, form.clone()).await;
        assert_eq!(made.status(), StatusCode::OK, "{made:?}");
        ids.push(json(&made)["data"]["id"].as_str().unwrap().to_owned());
        if again == 1 {
            proxy.over(&ids[0], KEY).await;
        }
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(proxy.left(KEY).await, ("0".to_owned(), "0".to_owned()));
    proxy.stop().await;
}

#[tokio::test]
async fn a_batch_is_a_job_too() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(users(data.path(), "")).await;
    let line = json!({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "smart", "messages": [{"role": "user", "content": "hi"}]}});
    let bearer = format!("Bearer {KEY}");
    let headers =
        [("authorization", &*bearer), ("content-type", "multipart/form-data; boundary=x")];
    let form = format!(
        "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\n{line}\r\n--x--\r\n"
    );
    let file = json(&proxy.send(Method::POST, "/v1/files", &headers, form).await)["id"].clone();
    let body = json!({"kind": "batch", "input_file_id": file,
        "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let job = proxy.data(Method::POST, "/api/v1/jobs", KEY, &body.to_string()).await;
    let done = proxy.over(job["id"].as_str().unwrap(), KEY).await;
    assert_eq!((&done["kind"], &done["state"]), (&json!("batch"), &json!("completed")), "{done}");
    let batch = format!("/v1/batches/batch_{}", done["id"].as_str().unwrap());
    assert_eq!(json(&proxy.get(&batch, KEY).await)["status"], "completed");
    proxy.stop().await;
}
