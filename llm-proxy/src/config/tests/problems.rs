//! Every class of problems, as it is shown.

use super::said;

/// The whole of what is said about a file.
fn problems(name: &str, text: &str) -> String {
    match said().file(name, text).resolve(name) {
        Ok(resolved) => format!("fine\n{}", resolved.report),
        Err(report) => report.to_string(),
    }
}

#[test]
fn all_problems_are_listed_with_their_lines() {
    let text = r#"[server]
listne = "127.0.0.1:4000"
drain = 30

[providers.openai]
keys = ["env:OPENAI_API_KEY", "sk-real-0123456789abcdef0123"]
retries = 99

[models.smart]
tiers = [["opnai/gpt-4o"], ["gpt-4o"]]
"#;
    let shown = r#"error: server.listne: there is no field "listne" here; did you mean "listen"?
 --> c.toml:2:1
  |
2 | listne = ********
  | ^^^^^^
error: server.drain: a number says no length: a length of time is wanted here: 500ms, 30s, 10m, 1h
 --> c.toml:3:9
  |
3 | drain = 30
  |         ^^
error: providers.openai.keys.1: a secret does not belong into the file: write "env:NAME" or "file:PATH"
 --> c.toml:6:31
  |
6 | keys = ["env:OPENAI_API_KEY", ********]
  |                               ^^^^^^^^
error: providers.openai.retries: 10 are the most
 --> c.toml:7:11
  |
7 | retries = 99
  |           ^^
error: models.smart.tiers.0.0: there is no provider "opnai"; did you mean "openai"?
  --> c.toml:10:11
   |
10 | tiers = [["opnai/gpt-4o"], ["gpt-4o"]]
   |           ^^^^^^^^^^^^^^
error: models.smart.tiers.1.0: "gpt-4o" is no target: write "provider/model"
  --> c.toml:10:29
   |
10 | tiers = [["opnai/gpt-4o"], ["gpt-4o"]]
   |                             ^^^^^^^^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn a_broken_toml_is_said_and_the_rest_is_read() {
    let text = r#"[server]
listen = 127.0.0.1
[providers.openai]
kind = "opnai"
"#;
    let shown = r#"error: server.listen: a text is wanted here, and this is a number
 --> c.toml:2:10
  |
2 | listen = 127.0.0.1
  |          ^^^^^^^^^
error: invalid float, expected nothing
 --> c.toml:2:15
  |
2 | listen = 127.0.0.1
  |               ^^^^
error: providers.openai.kind: "opnai" is no kind of provider; did you mean "openai"?
 --> c.toml:4:8
  |
4 | kind = "opnai"
  |        ^^^^^^^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn a_broken_yaml_is_said() {
    let text = r#"server:
  listen: "127.0.0.1:4000"
 store:
  url: memory
"#;
    let shown = r#"error: while parsing a block mapping, did not find expected key
 --> c.yaml:3:2
  |
3 |  store:
  |  ^
"#;
    assert_eq!(problems("c.yaml", text), shown);
}

#[test]
fn a_name_that_stands_twice_is_said() {
    let text = r#"server:
  drain: 10s
server:
  drain: 20s
"#;
    let shown = r#"error: "server" stands twice in this table
 --> c.yaml:3:1
  |
3 | server:
  | ^^^^^^
"#;
    assert_eq!(problems("c.yaml", text), shown);
}

#[test]
fn references_that_lead_nowhere_are_said() {
    let text = r#"[server]
admin_key = "file:/nowhere"
listen = "$NOWHERE"
[providers.openai]
keys = ["env:NOBODY", "${NOBODY:-sk-literal-0123456789}", 17]
"#;
    let shown = r#"error: server.admin_key: /nowhere: no such file
 --> c.toml:2:13
  |
2 | admin_key = "file:/nowhere"
  |             ^^^^^^^^^^^^^^^
error: server.listen: the environment has no NOWHERE
 --> c.toml:3:10
  |
3 | listen = "$NOWHERE"
  |          ^^^^^^^^^^
error: providers.openai.keys.0: the environment has no NOBODY
 --> c.toml:5:9
  |
5 | keys = ["env:NOBODY", ********, ********]
  |         ^^^^^^^^^^^^
error: providers.openai.keys.1: a secret does not belong into the file: write "env:NAME" or "file:PATH"
 --> c.toml:5:23
  |
5 | keys = ["env:NOBODY", ********, ********]
  |                       ^^^^^^^^
error: providers.openai.keys.2: a number is no secret: write "env:NAME" or "file:PATH"
 --> c.toml:5:59
  |
5 | keys = ["env:NOBODY", ********, ********]
  |                                 ^^^^^^^^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn values_of_another_kind_are_said() {
    let text = r#"server: 1
store: {durability: powr, url: 'mysql://x', redis: 'http://x'}
providers: []
models: {m: {tiers: "openai/gpt-4o", hedge: 1, balance: fast, attempts: 0, timeout: soon}}
"#;
    let shown = r#"error: server: a table is wanted here, and this is a number
 --> c.yaml:1:9
  |
1 | server: 1
  |         ^
error: store.durability: "powr" is none of process, power; did you mean "power"?
 --> c.yaml:2:21
  |
2 | store: {durability: powr, url: 'mysql://x', redis: 'http://x'}
  |                     ^^^^
error: store.url: a store is memory:, sqlite:PATH or postgres://USER@HOST/NAME
 --> c.yaml:2:32
  |
2 | store: {durability: powr, url: 'mysql://x', redis: 'http://x'}
  |                                ^^^^^^^^^^^
error: store.redis: the address of a Redis begins with redis:// or rediss://
 --> c.yaml:2:52
  |
2 | store: {durability: powr, url: 'mysql://x', redis: 'http://x'}
  |                                                    ^^^^^^^^^^
error: providers: a table is wanted here, and this is a list
 --> c.yaml:3:12
  |
3 | providers: []
  |            ^^
error: models.m.tiers: a list is wanted here, and this is a text
 --> c.yaml:4:21
  |
4 | models: {m: {tiers: "openai/gpt-4o", hedge: 1, balance: fast, attempts: 0, timeout: soon}}
  |                     ^^^^^^^^^^^^^^^
error: models.m.hedge: true or false is wanted here, and this is a number
 --> c.yaml:4:45
  |
4 | models: {m: {tiers: "openai/gpt-4o", hedge: 1, balance: fast, attempts: 0, timeout: soon}}
  |                                             ^
error: models.m.balance: "fast" is none of weighted, latency, least-busy, cheapest
 --> c.yaml:4:57
  |
4 | models: {m: {tiers: "openai/gpt-4o", hedge: 1, balance: fast, attempts: 0, timeout: soon}}
  |                                                         ^^^^
error: models.m.attempts: with 0 attempts nobody would ever be asked
 --> c.yaml:4:73
  |
4 | models: {m: {tiers: "openai/gpt-4o", hedge: 1, balance: fast, attempts: 0, timeout: soon}}
  |                                                                         ^
error: models.m.timeout: a length of time is wanted here: 500ms, 30s, 10m, 1h
 --> c.yaml:4:85
  |
4 | models: {m: {tiers: "openai/gpt-4o", hedge: 1, balance: fast, attempts: 0, timeout: soon}}
  |                                                                                     ^^^^
"#;
    assert_eq!(problems("c.yaml", text), shown);
}

#[test]
fn addresses_and_zones_are_said() {
    let text = r#"[server]
listen = "here"
time_zone = "Asia/Soul"
body_max = "1 ton"
calls_max = 0
"#;
    let shown = r#"error: server.listen: "here" is no address to listen at: write 127.0.0.1:4000
 --> c.toml:2:10
  |
2 | listen = "here"
  |          ^^^^^^
error: server.time_zone: no time zone is called Asia/Soul
 --> c.toml:3:13
  |
3 | time_zone = "Asia/Soul"
  |             ^^^^^^^^^^^
error: server.body_max: a number of bytes is wanted here: 512KB, 32MB, 1GiB
 --> c.toml:4:12
  |
4 | body_max = "1 ton"
  |            ^^^^^^^
error: server.calls_max: with 0 nobody would ever be served
 --> c.toml:5:13
  |
5 | calls_max = 0
  |             ^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn limits_plans_and_keys_are_said() {
    let text = r#"[plans.pro]
limits = ["600/fortnight", "5 credits/day", "lots/day"]
priority = "urgent"
credits = "5/day"
[[keys]]
name = "a"
key = "env:APP_API_KEY"
plan = "por"
[[keys]]
name = "a"
key = "env:APP_API_KEY"
[[keys]]
unlimited = true
"#;
    let shown = r#"error: plans.pro.limits.0: no period: write hour, 15minute, 7d, 1mo
 --> c.toml:2:11
  |
2 | limits = ["600/fortnight", "5 credits/day", "lots/day"]
  |           ^^^^^^^^^^^^^^^
error: plans.pro.limits.2: no amount: write 30, 1M tokens, $20 or 5 credits
 --> c.toml:2:45
  |
2 | limits = ["600/fortnight", "5 credits/day", "lots/day"]
  |                                             ^^^^^^^^^^
error: plans.pro.priority: "urgent" is none of critical, default, batch, sheddable
 --> c.toml:3:12
  |
3 | priority = "urgent"
  |            ^^^^^^^^
error: plans.pro.credits: credits are granted by the month: 1000/month
 --> c.toml:4:11
  |
4 | credits = "5/day"
  |           ^^^^^^^
error: keys.0.plan: there is no plan "por"; did you mean "pro"?
 --> c.toml:8:8
  |
8 | plan = "por"
  |        ^^^^^
error: keys.1: nothing limits this key: give it a plan or limits, or say unlimited = true
 --> c.toml:9:1
  |
9 | [[keys]]
  | ^^^^^^^^
error: keys.1: two keys are called "a"
 --> c.toml:9:1
  |
9 | [[keys]]
  | ^^^^^^^^
error: keys.1: the keys "a" and "a" are the same
 --> c.toml:9:1
  |
9 | [[keys]]
  | ^^^^^^^^
error: keys.2: the key's name is missing
  --> c.toml:12:1
   |
12 | [[keys]]
   | ^^^^^^^^
error: keys.2: the key itself is missing: key = "env:APP_KEY"
  --> c.toml:12:1
   |
12 | [[keys]]
   | ^^^^^^^^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn money_belongs_to_plans_and_keys() {
    let text = r#"[limits.user]
limits = ["$5/day"]
"#;
    let shown = r#"error: limits.user.limits.0: money is limited by a plan or a key, and not by this rule
 --> c.toml:2:11
  |
2 | limits = ["$5/day"]
  |           ^^^^^^^^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn prices_are_said() {
    let text = r#"[providers.openai]
keys = ["env:OPENAI_API_KEY"]
[prices."openai/a"]
input = "0.15 USD"
output = -1
[prices."openai/b"]
[prices."openai/c"]
same_as = "openai/nobody-knows"
[prices."nobody/d"]
input = "1"
"#;
    let shown = r#"error: prices.openai/a.input: not a decimal number (digits with at most one point)
 --> c.toml:4:9
  |
4 | input = "0.15 USD"
  |         ^^^^^^^^^^
error: prices.openai/a.output: not a decimal number (digits with at most one point)
 --> c.toml:5:10
  |
5 | output = -1
  |          ^^
error: prices.openai/b: no price is said: "0" for input and output if it is free
 --> c.toml:6:1
  |
6 | [prices."openai/b"]
  | ^^^^^^^^^^^^^^^^^^^
error: prices.openai/c.same_as: the built-in table has no price of "openai/nobody-knows"
 --> c.toml:8:11
  |
8 | same_as = "openai/nobody-knows"
  |           ^^^^^^^^^^^^^^^^^^^^^
error: prices.nobody/d: there is no provider "nobody"
 --> c.toml:9:1
  |
9 | [prices."nobody/d"]
  | ^^^^^^^^^^^^^^^^^^^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn tiers_and_targets_are_said() {
    let text = r#"[providers.sim]
kind = "simulated"
[models.a]
tiers = [[], ["sim/"], [{ target = "sim/a", weight = 0 }], [{ weight = 1 }]]
[models.b]
cache = { ttl = 5, scope = "world" }
"#;
    let shown = r#"error: models.a.tiers.0: nobody is in this tier
 --> c.toml:4:10
  |
4 | tiers = [[], ["sim/"], [{ target = "sim/a", weight = 0 }], [{ weight = 1 }]]
  |          ^^
error: models.a.tiers.1.0: "sim/" is no target: write "provider/model"
 --> c.toml:4:15
  |
4 | tiers = [[], ["sim/"], [{ target = "sim/a", weight = 0 }], [{ weight = 1 }]]
  |               ^^^^^^
error: models.a.tiers.2.0: a weight of 0 would never be chosen
 --> c.toml:4:25
  |
4 | tiers = [[], ["sim/"], [{ target = "sim/a", weight = 0 }], [{ weight = 1 }]]
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
error: models.a.tiers.3.0: the target is missing: { target = "provider/model", weight = 3 }
 --> c.toml:4:61
  |
4 | tiers = [[], ["sim/"], [{ target = "sim/a", weight = 0 }], [{ weight = 1 }]]
  |                                                             ^^^^^^^^^^^^^^
error: models.b: nobody answers to this: say tiers = [["provider/model"]]
 --> c.toml:5:1
  |
5 | [models.b]
  | ^^^^^^^^^^
error: models.b.cache.ttl: a number says no length: a length of time is wanted here: 500ms, 30s, 10m, 1h
 --> c.toml:6:17
  |
6 | cache = { ttl = 5, scope = "world" }
  |                 ^
error: models.b.cache.scope: "world" is none of key, user, team, global
 --> c.toml:6:28
  |
6 | cache = { ttl = 5, scope = "world" }
  |                            ^^^^^^^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn rules_on_content_are_said() {
    let text = r#"[content]
rules = [{ name = "a", find = "card" }, { find = "cards", words = ["x"] }]
"#;
    let shown = r#"error: content.rules.0: a rule has one of find, words and pattern
 --> c.toml:2:10
  |
2 | rules = [{ name = "a", find = "card" }, { find = "cards", words = ["x"] }]
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
error: content.rules.0.find: "card" is none of secrets, cards, residents, emails, phones, accounts; did you mean "cards"?
 --> c.toml:2:31
  |
2 | rules = [{ name = "a", find = "card" }, { find = "cards", words = ["x"] }]
  |                               ^^^^^^
error: content.rules.1: a rule has one of find, words and pattern
 --> c.toml:2:41
  |
2 | rules = [{ name = "a", find = "card" }, { find = "cards", words = ["x"] }]
  |                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
error: content.rules.1: the rule's name is missing
 --> c.toml:2:41
  |
2 | rules = [{ name = "a", find = "card" }, { find = "cards", words = ["x"] }]
  |                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#;
    assert_eq!(problems("c.toml", text), shown);
}

#[test]
fn wide_letters_keep_the_mark_in_its_place() {
    let text = r#"models: {"한국어 모델": {tiers: [["없음/모델"]]}}
"#;
    let shown = r#"error: models.한국어 모델.tiers.0.0: there is no provider "없음"
 --> c.yaml:1:30
  |
1 | models: {"한국어 모델": {tiers: [["없음/모델"]]}}
  |                                   ^^^^^^^^^^^
"#;
    assert_eq!(problems("c.yaml", text), shown);
}

/// What is said of a file, without its lines.
fn texts(text: &str) -> Vec<String> {
    let report = match said().file("c.toml", text).resolve("c.toml") {
        Ok(resolved) => resolved.report,
        Err(report) => report,
    };
    report.problems.into_iter().map(|p| format!("{}: {}", p.place, p.text)).collect()
}

#[test]
fn an_edge_that_would_not_hold_is_said() {
    for (server, wanted) in [
        (
            "allow = [\"10.0.0.0/33\"]",
            "server.allow.0: \"10.0.0.0/33\" is no range of addresses: write 10.0.0.0/8",
        ),
        (
            "wrong_keys = \"$5/day\"",
            "server.wrong_keys: \"$5/day\" is no such limit: write 5/15minute",
        ),
        ("tls = { cert = \"cert.pem\" }", "server.tls: key is missing: key = \"key.pem\""),
        ("tls = { cert = \"no.pem\", key = \"key.pem\" }", "server.tls.cert: no.pem: no such file"),
        (
            "cors = { origins = [\"https://a.example/\"] }",
            "server.cors.origins.0: \"https://a.example/\" is no origin: write https://app.example",
        ),
        ("idle = \"0ms\"", "server.idle: with no time at all nobody would ever be served"),
    ] {
        assert_eq!(texts(&format!("[server]\n{server}\n")), [wanted]);
    }
    let any = texts("[server]\ncors = { origins = [\"*\"], credentials = true }\n");
    assert!(any[0].contains("every origin must be named"), "{any:?}");
}

#[test]
fn tokens_that_would_let_anybody_in_are_said() {
    let good = "[auth.jwt]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"RS256\"]\njwks = \"file:j\"\n";
    assert_eq!(texts(good), Vec::<String>::new());
    for (from, to, wanted) in [
        ("audience = \"a\"\n", "", "the audience is missing"),
        ("issuer = \"i\"\n", "", "the issuer is missing"),
        ("\"RS256\"", "\"none\"", "\"none\" is none of"),
        ("\"RS256\"", "\"RS256\", \"HS256\"", "HS256 and a secret belong together"),
        ("jwks = \"file:j\"\n", "", "there are no keys"),
        ("jwks = \"file:j\"\n", "jwks = \"file:j\"\ncreate_users = true\n", "nothing limits users"),
        ("jwks = \"file:j\"\n", "jwks = \"file:j\"\nleeway = \"1h\"\n", "5m are the most"),
    ] {
        let said = texts(&good.replace(from, to)).join("\n");
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let nowhere = texts(&format!("[store]\nurl = \"memory:\"\n{good}"));
    assert!(nowhere[0].contains("store.url is memory:"), "{nowhere:?}");
}
