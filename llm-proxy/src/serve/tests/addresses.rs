//! Who may come in from where, and who has tried too often.

use super::browsers::config_of;
use super::*;

async fn listed(proxy: &Running, from: &str, key: &str) -> Response<Bytes> {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", &*bearer), ("x-forwarded-for", from)];
    proxy.send(Method::GET, "/v1/models", &headers, Bytes::new()).await
}

#[tokio::test]
async fn lists_hold_for_who_really_asks() {
    let data = tempfile::tempdir().unwrap();
    let server = r#"
        trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]
        allow = ["127.0.0.0/8", "192.0.2.0/24"]
        deny = ["192.0.2.66"]
        admin = { allow = ["192.0.2.1"] }"#;
    let proxy = Running::start(config_of(data.path(), server, "")).await;
    for (from, status) in [
        ("192.0.2.1", StatusCode::OK),
        ("198.51.100.1", StatusCode::FORBIDDEN),
        ("192.0.2.66", StatusCode::FORBIDDEN),
        // Who writes the list themselves is found out by what the proxy adds.
        ("192.0.2.1, 198.51.100.1, 10.0.0.3", StatusCode::FORBIDDEN),
        ("198.51.100.1, 192.0.2.1, 10.0.0.3", StatusCode::OK),
    ] {
        assert_eq!(listed(&proxy, from, KEY).await.status(), status, "{from}");
    }
    let bearer = format!("Bearer {ADMIN}");
    for (from, status) in [
        ("192.0.2.1", StatusCode::OK),
        ("192.0.2.2", StatusCode::FORBIDDEN),
        ("198.51.100.1", StatusCode::FORBIDDEN),
    ] {
        let headers = [("authorization", &*bearer), ("x-forwarded-for", from)];
        let path = "/admin/ledger/verify";
        let answer = proxy.send(Method::GET, path, &headers, Bytes::new()).await;
        assert_eq!(answer.status(), status, "{from}");
    }
    let headers = [("x-forwarded-for", "198.51.100.1")];
    let health = proxy.send(Method::GET, "/healthz", &headers, Bytes::new()).await;
    assert_eq!(health.status(), StatusCode::OK, "whoever balances load is let in");
    proxy.stop().await;
}

#[tokio::test]
async fn a_strangers_word_is_not_believed() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), r#"deny = ["192.0.2.0/24"]"#, "")).await;
    assert_eq!(listed(&proxy, "192.0.2.1", KEY).await.status(), StatusCode::OK);
    proxy.stop().await;
}

#[tokio::test]
async fn an_address_with_too_many_wrong_keys_is_not_heard_any_more() {
    let data = tempfile::tempdir().unwrap();
    let server = r#"
        trusted_proxies = ["127.0.0.1"]
        wrong_keys = "5/15minute"
        admin = { wrong_keys = "3/15minute" }"#;
    let proxy = Running::start(config_of(data.path(), server, "")).await;
    for n in 0..5 {
        // What a stranger writes to the left of their own address changes nothing.
        let from = format!("203.0.113.{n}, 192.0.2.7");
        let answer = listed(&proxy, &from, &format!("sk-guess-{n}")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{n}");
    }
    let out = listed(&proxy, "192.0.2.7", KEY).await;
    assert_eq!(out.status(), StatusCode::TOO_MANY_REQUESTS, "not even with the right one");
    let left: u64 = out.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=901).contains(&left), "{left}");
    assert_eq!(listed(&proxy, "192.0.2.8", KEY).await.status(), StatusCode::OK);
    let verify = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer), ("x-forwarded-for", "192.0.2.9")];
        proxy.send(Method::GET, "/admin/ledger/verify", &headers, Bytes::new()).await.status()
    };
    for _ in 0..3 {
        assert_eq!(verify("sk-admin-guess").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(verify(ADMIN).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        listed(&proxy, "192.0.2.9", KEY).await.status(),
        StatusCode::OK,
        "callers are others"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn metrics_are_for_who_is_here_or_has_the_admin_key() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), "", "")).await;
    assert_eq!(proxy.get("/metrics", "").await.status(), StatusCode::OK);
    // Somebody asks for somebody else, who may be anywhere.
    let scrape = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer), ("x-forwarded-for", "192.0.2.1")];
        proxy.send(Method::GET, "/metrics", &headers, Bytes::new()).await.status()
    };
    assert_eq!(scrape(KEY).await, StatusCode::UNAUTHORIZED);
    assert_eq!(scrape(ADMIN).await, StatusCode::OK);
    proxy.stop().await;
}

#[tokio::test]
async fn metrics_with_a_listener_of_their_own_are_nowhere_else() {
    let data = tempfile::tempdir().unwrap();
    let server = "metrics_listen = \"127.0.0.1:0\"";
    let proxy = Running::start(config_of(data.path(), server, "")).await;
    assert_eq!(proxy.get("/metrics", ADMIN).await.status(), StatusCode::NOT_FOUND);
    let apart = listen::handover::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let at = apart.local_addr().unwrap();
    let served = tokio::spawn(listen::metrics::serve(apart, Arc::clone(&proxy.house)));
    for (path, status) in [("/metrics", 200), ("/v1/models", 404), ("/key/list", 404)] {
        let uri = format!("http://{at}{path}").parse().unwrap();
        assert_eq!(proxy.client.get(uri).await.unwrap().status().as_u16(), status, "{path}");
    }
    served.abort();
    let _ = served.await;
    proxy.stop().await;
}
