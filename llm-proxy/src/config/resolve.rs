//! File, environment and command line as one configuration.
//!
//! The command line wins over the file, and the file over the environment. Without a file, the
//! providers are those whose keys the environment has; without any, a local Ollama that answered,
//! else the built-in provider.

mod first;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use llm_core::Str;
use llm_core::secret::Secret;

use super::file::{self, File, ServerFile, StoreFile};
use super::litellm::{self, Finding};
use super::problem::{Problem, Report};
use super::reading::{Literals, Reading};
use super::reference::{Hidden, Surroundings};
use super::telemetry::{FORMS, Log, Telemetry};
use super::tree::{self, Language, Node};
use super::{Config, Provider, Server, Store, StorePlace};

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The file.
    pub(crate) config: Option<PathBuf>,
    /// The address to listen at.
    pub(crate) host: Option<IpAddr>,
    /// The port to listen at.
    pub(crate) port: Option<u16>,
    /// Where files go.
    pub(crate) data: Option<PathBuf>,
    /// What became of the look for an Ollama on this machine.
    pub(crate) ollama: Ollama,
}

/// What is known of an Ollama on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ollama {
    /// Nobody has looked.
    #[default]
    Unasked,
    /// None answered.
    Silent,
    /// One answered.
    Found {
        /// Where.
        address: String,
        /// Models that it has.
        models: Vec<String>,
    },
}

/// A configuration, and how it came about.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The configuration.
    pub(crate) config: Config,
    /// What may not be meant, with the file.
    pub(crate) report: Report,
    /// The file's tree, in our own form.
    pub(crate) tree: Node,
    /// What a LiteLLM file's fields became.
    pub(crate) findings: Vec<Finding>,
}

/// Reads everything. A bad configuration is told with all that is wrong with it.
pub(crate) fn resolve(asked: &Asked, around: &dyn Surroundings) -> Result<Resolved, Report> {
    let (Some(path), problems) = (&asked.config, Vec::new()) else {
        return Ok(without_file(asked, around));
    };
    let mut report = Report { file: path.display().to_string(), problems, ..Report::default() };
    match around.file(path) {
        Ok(text) => report.text = text,
        Err(error) => {
            report.problems.push(Problem::bad("", None, format!("{}: {error}", path.display())));
            return Err(report);
        }
    }
    from_text(asked, path, report, around)
}

/// Reads a text that is called so, in place of the file.
pub(crate) fn resolve_text(
    asked: &Asked,
    called: &str,
    text: String,
    around: &dyn Surroundings,
) -> Result<Resolved, Report> {
    let report = Report { file: called.to_owned(), text, ..Report::default() };
    from_text(asked, Path::new(called), report, around)
}

fn from_text(
    asked: &Asked,
    path: &Path,
    mut report: Report,
    around: &dyn Surroundings,
) -> Result<Resolved, Report> {
    let mut tree = tree::parse(&report.text, Language::of(path), &mut report.problems);
    let broken = report.is_bad();
    let (mut findings, mut literals) = (Vec::new(), Literals::Refuse);
    if litellm::is_litellm(&tree) {
        let converted = litellm::convert(&tree, litellm::Secrets::Keep);
        (tree, findings, literals) = (converted.tree, converted.findings, Literals::Warn);
        report.hidden.extend(converted.hidden);
    }
    let mut reading = Reading::new(around, literals);
    let file = file::read(&tree, &mut reading);
    // Of a file that ends in the middle, only what it has can be wrong, not what it lacks.
    let lacks = |p: &Problem| broken && p.text.contains(" missing");
    report.problems.extend(reading.problems.into_iter().filter(|p| !lacks(p)));
    report.hidden.extend(reading.hidden);
    let config = whole(file, asked, around, &mut report.problems);
    report.sort();
    if report.is_bad() {
        return Err(report);
    }
    Ok(Resolved { config, report, tree, findings })
}

fn without_file(asked: &Asked, around: &dyn Surroundings) -> Resolved {
    let mut report = Report::default();
    let file = first::file(&asked.ollama, around);
    let config = whole(file, asked, around, &mut report.problems);
    let tree = config.show().tree;
    Resolved { config, report, tree, findings: Vec::new() }
}

fn whole(
    file: File,
    asked: &Asked,
    around: &dyn Surroundings,
    problems: &mut Vec<Problem>,
) -> Config {
    let File { server, store, providers, models, prices, plans, keys, limits, content, .. } = file;
    let (credits, webhooks, inbound, jwt) = (file.credits, file.webhooks, file.inbound, file.jwt);
    let features = file.features;
    let telemetry = whole_telemetry(file.telemetry, around);
    if telemetry.otlp.is_none() {
        untold(&providers, problems);
    }
    let server = whole_server(server, asked, around, problems);
    let store = whole_store(store, asked, around, problems);
    if let (Some(_), StorePlace::Memory) = (&jwt, &store.place) {
        let text = "whom a token names is kept in a store: store.url is memory:";
        problems.push(Problem::bad("auth.jwt", None, text));
    }
    Config {
        server,
        store,
        providers,
        models,
        prices,
        plans,
        keys,
        limits,
        content,
        credits,
        webhooks,
        inbound,
        features,
        jwt,
        telemetry,
    }
}

fn whole_server(
    file: ServerFile,
    asked: &Asked,
    around: &dyn Surroundings,
    problems: &mut Vec<Problem>,
) -> Server {
    let usual = Server::default();
    let mut listen = file.listen.unwrap_or_else(|| {
        let mut address = usual.listen;
        address.set_port(variable("PORT", around, problems).unwrap_or(address.port()));
        address.set_ip(variable("HOST", around, problems).unwrap_or(address.ip()));
        address
    });
    if let Some(host) = asked.host {
        listen = SocketAddr::new(host, listen.port());
    }
    if let Some(port) = asked.port {
        listen.set_port(port);
    }
    let admin = ["LLM_PROXY_ADMIN_KEY", "LITELLM_MASTER_KEY"];
    let form = || {
        let said = around.env("LLM_PROXY_LOG_FORMAT").filter(|v| !v.is_empty())?;
        let found = FORMS.iter().find(|(word, _)| said.eq_ignore_ascii_case(word));
        if found.is_none() {
            let text = "LLM_PROXY_LOG_FORMAT in the environment is none of text, json: passed over";
            problems.push(Problem::doubtful("server.log", None, text));
        }
        found.map(|(_, form)| *form)
    };
    let admin = || admin.iter().find_map(|name| from_variable(name, around));
    Server {
        listen,
        metrics_listen: file.metrics_listen,
        admin_key: file.admin_key.or_else(admin),
        time_zone: file.time_zone.unwrap_or(usual.time_zone),
        drain: file.drain.unwrap_or(usual.drain),
        body_max: file.body_max.unwrap_or(usual.body_max),
        calls_max: file.calls_max.unwrap_or(usual.calls_max),
        waiting_max: file.waiting_max.unwrap_or(usual.waiting_max),
        wait_max: file.wait_max.unwrap_or(usual.wait_max),
        cache_max: file.cache_max.unwrap_or(usual.cache_max),
        own_keys: file.own_keys.unwrap_or(usual.own_keys),
        log: Log { form: file.log.or_else(form).unwrap_or_default(), access: file.access_log },
        edge: file.edge,
    }
}

/// A variable that many programs set for reasons of their own: what is no such value is passed
/// over, and said.
fn variable<T: std::str::FromStr>(
    name: &str,
    around: &dyn Surroundings,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let value = around.env(name).filter(|v| !v.is_empty())?;
    let read = value.trim().parse().ok();
    if read.is_none() {
        let text = format!("{name} in the environment says nothing to listen at: passed over");
        problems.push(Problem::doubtful("server.listen", None, text));
    }
    read
}

fn from_variable(name: &str, around: &dyn Surroundings) -> Option<Hidden> {
    let secret = around.env(name).filter(|v| !v.is_empty())?;
    Some(Hidden { reference: format!("env:{name}"), secret: Secret::new(secret) })
}

/// A provider that is told of spans that nobody takes would show a trace with holes.
fn untold(providers: &BTreeMap<Str, Provider>, problems: &mut Vec<Problem>) {
    for (name, _) in providers.iter().filter(|(_, provider)| provider.settings.trace) {
        let place = format!("providers.{name}.trace");
        let text = "it is told of spans that nobody takes: say telemetry.otlp, where they go";
        problems.push(Problem::bad(place, None, text));
    }
}

/// Who sets this variable wants traces there, of every program alike.
fn whole_telemetry(file: Telemetry, around: &dyn Surroundings) -> Telemetry {
    let otlp = file.otlp.or_else(|| from_variable("OTEL_EXPORTER_OTLP_ENDPOINT", around));
    let known = |at: &Hidden| at.secret.expose().starts_with("http");
    Telemetry { otlp: otlp.filter(known), ..file }
}

/// Where files go unless it is said.
const DATA: &str = "data";
/// The database in it.
const DATABASE: &str = "llm-proxy.db";

fn whole_store(
    file: StoreFile,
    asked: &Asked,
    around: &dyn Surroundings,
    problems: &mut Vec<Problem>,
) -> Store {
    let data = asked.data.clone().or(file.data).unwrap_or_else(|| PathBuf::from(DATA));
    let place = file.place.or_else(|| {
        let url = from_variable("DATABASE_URL", around)?;
        let place = file::store_place(url);
        place
            .map_err(|text| {
                let text = format!("DATABASE_URL in the environment is passed over: {text}");
                problems.push(Problem::doubtful("store.url", None, text));
            })
            .ok()
    });
    let place = match place {
        None => StorePlace::Sqlite(data.join(DATABASE)),
        // A file goes where the command line says that files go.
        Some(StorePlace::Sqlite(path)) if asked.data.is_some() => {
            StorePlace::Sqlite(data.join(path.file_name().unwrap_or(path.as_os_str())))
        }
        Some(place @ (StorePlace::Memory | StorePlace::Sqlite(_) | StorePlace::Postgres(_))) => {
            place
        }
    };
    let redis = file.redis.or_else(|| redis(around));
    let replicas = file.replicas.unwrap_or(NonZeroU32::MIN);
    let durability = file.durability.unwrap_or_default();
    Store { place, redis, replicas, durability, data, seal_keys: file.seal_keys }
}

/// A Redis as the environment names it: by its address, or in parts.
fn redis(around: &dyn Surroundings) -> Option<Hidden> {
    if let Some(url) = from_variable("REDIS_URL", around) {
        return Some(url);
    }
    let said = |name| around.env(name).filter(|v| !v.is_empty());
    let host = said("REDIS_HOST")?;
    let port = said("REDIS_PORT").unwrap_or_else(|| "6379".to_owned());
    let password = said("REDIS_PASSWORD");
    let account = password.map(|p| format!(":{}@", escaped(&p))).unwrap_or_default();
    let secret = Secret::new(format!("redis://{account}{host}:{port}"));
    Some(Hidden { reference: "env:REDIS_HOST".to_owned(), secret })
}

/// A password as an address takes it.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
