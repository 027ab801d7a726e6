//! `model_list`: what can be asked, as providers, models and prices.

use std::collections::BTreeMap;

use llm_core::catalog::Catalog;

use super::super::tree::{Node, Span, Table, Value};
use super::kinds::{Meaning, key_variable, meaning};
use super::source::{Source, seconds, shifted};
use super::{Grade, Work};

/// Deployments under one name.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) targets: Vec<Choice>,
    /// Names of groups or targets to be asked afterwards.
    pub(super) then: Vec<String>,
    /// Fields of ours that hold for it alone.
    pub(super) policy: Table,
}

/// A deployment of a group.
pub(super) struct Choice {
    pub(super) target: String,
    /// In hundredths: LiteLLM's shares may be parts of one.
    pub(super) weight: u32,
    pub(super) order: u32,
    pub(super) span: Span,
}

/// Providers by everything that makes them different, so that deployments share one.
type Known = BTreeMap<String, String>;

pub(super) fn convert(list: &Node, work: &mut Work<'_>) {
    let (mut known, empty) = (Known::new(), Table::default());
    for (n, node) in list.list().unwrap_or_default().iter().enumerate() {
        let path = format!("model_list.{n}");
        let Some(table) = node.table() else {
            work.find(path, Grade::Unsupported, "a deployment is a table, and this is none");
            continue;
        };
        let mut source = Source::new(table, path.clone());
        deployment(node.span, &mut source, &empty, work, &mut known);
        source.rest(work, "a deployment has no such field here");
    }
}

fn deployment<'t>(
    span: Span,
    source: &mut Source<'t>,
    empty: &'t Table,
    work: &mut Work<'_>,
    known: &mut Known,
) {
    let name = source.take("model_name").and_then(Node::word).map(str::to_owned);
    let params_path = source.path("litellm_params");
    let params = source.take("litellm_params").and_then(Node::table).unwrap_or(empty);
    let mut params = Source::new(params, params_path);
    let info_path = source.path("model_info");
    let info = source.take("model_info").and_then(Node::table).unwrap_or(empty);
    let mut info = Source::new(info, info_path);
    let model_node = params.take("model").map(|node| work.seen(node).clone());
    let model = model_node.as_ref().and_then(Node::word).unwrap_or_default().to_owned();
    let (Some(name), false) = (name, model.is_empty()) else {
        let said = "a deployment without model_name and litellm_params.model says nothing";
        work.find(params.path("model"), Grade::Unsupported, said);
        return;
    };
    let (prefix, kind, upstream) = match meaning(&model) {
        Meaning::Kind(prefix, kind, upstream) => (prefix, kind, upstream),
        Meaning::Foreign(vendor) => {
            let said = format!("{vendor} cannot be asked from here: this deployment is left out");
            work.find(params.path("model"), Grade::Unsupported, said);
            return;
        }
    };
    let wanted = if upstream.contains('*') { name.split('/').next() } else { None };
    let wanted = wanted.filter(|w| !w.contains('*')).unwrap_or(prefix);
    let at = model_node.map_or(span, |n| n.span);
    let (table, weight) = provider(kind, at, source, &mut params, work);
    let provider = named(wanted, table, at, work, known);
    let target = format!("{provider}/{upstream}");
    work.find(params.path("model"), Grade::Exact, format!("asked as {target:?}"));
    let order = params.take("order").and_then(Node::word).and_then(|w| w.parse().ok());
    if order.is_some() {
        work.find(params.path("order"), Grade::Exact, "its place among the tiers");
    }
    price(kind, upstream, &target, at, &mut params, &mut info, work);
    for name in ["max_budget", "budget_duration"] {
        let said = "providers have no budgets here; keys, plans and users do";
        params.note(name, work, Grade::Unsupported, said);
    }
    let tags = "targets are not chosen by what calls are labelled with";
    params.note("tags", work, Grade::Unsupported, tags);
    params.rest(work, "a provider has no such field here; callers say it in their calls");
    info.rest(work, "kept nowhere: facts of models are in the built-in table");
    if upstream.contains('*') {
        wildcard(&name, kind, &provider, at, source, work);
        return;
    }
    let choice = Choice { target, weight, order: order.unwrap_or(u32::MAX), span: at };
    match work.groups.iter_mut().find(|g| g.name == name) {
        Some(group) => group.targets.push(choice),
        None => work.groups.push(group(name, span, vec![choice])),
    }
}

fn group(name: String, span: Span, targets: Vec<Choice>) -> Group {
    Group { name, span, targets, then: Vec::new(), policy: Table::default() }
}

/// Names for anything: the provider answers to `provider/model` by itself; names without a
/// provider are those that the built-in table has.
fn wildcard(
    name: &str,
    kind: &str,
    provider: &str,
    span: Span,
    source: &Source<'_>,
    work: &mut Work<'_>,
) {
    let path = source.path("model_name");
    if name == format!("{provider}/*") {
        work.find(path, Grade::Exact, format!("any model of {provider:?} may be asked for"));
        return;
    }
    let said = "the models of the built-in table under their names, and any as provider/model";
    work.find(path, Grade::Approximate, said);
    let (before, after) = name.split_once('*').unwrap_or((name, ""));
    let entries = Catalog::builtin().entries().filter(|e| &*e.provider == kind);
    for entry in entries.filter(|e| e.price.is_some() && !e.model.contains('*')) {
        let full = format!("{provider}/{}", entry.model);
        let fits = |n: &str| n.starts_with(before) && n.ends_with(after);
        let name = [entry.model.to_string(), full.clone()].into_iter().find(|n| fits(n));
        let Some(name) = name.filter(|n| work.groups.iter().all(|g| g.name != *n)) else {
            continue;
        };
        let choice = Choice { target: full, weight: WHOLE, order: u32::MAX, span };
        work.groups.push(group(name, span, vec![choice]));
    }
}

/// The provider of a deployment, and the deployment's weight.
fn provider(
    kind: &'static str,
    at: Span,
    source: &mut Source<'_>,
    params: &mut Source<'_>,
    work: &mut Work<'_>,
) -> (Table, u32) {
    let mut table = Table::default();
    table.set("kind", Node::text(kind, at));
    address(kind, at, &mut table, params, work);
    let variable = key_variable(kind).unwrap_or("PROVIDER_API_KEY");
    let key = match params.take("api_key") {
        Some(node) if key_variable(kind).is_none() && is_placeholder(node) => {
            work.find(params.path("api_key"), Grade::Exact, "no key, as the provider wants none");
            None
        }
        Some(node) => {
            let path = params.path("api_key");
            work.find(path.clone(), Grade::Exact, "the provider's key");
            Some(work.secret(node, &path, variable))
        }
        None => key_variable(kind).map(|name| {
            let node = Node::text(format!("env:{name}"), at);
            work.seen(&node).clone()
        }),
    };
    if let Some(key) = key {
        let span = key.span;
        table.set("keys", Node::new(Value::List(vec![key]), span));
    }
    let mut capacity = Table::default();
    let pairs = [
        ("rpm", "requests_per_minute"),
        ("tpm", "tokens_per_minute"),
        ("max_parallel_requests", "in_flight"),
    ];
    let mut weight = None;
    for (theirs, ours) in pairs {
        // Older files have them beside litellm_params.
        let beside = source.take(theirs).map(|node| (node, source.path(theirs)));
        let within = params.take(theirs).map(|node| (node, params.path(theirs)));
        let Some((node, path)) = within.or(beside) else { continue };
        match node.word().filter(|w| w.parse::<u32>().is_ok_and(|n| n > 0)) {
            Some(word) => {
                if theirs == "rpm" {
                    weight = word.parse::<u32>().ok().map(|n| n.saturating_mul(WHOLE));
                }
                capacity.set(ours, Node::new(Value::Number(word.to_owned()), node.span));
                work.find(path, Grade::Exact, format!("capacity.{ours} of the provider"));
            }
            None => work.find(path, Grade::Unsupported, "no number of calls, tokens or places"),
        }
    }
    if !capacity.is_empty() {
        table.set("capacity", Node::new(Value::Table(capacity), at));
    }
    waits(&mut table, at, params, work);
    (table, weigh(params, work).or(weight).unwrap_or(WHOLE))
}

/// The weight of one, in hundredths.
const WHOLE: u32 = 100;

/// Clients of these APIs want a key even where the server wants none.
fn is_placeholder(node: &Node) -> bool {
    let words = ["none", "null", "na", "n/a", "empty", "dummy", "fake", "fake-key", "not-needed"];
    node.word().is_some_and(|word| words.contains(&&*word.to_ascii_lowercase()))
}

fn weigh(params: &mut Source<'_>, work: &mut Work<'_>) -> Option<u32> {
    let node = params.take("weight")?;
    let hundredths = node.word().and_then(|w| shifted(w, 2))?;
    let weight: u32 = hundredths.split('.').next()?.parse().ok()?;
    work.find(params.path("weight"), Grade::Exact, "its share among those of its tier");
    Some(weight).filter(|w| *w > 0)
}

fn address(kind: &str, at: Span, table: &mut Table, params: &mut Source<'_>, work: &mut Work<'_>) {
    for name in ["api_base", "base_url"] {
        let Some(node) = params.take(name) else { continue };
        let node = work.seen(node).clone();
        work.find(params.path(name), Grade::Exact, "base_url of the provider");
        if node.as_text().is_some_and(|t| t.starts_with("http://")) {
            table.set("insecure", Node::new(Value::Flag(true), node.span));
        }
        table.set("base_url", node);
    }
    if kind == "azure" {
        if table.get("base_url").is_none() {
            table.set("base_url", Node::text("env:AZURE_API_BASE", at));
        }
        let version = params.take("api_version").map(|node| work.seen(node).clone());
        let version = match version {
            Some(node) => {
                work.find(params.path("api_version"), Grade::Exact, "api_version of the provider");
                node
            }
            None => Node::text(AZURE_VERSION, at),
        };
        table.set("api_version", version);
    }
    let mut headers = Table::default();
    if let Some(node) = params.take("organization") {
        headers.set("openai-organization", work.seen(node).clone());
        work.find(params.path("organization"), Grade::Exact, "a header of the provider");
    }
    if let Some(inner) = params.take("extra_headers").and_then(Node::table) {
        for entry in inner.entries() {
            headers.set(&entry.name, work.seen(&entry.node).clone());
        }
        work.find(params.path("extra_headers"), Grade::Exact, "headers of the provider");
    }
    if !headers.is_empty() {
        table.set("headers", Node::new(Value::Table(headers), at));
    }
}

/// What Azure is asked for when nobody says: its last version that is no preview.
const AZURE_VERSION: &str = "2024-10-21";

fn waits(table: &mut Table, at: Span, params: &mut Source<'_>, work: &mut Work<'_>) {
    let mut timeout = Table::default();
    let pairs = [
        ("timeout", "total", Grade::Exact, "timeout.total of the provider"),
        (
            "stream_timeout",
            "first_token",
            Grade::Approximate,
            "how long a stream may take to begin",
        ),
    ];
    for (theirs, ours, grade, said) in pairs {
        let Some(node) = params.take(theirs) else { continue };
        match seconds(node) {
            Some(text) => {
                timeout.set(ours, Node::text(text, node.span));
                work.find(params.path(theirs), grade, said);
            }
            None => work.find(params.path(theirs), Grade::Unsupported, "no length of time"),
        }
    }
    if !timeout.is_empty() {
        table.set("timeout", Node::new(Value::Table(timeout), at));
    }
    for name in ["max_retries", "num_retries"] {
        let Some(node) = params.take(name) else { continue };
        table.set("retries", node.clone());
        work.find(params.path(name), Grade::Exact, "retries of the provider");
    }
}

/// The name of the provider: one that is the same in everything, else a new one.
fn named(wanted: &str, table: Table, at: Span, work: &mut Work<'_>, known: &mut Known) -> String {
    let node = Node::new(Value::Table(table), at);
    let same = format!("{wanted} {}", super::super::tree::yaml(&node));
    if let Some(name) = known.get(&same) {
        return name.clone();
    }
    let Some(providers) = work.out.within("providers", at) else { return wanted.to_owned() };
    let mut name = wanted.to_owned();
    let mut n = 1;
    while providers.entry(&name).is_some() {
        n += 1;
        name = format!("{wanted}-{n}");
    }
    providers.set(&name, node);
    known.insert(same, name.clone());
    name
}

fn price<'t>(
    kind: &str,
    model: &str,
    target: &str,
    at: Span,
    params: &mut Source<'t>,
    info: &mut Source<'t>,
    work: &mut Work<'_>,
) {
    let mut table = Table::default();
    let pairs = [
        ("input_cost_per_token", "input"),
        ("output_cost_per_token", "output"),
        ("cache_read_input_token_cost", "cache_read"),
        ("cache_creation_input_token_cost", "cache_write"),
    ];
    for (theirs, ours) in pairs {
        for from in [&mut *info, &mut *params] {
            let Some(node) = from.take(theirs) else { continue };
            let path = from.path(theirs);
            match node.word().and_then(|word| shifted(word, 6)) {
                Some(text) => {
                    table.set(ours, Node::text(text, node.span));
                    work.find(path, Grade::Exact, format!("{ours} of its price"));
                }
                None => work.find(path, Grade::Unsupported, "no price"),
            }
        }
    }
    info.note("id", work, Grade::Approximate, "a target is called by provider and model here");
    info.note("mode", work, Grade::Exact, "a call says itself what it wants");
    let based = info.take("base_model").and_then(Node::word).map(str::to_owned);
    if based.is_some() {
        work.find(info.path("base_model"), Grade::Exact, "whose price it has");
    }
    let priced = |kind: &str, model: &str| {
        Catalog::builtin().lookup(kind, model).is_some_and(|e| e.price.is_some())
    };
    if table.is_empty() && !model.contains('*') && (based.is_some() || !priced(kind, model)) {
        let base = based.as_deref().unwrap_or(model);
        let bare = base.rsplit('/').next().unwrap_or(base);
        // What Azure serves, OpenAI lists.
        let kinds = ["openai", "anthropic", "gemini", "cohere"];
        match kinds.iter().find(|kind| kind_fits(kind, base) && priced(kind, bare)) {
            Some(kind) => table.set("same_as", Node::text(format!("{kind}/{bare}"), at)),
            None => {
                let path = params.path("input_cost_per_token");
                if is_own(kind) {
                    work.find(path, Grade::Exact, "free: it runs on a machine of one's own");
                } else {
                    // A file that is served by LiteLLM is to be served here, and is: as there, at
                    // no price. What is different is that nobody can overlook it.
                    let said = "its price is not known, and so nothing, as with LiteLLM: set one";
                    work.find(path, Grade::Manual, said);
                    table.set("assumed", Node::new(Value::Flag(true), at));
                }
                table.set("input", Node::text("0", at));
                table.set("output", Node::text("0", at));
            }
        }
    }
    if !table.is_empty() {
        work.set("prices", target, Node::new(Value::Table(table), at));
    }
}

/// Whether whoever runs the provider is whoever runs the gateway: those kinds want no key.
fn is_own(kind: &str) -> bool {
    kind == "ollama" || (kind != "openai-compatible" && key_variable(kind).is_none())
}

/// Whether a name with a vendor in it speaks of that vendor.
fn kind_fits(kind: &str, base: &str) -> bool {
    match base.split_once('/') {
        Some(("azure", _)) => kind == "openai",
        Some((prefix, _)) => prefix == kind,
        None => true,
    }
}
