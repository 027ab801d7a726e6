//! Deposits, and APIs that calls are passed through to.

use super::super::inbound::{Auth, Batches, Files, Inbound, Passthrough, Responses};
use super::Writer;

pub(super) fn show(inbound: &Inbound, root: &mut Writer<'_>) {
    let Inbound { responses, files, batches, passthrough } = inbound;
    root.table("responses", |w| {
        let usual = Responses::default();
        if responses.keep != usual.keep {
            w.time("keep", responses.keep);
        }
        if responses.size_max != usual.size_max {
            w.number("size_max", responses.size_max);
        }
    });
    root.table("files", |w| {
        let usual = Files::default();
        if files.size_max != usual.size_max {
            w.number("size_max", files.size_max);
        }
        if files.total_max != usual.total_max {
            w.number("total_max", files.total_max);
        }
    });
    root.table("batches", |w| {
        let usual = Batches::default();
        if batches.width != usual.width {
            w.number("width", batches.width);
        }
        if batches.lines != usual.lines {
            w.number("lines", batches.lines);
        }
        if batches.lease != usual.lease {
            w.time("lease", batches.lease);
        }
    });
    root.named("passthrough", passthrough, |w, _, api| self::passthrough(api, w));
}

fn passthrough(api: &Passthrough, w: &mut Writer<'_>) {
    let usual = Passthrough::new(api.base_url.clone());
    w.text("base_url", &*api.base_url);
    if let Some(auth) = &api.auth {
        w.table("auth", |w| match auth {
            Auth::Bearer(key) => w.secret("bearer", key),
            Auth::Header(name, key) => {
                w.text("header", name.as_str());
                w.secret("key", key);
            }
            Auth::Query(name, key) => {
                w.text("query", &**name);
                w.secret("key", key);
            }
        });
    }
    if api.methods != usual.methods {
        w.texts("methods", api.methods.iter().map(|method| method.as_str()));
    }
    w.texts("paths", api.paths.iter().map(|path| &**path));
    if let Some(ttl) = api.cache_ttl {
        w.time("cache_ttl", ttl);
    }
    if api.retries != usual.retries {
        w.number("retries", api.retries);
    }
    if api.timeout != usual.timeout {
        w.time("timeout", api.timeout);
    }
    if api.body_max != usual.body_max {
        w.number("body_max", api.body_max);
    }
    if api.in_flight != usual.in_flight {
        w.number("in_flight", api.in_flight);
    }
}
