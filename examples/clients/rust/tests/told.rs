//! What the programs stand on. What they do is tested against a running proxy, in `tests/sdk`.

use std::process::Command;

use clients::{Gateway, Refused};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Someone who answers one request with these bytes, so many at a time.
async fn server(answer: String, at_once: usize) -> std::io::Result<Gateway> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut read = Vec::new();
        while !read.windows(4).any(|four| four == b"\r\n\r\n") {
            stream.read_buf(&mut read).await?;
        }
        for piece in answer.as_bytes().chunks(at_once) {
            stream.write_all(piece).await?;
            stream.flush().await?;
            tokio::task::yield_now().await;
        }
        std::io::Result::Ok(())
    });
    Ok(Gateway::new(&format!("http://{address}/v1"), "sk-x".to_owned()))
}

fn answer(status: &str, media: &str, body: &str) -> String {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {media}\r\nconnection: close");
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn events_are_whole_wherever_they_are_cut() {
    let body = "id: 1\nevent: start\ndata: {\"reply_id\":\"a\"}\n\n: still here\n\n\
        id: 2\nevent: delta\ndata: {\"text\":\"안녕\\n하세요\"}\n\n\
        event: end\ndata: {}\n\n";
    for at_once in 1..12 {
        let gateway = server(answer("200 OK", "text/event-stream", body), at_once).await.unwrap();
        let mut events = gateway.events(Method::GET, "/x", Value::Null, None).await.unwrap();
        let mut seen = Vec::new();
        while let Some(event) = events.next().await.unwrap() {
            seen.push((event.id, event.name, event.data));
        }
        let wanted = [
            ("1", "start", json!({"reply_id": "a"})),
            ("2", "delta", json!({"text": "안녕\n하세요"})),
            ("", "end", json!({})),
        ];
        let wanted = wanted.map(|(id, name, data)| (id.to_owned(), name.to_owned(), data));
        assert_eq!(seen, wanted, "{at_once} bytes at once");
    }
}

#[tokio::test]
async fn what_is_refused_is_told_for_people_and_for_programs() {
    let body = json!({"success": false, "timestamp": "", "error": {"code": "RATE_LIMITED",
        "message": "한도를 초과했습니다.", "details": {"reason": "30/hour", "retry_after": 61}}});
    let body = answer("429 Too Many Requests", "application/json", &body.to_string());
    let gateway = server(body.clone(), 7).await.unwrap();
    let refused = gateway.get("/chat/conversations").await.unwrap_err();
    assert_eq!(refused.to_string(), "RATE_LIMITED: 한도를 초과했습니다. (61 s)");
    let refused = refused.downcast::<Refused>().unwrap();
    assert_eq!((refused.status, &refused.details["reason"]), (429, &json!("30/hour")));
    let gateway = server(body, 7).await.unwrap();
    let following = gateway.events(Method::GET, "/x", Value::Null, None).await;
    assert!(following.unwrap_err().is::<Refused>());
}

#[test]
fn every_program_wants_a_key() {
    for program in [
        env!("CARGO_BIN_EXE_captions"),
        env!("CARGO_BIN_EXE_chat"),
        env!("CARGO_BIN_EXE_documents"),
        env!("CARGO_BIN_EXE_privacy"),
        env!("CARGO_BIN_EXE_prompts"),
        env!("CARGO_BIN_EXE_templates"),
        env!("CARGO_BIN_EXE_usage"),
    ] {
        let ran = Command::new(program).env_remove("OPENAI_API_KEY").output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!((ran.status.code(), &*said), (Some(1), "OPENAI_API_KEY is not set\n"));
    }
}
