//! An API behind a passage: a real server that writes down what it is asked.

use std::convert::Infallible;
use std::sync::Mutex;

use http::HeaderMap;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::*;

type Seen = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

async fn api() -> (SocketAddr, Seen) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let seen = Arc::clone(&kept);
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let seen = Arc::clone(&seen);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let path = head.uri.path_and_query().unwrap().to_string();
                    let times = {
                        let mut seen = seen.lock().unwrap();
                        seen.push((path.clone(), head.headers, body));
                        seen.iter().filter(|(other, ..)| *other == path).count()
                    };
                    Ok::<_, Infallible>(said(&path, times, address))
                }
            });
            let stream = TokioIo::new(stream);
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(stream, service),
            );
        }
    });
    (address, seen)
}

fn said(path: &str, times: usize, address: SocketAddr) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{path} {times}"))));
    let headers = response.headers_mut();
    headers.insert("set-cookie", "a=b".parse().unwrap());
    headers.insert("x-mine", "1".parse().unwrap());
    if path.contains("cached") {
        headers.remove("set-cookie");
    }
    if path.contains("flaky") && times == 1 {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    if path.contains("away") || path.contains("within") {
        *response.status_mut() = StatusCode::FOUND;
        let to = if path.contains("away") {
            "https://evil.example/".to_owned()
        } else {
            format!("http://{address}/base/next")
        };
        response.headers_mut().insert("location", to.parse().unwrap());
    }
    if path.contains("large") {
        *response.body_mut() = Full::new(Bytes::from(vec![b'x'; 70_000]));
    }
    response
}

fn passages(data: &Path, address: SocketAddr) -> Config {
    let more = format!(
        r#"
        [passthrough.weather]
        base_url = "http://{address}/base"
        auth = {{ header = "x-key", key = "env:ADMIN" }}
        methods = ["GET", "POST"]
        cache_ttl = "1m"
        body_max = "64KiB"
        [passthrough.maps]
        base_url = "http://{address}/maps"
        auth = {{ query = "key", key = "env:ADMIN" }}
        paths = ["/open/"]
        [passthrough.gone]
        base_url = "http://127.0.0.1:9"
        "#
    );
    with(data, &more)
}

#[tokio::test]
async fn an_api_is_shown_its_own_key_and_nothing_of_the_callers() {
    let (address, seen) = api().await;
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(passages(data.path(), address)).await;
    let bearer = format!("Bearer {KEY}");
    let headers = [
        ("authorization", &*bearer),
        ("cookie", "secret=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-gw-tags", "t"),
        ("x-key", "mine"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("x-other", "2"),
        ("content-type", "text/plain"),
    ];
    let posted =
        proxy.send(Method::POST, "/passthrough/weather/a%20b?x=1&y", &headers, "body").await;
    assert_eq!(posted.status(), StatusCode::OK, "{posted:?}");
    assert_eq!(&posted.body()[..], b"/base/a%20b?x=1&y 1");
    assert!(
        posted.headers().contains_key("x-mine") && !posted.headers().contains_key("set-cookie")
    );
    let shown = format!("/passthrough/maps/open/x?key={KEY}&q=1");
    let mapped = proxy.send(Method::GET, &shown, &[], "").await;
    assert_eq!(mapped.status(), StatusCode::OK, "{mapped:?}");
    {
        let seen = seen.lock().unwrap();
        let (_, heads, body) = &seen[0];
        assert_eq!(
            (&heads["x-key"], &heads["x-other"]),
            (&ADMIN.parse().unwrap(), &"2".parse().unwrap())
        );
        assert_eq!(&body[..], b"body");
        for name in ["authorization", "cookie", "x-forwarded-for", "x-gw-tags", "x-hop"] {
            assert!(!heads.contains_key(name), "{name}");
        }
        assert_eq!(seen[1].0.matches("key=").count(), 1, "{}", seen[1].0);
        let all = format!("{seen:?}");
        assert!(!all.contains(KEY), "the caller's key stays here");
    }
    // Who asks comes first, and a key of some models uses no API.
    let path = "/passthrough/weather/x";
    assert_eq!(proxy.get(path, "sk-wrong").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(proxy.get(path, OTHER).await.status(), StatusCode::FORBIDDEN);
    proxy.stop().await;
}

#[tokio::test]
async fn nothing_leads_elsewhere_and_what_may_be_repeated_is() {
    let (address, seen) = api().await;
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(passages(data.path(), address)).await;
    let to = |path: &str| format!("/passthrough/weather{path}");
    for path in ["/%2e%2e/x", "//evil.example/x", "/a/%252e%252e/b", "/a%2fb"] {
        let refused = proxy.get(&to(path), KEY).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{path}: {refused:?}");
    }
    for path in ["/passthrough/nothing/x", "/passthrough/maps/closed"] {
        assert_eq!(proxy.get(path, KEY).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let put = proxy.to(Method::PUT, &to("/x"), KEY, "").await;
    assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(seen.lock().unwrap().is_empty(), "nobody was asked");
    // Redirections stay here.
    let away = proxy.get(&to("/away"), KEY).await;
    assert!(away.status() == StatusCode::FOUND && !away.headers().contains_key("location"));
    let within = proxy.get(&to("/within"), KEY).await;
    assert_eq!(within.headers()["location"], "/passthrough/weather/next");
    // A GET is repeated, a POST is not.
    assert_eq!(proxy.get(&to("/flaky"), KEY).await.status(), StatusCode::OK);
    let posted = proxy.to(Method::POST, &to("/flaky-post"), KEY, "").await;
    assert_eq!(posted.status(), StatusCode::SERVICE_UNAVAILABLE);
    // Kept for a while, for whoever asked.
    let first = proxy.get(&to("/cached"), KEY).await;
    let again = proxy.get(&to("/cached"), KEY).await;
    assert_eq!((first.body(), again.headers().contains_key("age")), (again.body(), true));
    let not = [proxy.get(&to("/plain"), KEY).await, proxy.get(&to("/plain"), KEY).await];
    assert_ne!(not[0].body(), not[1].body(), "a cookie is not kept");
    // One that is gone, and bounds.
    let gone = proxy.get("/passthrough/gone/x", KEY).await;
    assert_eq!(gone.status(), StatusCode::BAD_GATEWAY, "{gone:?}");
    let large = proxy.to(Method::POST, &to("/x"), KEY, &"x".repeat(70_000)).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let page = proxy.get("/metrics", "").await;
    let page = String::from_utf8_lossy(page.body()).into_owned();
    assert!(
        page.contains(r#"gw_passthrough_requests_total{api="weather",outcome="hit"} 1"#),
        "{page}"
    );
    proxy.stop().await;
}
