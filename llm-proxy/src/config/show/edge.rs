//! The network's part of `[server]`, and `[auth.jwt]`.

use super::super::edge::{ALGORITHMS, Claims, Cors, Edge, FORWARDED_BY, Gate, Jwks, Jwt, word};
use super::Writer;

pub(super) fn edge(edge: &Edge, w: &mut Writer<'_>) {
    let usual = Edge::default();
    for (name, said, usual) in [
        ("idle", edge.idle, usual.idle),
        ("write_timeout", edge.write_timeout, usual.write_timeout),
    ] {
        if said != usual {
            w.time(name, said);
        }
    }
    if let Some(most) = edge.connections_per_address {
        w.number("connections_per_address", most);
    }
    w.yes("reuse_port", edge.reuse_port);
    if edge.compress_over != usual.compress_over {
        w.number("compress_over", edge.compress_over);
    }
    w.texts("trusted_proxies", edge.trusted_proxies.iter().map(ToString::to_string));
    if edge.forwarded_by != usual.forwarded_by {
        w.text("forwarded_by", word(&FORWARDED_BY, edge.forwarded_by));
    }
    gate(&edge.callers, &usual.callers, w);
    w.table("admin", |w| gate(&edge.operators, &usual.operators, w));
    if let Some(files) = &edge.tls {
        w.table("tls", |w| {
            w.text("cert", files.cert.display().to_string());
            w.text("key", files.key.display().to_string());
        });
    }
    if let Some(cors) = &edge.cors {
        w.table("cors", |w| origins(cors, w));
    }
}

fn gate(gate: &Gate, usual: &Gate, w: &mut Writer<'_>) {
    w.texts("allow", gate.allow.iter().map(ToString::to_string));
    w.texts("deny", gate.deny.iter().map(ToString::to_string));
    match gate.wrong_keys {
        said if said == usual.wrong_keys => {}
        Some(rate) => w.text("wrong_keys", rate.to_string()),
        None => w.no("wrong_keys"),
    }
}

fn origins(cors: &Cors, w: &mut Writer<'_>) {
    w.texts("origins", cors.origins.iter().map(|o| o.to_string()));
    w.yes("credentials", cors.credentials);
    if let Some(age) = cors.max_age {
        w.time("max_age", age);
    }
}

pub(super) fn jwt(jwt: &Jwt, w: &mut Writer<'_>) {
    w.text("issuer", &*jwt.issuer);
    w.texts("audience", jwt.audience.iter().map(|a| a.to_string()));
    w.texts("algorithms", jwt.algorithms.iter().map(|a| word(&ALGORITHMS, *a)));
    if let Some(secret) = &jwt.secret {
        w.secret("secret", secret);
    }
    w.secrets("keys", &jwt.keys);
    match &jwt.jwks {
        Some(Jwks::File(path)) => w.text("jwks", format!("file:{}", path.display())),
        Some(Jwks::Url(url)) => w.text("jwks", &**url),
        None => {}
    }
    w.time("leeway", jwt.leeway);
    w.yes("create_users", jwt.create_users);
    w.yes("unlimited", jwt.unlimited);
    let mut maybe = |name, said: &Option<llm_core::Str>| {
        if let Some(said) = said {
            w.text(name, &**said);
        }
    };
    maybe("plan", &jwt.plan);
    maybe("scope", &jwt.scope);
    maybe("admin_role", &jwt.admin_role);
    w.table("claims", |w| claims(&jwt.claims, w));
}

fn claims(claims: &Claims, w: &mut Writer<'_>) {
    let usual = Claims::default();
    for (name, said, usual) in [
        ("user", &claims.user, &usual.user),
        ("scopes", &claims.scopes, &usual.scopes),
        ("roles", &claims.roles, &usual.roles),
    ] {
        if said != usual {
            w.text(name, &**said);
        }
    }
    for (name, said) in [("team", &claims.team), ("plan", &claims.plan), ("models", &claims.models)]
    {
        if let Some(said) = said {
            w.text(name, &**said);
        }
    }
}
