//! Credits: limits of calls, and what is in wallets.

use llm_store::webhooks::Secrets;

use super::*;

const ASK: &str =
    r#"{"model":"smart","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
const CHAT: &str = "/v1/chat/completions";
/// What payments are signed with in these tests.
const SECRET: &str = KEY;

impl Running {
    /// A POST as JSON, with a key or none.
    async fn told(&self, path: &str, key: &str, body: &str) -> (StatusCode, Value) {
        let bearer = format!("Bearer {key}");
        let response =
            self.send(Method::POST, path, &[("authorization", &bearer)], body.to_owned()).await;
        let answer = json(&response);
        admin::shape::holds(&Method::POST, path, response.status(), &answer);
        (response.status(), answer)
    }

    /// A GET with a key, and its answer as the table has it.
    async fn looked(&self, path: &str, key: &str) -> (StatusCode, Value) {
        let response = self.get(path, key).await;
        let answer = json(&response);
        admin::shape::holds(&Method::GET, path, response.status(), &answer);
        (response.status(), answer)
    }

    /// The same of an operator, who is obeyed.
    async fn done(&self, path: &str, body: &str) -> Value {
        let (status, answer) = self.told(path, ADMIN, body).await;
        assert_eq!(status, StatusCode::OK, "{path} {body}: {answer}");
        answer
    }

    async fn wallet(&self, user: &str) -> Value {
        self.looked(&format!("/admin/wallets/{user}"), ADMIN).await.1
    }
}

#[tokio::test]
async fn a_limit_in_credits_holds_over_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let rules = "limits = [\"20 credits/month\"]\n[credits.models]\n\
        smart = \"3 credits/call + 1 credit per exact 1000 output tokens\"";
    let proxy = Running::start(config(data.path(), rules)).await;
    let mut spent = 0;
    let refused = loop {
        let response = proxy.ask(CHAT, ASK).await;
        if response.status() != StatusCode::OK {
            break response;
        }
        let credits = response.headers()["x-gw-credits"].to_str().unwrap();
        let credits: llm_core::money::Credits = credits.parse().unwrap();
        assert!(credits.0 > 3_000_000 && credits.0 < 3_060_000, "{credits}");
        assert!(response.headers().contains_key("x-gw-cost"));
        spent += credits.0;
        assert!(spent <= 20_000_000);
    };
    // What is left would not pay for another one.
    assert!(spent > 16_000_000, "{spent}");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["x-should-retry"], "false");
    let message = json(&refused)["error"]["message"].to_string();
    assert!(message.contains("20 credits"), "{message}");
    // A model without a price in credits is not free, nor is it asked.
    let other = ASK.replace("smart", "simulated/gpt-4o-mini");
    let other = proxy.ask(CHAT, &other).await;
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    let balance = proxy.looked("/api/v1/credits/balance", KEY).await.1;
    let limit = &balance["data"]["limits"][0];
    assert_eq!((&limit["rule"], &limit["held"]), (&"credits/month".into(), &"0".into()));
    // The same to operators, of the key and of each of its calls.
    let info = proxy.looked("/key/info?key=app", ADMIN).await.1;
    assert_eq!(&info["info"]["credits"][0], limit, "{info}");
    let mut sum = 0;
    for _ in 0..200 {
        let logged = proxy.looked("/admin/requests", ADMIN).await.1;
        let rows = logged["requests"].as_array().unwrap().iter();
        let credits = rows.filter_map(|row| row["credits"].as_str());
        sum = credits.map(|text| text.parse::<llm_core::money::Credits>().unwrap().0).sum();
        // The log is written behind the calls.
        if sum == spent {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(sum, spent);
    let left: llm_core::money::Credits = limit["left"].as_str().unwrap().parse().unwrap();
    assert_eq!(left.0, 20_000_000 - spent, "{balance}");
    // Money was given back by those that credits had refused.
    let key = llm_core::ledger::AccountId::new(llm_core::ledger::Owner::Key, "app");
    let money = proxy.house.store.ledger().balance(&key).await.unwrap().unwrap();
    assert_eq!(money.held.0, 0);
    proxy.stop().await;
    let proxy = Running::start(config(data.path(), rules)).await;
    assert_eq!(proxy.ask(CHAT, ASK).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let verified = json(&proxy.get("/admin/ledger/verify", ADMIN).await);
    assert_eq!((&verified["ok"], &verified["holds_open"]), (&true.into(), &0.into()));
    proxy.stop().await;
}

#[tokio::test]
async fn a_plan_grants_its_month_once_and_another_plan_what_it_has_more() {
    let data = tempfile::tempdir().unwrap();
    let rules = "user = \"min\"\nplan = \"small\"\n[plans.small]\nlimits = [\"60/minute\"]\n\
        credits = \"1000/month\"\n[plans.large]\nlimits = [\"60/minute\"]\ncredits = \"2500/month\"";
    let proxy = Running::start(config(data.path(), rules)).await;
    for _ in 0..2 {
        let balance = proxy.looked("/api/v1/credits/balance", KEY).await.1;
        assert_eq!(balance["success"], true, "{balance}");
        let data = &balance["data"];
        assert_eq!((&data["user"], &data["available"]), (&"min".into(), &"1000".into()));
        assert_eq!(data["plan"]["name"], "small");
        assert!(data["buckets"][0]["expires_at"].is_string());
    }
    proxy.done("/admin/wallets/min/reserve", r#"{"event_id":"a","credits":400}"#).await;
    proxy.done("/admin/wallets/min/settle", r#"{"event_id":"a","credits":400}"#).await;
    proxy.stop().await;
    // Moved: at once, and what was spent stays spent.
    let moved = rules.replace("plan = \"small\"", "plan = \"large\"");
    let proxy = Running::start(config(data.path(), &moved)).await;
    assert_eq!(proxy.wallet("min").await["available"], "2100");
    proxy.stop().await;
    let proxy = Running::start(config(data.path(), rules)).await;
    assert_eq!(proxy.wallet("min").await["available"], "2100");
    proxy.stop().await;
}

#[tokio::test]
async fn the_usual_plans_are_sold_without_being_written() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), "plan = \"basic\"")).await;
    assert_eq!(proxy.ask(CHAT, ASK).await.status(), StatusCode::OK);
    let made = proxy.done("/key/generate", r#"{"user_id":"yun","plan":"pro"}"#).await;
    let key = made["key"].as_str().unwrap();
    let balance = proxy.looked("/api/v1/credits/balance", key).await.1;
    assert_eq!(balance["data"]["available"], "3000", "{balance}");
    // A key of nobody has no wallet.
    let (status, none) = proxy.looked("/api/v1/credits/balance", KEY).await;
    assert_eq!((status, &none["error"]["code"]), (StatusCode::FORBIDDEN, &"NO_WALLET".into()));
    proxy.stop().await;
}

const CAPTIONS: &str = "unlimited = true\n[credits]\nlow = [100]\ntop_ups = \"env:KEY\"\n\
    [credits.jobs]\ncaption = \"10 credits/minute + 5 credits/minute per target language\"\n\
    [credits.guests]\ngrant = 30\nper_network = 2\nper_device = 1";

#[tokio::test]
async fn work_is_priced_by_its_formula_set_aside_charged_and_given_back() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), CAPTIONS)).await;
    let grant = r#"{"credits":300,"event_id":"order-1"}"#;
    assert_eq!(proxy.done("/admin/wallets/hana/grant", grant).await["again"], false);
    assert_eq!(proxy.done("/admin/wallets/hana/grant", grant).await["again"], true);
    let job = r#"{"event_id":"job-1","job":"caption","quantities":{"minute":12,"language":2}}"#;
    for again in [false, true] {
        let held = proxy.done("/admin/wallets/hana/reserve", job).await;
        assert_eq!((&held["credits"], &held["again"]), (&"240".into(), &again.into()), "{held}");
        assert_eq!(held["available"], "60");
    }
    let short = job.replace("job-1", "job-2");
    let (status, short) = proxy.told("/admin/wallets/hana/reserve", ADMIN, &short).await;
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED, "{short}");
    // It was one minute less; the rest comes back.
    let less = job.replace("12", "11.0");
    let settled = proxy.done("/admin/wallets/hana/settle", &less).await;
    assert_eq!((&settled["credits"], &settled["released"]), (&"220".into(), &"20".into()));
    let refund = r#"{"event_id":"r1","charge":"job-1","credits":"20"}"#;
    assert_eq!(proxy.done("/admin/wallets/hana/refund", refund).await["available"], "100");
    assert_eq!(proxy.done("/admin/wallets/hana/refund", refund).await["again"], true);
    for wrong in [
        r#"{"event_id":"x","job":"caption","quantities":{"minutes":1,"language":2}}"#,
        r#"{"event_id":"x","job":"other","quantities":{}}"#,
        r#"{"event_id":"x","job":"caption","credits":3}"#,
        r#"{"event_id":"x","credits":3,"for":"1y"}"#,
    ] {
        let (status, answer) = proxy.told("/admin/wallets/hana/reserve", ADMIN, wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {answer}");
    }
    let look = proxy.wallet("hana").await;
    let kinds: Vec<&str> = look["history"]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.last(), Some(&"granted"), "{look}");
    assert!(kinds.contains(&"spent") && kinds.contains(&"refunded"), "{kinds:?}");
    let months = proxy.looked("/admin/wallets/hana/months", ADMIN).await.1;
    let last = months.as_array().unwrap().last().unwrap();
    assert_eq!((&last["spent"], &last["refunded"]), (&"220".into(), &"20".into()), "{months}");
    let given = r#"{"user":"hana","credits":5,"event_id":"order-2"}"#;
    let answer = proxy.done("/api/v1/credits/grant", given).await;
    assert_eq!((&answer["success"], &answer["data"]["available"]), (&true.into(), &"105".into()));
    // Whoever is refused is told in the same envelope, and in their own language.
    let headers = [("authorization", "Bearer sk-nobody"), ("accept-language", "ko-KR,en;q=0.5")];
    let path = "/api/v1/credits/grant";
    let refused = proxy.send(Method::POST, path, &headers, given).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json(&refused)["error"]["message"], "API 키가 올바르지 않습니다.");
    let odd = given.replace("credits", "credit");
    let (status, odd) = proxy.told(path, ADMIN, &odd).await;
    assert_eq!(
        (status, &odd["error"]["details"]["param"]),
        (StatusCode::BAD_REQUEST, &"credit".into())
    );
    // A key of somebody opens nothing here.
    let (status, _) = proxy.told("/admin/wallets/hana/grant", KEY, grant).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    proxy.stop().await;
}

#[tokio::test]
async fn codes_and_guests_get_what_they_are_worth_and_no_more() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), CAPTIONS)).await;
    let made = proxy.done("/admin/codes", r#"{"credits":50,"uses":1,"count":2}"#).await;
    let [one, two] = [0, 1].map(|n| made["codes"][n].as_str().unwrap().to_owned());
    let mut keys = Vec::new();
    for user in ["a", "b"] {
        let key = proxy.done("/key/generate", &format!(r#"{{"user_id":"{user}"}}"#)).await;
        keys.push(key["key"].as_str().unwrap().to_owned());
    }
    let body = format!(r#"{{"code":"{}"}}"#, one.to_lowercase().replace('-', " "));
    for again in [false, true] {
        let (status, got) = proxy.told("/api/v1/credits/redeem", &keys[0], &body).await;
        assert_eq!(status, StatusCode::OK, "{got}");
        let data = &got["data"];
        assert_eq!((&data["available"], &data["again"]), (&"50".into(), &again.into()));
    }
    let (status, got) = proxy.told("/api/v1/credits/redeem", &keys[1], &body).await;
    assert_eq!((status, &got["error"]["code"]), (StatusCode::CONFLICT, &"NOT_REDEEMED".into()));
    let two = format!(r#"{{"code":"{two}"}}"#);
    assert_eq!(proxy.done("/admin/codes/withdraw", &two).await["used"], 0);
    let (status, _) = proxy.told("/api/v1/credits/redeem", &keys[1], &two).await;
    assert_eq!(status, StatusCode::CONFLICT);
    // Two of a network, one of a device.
    let guest = |device: &str| format!(r#"{{"address":"203.0.113.9","device":"{device}"}}"#);
    let first = proxy.done("/admin/guests", &guest("x")).await;
    assert_eq!((&first["credits"], &first["refused"]), (&"30".into(), &Value::Null), "{first}");
    assert!(proxy.done("/admin/guests", &guest("x")).await["refused"].is_string());
    assert_eq!(proxy.done("/admin/guests", &guest("y")).await["credits"], "30");
    assert!(proxy.done("/admin/guests", &guest("z")).await["refused"].is_string());
    let wallet = first["user"].as_str().unwrap();
    assert_eq!(proxy.wallet(wallet).await["available"], "30");
    proxy.stop().await;
}

#[tokio::test]
async fn a_payment_is_believed_for_its_signature_and_counts_once() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), CAPTIONS)).await;
    let body = r#"{"user":"so","event_id":"pay-1","credits":100,"bonus":10}"#;
    let secrets = Secrets::new([SECRET]).unwrap();
    let now = i64::try_from(
        proxy.house.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
    )
    .unwrap();
    let send = async |second: i64, signature: String| {
        let second = second.to_string();
        let headers = [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &*second),
            ("webhook-signature", &*signature),
        ];
        proxy.send(Method::POST, "/webhooks/credits", &headers, body).await
    };
    for (second, signature) in [
        (now, String::new()),
        (
            now,
            Secrets::new(["another secret, and long enough"]).unwrap().sign(
                "msg_1",
                now,
                body.as_bytes(),
            ),
        ),
        (now - 3_600, secrets.sign("msg_1", now - 3_600, body.as_bytes())),
        (now, secrets.sign("msg_2", now, body.as_bytes())),
    ] {
        assert_eq!(send(second, signature).await.status(), StatusCode::UNAUTHORIZED);
    }
    for again in [false, true] {
        let paid = send(now, secrets.sign("msg_1", now, body.as_bytes())).await;
        assert_eq!(paid.status(), StatusCode::OK, "{:?}", paid.body());
        let data = &json(&paid)["data"];
        assert_eq!((&data["available"], &data["again"]), (&"110".into(), &again.into()));
    }
    proxy.stop().await;
    let text = "unlimited = true\n[credits]\ntop_ups = \"env:EMPTY\"";
    let path = data.path().join("empty.toml");
    std::fs::write(&path, text).unwrap();
    let asked = Asked { config: Some(path), ..Asked::default() };
    assert!(resolve(&asked, &Environment).is_err(), "an empty secret is no secret");
}

#[tokio::test]
async fn people_take_along_what_they_have_spent_and_had_rewritten() {
    let data = tempfile::tempdir().unwrap();
    let rules = "unlimited = true\nuser = \"ann\"";
    let proxy = Running::start(config(data.path(), rules)).await;
    let grant = r#"{"credits":"7","event_id":"e1"}"#;
    proxy.done("/admin/wallets/ann/grant", grant).await;
    for n in 0..3 {
        let body = format!(r#"{{"prompt":"시 {n}"}}"#);
        let (status, made) = proxy.told("/api/v1/prompts/boost", KEY, &body).await;
        assert_eq!(status, StatusCode::OK, "{made}");
    }
    // A page, and the next one.
    let (_, page) = proxy.looked("/api/v1/prompts/boosts?limit=2", KEY).await;
    let (first, next) = (page["data"]["data"].as_array().unwrap(), &page["data"]["next"]);
    assert_eq!((&first[0]["original"], &first[1]["original"]), (&"시 2".into(), &"시 1".into()));
    assert!(first[0]["prompt"].is_string() && first[0]["id"].is_string(), "{page}");
    let path = format!("/api/v1/prompts/boosts?limit=2&cursor={}", next.as_str().unwrap());
    let (_, page) = proxy.looked(&path, KEY).await;
    assert_eq!(page["data"]["data"][0]["original"], "시 0");
    assert!(page["data"]["next"].is_null(), "{page}");
    let (status, _) = proxy.looked("/api/v1/prompts/boosts?cursor=x", KEY).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let mut whole = Value::Null;
    for _ in 0..200 {
        whole = proxy.looked("/api/v1/users/me/export", KEY).await.1["data"]["kept"].clone();
        if whole["usage"].as_array().is_some_and(|usage| !usage.is_empty()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let usage = whole["usage"].as_array().unwrap();
    assert!(usage[0]["sums"]["calls"].as_u64() > Some(0) && usage[0]["day"].is_string(), "{whole}");
    let wallet = whole["wallet"].as_array().unwrap();
    assert!(
        wallet.iter().any(|line| line["event"] == "event/e1" && line["left"] == "7"),
        "{whole}"
    );
    assert_eq!(whole["prompts"]["boosts"].as_array().unwrap().len(), 3, "{whole}");
    proxy.stop().await;
}
