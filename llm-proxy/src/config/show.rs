//! A configuration as our own file would say it, secrets by their references: what `diff` compares,
//! `import` writes, and a hash is made of.
//!
//! What is as it would be without being said is left out, except where it listens and keeps things.

mod credits;
mod edge;
mod features;
mod inbound;
mod parts;
mod telemetry;

use std::num::NonZeroU32;
use std::time::Duration;

use llm_core::principal::Priority;
use llm_core::quota::Plan;

use super::reference::Hidden;
use super::tree::{Node, Span, Table, Value};
use super::{Config, Durability, FixedKey, Server, Store, StorePlace};

/// A configuration as a tree, and its secrets by their places.
pub(crate) struct Shown {
    /// The tree.
    pub(crate) tree: Node,
    /// Secrets, in the order of the tree.
    pub(crate) secrets: Vec<(String, Hidden)>,
}

/// A table that is being written.
pub(super) struct Writer<'s> {
    table: Table,
    place: String,
    secrets: &'s mut Vec<(String, Hidden)>,
}

impl Config {
    /// What it says.
    pub(crate) fn show(&self) -> Shown {
        let mut secrets = Vec::new();
        let mut root = Writer::new("", &mut secrets);
        root.table("server", |w| self.server.show(w));
        root.table("store", |w| self.store.show(w));
        root.named("providers", &self.providers, |w, _, p| p.show(w));
        root.named("models", &self.models, |w, _, m| parts::model(m, w));
        root.named("prices", &self.prices, |w, _, p| p.show(w));
        root.named("plans", &self.plans, |w, name, p| {
            plan(p, w);
            credits::sold(&self.credits.sold(name), w);
        });
        root.tables("keys", &self.keys, FixedKey::show);
        root.table("limits", |w| parts::limits(&self.limits, w));
        root.table("content", |w| parts::content(&self.content, w));
        root.table("credits", |w| credits::rules(&self.credits, w));
        root.named("webhooks", &self.webhooks, |w, _, hook| credits::hook(hook, w));
        inbound::show(&self.inbound, &mut root);
        features::show(&self.features, &mut root);
        if let Some(jwt) = &self.jwt {
            root.table("auth", |w| w.table("jwt", |w| edge::jwt(jwt, w)));
        }
        root.table("telemetry", |w| telemetry::telemetry(&self.telemetry, w));
        let tree = root.done();
        Shown { tree, secrets }
    }

    /// What tells two configurations apart. Secrets enter under a key that each process makes for
    /// itself, so that nobody who sees a hash can try passwords against it; without them, processes
    /// that were told the same have the same hash.
    pub(crate) fn hash(&self, key: &[u8; 32]) -> Hash {
        let shown = self.show();
        let shape = blake3::hash(super::tree::yaml(&shown.tree).as_bytes());
        let mut whole = blake3::Hasher::new_keyed(key);
        whole.update(shape.as_bytes());
        for (place, hidden) in &shown.secrets {
            for part in [place.as_bytes(), hidden.secret.expose().as_bytes()] {
                whole.update(&(part.len() as u64).to_le_bytes());
                whole.update(part);
            }
        }
        Hash { shape: *shape.as_bytes(), whole: *whole.finalize().as_bytes() }
    }
}

/// What tells two configurations apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash {
    /// Everything but what secrets are: the same in every process.
    pub(crate) shape: [u8; 32],
    /// Everything: only to be compared within a process.
    pub(crate) whole: [u8; 32],
}

impl std::fmt::Display for Hash {
    /// The first half of the shape, in hexadecimal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shape[..16].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'s> Writer<'s> {
    fn new(place: &str, secrets: &'s mut Vec<(String, Hidden)>) -> Self {
        Self { table: Table::default(), place: place.to_owned(), secrets }
    }

    fn done(self) -> Node {
        Node::new(Value::Table(self.table), Span::default())
    }

    fn put(&mut self, name: &str, value: Value) {
        self.table.set(name, Node::new(value, Span::default()));
    }

    fn place(&self, name: &str) -> String {
        let gap = if self.place.is_empty() { "" } else { "." };
        format!("{}{gap}{name}", self.place)
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str, text: impl Into<String>) {
        self.put(name, Value::Text(text.into()));
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str, number: impl ToString) {
        self.put(name, Value::Number(number.to_string()));
    }

    /// A yes, where the usual is no.
    pub(super) fn yes(&mut self, name: &str, flag: bool) {
        if flag {
            self.put(name, Value::Flag(true));
        }
    }

    /// A no, where the usual is something.
    pub(super) fn no(&mut self, name: &str) {
        self.put(name, Value::Flag(false));
    }

    /// A length of time.
    pub(super) fn time(&mut self, name: &str, length: Duration) {
        self.text(name, time_text(length));
    }

    /// A secret, by its reference.
    pub(super) fn secret(&mut self, name: &str, hidden: &Hidden) {
        self.secrets.push((self.place(name), hidden.clone()));
        self.text(name, hidden.reference.clone());
    }

    /// Secrets, by their references.
    pub(super) fn secrets(&mut self, name: &str, list: &[Hidden]) {
        for (n, hidden) in list.iter().enumerate() {
            self.secrets.push((format!("{}.{n}", self.place(name)), hidden.clone()));
        }
        self.texts(name, list.iter().map(|h| h.reference.clone()));
    }

    /// Texts, unless there are none.
    pub(super) fn texts<T: Into<String>>(
        &mut self,
        name: &str,
        texts: impl IntoIterator<Item = T>,
    ) {
        let texts: Vec<_> = texts.into_iter().map(|t| Node::text(t, Span::default())).collect();
        if !texts.is_empty() {
            self.put(name, Value::List(texts));
        }
    }

    /// A list that says by being empty that there are none.
    pub(super) fn none(&mut self, name: &str) {
        self.put(name, Value::List(Vec::new()));
    }

    /// Any list, unless it is empty.
    pub(super) fn list(&mut self, name: &str, list: Vec<Value>) {
        if !list.is_empty() {
            let list = list.into_iter().map(|v| Node::new(v, Span::default())).collect();
            self.put(name, Value::List(list));
        }
    }

    /// A table, unless nothing is in it.
    pub(super) fn table(&mut self, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
        let place = self.place(name);
        let mut inner = Writer::new(&place, self.secrets);
        fill(&mut inner);
        if !inner.table.is_empty() {
            let node = inner.done();
            self.table.set(name, node);
        }
    }

    /// Tables by their names, those with nothing in them as well.
    pub(super) fn named<'v, K: AsRef<str> + 'v, V: 'v>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = (K, V)>,
        fill: impl Fn(&mut Writer<'_>, &str, V),
    ) {
        self.table(name, |all| {
            for (name, value) in values {
                let place = all.place(name.as_ref());
                let mut one = Writer::new(&place, all.secrets);
                fill(&mut one, name.as_ref(), value);
                let node = one.done();
                all.table.set(name.as_ref(), node);
            }
        });
    }

    /// Tables in their order.
    pub(super) fn tables<'v, V: 'v>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = &'v V>,
        fill: impl Fn(&V, &mut Writer<'_>),
    ) {
        let mut list = Vec::new();
        for (n, value) in values.into_iter().enumerate() {
            let mut one = Writer::new(&format!("{}.{n}", self.place(name)), self.secrets);
            fill(value, &mut one);
            list.push(one.done());
        }
        if !list.is_empty() {
            self.put(name, Value::List(list));
        }
    }
}

/// A length of time as it is written.
pub(crate) fn time_text(length: Duration) -> String {
    let (seconds, ms) = (length.as_secs(), length.as_millis());
    match seconds {
        0 => format!("{ms}ms"),
        _ if ms % 1_000 != 0 => format!("{ms}ms"),
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

impl Server {
    fn show(&self, w: &mut Writer<'_>) {
        let usual = Self::default();
        w.text("listen", self.listen.to_string());
        if let Some(address) = self.metrics_listen {
            w.text("metrics_listen", address.to_string());
        }
        if let Some(key) = &self.admin_key {
            w.secret("admin_key", key);
        }
        w.text("time_zone", &*self.time_zone.0);
        let mut time = |name, said, usual| {
            if said != usual {
                w.time(name, said);
            }
        };
        time("drain", self.drain, usual.drain);
        time("wait_max", self.wait_max, usual.wait_max);
        let mut number = |name, said: u64, usual: u64| {
            if said != usual {
                w.number(name, said);
            }
        };
        number("body_max", self.body_max, usual.body_max);
        number("calls_max", self.calls_max.into(), usual.calls_max.into());
        number("waiting_max", self.waiting_max as u64, usual.waiting_max as u64);
        number("cache_max", self.cache_max, usual.cache_max);
        if self.own_keys != usual.own_keys {
            w.text("byok", self.own_keys.name());
        }
        telemetry::log(self.log, w);
        edge::edge(&self.edge, w);
    }
}

impl Store {
    fn show(&self, w: &mut Writer<'_>) {
        match &self.place {
            StorePlace::Memory => w.text("url", "memory:"),
            StorePlace::Sqlite(path) => w.text("url", format!("sqlite:{}", path.display())),
            StorePlace::Postgres(url) => w.secret("url", url),
        }
        if let Some(redis) = &self.redis {
            w.secret("redis", redis);
        }
        if self.replicas > NonZeroU32::MIN {
            w.number("replicas", self.replicas);
        }
        match self.durability {
            Durability::Process => {}
            Durability::Power => w.text("durability", "power"),
        }
        w.text("data", self.data.display().to_string());
        if let Some(keys) = &self.seal_keys {
            w.secret("seal_keys", keys);
        }
    }
}

/// The word for a priority.
fn priority(priority: Priority) -> String {
    format!("{priority:?}").to_lowercase()
}

fn plan(plan: &Plan, w: &mut Writer<'_>) {
    w.texts("limits", plan.limits.iter().map(ToString::to_string));
    w.texts("models", plan.models.models.iter().map(|m| m.to_string()));
    if plan.priority != Priority::Default {
        w.text("priority", priority(plan.priority));
    }
    if let Some(own) = plan.own_keys {
        w.text("byok", own.name());
    }
    w.yes("byok_charge", plan.own_keys_charged);
}

impl FixedKey {
    fn show(&self, w: &mut Writer<'_>) {
        w.text("name", &*self.name);
        w.secret("key", &self.key);
        if let Some(plan) = &self.plan {
            w.text("plan", &*plan.name);
        }
        w.texts("limits", self.limits.iter().map(ToString::to_string));
        w.texts("models", self.models.models.iter().map(|m| m.to_string()));
        if let Some(user) = &self.user {
            w.text("user", &**user);
        }
        if let Some(team) = &self.team {
            w.text("team", &**team);
        }
        w.yes("unlimited", self.unlimited);
    }
}
