//! Tokens over a socket: whose they are, what they cost, and whose are not believed.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json as value;

use super::browsers::config_of;
use super::*;

const ASK: &str =
    r#"{"model":"smart","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}"#;
const SECRET: &str = "a secret that both sides know, of 32 bytes and more";

fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "tokens end by the real calendar")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs().cast_signed()
}

fn claims() -> Value {
    value!({
        "iss": "https://login.example", "aud": "gateway", "sub": "ann",
        "exp": now() + 600, "iat": now(), "scope": "openid llm",
    })
}

fn signed(claims: &Value, algorithm: Algorithm, key: &EncodingKey) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

struct Issuer {
    rsa: KeyPair,
    ec: KeyPair,
    ed: KeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self {
            rsa: KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
            ec: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            ed: KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        }
    }

    /// The configuration of whoever believes it.
    fn config(&self, data: &Path, algorithms: &str, more: &str) -> Config {
        let mut names = Vec::new();
        for (name, pair) in [("rsa", &self.rsa), ("ec", &self.ec), ("ed", &self.ed)] {
            let path = data.join(format!("{name}.pem"));
            std::fs::write(&path, pair.public_key_pem()).unwrap();
            names.push(format!("\"file:{}\"", path.display()));
        }
        let secret = data.join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        let secret = match algorithms.contains("HS256") {
            true => format!("secret = \"file:{}\"", secret.display()),
            false => String::new(),
        };
        let keys = names.join(", ");
        let jwt = format!(
            "[auth.jwt]\nissuer = \"https://login.example\"\naudience = [\"gateway\", \"other\"]\n\
             algorithms = [{algorithms}]\n{secret}\nkeys = [{keys}]\n{more}\n"
        );
        config_of(data, "", &jwt)
    }

    fn rs256(&self, claims: &Value) -> String {
        let key = EncodingKey::from_rsa_pem(self.rsa.serialize_pem().as_bytes()).unwrap();
        signed(claims, Algorithm::RS256, &key)
    }

    fn es256(&self, claims: &Value) -> String {
        let key = EncodingKey::from_ec_pem(self.ec.serialize_pem().as_bytes()).unwrap();
        signed(claims, Algorithm::ES256, &key)
    }

    fn eddsa(&self, claims: &Value) -> String {
        let key = EncodingKey::from_ed_pem(self.ed.serialize_pem().as_bytes()).unwrap();
        signed(claims, Algorithm::EdDSA, &key)
    }
}

fn hs256(claims: &Value) -> String {
    signed(claims, Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()))
}

const ALL: &str = r#""HS256", "RS256", "ES256", "EdDSA""#;
const CREATE: &str = "create_users = true\nplan = \"pro\"";

async fn ask(proxy: &Running, token: &str) -> Response<Bytes> {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    proxy.send(Method::POST, "/v1/chat/completions", &headers, ASK).await
}

#[tokio::test]
async fn a_person_asks_on_their_own_account_whichever_way_the_token_is_signed() {
    let (data, issuer) = (tempfile::tempdir().unwrap(), Issuer::new());
    let proxy = Running::start(issuer.config(data.path(), ALL, CREATE)).await;
    let said = claims();
    for token in [hs256(&said), issuer.rs256(&said), issuer.es256(&said), issuer.eddsa(&said)] {
        for _ in 0..2 {
            let answer = ask(&proxy, &token).await;
            assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
        }
    }
    let info = json(&proxy.get("/user/info?user_id=ann", ADMIN).await);
    assert!(
        info.to_string().contains("\"pro\"") || info.to_string().contains("100/minute"),
        "{info}"
    );
    let list = json(&proxy.get("/key/list", ADMIN).await)["data"].to_string();
    assert_eq!(list.matches("jwt-").count(), 1, "one key, however many tokens: {list}");
    let verified = json(&proxy.get("/admin/ledger/verify", ADMIN).await);
    assert_eq!((&verified["ok"], &verified["holds_open"]), (&true.into(), &0.into()));
    proxy.stop().await;
}

#[tokio::test]
async fn a_plan_holds_for_all_tokens_of_a_person_and_only_theirs() {
    let (data, issuer) = (tempfile::tempdir().unwrap(), Issuer::new());
    let more =
        "create_users = true\nplan = \"pro\"\nclaims = { plan = \"app.plan\", team = \"team\" }";
    let proxy = Running::start(issuer.config(data.path(), "\"ES256\"", more)).await;
    let of = |user: &str, iat: i64| {
        let mut said = claims();
        said["sub"] = user.into();
        said["iat"] = (now() - iat).into();
        said["app"] = value!({"plan": "small"});
        said["team"] = "blue".into();
        issuer.es256(&said)
    };
    let (one, two) = (of("ann", 1), of("ann", 2));
    assert_eq!(ask(&proxy, &one).await.status(), StatusCode::OK);
    assert_eq!(ask(&proxy, &two).await.status(), StatusCode::OK);
    assert_eq!(ask(&proxy, &of("ann", 3)).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&proxy, &of("bob", 1)).await.status(), StatusCode::OK);
    let mut other = claims();
    other["team"] = "red".into();
    let other = ask(&proxy, &issuer.es256(&other)).await;
    assert_eq!(other.status(), StatusCode::FORBIDDEN, "nobody changes teams by a token");
    let mut unknown = claims();
    (unknown["sub"], unknown["app"]) = ("eve".into(), value!({"plan": "gold"}));
    assert_eq!(ask(&proxy, &issuer.es256(&unknown)).await.status(), StatusCode::FORBIDDEN);
    proxy.stop().await;
}

#[tokio::test]
async fn strangers_scopes_models_and_roles() {
    let (data, issuer) = (tempfile::tempdir().unwrap(), Issuer::new());
    let more = "scope = \"llm\"\nadmin_role = \"gateway-admin\"\n\
                claims = { models = \"models\", roles = \"realm.roles\" }";
    let proxy = Running::start(issuer.config(data.path(), "\"EdDSA\"", more)).await;
    let token = |change: &dyn Fn(&mut Value)| {
        let mut said = claims();
        change(&mut said);
        issuer.eddsa(&said)
    };
    let stranger = ask(&proxy, &token(&|_| {})).await;
    assert_eq!(stranger.status(), StatusCode::FORBIDDEN, "nobody comes into being unsaid");
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let new = r#"{"user_id":"ann","auto_create_key":false}"#;
    assert_eq!(proxy.send(Method::POST, "/user/new", &headers, new).await.status(), StatusCode::OK);
    assert_eq!(ask(&proxy, &token(&|_| {})).await.status(), StatusCode::OK);
    let no_scope = token(&|said| said["scope"] = "openid".into());
    assert_eq!(ask(&proxy, &no_scope).await.status(), StatusCode::FORBIDDEN);
    for (models, status) in [
        (value!(["smart"]), StatusCode::OK),
        (value!(["sm*"]), StatusCode::OK),
        (value!(["other"]), StatusCode::FORBIDDEN),
        (value!([]), StatusCode::FORBIDDEN),
        (value!(7), StatusCode::FORBIDDEN),
    ] {
        let narrow = token(&|said| said["models"] = models.clone());
        for _ in 0..2 {
            let answer = ask(&proxy, &narrow).await.status();
            // What may not be seen may as well not be there.
            let hidden = status == StatusCode::FORBIDDEN && answer == StatusCode::NOT_FOUND;
            assert!(answer == status || hidden, "{models}: {answer}");
        }
    }
    let verify = "/admin/ledger/verify";
    assert_eq!(proxy.get(verify, &token(&|_| {})).await.status(), StatusCode::UNAUTHORIZED);
    let admin = token(&|said| said["realm"] = value!({"roles": ["user", "gateway-admin"]}));
    assert_eq!(proxy.get(verify, &admin).await.status(), StatusCode::OK);
    proxy.stop().await;
}

#[tokio::test]
async fn what_time_or_meaning_is_wrong_with_is_refused() {
    let (data, issuer) = (tempfile::tempdir().unwrap(), Issuer::new());
    let proxy = Running::start(issuer.config(data.path(), "\"ES256\"", CREATE)).await;
    let cases: [(&str, Value); 22] = [
        ("exp", value!(now() - 60)),
        ("exp", value!(-1)),
        ("exp", value!((now() + 600).to_string())),
        ("exp", value!(1e40)),
        ("exp", value!(f64::from(i32::MAX) + 0.5)),
        ("exp", value!(null)),
        ("nbf", value!(now() + 600)),
        ("nbf", value!("0")),
        ("nbf", value!(-1)),
        ("iat", value!(now() + 600)),
        ("iat", value!([0])),
        ("iss", value!("https://login.example/")),
        ("iss", value!(["https://login.example"])),
        ("iss", value!(null)),
        ("aud", value!("Gateway")),
        ("aud", value!(["someone", "else"])),
        ("aud", value!([])),
        ("aud", value!(null)),
        ("aud", value!({"gateway": true})),
        ("sub", value!("")),
        ("sub", value!(7)),
        ("sub", value!(null)),
    ];
    for (claim, wrong) in cases {
        let mut said = claims();
        match wrong {
            Value::Null => drop(said.as_object_mut().unwrap().remove(claim)),
            ref wrong => said[claim] = wrong.clone(),
        }
        let answer = ask(&proxy, &issuer.es256(&said)).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{claim} = {wrong}");
    }
    for aud in [value!(["x", "gateway"]), value!("other")] {
        let mut said = claims();
        said["aud"] = aud;
        assert_eq!(ask(&proxy, &issuer.es256(&said)).await.status(), StatusCode::OK);
    }
    proxy.stop().await;
}

/// A token whose parts are as they are said.
fn raw(head: &str, body: &str, signature: &[u8]) -> String {
    let [head, body] = [head, body].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn no_trick_with_a_head_is_believed() {
    let (data, issuer) = (tempfile::tempdir().unwrap(), Issuer::new());
    let proxy = Running::start(issuer.config(data.path(), ALL, CREATE)).await;
    let said = claims();
    let body = said.to_string();
    let mut tricks = Vec::new();
    for none in ["none", "None", "nOnE", "NONE", ""] {
        tricks.push(raw(&format!(r#"{{"alg":"{none}","typ":"JWT"}}"#), &body, b""));
        tricks.push(raw(&format!(r#"{{"alg":"{none}"}}"#), &body, b"x"));
    }
    // The public key as a secret: whoever checks with what the head says would take it.
    for pair in [&issuer.rsa, &issuer.ec, &issuer.ed] {
        for secret in [pair.public_key_pem().into_bytes(), pair.public_key_raw().to_vec()] {
            tricks.push(signed(&said, Algorithm::HS256, &EncodingKey::from_secret(&secret)));
        }
    }
    // Another key of the same kind, which the token brings along or says where to find.
    let other = Issuer::new();
    let key = EncodingKey::from_ec_pem(other.ec.serialize_pem().as_bytes()).unwrap();
    let kids = ["../../../../dev/null", "' OR 1=1 --", "http://127.0.0.1:1/", "\u{0}", ""];
    for kid in kids {
        let mut head = Header::new(Algorithm::ES256);
        head.kid = Some(kid.to_owned());
        head.jku = Some("http://127.0.0.1:1/jwks.json".to_owned());
        head.x5u = Some("http://127.0.0.1:1/cert.pem".to_owned());
        tricks.push(encode(&head, &said, &key).unwrap());
    }
    tricks.push(other.rs256(&said));
    tricks.push(other.eddsa(&said));
    let good = issuer.es256(&said);
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    tricks.push(format!("{signed_part}."));
    tricks.push(format!("{signed_part}.{}", URL_SAFE_NO_PAD.encode([0; 64])));
    tricks.push(format!("{signed_part}.{signature}A"));
    let forged = URL_SAFE_NO_PAD.encode(body.replace("ann", "bob"));
    let head = signed_part.split_once('.').unwrap().0;
    tricks.push(format!("{head}.{forged}.{signature}"));
    // Claims that stand twice, and heads that want what nobody here does.
    let twice = body.replacen('{', r#"{"sub":"root","#, 1);
    let hmac = |head: &str, body: &str| {
        let [head, body] = [head, body].map(|part| URL_SAFE_NO_PAD.encode(part));
        let text = format!("{head}.{body}");
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature =
            jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{text}.{signature}")
    };
    assert_eq!(ask(&proxy, &hmac(r#"{"alg":"HS256"}"#, &body)).await.status(), StatusCode::OK);
    tricks.push(hmac(r#"{"alg":"HS256"}"#, &twice));
    tricks.push(hmac(r#"{"alg":"HS256","alg":"none"}"#, &body));
    tricks.push(hmac(r#"{"alg":"HS256","crit":["exp"]}"#, &body));
    tricks.push(hmac(r#"{"alg":"HS256","zip":"DEF"}"#, &body));
    tricks.push(hmac(r#"{"alg":"HS512"}"#, &body));
    tricks.extend(["[]", "7"].map(|body| hmac(r#"{"alg":"HS256"}"#, body)));
    tricks.extend(["eyJ..", "eyJhbGciOiJub25lIn0.."].map(str::to_owned));
    tricks.push(format!("eyJ{}.{}.x", "a".repeat(30_000), "b".repeat(20_000)));
    for trick in tricks {
        let answer = ask(&proxy, &trick).await;
        let status = answer.status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{trick}: {:?}", answer.body());
    }
    let megabyte = format!("{head}.{}.{signature}", "A".repeat(1 << 20));
    let bearer = format!("Bearer {megabyte}");
    let request = Request::post(format!("http://{}/v1/chat/completions", proxy.address))
        .header("authorization", bearer)
        .body(Full::new(Bytes::from(ASK)))
        .unwrap();
    // Refused by its size alone, or cut off while it is still being sent.
    if let Ok(answer) = proxy.client.request(request).await {
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let everyone = json(&proxy.get("/key/list", ADMIN).await).to_string();
    assert!(!everyone.contains("root") && !everyone.contains("bob"), "{everyone}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_person_who_was_shut_out_stays_out() {
    let (data, issuer) = (tempfile::tempdir().unwrap(), Issuer::new());
    let proxy = Running::start(issuer.config(data.path(), "\"ES256\"", CREATE)).await;
    let token = issuer.es256(&claims());
    assert_eq!(ask(&proxy, &token).await.status(), StatusCode::OK);
    let list = json(&proxy.get("/key/list", ADMIN).await).to_string();
    let id = &list[list.find("jwt-").unwrap()..][..28];
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let delete = format!(r#"{{"keys":["{id}"]}}"#);
    let deleted = proxy.send(Method::POST, "/key/delete", &headers, delete).await;
    assert_eq!(deleted.status(), StatusCode::OK, "{:?}", deleted.body());
    let mut again = claims();
    again["jti"] = "another".into();
    for token in [token, issuer.es256(&again)] {
        assert_eq!(ask(&proxy, &token).await.status(), StatusCode::FORBIDDEN);
    }
    proxy.stop().await;
}
