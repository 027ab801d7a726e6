//! `[responses]`, `[files]`, `[batches]` and `[passthrough.NAME]`.

use http::{HeaderName, Method, Uri};
use llm_core::Str;

use super::super::inbound::{Auth, Batches, Files, Inbound, Passthrough, Responses};
use super::super::reading::{At, Fields, Reading, bytes, count, duration, name, text};

/// Batches and lines beside each other: each line is a call, and may hold its answer in memory.
const WIDTH_MAX: usize = 64;
/// A name that stands in a path.
const NAME_BYTES_MAX: usize = 64;

pub(super) fn inbound(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Inbound {
    let mut inbound = Inbound::default();
    if let Some(mut of) = fields.at("responses").and_then(|at| at.fields(reading)) {
        let usual = Responses::default();
        inbound.responses = Responses {
            keep: of.read(reading, "keep", duration).unwrap_or(usual.keep),
            size_max: of.read(reading, "size_max", bytes).unwrap_or(usual.size_max),
        };
        of.done(reading);
    }
    if let Some(mut of) = fields.at("files").and_then(|at| at.fields(reading)) {
        let usual = Files::default();
        inbound.files = Files {
            size_max: of.read(reading, "size_max", bytes).unwrap_or(usual.size_max),
            total_max: of.read(reading, "total_max", bytes).unwrap_or(usual.total_max),
        };
        of.done(reading);
    }
    if let Some(mut of) = fields.at("batches").and_then(|at| at.fields(reading)) {
        let usual = Batches::default();
        let width = wide(&mut of, reading, "width").unwrap_or(usual.width);
        let lines = wide(&mut of, reading, "lines").unwrap_or(usual.lines);
        let lease = of.read(reading, "lease", duration).unwrap_or(usual.lease);
        inbound.batches = Batches { width, lines, lease };
        of.done(reading);
    }
    for (name, at) in fields.at("passthrough").map(|at| at.named(reading)).unwrap_or_default() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.len() > NAME_BYTES_MAX || !name.chars().all(plain) || name.starts_with('.') {
            reading.bad(&at, "a name of letters, digits, - and _ is wanted: it stands in a path");
        }
        if let Some(api) = passthrough(&at, reading) {
            inbound.passthrough.insert(Str::from(name), api);
        }
    }
    inbound
}

fn wide(fields: &mut Fields<'_>, reading: &mut Reading<'_>, name: &'static str) -> Option<usize> {
    let at = fields.at(name)?;
    let number = reading.value(&at, count::<usize>)?;
    if !(1..=WIDTH_MAX).contains(&number) {
        reading.bad(&at, format!("a number from 1 to {WIDTH_MAX} is wanted here"));
        return None;
    }
    Some(number)
}

fn passthrough(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Passthrough> {
    let mut fields = at.fields(reading)?;
    let base_url = fields.at("base_url").and_then(|at| {
        let url = reading.open(&at)?;
        let read = based(&url);
        read.map_err(|said| reading.bad(&at, said)).ok()
    });
    let auth = fields.at("auth").and_then(|at| auth(&at, reading));
    let methods = fields.list(reading, "methods", |node| {
        let word = text(node)?.to_ascii_uppercase();
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let method = known.contains(&&*word).then(|| Method::from_bytes(word.as_bytes()).ok());
        method.flatten().ok_or_else(|| format!("one of {} is wanted here", known.join(", ")))
    });
    let paths = fields.list(reading, "paths", |node| {
        let path = name(node)?;
        let good = path.starts_with('/') && !path.contains(['?', '#', '%']);
        if good { Ok(path) } else { Err("the beginning of a path is wanted: /v1/".to_owned()) }
    });
    let cache_ttl = fields.read(reading, "cache_ttl", duration);
    let retries = fields.read(reading, "retries", count);
    let timeout = fields.read(reading, "timeout", duration);
    let body_max = fields.read(reading, "body_max", bytes);
    let in_flight = fields.read(reading, "in_flight", count);
    fields.done(reading);
    let Some(base_url) = base_url else {
        if fields_lack(at) {
            reading.bad(at, "base_url is missing");
        }
        return None;
    };
    let usual = Passthrough::new(base_url);
    Some(Passthrough {
        auth,
        methods: methods.unwrap_or(usual.methods),
        paths: paths.unwrap_or_default(),
        cache_ttl,
        retries: retries.unwrap_or(usual.retries).min(5),
        timeout: timeout.unwrap_or(usual.timeout),
        body_max: body_max.unwrap_or(usual.body_max),
        in_flight: in_flight.unwrap_or(usual.in_flight).max(1),
        base_url: usual.base_url,
    })
}

fn fields_lack(at: &At<'_>) -> bool {
    at.node.table().is_none_or(|table| table.get("base_url").is_none())
}

/// The beginning of every address: no parameters, and no key in it.
fn based(url: &str) -> Result<Str, String> {
    const WANTED: &str = "an address is wanted here: https://api.example.com/v1";
    let read: Uri = url.parse().map_err(|_| WANTED.to_owned())?;
    let known = matches!(read.scheme_str(), Some("http" | "https"));
    let plain = read.authority().is_some_and(|host| !host.as_str().contains('@'));
    if !known || !plain || read.query().is_some() || url.contains('#') {
        return Err(WANTED.to_owned());
    }
    Ok(Str::from(url.trim_end_matches('/')))
}

/// `{ bearer = "env:KEY" }`, `{ header = "x-key", key = "env:KEY" }`, `{ query = "key", key = … }`.
fn auth(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Auth> {
    let mut fields = at.fields(reading)?;
    let bearer = fields.secret(reading, "bearer").map(Auth::Bearer);
    let header = fields.read(reading, "header", |node| {
        let name = HeaderName::from_bytes(text(node)?.as_bytes());
        name.map_err(|_| "the name of a header is wanted here".to_owned())
    });
    let query = fields.read(reading, "query", name);
    let key = fields.secret(reading, "key");
    fields.done(reading);
    let found = match (bearer, header, query, key) {
        (Some(bearer), None, None, None) => Some(bearer),
        (None, Some(header), None, Some(key)) => Some(Auth::Header(header, key)),
        (None, None, Some(query), Some(key)) => Some(Auth::Query(query, key)),
        _ => None,
    };
    if found.is_none() {
        reading.bad(at, "a key is shown as bearer, or as key with one of header and query");
    }
    found
}
