//! A file says the same in both languages, and however it is mutilated it is read to the end.

use proptest::prelude::*;

use super::super::tree::{Language, parse, toml, yaml};
use super::{Said, said};

/// Every section and every field once.
pub(super) const WHOLE: &str = r#"
[server]
listen = "127.0.0.1:4001"
metrics_listen = "127.0.0.1:9464"
admin_key = "env:ADMIN_API_KEY"
time_zone = "Asia/Seoul"
drain = "20s"
body_max = "16MiB"
calls_max = 500
waiting_max = 100
wait_max = "1500ms"
cache_max = 1000000
log = "json"
access_log = false
idle = "2m"
write_timeout = "20s"
connections_per_address = 64
reuse_port = true
compress_over = "1KiB"
trusted_proxies = ["10.0.0.0/8", "::1"]
forwarded_by = "forwarded"
allow = ["192.0.2.0/24"]
deny = ["192.0.2.66"]
wrong_keys = "5/15minute"

[server.admin]
allow = ["192.0.2.1"]
wrong_keys = false

[server.tls]
cert = "cert.pem"
key = "file:key.pem"

[server.cors]
origins = ["https://app.example"]
credentials = true
max_age = "10m"

[telemetry]
otlp = "http://localhost:4318"
headers = { x-account = "env:APP_API_KEY" }
service = "gateway"
environment = "staging"

[auth.jwt]
issuer = "https://login.example"
audience = ["gateway"]
algorithms = ["RS256", "HS256"]
secret = "file:secret"
keys = ["file:cert.pem"]
jwks = "https://login.example/jwks.json"
leeway = "10s"
create_users = true
plan = "pro"
scope = "llm"
admin_role = "admin"
claims = { user = "email", team = "team", plan = "app.plan", models = "models", roles = "realm.roles" }

[store]
url = "postgres://user@host/db"
redis = "${REDIS:-redis://localhost}"
replicas = 3
durability = "power"
data = "var"

[providers.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"
keys = ["env:OPENAI_API_KEY", "$APP_API_KEY", "${ADMIN_API_KEY}"]
timeout = { connect = "5s", first_token = "30s", idle = "30s", total = "10m" }
retries = 2
headers = { x-team = "blue", x-auth = "env:APP_API_KEY" }
http2 = true
trace = true
capacity = { in_flight = 10, adaptive = true, requests_per_minute = 600, tokens_per_minute = 9000 }

[providers."서울 2.0"]
kind = "azure"
base_url = "https://eu.openai.azure.com"
api_version = "2024-10-21"
keys = ["os.environ/AZURE_API_KEY", "env.AZURE_API_KEY"]

[providers.sim]
kind = "simulated"

[models."gpt-4.1"]
tiers = [["openai/gpt-4.1"], [{ target = "sim/a", weight = 3 }, "서울 2.0/b"]]
balance = "cheapest"
attempts = 3
timeout = "2m"
losses = "refuse"
refiltered = true
resume = true
hedge = true
cache = { ttl = "30m", scope = "user", price = "0.000001" }

[credits]
low = ["100", "10"]
top_ups = ["env:ADMIN_API_KEY"]
models = { "*" = "1 credit/call", "gpt-4.1" = "2 credits per exact 1000 output tokens" }
jobs = { caption = "10 credits/minute + 5 credits/minute per target language" }
guests = { grant = "30", per_network = 3, per_device = 1, every = "month" }

[webhooks.app]
url = "https://example.com/hooks"
secret = ["env:ADMIN_API_KEY"]
events = ["credits.*", "budget.*"]
private = true

[prices."openai/own"]
input = "0.15"
output = 0.6
cache_read = "0.075"
per_call = "0.01"
tiers = ["200000:input=0.3,output=1.2"]

[prices."서울 2.0/b"]
same_as = "openai/gpt-4o"

[plans.pro]
limits = ["600/minute", "2M tokens/day", "$50/month"]
models = ["gpt-*"]
priority = "batch"
credits = "1000/month"
retention = "30d"

[[keys]]
name = "app"
key = "env:APP_API_KEY"
plan = "pro"
limits = ["5/second rolling"]
models = ["gpt-4.1"]
user = "u"
team = "t"

[[keys]]
name = "free"
key = "env:ADMIN_API_KEY"
unlimited = true

[limits]
key = { limits = ["100/minute"], in_flight = 4 }
models = { "gpt-4.1" = { limits = ["1M tokens/hour"] } }

[features.chat]
limits = []

[features.boost]
limits = ["5/minute"]
retention = "1d"

[privacy]
consent = "required"
requests = "forever"

[responses]
keep = "7d"
size_max = "1MiB"

[files]
size_max = "2MiB"
total_max = "3MiB"

[batches]
width = 1
lines = 3
lease = "5s"

[passthrough.weather]
base_url = "https://api.example.com/v2"
auth = { header = "x-key", key = "env:APP_API_KEY" }
methods = ["GET", "delete"]
paths = ["/current/"]
cache_ttl = "1m"
retries = 2
timeout = "5s"
body_max = "1MiB"
in_flight = 3

[passthrough.other]
base_url = "http://localhost:8080"
auth = { bearer = "env:APP_API_KEY" }

[passthrough.third]
base_url = "http://localhost:8080"
auth = { query = "key", key = "env:APP_API_KEY" }

[content]
chars_max = 100000
rules = [
  { name = "cards", find = "cards", then = "mask" },
  { name = "words", words = ["비밀", "\"x\""] },
  { name = "form", pattern = "[0-9]{4}\\s" },
]
"#;

/// What is served of a text, as a file of ours, and its hash.
fn served(said: &Said, name: &str, text: &str) -> (String, String) {
    let resolved = said.clone().file(name, text).resolve(name);
    let config = resolved.unwrap_or_else(|report| panic!("{text}\n{report}")).config;
    (toml(&config.show().tree), config.hash(&[7; 32]).to_string())
}

#[test]
fn a_file_with_everything_is_read_shown_and_read_again() {
    let (shown, hash) = served(&said(), "c.toml", WHOLE);
    for line in [
        "log = \"json\"",
        "service = \"gateway\"",
        "replicas = 3",
        "scope = \"user\"",
        "durability = \"power\"",
        "weight = 3",
        "then = \"mask\"",
    ] {
        assert!(shown.contains(line.split(" = ").next().unwrap()), "{line}: {shown}");
    }
    for line in ["limits = []", "requests = \"forever\""] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(served(&said(), "c.toml", &shown), (shown.clone(), hash));
    assert!(!shown.contains("sk-"), "{shown}");
}

#[test]
fn both_languages_say_the_same() {
    let tree = parse(WHOLE, Language::Toml, &mut Vec::new());
    let (as_toml, as_yaml) = (toml(&tree), yaml(&tree));
    let plain = served(&said(), "c.toml", WHOLE);
    assert_eq!(served(&said(), "c.toml", &as_toml), plain);
    assert_eq!(served(&said(), "c.yaml", &as_yaml), plain);
}

#[test]
fn secrets_change_the_whole_hash_and_not_the_shape() {
    let text = "[providers.openai]\nkeys = [\"env:OPENAI_API_KEY\"]\n";
    let hash = |said: Said, key| {
        said.file("c.toml", text).resolve("c.toml").unwrap().config.hash(&[key; 32])
    };
    let (one, two) = (hash(said(), 1), hash(said().env("OPENAI_API_KEY", "sk-another"), 1));
    assert_eq!(one.shape, two.shape);
    assert_ne!(one.whole, two.whole);
    assert_eq!(one, hash(said(), 1));
    assert_ne!(one.whole, hash(said(), 2).whole, "another process's key");
}

fn name() -> impl Strategy<Value = String> {
    let words = ["a", "gpt-4.1", "서울", "with space", "q\"uote", "back\\slash", "-", "x: y", "#"];
    (prop::sample::select(words.to_vec()), 0..3u8).prop_map(|(word, n)| format!("{word}{n}"))
}

fn limit() -> impl Strategy<Value = String> {
    (1..9_999u32, prop::sample::select(vec!["", " tokens"]), 1..50u32)
        .prop_map(|(n, of, minutes)| format!("{n}{of}/{minutes}minute"))
}

/// A file as its lines would be typed.
fn files() -> impl Strategy<Value = String> {
    let providers = prop::collection::btree_set(name(), 1..4);
    let models = prop::collection::btree_map(name(), (1..4usize, 1..5u32, 1..9_999u32), 0..4);
    let plans = prop::collection::btree_map(name(), prop::collection::vec(limit(), 0..3), 0..3);
    (providers, models, plans).prop_map(|(providers, models, plans)| {
        let quoted = |text: &str| serde_like(text);
        let mut out = String::new();
        for name in &providers {
            out += &format!("[providers.{}]\nkind = \"simulated\"\n", quoted(name));
        }
        for (name, (tiers, weight, ms)) in &models {
            let target = |n: usize| {
                let provider = providers.iter().nth(n % providers.len()).unwrap();
                let target = quoted(&format!("{provider}/m{n}"));
                format!("[{{ target = {target}, weight = {weight} }}]")
            };
            let tiers: Vec<_> = (0..*tiers).map(target).collect();
            let tiers = tiers.join(", ");
            let name = quoted(name);
            out += &format!("[models.{name}]\ntiers = [{tiers}]\ntimeout = \"{ms}ms\"\n");
        }
        for (name, limits) in &plans {
            let limits: Vec<_> = limits.iter().map(|l| quoted(l)).collect();
            out += &format!("[plans.{}]\nlimits = [{}]\n", quoted(name), limits.join(", "));
        }
        out
    })
}

fn serde_like(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_file_says_the_same_in_both_languages(text in files()) {
        let mut problems = Vec::new();
        let tree = parse(&text, Language::Toml, &mut problems);
        prop_assert!(problems.is_empty(), "{text}\n{problems:?}");
        let plain = served(&Said::default(), "c.toml", &text);
        prop_assert_eq!(&served(&Said::default(), "c.yml", &yaml(&tree)), &plain);
        prop_assert_eq!(&served(&Said::default(), "c.toml", &plain.0), &plain);
    }

    #[test]
    fn a_mutilated_file_is_read_and_every_problem_has_a_place(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, 0..13usize), 1..6),
        yaml_too in any::<bool>(),
    ) {
        const PIECES: [&str; 13] =
            ["", "\"", "[", "]", "{", "}", "=", ":", "\n", "- ", "\u{1F600}", "*a", "&a "];
        let tree = parse(WHOLE, Language::Toml, &mut Vec::new());
        let (name, mut text) = match yaml_too {
            true => ("c.yaml", yaml(&tree)),
            false => ("c.toml", WHOLE.to_owned()),
        };
        for (at, length, piece) in cuts {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, PIECES[piece]);
        }
        if let Err(report) = said().file(name, &text).resolve(name) {
            prop_assert!(report.is_bad());
            for problem in &report.problems {
                prop_assert!(
                    problem.span.is_some() || !problem.place.is_empty(),
                    "{text}\n{problem:?}"
                );
            }
            let shown = report.to_string();
            prop_assert!(!shown.contains("0123456789abcdef"), "{shown}");
        }
    }
}
