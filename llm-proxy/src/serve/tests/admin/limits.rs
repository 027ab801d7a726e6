//! What applications count of their own.

use super::*;

#[tokio::test]
async fn a_subject_is_its_owners_and_counted_up_to_its_limit() {
    let (_data, proxy) = open().await;
    let mine = proxy.key(r#"{"user_id":"u"}"#).await;
    let same = proxy.key(r#"{"user_id":"u"}"#).await;
    let other = proxy.key(r#"{"user_id":"v"}"#).await;
    let ask = async |key: &str, body: &str| {
        proxy.by(key, Method::POST, "/api/v1/limits/check", body).await
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
