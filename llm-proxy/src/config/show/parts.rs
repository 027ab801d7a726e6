//! Providers, models, prices and rules, as a file would say them.

use llm_core::money::{Listed, Money};
use llm_core::usage::TokenKind;
use llm_providers::model::{CachePolicy, LossPolicy, Policy};
use llm_providers::settings::ModelSettings;
use llm_providers::stage::admit::OwnerRules;
use llm_providers::stage::admit::limits::Rules;
use llm_providers::stage::admit::meter::Rule;
use llm_providers::stage::gate::room::Capacity;
use llm_providers::stage::inspect::{ContentRules, Find, Then};
use llm_providers::target::Timeouts;

use super::super::file::words;
use super::super::tree::{Node, Span, Table, Value};
use super::super::{Priced, Provider};
use super::{Writer, time_text};

impl Provider {
    pub(super) fn show(&self, w: &mut Writer<'_>) {
        let said = &self.settings;
        w.text("kind", &*self.kind);
        if let Some(base) = &said.base_url {
            w.text("base_url", &**base);
        }
        if said.keys_later {
            w.none("keys");
        } else {
            w.secrets("keys", &self.keys);
        }
        w.yes("validate", self.validate);
        let usual = llm_providers::provider::ProviderSettings::new("", self.kind.clone());
        if said.retries != usual.retries {
            w.number("retries", said.retries);
        }
        w.table("timeout", |w| {
            if said.connections.connect != usual.connections.connect {
                w.time("connect", said.connections.connect);
            }
            if let Some(Timeouts { head, first_token, idle, total }) = said.timeouts {
                w.time("head", head);
                w.time("first_token", first_token);
                w.time("idle", idle);
                w.time("total", total);
            }
        });
        w.table("headers", |w| {
            for (name, value) in &said.headers {
                match self.headers.get(name) {
                    Some(hidden) => w.secret(name, hidden),
                    None => w.text(name, &**value),
                }
            }
        });
        if let Some(version) = &said.api_version {
            w.text("api_version", &**version);
        }
        w.yes("insecure", said.insecure);
        w.yes("trace", said.trace);
        w.yes("http2", said.connections.http2);
        w.table("capacity", |w| capacity(said.capacity, w));
    }
}

fn capacity(capacity: Capacity, w: &mut Writer<'_>) {
    if let Some(most) = capacity.in_flight_max {
        w.number("in_flight", most);
    }
    w.yes("adaptive", capacity.adaptive);
    if let Some(most) = capacity.requests_per_minute {
        w.number("requests_per_minute", most);
    }
    if let Some(most) = capacity.tokens_per_minute {
        w.number("tokens_per_minute", most);
    }
}

pub(super) fn model(model: &ModelSettings, w: &mut Writer<'_>) {
    let node = |value| Node::new(value, Span::default());
    let choice = |(target, weight): &(llm_core::Str, u32)| {
        if *weight == 1 {
            return Node::text(&**target, Span::default());
        }
        let mut table = Table::default();
        table.set("target", Node::text(&**target, Span::default()));
        table.set("weight", node(Value::Number(weight.to_string())));
        node(Value::Table(table))
    };
    let tier = |tier: &Vec<_>| Value::List(tier.iter().map(choice).collect());
    w.list("tiers", model.tiers.iter().map(tier).collect());
    let (said, usual) = (&model.policy, Policy::default());
    if said.balance != usual.balance {
        w.text("balance", words::balance(said.balance));
    }
    if said.attempts_max != usual.attempts_max {
        w.number("attempts", said.attempts_max);
    }
    if said.total != usual.total {
        w.time("timeout", said.total);
    }
    match said.losses {
        LossPolicy::Allow => {}
        LossPolicy::Refuse => w.text("losses", "refuse"),
    }
    w.yes("refiltered", said.refiltered);
    w.yes("resume", said.resume);
    w.yes("hedge", said.hedge);
    if let Some(cache) = &said.cache {
        w.table("cache", |w| show_cache(cache, w));
    }
}

fn show_cache(cache: &CachePolicy, w: &mut Writer<'_>) {
    w.text("ttl", time_text(cache.ttl));
    w.text("scope", words::scope(cache.scope));
    if cache.price != Money(0) {
        w.text("price", cache.price.to_string());
    }
    if let Some(alike) = cache.alike {
        w.number("similar", alike);
    }
}

impl Priced {
    pub(super) fn show(&self, w: &mut Writer<'_>) {
        for kind in TokenKind::ALL {
            if let Some(rate) = self.listed.rates[kind as usize] {
                w.text(kind.name(), rate.to_string());
            }
        }
        w.yes("assumed", self.assumed);
        let Listed { per_call, per_image, per_audio_second, tiers, .. } = &self.listed;
        let pieces = [
            ("per_call", per_call),
            ("per_image", per_image),
            ("per_audio_second", per_audio_second),
        ];
        for (name, amount) in pieces {
            if *amount != Money(0) {
                w.text(name, amount.to_string());
            }
        }
        w.texts(
            "tiers",
            tiers.iter().map(|(above, rates)| {
                let own = TokenKind::ALL.iter().filter_map(|kind| {
                    let rate = rates[*kind as usize]?;
                    Some(format!("{}={rate}", kind.name()))
                });
                format!("{above}:{}", own.collect::<Vec<_>>().join(","))
            }),
        );
        if let Some(other) = &self.same_as {
            w.text("same_as", &**other);
        }
    }
}

pub(super) fn limits(limits: &OwnerRules, w: &mut Writer<'_>) {
    let OwnerRules { key, user, team, org, tenant, models } = limits;
    let owners = [("key", key), ("user", user), ("team", team), ("org", org), ("tenant", tenant)];
    for (name, of) in owners {
        w.table(name, |w| rules(of, w));
    }
    w.named("models", models, |w, _, of| rules(of, w));
}

fn rules(rules: &Rules, w: &mut Writer<'_>) {
    // Paces are made by programs; a file has limits only.
    let limits = rules.rules.iter().filter_map(|rule| match rule {
        Rule::Window(limit) => Some(limit.to_string()),
        Rule::Smooth(_) => None,
    });
    w.texts("limits", limits);
    if let Some(most) = rules.in_flight_max {
        w.number("in_flight", most);
    }
}

pub(super) fn content(content: &ContentRules, w: &mut Writer<'_>) {
    if let Some(most) = content.chars_max {
        w.number("chars_max", most);
    }
    w.tables("rules", &content.rules, |rule, w| {
        w.text("name", &*rule.name);
        match (&rule.find, words::find(&rule.find)) {
            (Find::Words(list), _) => w.texts("words", list.iter().map(|word| word.to_string())),
            (Find::Pattern(pattern), _) => w.text("pattern", &**pattern),
            (_, word) => w.text("find", word.unwrap_or_default()),
        }
        match rule.then {
            Then::Refuse => {}
            Then::Mask => w.text("then", "mask"),
            Then::Pseudonym => w.text("then", "pseudonym"),
        }
    });
}
