//! What people are told of their own use, and operators of everybody's.

use super::*;

async fn used(world: &World) -> Value {
    // The log is written behind the calls.
    for _ in 0..100 {
        let me = world.get("/api/v1/usage/me").await;
        if me["month"]["days"][0]["calls"].as_u64() >= Some(16) {
            return me;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing is in the log");
}

#[tokio::test]
async fn people_see_what_they_have_used_and_what_is_left() {
    let world = World::new("\"30/hour\", \"$0.005/month\"").await;
    let messages = format!("{}/messages", world.opened().await);
    for n in 0..16 {
        world.post(&messages, &value!({"content": format!("{n}")})).await;
    }
    let me = used(&world).await;
    assert_eq!((&me["user"], &me["time_zone"]), (&value!("ann"), &value!("Asia/Seoul")), "{me}");
    let limits = me["limits"].as_array().unwrap();
    let limit = |rule: &str| {
        let found = limits.iter().find(|limit| {
            limit["rule"] == rule && limit["scope"].as_str().unwrap().starts_with("feature:")
        });
        found.unwrap_or_else(|| panic!("{rule}: {me}")).clone()
    };
    let hour = limit("requests/hour");
    let counts = ["limit", "used", "remaining"].map(|name| hour[name].as_i64().unwrap());
    assert_eq!((counts, &hour["unit"]), ([30, 16, 14], &value!("requests")));
    assert!(hour["resets_at"].as_str().unwrap().ends_with("+09:00"));
    let month = limit("$/month");
    let spent = month["used"].as_i64().unwrap();
    assert!(spent > 0 && month["remaining"].as_i64() == Some(5_000_000 - spent), "{month}");
    assert!(month["exhausted_on"].is_string() || spent < 100_000, "{month}");
    let alerts = me["alerts"].as_array().unwrap();
    let alert = alerts.iter().find(|alert| alert["rule"] == "requests/hour").unwrap();
    assert_eq!(alert["threshold"], 50);
    let day = &me["month"]["days"][0];
    assert!(day["spend_nanos"].as_i64().unwrap() >= spent, "{day}");
    // By model and feature.
    let page = world.get("/api/v1/usage/me/history?feature=chat&limit=1").await;
    let line = &page["data"][0];
    assert_eq!((&line["model"], &line["calls"]), (&value!("talk"), &value!(16)), "{page}");
    assert_eq!(line["spend_nanos"], spent);
    let months = world.get("/api/v1/usage/me/history?by=month").await;
    assert_eq!(months["data"][0]["period"].as_str().unwrap().len(), 7, "{months}");
    let none = world.get("/api/v1/usage/me/history?feature=nothing").await;
    assert_eq!(none, value!({"data": [], "next": null}));
    for odd in ["by=year", "from=x", "cursor=x", "limit=0", "from=0001-01-01"] {
        let path = format!("/api/v1/usage/me/history?{odd}");
        let (status, answer) = world.to(Method::GET, &path, OTHER, &Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{odd}: {answer}");
    }
    // Another key has its own.
    let other = world.done(Method::GET, "/api/v1/usage/me", KEY, &Value::Null).await;
    assert_eq!((&other["user"], &other["month"]["days"]), (&Value::Null, &value!([])));
    operators(&world, spent).await;
    world.stop().await;
}

async fn operators(world: &World, spent: i64) {
    let asked = async |path: &str| {
        let response = world.proxy.get(path, ADMIN).await;
        let answer = json(&response);
        super::super::admin::shape::holds(&Method::GET, path, response.status(), &answer);
        assert_eq!(response.status(), StatusCode::OK, "{path}: {answer}");
        answer
    };
    let users = asked("/admin/usage/users").await;
    assert_eq!(users["data"][0]["user"], "ann", "{users}");
    let ann = asked("/admin/usage/users/ann").await;
    assert!(ann["month"]["spend_nanos"].as_i64().unwrap() >= spent, "{ann}");
    let lines = asked("/admin/usage/users/ann/history?feature=chat").await;
    assert_eq!(lines["data"][0]["spend_nanos"], spent);
    let denied = world.proxy.get("/admin/usage/users", KEY).await;
    assert_eq!(denied.status(), StatusCode::UNAUTHORIZED);
}
