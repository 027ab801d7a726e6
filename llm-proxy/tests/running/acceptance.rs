//! What five applications will do on their first day, each from its beginning to its end: a proxy
//! that is configured as theirs is, people with keys of their own, and providers that are simulated.
//!
//! What a single route does is held elsewhere; here is what only all of it together can do.

mod booster;
mod captions;
mod forgotten;
mod intellio;
mod maplestory;
mod mindpause;

use std::process::Command;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use llm_sim::Simulator;
use llm_sim::script::Script;
use llm_sim::upstream::{Upstream, Vendor};
use serde_json::{Value, json};

use crate::client::{Answer, Asking, asked};
use crate::proxy::{Place, Proxy, simulator, sqlite};

/// Somebody with a key, and what the configuration says of it.
#[derive(Clone, Copy)]
struct Person {
    name: &'static str,
    key: &'static str,
    rules: &'static str,
}

/// Providers under names of their own: those of [`Place`] never ask twice.
const PROVIDERS: [(&str, Vendor); 3] =
    [("gpt", Vendor::OpenAi), ("google", Vendor::Gemini), ("claude", Vendor::Anthropic)];
/// What the application calls its model, and who answers to it, in turn.
const MODEL: &str = "tiers = [[\"gpt/gpt-4o-mini\"], [\"google/gemini-2.5-flash\"], \
    [\"claude/claude-haiku-4-5\"]]\n";

/// An application's day.
struct Day {
    simulator: Simulator,
    place: Place,
    proxy: Proxy,
    people: Vec<Person>,
}

impl Day {
    /// Begins it with what the application's configuration says beside its providers.
    async fn begin(people: &[Person], more: &str) -> Self {
        let simulator = simulator().await;
        let folder = tempfile::tempdir().unwrap();
        let (store, at) = (sqlite(folder.path()), simulator.base_url(Vendor::OpenAi));
        let mut text = String::new();
        for (name, vendor) in PROVIDERS {
            let kind = match vendor {
                Vendor::OpenAi => "openai",
                Vendor::Anthropic => "anthropic",
                Vendor::Gemini => "gemini",
                Vendor::Cohere | Vendor::Ollama => panic!("nobody here asks them"),
            };
            let url = simulator.base_url(vendor);
            text += &format!(
                "[providers.{name}]\nkind = \"{kind}\"\nbase_url = \"{url}\"\n\
                 keys = [\"env:KILL_OPENAI\"]\n"
            );
        }
        for Person { name, rules, .. } in people {
            text += &format!("[[keys]]\nname = \"{name}\"\nuser = \"{name}\"\n{rules}\n");
            text += &format!("key = \"env:DAY_{}\"\n", name.to_uppercase());
        }
        let more = Box::leak((text + more).into_boxed_str());
        let server = "listen = \"127.0.0.1:0\"\ntime_zone = \"Asia/Seoul\"".to_owned();
        let place = Place { server, more, ..Place::new(folder, store, at) };
        let people = people.to_vec();
        let proxy = started(&place, &people);
        Self { simulator, place, proxy, people }
    }

    /// The process is gone from one moment to the next, and another one begins.
    fn killed(self) -> Self {
        let Self { simulator, place, proxy, people } = self;
        proxy.kill();
        let proxy = started(&place, &people);
        Self { simulator, place, proxy, people }
    }

    /// It ends, something happens, and it begins again.
    async fn restarted(self, between: impl AsyncFnOnce(&Place)) -> Self {
        let Self { simulator, place, proxy, people } = self;
        proxy.stop();
        between(&place).await;
        let proxy = started(&place, &people);
        Self { simulator, place, proxy, people }
    }

    fn upstream(&self, vendor: Vendor) -> &Arc<Upstream> {
        self.simulator.upstream(vendor).unwrap()
    }

    /// From now on a provider does this to every request.
    fn every(&self, vendor: Vendor, act: &Value) {
        let rule = json!({"times": "always", "do": act}).to_string();
        self.upstream(vendor).script(Script::parse(rule.as_bytes()).unwrap());
    }

    /// How many requests a provider has seen.
    fn seen(&self, vendor: Vendor) -> usize {
        self.upstream(vendor).requests().len()
    }

    async fn send(&self, by: Person, method: Method, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let asking = Asking { language: "ko", ..Asking::json(by.key, method, path, body) };
        asked(self.proxy.address, asking).await
    }

    /// A call of an application's route: its status and all that it says.
    async fn told(&self, by: Person, method: Method, path: &str, body: &Value) -> Told {
        let (status, headers, answer) = self.send(by, method, path, body).await;
        let answer: Value = serde_json::from_slice(&answer)
            .unwrap_or_else(|why| panic!("{path}: {why}: {answer:?}"));
        Told { status, headers, answer }
    }

    /// The data of a call that goes well.
    async fn data(&self, by: Person, method: Method, path: &str, body: &Value) -> Value {
        let told = self.told(by, method, path, body).await;
        assert!(told.status.is_success(), "{path}: {} {}", told.status, told.answer);
        assert_eq!(told.answer["success"], true, "{path}: {}", told.answer);
        told.answer["data"].clone()
    }

    async fn get(&self, by: Person, path: &str) -> Value {
        self.data(by, Method::GET, path, &Value::Null).await
    }

    /// The same question until what comes is so.
    async fn until(&self, by: Person, path: &str, so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2_400 {
            let found = self.get(by, path).await;
            if so(&found) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("{path} never is so: {}", self.proxy.said());
    }

    /// An operator's command beside it.
    fn command(&self) -> Command {
        let mut command = self.place.command();
        known(&mut command, &self.people);
        command
    }

    async fn end(self) {
        self.proxy.stop();
        self.simulator.shutdown().await;
    }
}

fn started(place: &Place, people: &[Person]) -> Proxy {
    Proxy::start_with(place, |command, _| known(command, people))
}

/// Keys are in no file.
fn known(command: &mut Command, people: &[Person]) {
    for Person { name, key, .. } in people {
        command.env(format!("DAY_{}", name.to_uppercase()), key);
    }
}

/// What was answered.
struct Told {
    status: StatusCode,
    headers: HeaderMap,
    answer: Value,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Why not, as people read it: one sentence or two in Korean, and nothing for engineers in it.
    fn korean(&self) -> &str {
        let error = &self.answer["error"];
        let says = error["user_message"]["ko"].as_str().or(error["message"].as_str());
        let says = says.unwrap_or_else(|| panic!("{}", self.answer));
        let hangul = says.chars().filter(|c| ('가'..='힣').contains(c)).count();
        assert!(hangul >= 8 && says.chars().count() < 120 && !says.contains('\n'), "{says}");
        for inner in ["gpt", "google", "claude", "openai", "gemini", "anthropic", "127.0.0.1"] {
            assert!(!says.to_lowercase().contains(inner), "{inner} is our affair: {says}");
        }
        says
    }
}
