//! `[server]` and `[store]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use llm_core::Str;
use llm_core::quota::{OwnKeysUse, Zone};
use llm_core::secret::Secret;

use super::super::edge::Edge;
use super::super::reading::{At, Reading, bytes, count, duration, flag, one_of};
use super::super::reference::{Hidden, Reference};
use super::super::telemetry::{FORMS, Form};
use super::super::{Durability, StorePlace};

/// What a file says of the server.
#[derive(Debug, Default)]
pub(in super::super) struct ServerFile {
    pub(in super::super) listen: Option<SocketAddr>,
    pub(in super::super) metrics_listen: Option<SocketAddr>,
    pub(in super::super) admin_key: Option<Hidden>,
    pub(in super::super) time_zone: Option<(Str, Zone)>,
    pub(in super::super) drain: Option<Duration>,
    pub(in super::super) body_max: Option<u64>,
    pub(in super::super) calls_max: Option<u32>,
    pub(in super::super) waiting_max: Option<usize>,
    pub(in super::super) wait_max: Option<Duration>,
    pub(in super::super) cache_max: Option<u64>,
    pub(in super::super) own_keys: Option<OwnKeysUse>,
    pub(in super::super) log: Option<Form>,
    pub(in super::super) access_log: Option<bool>,
    pub(in super::super) edge: Edge,
}

/// What a file says of the store.
#[derive(Debug, Default)]
pub(in super::super) struct StoreFile {
    pub(in super::super) place: Option<StorePlace>,
    pub(in super::super) redis: Option<Hidden>,
    pub(in super::super) replicas: Option<NonZeroU32>,
    pub(in super::super) durability: Option<Durability>,
    pub(in super::super) data: Option<PathBuf>,
    pub(in super::super) seal_keys: Option<Hidden>,
}

pub(super) fn server(at: &At<'_>, reading: &mut Reading<'_>) -> ServerFile {
    let Some(mut fields) = at.fields(reading) else { return ServerFile::default() };
    let mut address = |name, reading: &mut Reading<'_>| {
        let at = fields.at(name)?;
        let text = reading.open(&at)?;
        listen(&text).map_err(|said| reading.bad(&at, said)).ok()
    };
    let listen = address("listen", reading);
    let metrics_listen = address("metrics_listen", reading);
    let time_zone = fields.at("time_zone").and_then(|at| {
        let name = reading.open(&at)?;
        let zone = Zone::get(&name).map_err(|e| reading.bad(&at, e.to_string())).ok()?;
        Some((Str::from(name), zone))
    });
    let positive = |at: At<'_>, reading: &mut Reading<'_>| {
        let number = reading.value(&at, count::<u32>)?;
        if number == 0 {
            reading.bad(&at, "with 0 nobody would ever be served");
        }
        Some(number)
    };
    let file = ServerFile {
        listen,
        metrics_listen,
        admin_key: fields.secret(reading, "admin_key"),
        time_zone,
        drain: fields.read(reading, "drain", duration),
        body_max: fields.read(reading, "body_max", bytes),
        calls_max: fields.at("calls_max").and_then(|at| positive(at, reading)),
        waiting_max: fields.read(reading, "waiting_max", count),
        wait_max: fields.read(reading, "wait_max", duration),
        cache_max: fields.read(reading, "cache_max", bytes),
        own_keys: fields.read(reading, "byok", |n| one_of(n, &OwnKeysUse::WORDS)),
        log: fields.read(reading, "log", |n| one_of(n, &FORMS)),
        access_log: fields.read(reading, "access_log", flag),
        edge: super::edge::edge(&mut fields, reading),
    };
    // Obeyed before anything else was read.
    fields.read(reading, "allow_literal_secrets", flag);
    fields.done(reading);
    file
}

const DURABILITIES: [(&str, Durability); 2] =
    [("process", Durability::Process), ("power", Durability::Power)];

pub(super) fn store(at: &At<'_>, reading: &mut Reading<'_>) -> StoreFile {
    let Some(mut fields) = at.fields(reading) else { return StoreFile::default() };
    let place = fields.at("url").and_then(|at| {
        let hidden = url(&at, reading)?;
        store_place(hidden).map_err(|said| reading.bad(&at, said)).ok()
    });
    let redis = fields.at("redis").and_then(|at| {
        let hidden = url(&at, reading)?;
        let known = ["redis://", "rediss://"].iter().any(|s| hidden.secret.expose().starts_with(s));
        if !known {
            reading.bad(&at, "the address of a Redis begins with redis:// or rediss://");
        }
        known.then_some(hidden)
    });
    let replicas = fields.at("replicas").and_then(|at| {
        let number = NonZeroU32::new(reading.value(&at, count)?);
        if number.is_none() {
            reading.bad(&at, "this process is one of them: 1 at the least");
        }
        number
    });
    let durability = fields.read(reading, "durability", |n| one_of(n, &DURABILITIES));
    let data = fields.at("data").and_then(|at| reading.open(&at)).map(PathBuf::from);
    let seal_keys = fields.secret(reading, "seal_keys");
    fields.done(reading);
    StoreFile { place, redis, replicas, durability, data, seal_keys }
}

/// An address that is a secret only where it holds a password.
pub(super) fn url(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Hidden> {
    let text = at.node.as_text().unwrap_or_default();
    let open = |text: &str| !text.is_empty() && !has_password(text);
    let read = match Reference::parse(text) {
        None if open(text) => Ok(text.to_owned()),
        Some(reference @ Reference::Variable(_, Some(otherwise))) if open(otherwise) => {
            reference.read(reading.around)
        }
        None | Some(Reference::Variable(..) | Reference::File(_)) => return reading.secret(at),
    };
    let secret = read.map_err(|said| reading.bad(at, said)).ok()?;
    Some(Hidden { reference: text.to_owned(), secret: Secret::new(secret) })
}

/// `scheme://name:password@host`, or a password among what is asked for.
fn has_password(url: &str) -> bool {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let before_at = after.rsplit_once('@').map(|(account, _)| account);
    before_at.is_some_and(|account| account.contains(':'))
        || url.to_ascii_lowercase().contains("password=")
}

/// Which store an address means.
pub(in super::super) fn store_place(url: Hidden) -> Result<StorePlace, String> {
    let text = url.secret.expose();
    if text == "memory:" || text == "memory" {
        return Ok(StorePlace::Memory);
    }
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        if path.is_empty() {
            return Err("the path of the database is missing: sqlite:data/llm-proxy.db".to_owned());
        }
        return Ok(match path {
            ":memory:" => StorePlace::Memory,
            path => StorePlace::Sqlite(PathBuf::from(path)),
        });
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(StorePlace::Postgres(url));
    }
    Err("a store is memory:, sqlite:PATH or postgres://USER@HOST/NAME".to_owned())
}

/// An address to listen at: `127.0.0.1:4000`, `localhost:4000`, `:4000` and `4000` for all of them.
fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let ip = match host {
        "" | "*" => Some(Ipv4Addr::UNSPECIFIED),
        "localhost" => Some(Ipv4Addr::LOCALHOST),
        _name => None,
    };
    let port: Option<u16> = port.parse().ok();
    ip.zip(port)
        .map(SocketAddr::from)
        .ok_or_else(|| format!("{text:?} is no address to listen at: write 127.0.0.1:4000"))
}
