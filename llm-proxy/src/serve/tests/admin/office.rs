//! Who there is and what they may: owners that move, operators with fewer rights, what is written
//! down of it, and pages that say what can be asked.

use super::*;

#[tokio::test]
async fn a_key_rests_is_replaced_and_says_what_it_is_good_for() {
    let (_data, proxy) = open().await;
    let made = proxy.post("/key/generate", r#"{"organization_id":"o","models":["smart"]}"#).await;
    assert_eq!(made["organization_id"], "o");
    let (key, id) = (made["key"].as_str().unwrap(), made["token_id"].as_str().unwrap());
    let named = |key: &str| format!(r#"{{"key":"{key}"}}"#);
    assert_eq!(proxy.post("/keys/validate", &named(key)).await["valid"], true);
    let (status, own) = proxy.by(key, Method::POST, "/keys/validate", "{}").await;
    assert_eq!((status, &own["models"][0]), (StatusCode::OK, &"smart".into()));
    let (status, _) = proxy.by(key, Method::POST, "/keys/validate", &named("sk-x")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "nobody tries keys here");
    proxy.post("/key/block", &named(key)).await;
    assert_eq!(proxy.call(key).await.status(), StatusCode::FORBIDDEN);
    let report = proxy.post("/keys/validate", &named(id)).await;
    assert!(report["reason"].is_string() && report["valid"] == false, "{report}");
    proxy.post("/key/unblock", &named(id)).await;
    proxy.post(&format!("/admin/keys/{id}/suspend"), "").await;
    proxy.post(&format!("/admin/keys/{id}/resume"), "").await;
    let body = format!(r#"{{"key":"{key}","grace_period":"1h"}}"#);
    let next = proxy.post("/key/regenerate", &body).await;
    for key in [key, next["key"].as_str().unwrap()] {
        assert_eq!(proxy.call(key).await.status(), StatusCode::OK, "both, for an hour");
    }
    assert_eq!(proxy.post("/keys/validate", &named("sk-nobody")).await["valid"], false);
    // Keys of the configuration are known, and changed there.
    let fixed = proxy.look("/key/info?key=app").await;
    assert_eq!((&fixed["info"]["fixed"], &fixed["key"]), (&true.into(), &"app".into()));
    assert_eq!(proxy.look(&format!("/key/info?key={KEY}")).await["info"]["token_id"], "app");
    for (path, body) in [
        ("/key/update", r#"{"key":"app","max_budget":1}"#),
        ("/key/delete", r#"{"keys":["app"]}"#),
        ("/key/block", r#"{"key":"app"}"#),
        ("/key/app/rotate", ""),
    ] {
        let (status, answer) = proxy.admin(Method::POST, path, body).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &"fixed_key".into()));
    }
    proxy.stop().await;
}

#[tokio::test]
async fn owners_are_made_changed_moved_and_ended() {
    let (_data, proxy) = open().await;
    proxy.post("/organization/new", r#"{"organization_id":"o","max_budget":10}"#).await;
    let team = proxy.post("/team/new", r#"{"team_id":"red","organization_id":"o"}"#).await;
    assert_eq!((&team["team_id"], &team["members"]), (&"red".into(), &serde_json::json!([])));
    proxy.post("/team/new", r#"{"team_id":"blue","rpm_limit":5}"#).await;
    let user = proxy.post("/user/new", r#"{"user_id":"u","team_id":"red"}"#).await;
    let key = user["key"].as_str().unwrap();
    assert_eq!(user["organization_id"], "o");
    assert_eq!(proxy.look("/team/info?team_id=red").await["members"], serde_json::json!(["u"]));
    // To another team: the key goes along.
    let moved = r#"{"user_id":"u","team_id":"blue","user_alias":"U","max_budget":3}"#;
    let moved = proxy.post("/user/update", moved).await;
    assert_eq!((&moved["team_id"], &moved["organization_id"]), (&"blue".into(), &Value::Null));
    assert_eq!(moved["limit_nanos"], 3_000_000_000_i64);
    let info = proxy.look(&format!("/key/info?key={key}")).await;
    assert_eq!(info["info"]["team_id"], "blue");
    let (status, _) =
        proxy.admin(Method::POST, "/team/member_add", r#"{"team_id":"red","user_id":"u"}"#).await;
    assert_eq!(status, StatusCode::CONFLICT, "whoever is of a team is moved, and not added");
    let out = r#"{"team_id":"blue","member":{"user_id":"u","role":"user"}}"#;
    assert_eq!(proxy.post("/team/member_delete", out).await["members"], serde_json::json!([]));
    let both = r#"{"team_id":"red","member":[{"user_id":"u"},{"user_id":"w"}]}"#;
    let both = proxy.post("/team/member_add", both).await;
    assert_eq!(both["members"], serde_json::json!(["u", "w"]));
    // A team moves with its people.
    proxy.post("/team/update", r#"{"team_id":"red","organization_id":null}"#).await;
    assert_eq!(
        proxy.look("/user/info?user_id=u").await["user_info"]["organization_id"],
        Value::Null
    );
    let all = proxy.look("/user/list?limit=1").await;
    assert_eq!((&all["data"][0]["user_id"], &all["next"]), (&"u".into(), &"u".into()));
    let rest = proxy.look("/user/list?cursor=u").await;
    assert_eq!(rest["users"][0]["user_id"], "w");
    assert_eq!(proxy.look("/user/list?team_id=red").await["data"].as_array().unwrap().len(), 2);
    assert_eq!(proxy.look("/team/list").await["data"].as_array().unwrap().len(), 2);
    assert_eq!(proxy.look("/organization/list").await["data"][0]["organization_id"], "o");
    assert_eq!(
        proxy.look("/organization/info?organization_id=o").await["limit_nanos"],
        10_000_000_000_i64
    );
    let customer = proxy.look("/customer/info?end_user_id=u").await;
    assert_eq!((&customer["user_alias"], &customer["blocked"]), (&"U".into(), &false.into()));
    proxy.post("/user/update", r#"{"user_id":"u","blocked":true}"#).await;
    assert_eq!(proxy.call(key).await.status(), StatusCode::FORBIDDEN);
    let (status, _) = proxy.admin(Method::POST, "/user/new", r#"{"user_id":"u"}"#).await;
    assert_eq!(status, StatusCode::CONFLICT, "to be made anew ends no rest");
    proxy.post("/user/update", r#"{"user_id":"u","blocked":false}"#).await;
    assert_eq!(proxy.call(key).await.status(), StatusCode::OK);
    assert_eq!(proxy.post("/user/delete", r#"{"user_ids":["u"]}"#).await["deleted"], 1);
    assert_eq!(proxy.call(key).await.status(), StatusCode::UNAUTHORIZED);
    for (path, body) in [
        ("/user/update", r#"{"user_id":"nobody"}"#),
        ("/user/delete", r#"{"user_ids":["w","nobody"]}"#),
        ("/team/member_add", r#"{"team_id":"green","user_id":"w"}"#),
    ] {
        let (status, _) = proxy.admin(Method::POST, path, body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(proxy.look("/user/info?user_id=w").await["user_info"]["blocked"], false);
    proxy.post("/team/delete", r#"{"team_ids":["blue"]}"#).await;
    proxy.post("/organization/delete", r#"{"organization_ids":["o"]}"#).await;
    proxy.stop().await;
}

#[tokio::test]
async fn plans_are_sold_and_budgets_are_plans() {
    let (_data, proxy) = open().await;
    let plan = r#"{"limits":["2/hour"],"models":["smart"],"priority":"batch"}"#;
    let (status, put) = proxy.admin(Method::PUT, "/admin/plans/small", plan).await;
    assert_eq!((status, &put["priority"]), (StatusCode::OK, &"batch".into()), "{put}");
    // What is left out stays as it was; what is empty is everything.
    let (_, put) = proxy.admin(Method::PUT, "/admin/plans/small", r#"{"limits":["2/hour"]}"#).await;
    assert_eq!((&put["models"][0], &put["priority"]), (&"smart".into(), &"batch".into()), "{put}");
    let whole = r#"{"limits":["2/hour"],"models":[]}"#;
    let (_, put) = proxy.admin(Method::PUT, "/admin/plans/small", whole).await;
    assert_eq!(
        (&put["models"], &put["priority"]),
        (&serde_json::json!(["*"]), &"batch".into()),
        "{put}"
    );
    assert_eq!((&put["byok"], &put["byok_charge"]), (&Value::Null, &false.into()), "{put}");
    own_keys_are_sold(&proxy).await;
    let key = proxy.key(r#"{"plan":"small"}"#).await;
    for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(proxy.call(&key).await.status(), status);
    }
    let (status, _) = proxy.admin(Method::DELETE, "/admin/plans/small", "").await;
    assert_eq!(status, StatusCode::CONFLICT, "it is somebody's");
    let budget = r#"{"budget_id":"b","max_budget":0.0001,"budget_duration":"30d","rpm_limit":60}"#;
    let budget = proxy.post("/budget/new", budget).await;
    assert_eq!((&budget["limit_nanos"], &budget["rpm_limit"]), (&100_000.into(), &60.into()));
    let listed = proxy.look("/admin/plans?limit=1").await;
    assert_eq!((&listed["data"][0]["name"], &listed["next"]), (&"b".into(), &"b".into()));
    assert_eq!(
        proxy.post("/budget/info", r#"{"budgets":["b"]}"#).await[0]["budget_duration"],
        "30day"
    );
    let budgets = proxy.look("/budget/list").await["budgets"].take();
    let names = budgets.as_array().unwrap().iter().map(|one| one["budget_id"].as_str().unwrap());
    // With the three that are sold without being written.
    assert_eq!(names.collect::<Vec<_>>(), ["b", "basic", "enterprise", "own", "pro", "small"]);
    proxy.key(r#"{"budget_id":"b"}"#).await;
    for (path, body) in [
        ("/admin/plans/x", r#"{"limits":["many"]}"#),
        ("/admin/plans/x", r#"{"limits":[],"priority":"first"}"#),
        ("/admin/plans/x", r#"{"limits":[],"byok":"maybe"}"#),
        ("/admin/plans/x", "{}"),
    ] {
        let (status, answer) = proxy.admin(Method::PUT, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
    }
    let (status, _) = proxy.admin(Method::DELETE, "/admin/plans/none", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    proxy.stop().await;
}

/// Whether calls bring keys along is a plan's to say, and stays until something else is said.
async fn own_keys_are_sold(proxy: &Running) {
    let put = async |more: &str| {
        let body = format!(r#"{{"limits":["9/hour"]{more}}}"#);
        let (status, put) = proxy.admin(Method::PUT, "/admin/plans/own", &body).await;
        assert_eq!(status, StatusCode::OK, "{put}");
        (put["byok"].clone(), put["byok_charge"].clone())
    };
    let required = ("required".into(), true.into());
    assert_eq!(put(r#","byok":"required","byok_charge":true"#).await, required);
    assert_eq!(put("").await, required);
    let key = proxy.key(r#"{"plan":"own"}"#).await;
    let refused = proxy.call(&key).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "it has brought none");
    assert_eq!(put(r#","byok":null,"byok_charge":false"#).await, (Value::Null, false.into()));
    assert_eq!(proxy.call(&key).await.status(), StatusCode::OK, "from the next call on");
    let (status, _) = proxy.admin(Method::DELETE, "/admin/plans/own", "").await;
    assert_eq!(status, StatusCode::CONFLICT, "it is somebody's");
}

#[tokio::test]
async fn an_operator_does_what_their_scopes_say_and_asks_no_models() {
    let (_data, proxy) = open().await;
    let make = async |scopes: &str| {
        let body = format!(r#"{{"name":"ann","scopes":{scopes}}}"#);
        let made = proxy.post("/admin/operators", &body).await;
        (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
    };
    let ((read, id), (keys, _)) = (make(r#"["read"]"#).await, make(r#"["keys"]"#).await);
    let (money, _) = make(r#"["money","config"]"#).await;
    let get = |path: &'static str| (Method::GET, path, "");
    let asked = [
        (get("/key/list"), [true, false, false]),
        (get("/admin/requests"), [true, false, false]),
        (get("/admin/operators"), [true, false, false]),
        ((Method::POST, "/key/generate", "{}"), [false, true, false]),
        ((Method::POST, "/user/new", r#"{"auto_create_key":false}"#), [false, true, false]),
        ((Method::PUT, "/admin/plans/p", r#"{"limits":["9/day"]}"#), [false, false, true]),
        ((Method::DELETE, "/admin/cache", ""), [false, false, true]),
        ((Method::POST, "/admin/operators", r#"{"name":"x","scopes":["read"]}"#), [false; 3]),
    ];
    for ((method, path, body), may) in asked {
        for (key, may) in [&read, &keys, &money].into_iter().zip(may) {
            let (status, answer) = proxy.by(key, method.clone(), path, body).await;
            let wanted = if may { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, wanted, "{path}: {answer}");
        }
    }
    for key in [&read, &keys, &money] {
        assert_eq!(proxy.call(key).await.status(), StatusCode::FORBIDDEN);
        let (status, _) = proxy.admin(Method::GET, &format!("/key/info?key={key}"), "").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "it is no virtual key");
    }
    let listed = proxy.look("/admin/operators").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);
    assert!(!listed.to_string().contains("sk-"), "{listed}");
    // What a key operator made outlasts them.
    let made = proxy.by(&keys, Method::POST, "/key/generate", "{}").await.1;
    let (status, _) = proxy.admin(Method::DELETE, &format!("/admin/operators/{id}"), "").await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = proxy.by(&read, Method::GET, "/key/list", "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "at once");
    assert_eq!(proxy.call(made["key"].as_str().unwrap()).await.status(), StatusCode::OK);
    for (body, status) in [
        (r#"{"name":"x","scopes":["all"]}"#, StatusCode::BAD_REQUEST),
        (r#"{"name":"x","scopes":[]}"#, StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(proxy.admin(Method::POST, "/admin/operators", body).await.0, status, "{body}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn what_operators_change_is_written_down_without_secrets() {
    let (_data, proxy) = open().await;
    let made = proxy.post("/key/generate", r#"{"key_alias":"a","max_budget":0.1}"#).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["token_id"].as_str().unwrap());
    let change = format!(r#"{{"key":"{key}","metadata":{{"secret":"x"}},"max_budget":2}}"#);
    proxy.post("/key/update", &change).await;
    proxy.post(&format!("/key/{key}/suspend"), "").await;
    let (status, _) = proxy.admin(Method::POST, "/key/block", r#"{"key":"nobody"}"#).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let all = proxy.look("/admin/audit").await;
    let text = all.to_string();
    assert!(!text.contains(key) && !text.contains("\"x\""), "{text}");
    let lines = all["data"].as_array().unwrap();
    let told: Vec<_> = lines
        .iter()
        .rev()
        .map(|line| {
            let word = |name: &str| line[name].as_str().unwrap().to_owned();
            (word("what"), word("about"), word("outcome"))
        })
        .collect();
    let wanted = [
        ("POST /key/generate", "", "asked"),
        ("POST /key/generate", id, "done"),
        ("POST /key/update", "sk-…", "asked"),
        ("POST /key/update", id, "done"),
        ("POST /key/{key}/suspend", "sk-…", "asked"),
        ("POST /key/{key}/suspend", id, "done"),
        ("POST /key/block", "nobody", "asked"),
        ("POST /key/block", "nobody", "refused"),
    ];
    let wanted = wanted.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(told, wanted);
    assert_eq!(lines[7]["detail"], serde_json::json!({"key_alias": "a", "max_budget": "0.1"}));
    assert_eq!(
        (&lines[0]["who"], &lines[0]["detail"]["code"]),
        (&"admin".into(), &"not_found".into())
    );
    let page = proxy.look(&format!("/admin/audit?about={id}&limit=2")).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let rest = proxy.look(&format!("/admin/audit?about={id}&cursor={next}")).await;
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let found = proxy.look("/admin/audit/verify").await;
    assert_eq!((&found["ok"], &found["lines"]), (&true.into(), &8.into()));
    let head = found["head"].as_str().unwrap();
    proxy.post("/key/unblock", &format!(r#"{{"key":"{id}"}}"#)).await;
    let found = proxy.look(&format!("/admin/audit/verify?head={head}")).await;
    assert_eq!(found["ok"], true);
    let found =
        proxy.look(&format!("/admin/audit/verify?head={}", head.replacen('8', "7", 1))).await;
    assert_eq!(found["ok"], false, "another head was noted");
    proxy.stop().await;
}

#[tokio::test]
async fn models_prices_and_health_are_shown_as_they_are() {
    let (_data, proxy) = open().await;
    let key = proxy.key(r#"{"models":["other"]}"#).await;
    let info = proxy.look("/model/info").await;
    let smart = &info["data"][0];
    assert_eq!(smart["model_name"], "smart");
    assert_eq!(smart["model_info"]["input_cost_per_token"].to_string(), "1.5e-7");
    assert_eq!(
        proxy.by(&key, Method::GET, "/v1/model/info", "").await.1["data"],
        serde_json::json!([])
    );
    assert_eq!(proxy.look("/models").await["data"][0]["id"], "smart");
    let own = proxy.get("/models", &key).await;
    assert_eq!(json(&own)["object"], "list", "an application is answered by its dialect");
    let prices = proxy.look("/admin/prices").await;
    assert_eq!(prices["data"][0]["nanos_per_mtok"]["output"], 600_000_000);
    assert_eq!(proxy.look("/admin/anomalies").await["data"], serde_json::json!([]));
    assert_eq!(proxy.look("/admin/providers").await["data"][0]["name"], "simulated");
    let models = proxy.look("/admin/models").await;
    assert_eq!(models["data"][0]["tiers"][0][0]["target"], "simulated/gpt-4o-mini");
    for path in ["/health", "/health?probe=true", "/health?probe=true&model=smart"] {
        let health = proxy.look(path).await;
        assert_eq!(
            (&health["healthy_count"], &health["unhealthy_count"]),
            (&1.into(), &0.into()),
            "{health}"
        );
    }
    assert_eq!(proxy.by(&key, Method::GET, "/health", "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(proxy.admin(Method::GET, "/health?model=none", "").await.0, StatusCode::NOT_FOUND);
    proxy.stop().await;
}

#[tokio::test]
async fn pages_say_what_can_be_asked_and_take_nothing_from_elsewhere() {
    let (_data, proxy) = open().await;
    let document = json(&proxy.get("/openapi.json", "").await);
    assert_eq!(document["openapi"], "3.1.0");
    let page = proxy.get("/docs", "").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8(page.body().to_vec()).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("<code>{path}</code>")), "{path} is not on the page");
    }
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains(" style="));
    for path in ["/docs/docs.css", "/docs/docs.js"] {
        assert!(text.contains(path));
        assert_eq!(proxy.get(path, "").await.status(), StatusCode::OK);
    }
    let method = proxy.send(Method::PUT, "/admin/audit", &[], "").await;
    assert_eq!(
        (method.status(), &method.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap())
    );
    proxy.stop().await;
}
