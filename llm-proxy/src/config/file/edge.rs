//! What `[server]` says of the network, and `[auth.jwt]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::quota::Plan;

use super::super::edge::{ALGORITHMS, Algorithm, Claims, Cors, Edge, FORWARDED_BY};
use super::super::edge::{Gate, Jwks, Jwt, TlsFiles};
use super::super::nearest::hint;
use super::super::reading::{At, Fields, Reading, bytes, count, duration, flag, name};
use super::super::reading::{one_of, parsed};
use super::super::tree::Node;

/// How far clocks may be apart unless it is said.
const LEEWAY: Duration = Duration::from_secs(30);
/// More than that, and a token that has ended would be one that has not.
const LEEWAY_MAX: Duration = Duration::from_mins(5);
/// A secret that is shorter than the hash it is used with is found by trying.
const SECRET_BYTES_MIN: usize = 32;

/// The fields of `[server]` that are about the network.
pub(super) fn edge(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Edge {
    let usual = Edge::default();
    let tls = fields.at("tls").and_then(|at| tls(&at, reading));
    let cors = fields.at("cors").and_then(|at| cors(&at, reading));
    let per_address = fields.at("connections_per_address").and_then(|at| {
        let most = std::num::NonZeroU32::new(reading.value(&at, count)?);
        if most.is_none() {
            reading.bad(&at, "with 0 nobody would ever be served");
        }
        most
    });
    let operators = fields.at("admin").and_then(|at| {
        let mut fields = at.fields(reading)?;
        let gate = gate(&mut fields, usual.operators.clone(), reading);
        fields.done(reading);
        Some(gate)
    });
    let mut time = |name, usual, reading: &mut Reading<'_>| {
        let Some(at) = fields.at(name) else { return usual };
        let said = reading.value(&at, duration).unwrap_or(usual);
        if said.is_zero() {
            reading.bad(&at, "with no time at all nobody would ever be served");
        }
        said
    };
    let idle = time("idle", usual.idle, reading);
    let write_timeout = time("write_timeout", usual.write_timeout, reading);
    Edge {
        tls,
        cors,
        idle,
        write_timeout,
        connections_per_address: per_address,
        reuse_port: fields.read(reading, "reuse_port", flag).unwrap_or_default(),
        compress_over: fields.read(reading, "compress_over", bytes).unwrap_or(usual.compress_over),
        trusted_proxies: fields.list(reading, "trusted_proxies", parsed).unwrap_or_default(),
        forwarded_by: fields
            .read(reading, "forwarded_by", |n| one_of(n, &FORWARDED_BY))
            .unwrap_or_default(),
        callers: gate(fields, usual.callers, reading),
        operators: operators.unwrap_or(usual.operators),
    }
}

fn gate(fields: &mut Fields<'_>, usual: Gate, reading: &mut Reading<'_>) -> Gate {
    let wrong_keys = match fields.at("wrong_keys") {
        None => usual.wrong_keys,
        Some(at) if at.node.flag() == Some(false) => None,
        Some(at) => reading.value(&at, parsed),
    };
    Gate {
        allow: fields.list(reading, "allow", parsed).unwrap_or_default(),
        deny: fields.list(reading, "deny", parsed).unwrap_or_default(),
        wrong_keys,
    }
}

fn tls(at: &At<'_>, reading: &mut Reading<'_>) -> Option<TlsFiles> {
    let mut fields = at.fields(reading)?;
    let mut path = |name, reading: &mut Reading<'_>| {
        let Some(said) = fields.at(name) else {
            reading.bad(at, format!("{name} is missing: {name} = \"{name}.pem\""));
            return None;
        };
        // The file is wanted and not what is in it: it is read again when it changes.
        let text = reading.value(&said, super::super::reading::text)?;
        let path = PathBuf::from(text.strip_prefix("file:").unwrap_or(&text));
        if let Err(error) = reading.around.file(&path) {
            reading.bad(&said, format!("{}: {error}", path.display()));
        }
        Some(path)
    };
    let cert = path("cert", reading);
    let key = path("key", reading);
    fields.done(reading);
    Some(TlsFiles { cert: cert?, key: key? })
}

fn cors(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Cors> {
    let mut fields = at.fields(reading)?;
    let said = fields.at("origins");
    let origins = said.as_ref().map(|at| at.list(reading)).unwrap_or_default();
    let origins = origins.iter().filter_map(|at| reading.value(at, origin)).collect();
    let cors = Cors {
        origins,
        credentials: fields.read(reading, "credentials", flag).unwrap_or_default(),
        max_age: fields.read(reading, "max_age", duration),
    };
    fields.done(reading);
    if cors.credentials && cors.origins.iter().any(|o| &**o == "*") {
        let text = "with credentials every origin must be named: * would let all pages act for \
                    whoever looks at them";
        reading.bad(said.as_ref().unwrap_or(at), text);
    }
    Some(cors)
}

/// `https://app.example:8443`, as a browser writes it.
fn origin(node: &Node) -> Result<Str, String> {
    let said = name(node)?;
    if &*said == "*" {
        return Ok(said);
    }
    let wrong = || format!("{said:?} is no origin: write https://app.example");
    let uri: http::Uri = said.parse().map_err(|_| wrong())?;
    let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or_else(wrong)?;
    let plain = format!("{scheme}://{authority}");
    // A path, a slash at the end or a capital would never be equal to what a browser sends.
    if *plain == *said && plain == plain.to_ascii_lowercase() { Ok(said) } else { Err(wrong()) }
}

/// `[auth]`.
pub(super) fn auth(
    at: &At<'_>,
    plans: &BTreeMap<Str, Arc<Plan>>,
    reading: &mut Reading<'_>,
) -> Option<Jwt> {
    let mut fields = at.fields(reading)?;
    let jwt = fields.at("jwt").and_then(|at| jwt(&at, plans, reading));
    fields.done(reading);
    jwt
}

fn jwt(at: &At<'_>, plans: &BTreeMap<Str, Arc<Plan>>, reading: &mut Reading<'_>) -> Option<Jwt> {
    let mut fields = at.fields(reading)?;
    let issuer = fields.read(reading, "issuer", name);
    let audience = fields.at("audience").map(|at| match at.node.list() {
        Some(_) => {
            let list = at.list(reading);
            list.iter().filter_map(|at| reading.value(at, name)).collect()
        }
        None => Vec::from_iter(reading.value(&at, name)),
    });
    let algorithms =
        fields.list(reading, "algorithms", |n| one_of(n, &ALGORITHMS)).unwrap_or_default();
    let secret_at = fields.at("secret");
    let secret = secret_at.as_ref().and_then(|at| reading.secret(at));
    let keys = fields.at("keys").map(|at| at.list(reading)).unwrap_or_default();
    let keys: Vec<_> = keys.iter().filter_map(|at| reading.secret(at)).collect();
    let jwks = fields.at("jwks").and_then(|at| reading.value(&at, jwks));
    let leeway = fields.at("leeway").and_then(|at| {
        let said = reading.value(&at, duration)?;
        if said > LEEWAY_MAX {
            reading.bad(&at, "5m are the most");
        }
        Some(said)
    });
    let plan_at = fields.at("plan");
    let plan = plan_at.as_ref().and_then(|at| reading.value(at, name));
    if let Some((plan, at)) = plan.as_ref().zip(plan_at.as_ref())
        && !plans.contains_key(plan)
    {
        let hint = hint(plan, plans.keys().map(|n| &**n));
        reading.bad(at, format!("there is no plan {:?}{hint}", &**plan));
    }
    let found = Jwt {
        issuer: issuer.clone().unwrap_or_default(),
        audience: audience.unwrap_or_default(),
        algorithms,
        secret,
        keys,
        jwks,
        leeway: leeway.unwrap_or(LEEWAY),
        create_users: fields.read(reading, "create_users", flag).unwrap_or_default(),
        plan,
        unlimited: fields.read(reading, "unlimited", flag).unwrap_or_default(),
        scope: fields.read(reading, "scope", name),
        admin_role: fields.read(reading, "admin_role", name),
        claims: fields.at("claims").and_then(|at| claims(&at, reading)).unwrap_or_default(),
    };
    fields.done(reading);
    wrong_with(&found, |text| reading.bad(at, text));
    issuer.map(|_| found)
}

/// What cannot be, though each field is right.
fn wrong_with(jwt: &Jwt, mut bad: impl FnMut(&'static str)) {
    if jwt.issuer.is_empty() {
        bad("the issuer is missing: issuer = \"https://login.example\"");
    }
    if jwt.audience.is_empty() {
        bad("the audience is missing: a token for somebody else would be good here");
    }
    if jwt.algorithms.is_empty() {
        bad("the algorithms are missing: algorithms = [\"RS256\"]");
    }
    let symmetric = jwt.algorithms.contains(&Algorithm::Hs256);
    if symmetric != jwt.secret.is_some() {
        bad("HS256 and a secret belong together");
    }
    if jwt.secret.as_ref().is_some_and(|s| s.secret.expose().len() < SECRET_BYTES_MIN) {
        bad("the secret of HS256 has 32 bytes at the least");
    }
    let public = jwt.algorithms.iter().any(|a| *a != Algorithm::Hs256);
    if public && jwt.keys.is_empty() && jwt.jwks.is_none() {
        bad("there are no keys: name them in keys, or say in jwks where they are published");
    }
    if jwt.create_users && jwt.plan.is_none() && !jwt.unlimited {
        bad("nothing limits users that come into being: give them a plan, or say unlimited = true");
    }
}

fn jwks(node: &Node) -> Result<Jwks, String> {
    let text = name(node)?;
    if text.starts_with("https://") || text.starts_with("http://") {
        let uri: Result<http::Uri, _> = text.parse();
        uri.map_err(|error| error.to_string())?;
        return Ok(Jwks::Url(text));
    }
    Ok(Jwks::File(PathBuf::from(text.strip_prefix("file:").unwrap_or(&text))))
}

fn claims(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Claims> {
    let usual = Claims::default();
    let mut fields = at.fields(reading)?;
    let claims = Claims {
        user: fields.read(reading, "user", name).unwrap_or(usual.user),
        team: fields.read(reading, "team", name),
        plan: fields.read(reading, "plan", name),
        models: fields.read(reading, "models", name),
        scopes: fields.read(reading, "scopes", name).unwrap_or(usual.scopes),
        roles: fields.read(reading, "roles", name).unwrap_or(usual.roles),
    };
    fields.done(reading);
    Some(claims)
}
