//! An issuer that changes its keys, is away, or answers nonsense, and tokens that ask for it.

use std::sync::atomic::AtomicUsize;
use std::time::{Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use llm_core::Str;
use llm_core::seam::BoxFuture;
use llm_providers::seam::SystemClock;
use parking_lot::Mutex;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::keys::Unchecked;
use super::*;
use crate::config::edge::{Algorithm, Claims};

/// A clock by which everybody waits for a fiftieth.
#[derive(Debug)]
struct Hasty;

impl Clock for Hasty {
    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn wall(&self) -> SystemTime {
        SystemClock.wall()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(wait / 50)
    }
}

/// An issuer on a socket.
struct Issuer {
    url: String,
    says: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let (says, asked) = (Arc::<Mutex<String>>::default(), Arc::<AtomicUsize>::default());
        let (text, count) = (Arc::clone(&says), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let text = text.lock().clone();
                let mut head = [0; 1_024];
                let _ = stream.read(&mut head).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    text.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        Self { url, says, asked }
    }

    fn open(&self) -> Arc<Published> {
        let jwt = Jwt {
            issuer: Str::from_static("https://login.example"),
            audience: Vec::new(),
            algorithms: vec![Algorithm::Es256],
            secret: None,
            keys: Vec::new(),
            jwks: Some(Jwks::Url(Str::from(&*self.url))),
            leeway: Duration::ZERO,
            create_users: false,
            plan: None,
            unlimited: false,
            scope: None,
            admin_role: None,
            claims: Claims::default(),
        };
        Published::open(&jwt, Arc::new(Hasty)).unwrap()
    }

    fn publish(&self, keys: &[(&str, &KeyPair)]) {
        let written = |(id, pair): &(&str, &KeyPair)| {
            let raw = pair.public_key_raw();
            let [x, y] = [&raw[1..33], &raw[33..65]].map(|part| URL_SAFE_NO_PAD.encode(part));
            format!(r#"{{"kty":"EC","crv":"P-256","use":"sig","kid":"{id}","x":"{x}","y":"{y}"}}"#)
        };
        let keys: Vec<_> = keys.iter().map(written).collect();
        // With what nobody here can use, which must not stand in the way.
        let odd = r#"{"kty":"oct","k":"c2VjcmV0","kid":"a"},{"kty":"new"}"#;
        *self.says.lock() = format!(r#"{{"keys":[{odd},{}]}}"#, keys.join(","));
    }
}

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn token(id: &str, pair: &KeyPair) -> String {
    let mut head = Header::new(jsonwebtoken::Algorithm::ES256);
    head.kid = Some(id.to_owned());
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    encode(&head, &serde_json::json!({"sub": "ann"}), &key).unwrap()
}

fn check(published: &Published, token: &str) -> Result<(), Unchecked> {
    published.keys().check(token, &[Algorithm::Es256]).map(drop)
}

#[tokio::test]
async fn keys_come_change_and_go_on_without_their_issuer() {
    let (issuer, one, two) = (Issuer::start().await, pair(), pair());
    issuer.publish(&[("one", &one)]);
    let published = issuer.open();
    assert!(published.renew(0).await, "the first ones are waited for");
    assert_eq!(check(&published, &token("one", &one)), Ok(()));
    assert_eq!(check(&published, &token("one", &two)), Err(Unchecked::Wrong));
    assert_eq!(check(&published, &token("two", &two)), Err(Unchecked::UnknownKey));
    // It changes its keys. Whoever asks at once is told that it is too early, and nobody waits.
    issuer.publish(&[("two", &two)]);
    assert!(!published.renew(1).await);
    tokio::time::sleep(FLOOR / 50 + Duration::from_millis(200)).await;
    assert!(published.renew(1).await);
    assert_eq!(check(&published, &token("two", &two)), Ok(()));
    assert_eq!(check(&published, &token("one", &one)), Err(Unchecked::UnknownKey));
    // It answers nonsense: what it said last holds.
    let long = "x".repeat(BYTES_MAX + 1);
    for nonsense in ["", "<html>", r#"{"keys":[]}"#, r#"{"keys":7}"#, &long] {
        nonsense.clone_into(&mut issuer.says.lock());
        tokio::time::sleep(FLOOR / 50 + Duration::from_millis(100)).await;
        assert!(!published.renew(2).await);
        assert_eq!(check(&published, &token("two", &two)), Ok(()), "{nonsense:.20}");
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_does_not_reach_the_issuer() {
    let (issuer, one) = (Issuer::start().await, pair());
    issuer.publish(&[("one", &one)]);
    let published = issuer.open();
    assert!(published.renew(0).await);
    let begin = SystemClock.now();
    for _ in 0..2_000 {
        assert!(!published.renew(1).await);
    }
    // One at the start, and one for each floor since.
    let floors = begin.elapsed().as_millis() / (FLOOR / 50).as_millis();
    let most = 2 + usize::try_from(floors).unwrap();
    assert!(issuer.asked.load(Ordering::SeqCst) <= most, "{:?} of {most}", issuer.asked);
}
