//! Batches against simulated providers, over a restart too.

use super::*;

fn line(id: &str, body: &str) -> String {
    format!(r#"{{"custom_id":"{id}","method":"POST","url":"/v1/chat/completions","body":{body}}}"#)
}

impl Running {
    async fn batch(&self, file: &str) -> Value {
        let file = json(&self.upload(KEY, "batch", file).await);
        let body = json!({
            "input_file_id": file["id"], "endpoint": "/v1/chat/completions",
            "completion_window": "24h", "metadata": { "a": "b" },
        });
        let made = self.to(Method::POST, "/v1/batches", KEY, &body.to_string()).await;
        assert_eq!(made.status(), StatusCode::OK, "{made:?}");
        json(&made)
    }

    async fn settled(&self, id: &str) -> Value {
        for _ in 0..600 {
            let batch = json(&self.seen(&format!("/v1/batches/{id}"), KEY).await);
            let status = batch["status"].as_str().unwrap().to_owned();
            if !["validating", "in_progress", "finalizing", "cancelling"].contains(&&*status) {
                return batch;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("a batch of a few lines ends within half a minute");
    }

    async fn lines(&self, file: &Value) -> Vec<Value> {
        let path = format!("/v1/files/{}/content", file.as_str().unwrap());
        let content = self.seen(&path, KEY).await;
        assert_eq!(content.status(), StatusCode::OK);
        let text = String::from_utf8_lossy(content.body()).into_owned();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn lines_are_asked_and_bad_ones_are_their_own_mistake() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "")).await;
    let file = [
        line("a", &chat("")),
        "this is no line".to_owned(),
        String::new(),
        line("b", &chat(r#","mock_response":"mocked""#)),
        line("a", &chat("")),
        line("c", &chat("").replace("smart", "nothing")),
        line("d", &chat(r#","stream":true"#)),
        line("e", &chat("")).replace("chat/completions", "embeddings"),
    ];
    let made = proxy.batch(&file.join("\n")).await;
    assert_eq!((&made["object"], &made["metadata"]["a"]), (&json!("batch"), &json!("b")));
    assert_eq!(made["request_counts"]["total"], 7);
    let id = made["id"].as_str().unwrap();
    let batch = proxy.settled(id).await;
    assert_eq!(batch["status"], "completed", "{batch}");
    assert_eq!(batch["request_counts"], json!({ "total": 7, "completed": 2, "failed": 5 }));
    let output = proxy.lines(&batch["output_file_id"]).await;
    let named: Vec<_> = output.iter().map(|l| l["custom_id"].as_str().unwrap()).collect();
    assert_eq!(named, ["a", "b"]);
    assert_eq!(output[0]["response"]["status_code"], 200);
    assert!(output[0]["response"]["body"]["choices"].is_array(), "{output:?}");
    assert_eq!(output[1]["response"]["body"]["choices"][0]["message"]["content"], "mocked");
    let errors = proxy.lines(&batch["error_file_id"]).await;
    let code = |n: usize| errors[n]["error"]["code"].as_str().unwrap_or("-").to_owned();
    assert_eq!([code(0), code(1)], ["invalid_json_line", "duplicate_custom_id"]);
    assert_eq!(errors[2]["response"]["status_code"], 404, "{errors:?}");
    assert_eq!(errors[3]["response"]["status_code"], 400);
    assert_eq!(code(4), "mismatched_endpoint");
    // What we would not do is not taken.
    let later = json!({
        "input_file_id": batch["input_file_id"], "endpoint": "/v1/chat/completions",
        "completion_window": "24h", "output_expires_after": { "seconds": 3_600 },
    });
    let later = proxy.to(Method::POST, "/v1/batches", KEY, &later.to_string()).await;
    assert_eq!(json(&later)["error"]["param"], "output_expires_after", "{later:?}");
    // Another's is not there.
    let path = format!("/v1/batches/{id}");
    assert_eq!(proxy.seen(&path, OTHER).await.status(), StatusCode::NOT_FOUND);
    let list = json(&proxy.seen("/v1/batches?limit=1", KEY).await);
    assert_eq!((&list["data"][0]["id"], &list["has_more"]), (&json!(id), &json!(false)));
    assert_eq!(json(&proxy.seen("/v1/batches", OTHER).await)["data"], json!([]));
    let foreign = json!({
        "input_file_id": batch["input_file_id"], "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    });
    let foreign = proxy.to(Method::POST, "/v1/batches", OTHER, &foreign.to_string()).await;
    assert_eq!(foreign.status(), StatusCode::BAD_REQUEST);
    proxy.stop().await;
}

#[tokio::test]
async fn a_batch_goes_on_after_a_restart_and_asks_each_line_once() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "[responses]\nkeep = \"1d\"")).await;
    let lines: Vec<String> = (0..120).map(|n| line(&format!("l{n}"), &chat(""))).collect();
    let made = proxy.batch(&lines.join("\n")).await;
    let id = made["id"].as_str().unwrap().to_owned();
    // In the middle, as far as that can be said.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    proxy.stop().await;
    let proxy = Running::start(with(data.path(), "[responses]\nkeep = \"1d\"")).await;
    let batch = proxy.settled(&id).await;
    assert_eq!(batch["status"], "completed", "{batch}");
    assert_eq!(batch["request_counts"]["completed"], 120, "{batch}");
    let output = proxy.lines(&batch["output_file_id"]).await;
    let mut named: Vec<_> = output.iter().map(|l| l["custom_id"].clone()).collect();
    named.sort_unstable_by_key(Value::to_string);
    named.dedup();
    assert_eq!(named.len(), 120);
    let requests = json(&proxy.seen("/admin/usage?by=key", ADMIN).await);
    let text = requests.to_string();
    assert!(text.contains("120"), "each line is one call in the log: {text}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_batch_can_be_cancelled() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "")).await;
    let lines: Vec<String> = (0..2_000).map(|n| line(&format!("l{n}"), &chat(""))).collect();
    let made = proxy.batch(&lines.join("\n")).await;
    let id = made["id"].as_str().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    let path = format!("/v1/batches/{id}/cancel");
    assert_eq!(proxy.to(Method::POST, &path, OTHER, "").await.status(), StatusCode::NOT_FOUND);
    let cancelled = json(&proxy.to(Method::POST, &path, KEY, "").await);
    assert!(["cancelling", "cancelled"].contains(&cancelled["status"].as_str().unwrap()));
    let batch = proxy.settled(id).await;
    assert_eq!(batch["status"], "cancelled", "{batch}");
    assert!(batch["request_counts"]["completed"].as_u64().unwrap() < 2_000);
    proxy.stop().await;
}
