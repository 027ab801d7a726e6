//! What operators ask, and what callers then may.

use std::time::Duration;

use super::*;

mod limits;
mod office;
pub(super) mod shape;

const ASK: &str =
    r#"{"model":"smart","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;

impl Running {
    async fn call(&self, key: &str) -> Response<Bytes> {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        self.send(Method::POST, "/v1/chat/completions", &headers, ASK).await
    }

    /// An operator's call, and its answer.
    async fn admin(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        self.by(ADMIN, method, path, body).await
    }

    /// The same by somebody's key, whoever that is.
    async fn by(&self, key: &str, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer)];
        let response = self.send(method.clone(), path, &headers, body.to_owned()).await;
        let answer = json(&response);
        shape::holds(&method, path, response.status(), &answer);
        (response.status(), answer)
    }

    async fn post(&self, path: &str, body: &str) -> Value {
        let (status, answer) = self.admin(Method::POST, path, body).await;
        assert_eq!(status, StatusCode::OK, "{path} {body}: {answer}");
        answer
    }

    async fn look(&self, path: &str) -> Value {
        let (status, answer) = self.admin(Method::GET, path, "").await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// The text of a new key.
    async fn key(&self, body: &str) -> String {
        self.post("/key/generate", body).await["key"].as_str().unwrap().to_owned()
    }
}

/// What an answer says that it cost.
fn cost(response: &Response<Bytes>) -> i64 {
    let text = response.headers()["x-gw-cost"].to_str().unwrap();
    text.parse::<llm_core::money::Money>().unwrap().0
}

async fn open() -> (tempfile::TempDir, Running) {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), "unlimited = true")).await;
    (data, proxy)
}

#[tokio::test]
async fn a_new_key_calls_and_shows_to_the_nano_what_it_spent() {
    let (_data, proxy) = open().await;
    let body = r#"{"key_alias":"a","max_budget":0.0005,"budget_duration":"30d","user_id":"u"}"#;
    let made = proxy.post("/key/generate", body).await;
    let key = made["key"].as_str().unwrap();
    let mut spent = 0;
    let refused = loop {
        let response = proxy.call(key).await;
        if response.status() != StatusCode::OK {
            break response;
        }
        spent += cost(&response);
        for named in [key, made["token_id"].as_str().unwrap()] {
            let info = &proxy.look(&format!("/key/info?key={named}")).await["info"];
            assert_eq!(info["spend_nanos"], spent, "{info}");
            assert_eq!(
                (&info["reserved_nanos"], &info["limit_nanos"]),
                (&0.into(), &500_000.into())
            );
            assert_eq!(info["remaining_nanos"], 500_000 - spent);
            assert!(info["budget_reset_at"].is_string(), "{info}");
        }
        assert!(spent <= 500_000);
    };
    assert!(spent > 0);
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["x-should-retry"], "false");
    // More of it, at once.
    proxy.post("/key/update", &format!(r#"{{"key":"{key}","max_budget":1}}"#)).await;
    let more = proxy.call(key).await;
    assert_eq!(more.status(), StatusCode::OK, "{more:?}");
    spent += cost(&more);
    let user = proxy.look("/user/info?user_id=u").await;
    assert_eq!(user["user_info"]["spend_nanos"], spent);
    assert_eq!(user["keys"][0]["key_alias"], "a");
    proxy.stop().await;
}

#[tokio::test]
async fn a_key_that_rests_or_is_gone_opens_nothing_at_once() {
    let (_data, proxy) = open().await;
    let made = proxy.post("/key/generate", r#"{"models":["smart"]}"#).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["token_id"].as_str().unwrap());
    assert_eq!(proxy.call(key).await.status(), StatusCode::OK);
    proxy.post(&format!("/key/{id}/suspend"), "").await;
    assert_eq!(proxy.call(key).await.status(), StatusCode::FORBIDDEN);
    proxy.post(&format!("/key/{id}/resume"), "").await;
    assert_eq!(proxy.call(key).await.status(), StatusCode::OK);
    let next = proxy.post(&format!("/key/{id}/rotate"), "").await;
    let next = next["key"].as_str().unwrap();
    assert_eq!(proxy.call(key).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(proxy.call(next).await.status(), StatusCode::OK);
    proxy.post("/key/update", &format!(r#"{{"key":"{next}","models":["other"]}}"#)).await;
    assert_eq!(proxy.call(next).await.status(), StatusCode::FORBIDDEN);
    proxy.post("/key/delete", &format!(r#"{{"keys":["{next}"]}}"#)).await;
    assert_eq!(proxy.call(next).await.status(), StatusCode::UNAUTHORIZED);
    let listed = proxy.look("/key/list").await;
    // First those of the configuration, which nobody changes here.
    assert_eq!(
        (&listed["keys"][0]["fixed"], &listed["keys"][0]["token_id"]),
        (&true.into(), &"app".into())
    );
    assert!(listed["keys"][1]["revoked_at"].is_string(), "{listed}");
    proxy.stop().await;
}

#[tokio::test]
async fn usage_is_the_sum_of_what_answers_said() {
    let (_data, proxy) = open().await;
    let keys = [proxy.key(r#"{"user_id":"u"}"#).await, proxy.key(r#"{"team_id":"t"}"#).await];
    let mut spent = 0;
    for turn in 0..6 {
        spent += cost(&proxy.call(&keys[turn % 2]).await);
    }
    // The log is written behind the calls.
    let mut usage = Value::Null;
    for _ in 0..200 {
        usage = proxy.look("/admin/usage?by=key,day").await;
        let rows = usage["rows"].as_array().unwrap();
        if rows.iter().map(|row| row["calls"].as_u64().unwrap()).sum::<u64>() == 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows = usage["rows"].as_array().unwrap();
    let sum: i64 = rows.iter().map(|row| row["spend_nanos"].as_i64().unwrap()).sum();
    assert_eq!((rows.len(), sum), (2, spent), "{usage}");
    let page = proxy.look(&format!("/admin/requests?size=2&key={}", keys[0])).await;
    assert_eq!(page["requests"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let rest = proxy.look(&format!("/admin/requests?cursor={next}&user=u")).await;
    assert_eq!(rest["requests"].as_array().unwrap().len(), 1, "{rest}");
    let logs = proxy.look("/spend/logs").await;
    let sum: i64 =
        logs.as_array().unwrap().iter().map(|l| l["spend_nanos"].as_i64().unwrap()).sum();
    assert_eq!(sum, spent);
    let report = proxy.look("/global/spend/report?group_by=team").await;
    assert_eq!(report.as_array().unwrap().len(), 2, "{report}");
    let (status, removed) = proxy.admin(Method::DELETE, "/admin/cache?user=u", "").await;
    assert_eq!((status, &removed["removed"]), (StatusCode::OK, &0.into()));
    proxy.stop().await;
}

#[tokio::test]
async fn the_same_event_grants_once() {
    let (_data, proxy) = open().await;
    let path = "/admin/wallets/u%40x/grant";
    let grant = r#"{"credits":2.5,"event_id":"e1"}"#;
    let first = proxy.post(path, grant).await;
    assert_eq!((&first["available_micros"], &first["again"]), (&2_500_000.into(), &false.into()));
    let again = proxy.post(path, grant).await;
    assert_eq!((&again["available_micros"], &again["again"]), (&2_500_000.into(), &true.into()));
    let other = r#"{"credits":3,"event_id":"e1"}"#;
    let (status, answer) = proxy.admin(Method::POST, path, other).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    proxy.stop().await;
}

#[tokio::test]
async fn each_key_opens_its_own_door_and_mistakes_are_named() {
    let (_data, proxy) = open().await;
    let key = proxy.key("{}").await;
    for path in ["/key/info?key=x", "/admin/usage", "/user/info?user_id=u", "/spend/logs"] {
        assert_eq!(proxy.get(path, &key).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    // In a query it is the key that is asked about.
    let query = proxy.send(Method::GET, &format!("/key/info?key={ADMIN}"), &[], "").await;
    assert_eq!(query.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(proxy.call(ADMIN).await.status(), StatusCode::UNAUTHORIZED);
    for (body, param) in [
        (r#"{"max_bugdet":5}"#, "max_bugdet"),
        (r#"{"max_budget":-5}"#, "max_budget"),
        (r#"{"max_budget":0.0000000001}"#, "max_budget"),
        (r#"{"rpm_limit":"many"}"#, "rpm_limit"),
        (r#"{"budget_duration":"30d"}"#, "budget_duration"),
    ] {
        let (status, answer) = proxy.admin(Method::POST, "/key/generate", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
        assert_eq!(answer["error"]["param"], param, "{body}: {answer}");
    }
    let large = format!(r#"{{"key_alias":"{}"}}"#, "x".repeat(64 << 10));
    let (status, _) = proxy.admin(Method::POST, "/key/generate", &large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = proxy.admin(Method::GET, "/key/info?key=sk-nobody", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    proxy.stop().await;
}

#[tokio::test]
async fn a_first_start_makes_one_limited_key() {
    let data = tempfile::tempdir().unwrap();
    let whole = config(data.path(), "unlimited = true");
    let without = Config { keys: Vec::new(), ..whole.clone() };
    let proxy = Running::start(without.clone()).await;
    let key = proxy.house.made.first.as_ref().unwrap().expose().to_owned();
    assert_eq!(proxy.call(&key).await.status(), StatusCode::OK);
    let info = &proxy.look("/key/info?key=default").await["info"];
    assert_eq!((&info["limit_nanos"], &info["rpm_limit"]), (&5_000_000_000_i64.into(), &60.into()));
    proxy.stop().await;
    let again = Running::start(without).await;
    assert!(again.house.made.first.is_none());
    assert_eq!(again.call(&key).await.status(), StatusCode::OK);
    again.stop().await;
    let other = tempfile::tempdir().unwrap();
    let named = Running::start(config(other.path(), "unlimited = true")).await;
    assert!(named.house.made.first.is_none(), "the configuration has keys of its own");
    named.stop().await;
}
