//! What applications count of their own.

use super::super::super::shared::tests::server;
use super::*;

#[tokio::test]
async fn a_subject_is_its_owners_and_counted_up_to_its_limit() {
    let (_data, proxy) = open().await;
    let mine = proxy.key(r#"{"user_id":"u"}"#).await;
    let same = proxy.key(r#"{"user_id":"u"}"#).await;
    let other = proxy.key(r#"{"user_id":"v"}"#).await;
    let ask = async |key: &str, body: &str| {
        let (status, answer) = proxy.by(key, Method::POST, "/api/v1/limits/check", body).await;
        assert_eq!(answer["success"], status.is_success(), "{answer}");
        (status, answer["data"].clone())
    };
    let login = r#"{"rule":"5/15minute","subject":"login:1.2.3.4"}"#;
    for used in 1..=5 {
        let (status, answer) = ask(if used % 2 == 0 { &mine } else { &same }, login).await;
        assert_eq!((status, &answer["allowed"]), (StatusCode::OK, &true.into()));
        assert_eq!((&answer["used"], &answer["remaining"]), (&used.into(), &(5 - used).into()));
    }
    let (status, answer) = ask(&mine, login).await;
    assert_eq!((status, &answer["allowed"]), (StatusCode::OK, &false.into()), "{answer}");
    let wait = answer["retry_after"].as_i64().unwrap();
    assert!((1..=910).contains(&wait) && answer["resets_at"].is_string(), "{answer}");
    // Somebody else's subject of that name, another subject, and another span are other counts.
    assert_eq!(ask(&other, login).await.1["used"], 1);
    for body in
        [r#"{"rule":"5/15minute","subject":"x"}"#, r#"{"rule":"5/hour","subject":"login:1.2.3.4"}"#]
    {
        assert_eq!(ask(&mine, body).await.1["used"], 1, "{body}");
    }
    // A higher limit keeps what was counted; looking counts nothing.
    let peek = r#"{"rule":"7/15minute","subject":"login:1.2.3.4","cost":2,"peek":true}"#;
    for _ in 0..3 {
        let answer = ask(&mine, peek).await.1;
        assert_eq!((&answer["allowed"], &answer["used"]), (&true.into(), &5.into()));
    }
    let more = peek.replace("\"cost\":2", "\"cost\":3");
    assert_eq!(ask(&mine, &more).await.1["allowed"], false);
    for wrong in [
        r#"{"rule":"$5/day","subject":"x"}"#,
        r#"{"rule":"5","subject":"x"}"#,
        r#"{"rule":"5/day","subject":""}"#,
        r#"{"rule":"5/day","subject":"x","cost":-1}"#,
        r#"{"rule":"5/day","subject":"x","costs":1}"#,
    ] {
        assert_eq!(ask(&mine, wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(ask(ADMIN, login).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("sk-nobody", login).await.0, StatusCode::UNAUTHORIZED);
    proxy.stop().await;
}

#[tokio::test]
async fn applications_are_answered_in_an_envelope_and_in_their_language() {
    let (_data, proxy) = open().await;
    let key = proxy.key("{}").await;
    let bearer = format!("Bearer {key}");
    let ask = async |language: &str, path: &str, body: &str| {
        let headers = [("authorization", &*bearer), ("accept-language", language)];
        let response = proxy.send(Method::POST, path, &headers, body.to_owned()).await;
        assert!(response.headers().contains_key("x-request-id"), "{response:?}");
        let answer = json(&response);
        shape::holds(&Method::POST, path, response.status(), &answer);
        answer
    };
    let (path, right) = ("/api/v1/limits/check", r#"{"rule":"5/hour","subject":"x"}"#);
    let done = ask("ko-KR,en;q=0.5", path, right).await;
    assert_eq!((&done["data"]["used"], &done["message"]), (&1.into(), &"완료되었습니다.".into()));
    assert!(done["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{done}");
    assert_eq!(ask("", path, right).await["message"], "done");
    // What is refused before a function runs is in it, too.
    let wrong = right.replace("subject", "subjects");
    let korean = ask("ko", path, &wrong).await["error"].clone();
    let english = ask("en", path, &wrong).await["error"].clone();
    assert_eq!((&korean["code"], &english["code"]), (&"INVALID_REQUEST".into(), &korean["code"]));
    assert_eq!(korean["message"], "잘못된 요청입니다.");
    assert_eq!(english["message"], "The request is not right.");
    assert_eq!(korean["details"]["reason"], "there is no field subjects");
    assert_eq!(korean["details"]["param"], "subjects");
    let nobody = proxy.by("sk-nobody", Method::POST, path, right).await.1;
    assert_eq!(
        (&nobody["success"], &nobody["error"]["code"]),
        (&false.into(), &"INVALID_API_KEY".into())
    );
    // Without the version it is as operators' answers are.
    assert_eq!(ask("ko", "/limits/check", right).await["used"], 3);
    proxy.stop().await;
}

/// Two replicas count together; when what they share is gone, each lets in its part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_count_together_and_then_each_its_part() {
    let Some(server) = server::Server::start() else { return };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut proxies = Vec::new();
    for folder in &folders {
        let mut config = config(folder.path(), "unlimited = true");
        let secret = llm_core::secret::Secret::new(server.url());
        config.store.redis =
            Some(crate::config::reference::Hidden { secret, reference: "test".into() });
        config.store.replicas = std::num::NonZeroU32::new(2).unwrap();
        proxies.push(Running::start(config).await);
    }
    let ask = async |at: usize, peek: bool| {
        let body = format!(r#"{{"rule":"6/hour","subject":"x","peek":{peek}}}"#);
        let (status, answer) = proxies[at].by(KEY, Method::POST, "/limits/check", &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        (answer["allowed"].as_bool().unwrap(), answer["used"].as_u64().unwrap())
    };
    for turn in 0..4 {
        assert_eq!(ask(turn % 2, false).await, (true, turn as u64 + 1));
    }
    assert_eq!((ask(0, true).await, ask(1, true).await), ((true, 4), (true, 4)));
    drop(server);
    // Each has let in two of its three, and goes on from there.
    for at in 0..2 {
        assert_eq!(ask(at, false).await, (true, 3));
        assert!(!ask(at, false).await.0, "its part is used up");
    }
    for proxy in proxies {
        proxy.stop().await;
    }
}
