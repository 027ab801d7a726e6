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
        let (status, mut answer) = proxy.by(key, Method::POST, "/api/v1/limits/check", body).await;
        assert_eq!(answer["success"], status.is_success());
        (status, answer["data"].take())
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
