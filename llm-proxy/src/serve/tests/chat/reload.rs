//! How features ask, changed while they are served; and what is kept no longer.

use super::super::reload::{Origin, Outcome};
use super::*;

impl World {
    /// Another configuration, as if the file had changed: nothing of it waits for a start.
    fn says(&self, chat: &str) {
        let config = Self::config(&self.far, self.data.path(), chat);
        let house = &self.proxy.house;
        let taken = house.board.take(house, config, Origin::File);
        assert!(matches!(taken, Ok(Outcome::Taken)), "{chat}: {taken:?}");
        assert_eq!(house.board.now().restart, Vec::<String>::new(), "{chat}");
    }

    async fn status(&self, messages: &str) -> StatusCode {
        self.to(Method::POST, messages, OTHER, &value!({"content": "hi"})).await.0
    }
}

#[tokio::test]
async fn features_and_privacy_follow_the_configuration() {
    let world = World::new("\"2/hour\"").await;
    let messages = format!("{}/messages", world.opened().await);
    assert_eq!(world.status(&messages).await, StatusCode::OK);
    assert_eq!(world.status(&messages).await, StatusCode::OK);
    assert_eq!(world.status(&messages).await, StatusCode::TOO_MANY_REQUESTS);
    // A larger number counts on from what was used; an empty list is no limit at all; nothing said
    // is the usual one.
    world.says("limits = [\"3/hour\"]");
    assert_eq!(world.status(&messages).await, StatusCode::OK);
    assert_eq!(world.status(&messages).await, StatusCode::TOO_MANY_REQUESTS);
    world.says("limits = []");
    for _ in 0..40 {
        assert_eq!(world.status(&messages).await, StatusCode::OK);
    }
    let me = world.get("/api/v1/usage/me").await;
    let limits = me["limits"].as_array().unwrap().iter();
    assert!(!limits.clone().any(|limit| limit["scope"].as_str().unwrap().starts_with("feature:")));
    world.says("");
    let me = world.get("/api/v1/usage/me").await;
    let mut limits = me["limits"].as_array().unwrap().iter();
    assert!(limits.any(|limit| limit["limit"] == 30), "{me}");
    // Whoever was not asked is not kept from now on, and is again.
    world.says("limits = []\n[privacy]\nconsent = \"required\"");
    let (status, answer) =
        world.to(Method::POST, &messages, OTHER, &value!({"content": "x"})).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::FORBIDDEN, &value!("CONSENT_REQUIRED"))
    );
    world.says("limits = []\nmax_tokens = 5");
    assert_eq!(world.status(&messages).await, StatusCode::OK);
    world.stop().await;
}

#[tokio::test]
async fn a_reply_under_way_is_followed_and_stopped_over_a_reload() {
    let world = World::new("").await;
    world.script(SLOW);
    let messages = format!("{}/messages", world.opened().await);
    let body = value!({"content": "slow", "stream": true});
    let events = world.events(Method::POST, &messages, &body, 3).await;
    let reply = events[0].data["reply_id"].as_str().unwrap().to_owned();
    world.says("limits = [\"7/hour\"]");
    // It is still the one reply that this conversation has: seen, followed and stopped.
    let busy = world.to(Method::POST, &messages, OTHER, &value!({"content": "x"})).await;
    assert_eq!(busy.0, StatusCode::CONFLICT);
    let path = format!("{messages}/{reply}/events");
    assert_eq!(world.events(Method::GET, &path, &Value::Null, 2).await.len(), 2);
    let stopped = world.post(&format!("{messages}/{reply}/stop"), &Value::Null).await;
    assert_eq!(stopped["status"], "stopped");
    world.stop().await;
}

#[tokio::test]
async fn lines_of_the_log_go_when_the_configuration_says_so() {
    let world = World::new("").await;
    let messages = format!("{}/messages", world.opened().await);
    world.post(&messages, &value!({"content": "x"})).await;
    let office = world.proxy.house.office.as_ref().unwrap();
    let logged = async || {
        let search = llm_store::requests::Search::default();
        office.requests.page(&search, None, 500).await.unwrap().requests.len()
    };
    for _ in 0..200 {
        if logged().await > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let count = logged().await;
    assert!(count > 0, "nothing is in the log");
    assert_eq!(super::super::upkeep::once(&world.proxy.house).await, 0, "a quarter has not passed");
    world.says("[privacy]\nrequests = \"1s\"");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(super::super::upkeep::once(&world.proxy.house).await >= count as u64);
    let months = office.requests.usage(&llm_store::requests::Usage::default()).await.unwrap();
    assert!(months.iter().map(|row| row.sums.calls).sum::<u64>() >= count as u64, "sums stay");
    world.stop().await;
}
