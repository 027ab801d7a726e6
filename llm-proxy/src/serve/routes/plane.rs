//! Whose a path is, for whoever decides before anything else is read: addresses are let in to
//! operators' paths and to callers' by different lists, and pages of other origins to callers'
//! alone.
//!
//! Asked for every request, and nearly every one is a call of a model: so the beginnings of the
//! table's paths are laid out once, and what begins otherwise costs two looks among them.

use std::sync::OnceLock;

use foldhash::HashSet;
use http::request::Parts;

use super::{OPERATORS_MODELS, Run, all};

/// Whose a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Callers', or nobody's.
    Callers,
    /// Of callers and of operators: the key tells.
    Both,
    /// Operators' alone.
    Operators,
}

/// Said in a request's extensions: from where it comes, an operator's key opens nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shut;

/// Whether operators' keys open nothing for this request.
pub(crate) fn is_shut(head: &Parts) -> bool {
    head.extensions.get::<Shut>().is_some()
}

/// Whose a path is.
pub(crate) fn whose(path: &str) -> Whose {
    if path == OPERATORS_MODELS {
        return Whose::Both;
    }
    let (first, two) = beginnings(path);
    let known = known();
    if !known.contains(first) && !known.contains(two) {
        return Whose::Callers;
    }
    let mut whose = Whose::Callers;
    for route in all().filter(|route| route.names(path).is_some()) {
        match route.run {
            Run::Operator(..) => return Whose::Operators,
            Run::Either(..) => whose = Whose::Both,
            Run::Anyone(_) | Run::App(_) => {}
        }
    }
    whose
}

/// A path's first part, and its first two.
fn beginnings(path: &str) -> (&str, &str) {
    let mut slashes = memchr::memchr_iter(b'/', path.as_bytes()).skip(1);
    let first = slashes.next().unwrap_or(path.len());
    let two = slashes.next().unwrap_or(path.len());
    (&path[..first], &path[..two])
}

/// How the paths begin that operators may ask.
fn known() -> &'static HashSet<&'static str> {
    static KNOWN: OnceLock<HashSet<&'static str>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let theirs = all().filter(|route| match route.run {
            Run::Operator(..) | Run::Either(..) => true,
            Run::Anyone(_) | Run::App(_) => false,
        });
        let beginning = theirs.map(|route| {
            let (first, two) = beginnings(route.path);
            // A name can be anything.
            if two.contains('{') { first } else { two }
        });
        beginning.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_whose_the_table_says() {
        for (path, wanted) in [
            ("/v1/chat/completions", Whose::Callers),
            ("/v1/models", Whose::Callers),
            ("/models", Whose::Both),
            ("/model/info", Whose::Both),
            ("/v1/model/info", Whose::Both),
            ("/key/generate", Whose::Operators),
            ("/key/sk-x/suspend", Whose::Operators),
            ("/admin/plans/x", Whose::Operators),
            ("/admin/nothing", Whose::Callers),
            ("/health", Whose::Operators),
            ("/docs", Whose::Callers),
            ("/api/v1/limits/check", Whose::Callers),
            ("/", Whose::Callers),
            ("", Whose::Callers),
            ("*", Whose::Callers),
        ] {
            assert_eq!(whose(path), wanted, "{path}");
        }
    }

    #[test]
    fn every_route_is_whose_it_says_that_it_is() {
        for route in all().filter(|route| route.path != OPERATORS_MODELS) {
            let path = route.path.replace(['{', '}'], "");
            let wanted = match route.run {
                Run::Operator(..) => Whose::Operators,
                Run::Either(..) => Whose::Both,
                Run::Anyone(_) | Run::App(_) => Whose::Callers,
            };
            assert_eq!(whose(&path), wanted, "{path}");
            // Where a version may be left out, and a path ended with a slash.
            if let Some(short) = path.strip_prefix("/v1") {
                assert_eq!(whose(short), wanted, "{short}");
                assert_eq!(whose(&format!("{path}/")), wanted, "{path}/");
            }
        }
    }
}
