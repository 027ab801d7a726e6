//! Which heads pass, in either direction.
//!
//! Everything passes but what belongs to one connection, what shows who the caller is to us, and
//! what only a browser would make of an answer that is not the API's own page.

use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue};
use llm_core::Str;

/// What holds for one connection alone, beside what `connection` names.
const HOPS: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What is said anew of the address, and of a body that was unpacked here.
const ANEW: [HeaderName; 3] = [HOST, CONTENT_LENGTH, CONTENT_ENCODING];
/// What shows who the caller is.
const OURS: [&str; 8] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "forwarded",
    "x-real-ip",
    "expect",
];
const OUR_PREFIXES: [&str; 5] = ["x-gw-", "x-litellm-", "x-forwarded-", "cf-", "sec-"];
/// What an API says to browsers about its own address.
const THEIRS: [&str; 6] = [
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "alt-svc",
    "public-key-pins",
    "clear-site-data",
];

/// What a request's head says to the API.
pub(super) fn onwards(headers: &HeaderMap) -> HeaderMap {
    let named = named(headers);
    let stays = |name: &HeaderName| {
        let name = name.as_str();
        HOPS.contains(&name)
            || OURS.contains(&name)
            || OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || named.iter().any(|other| other == name)
    };
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !ANEW.contains(name) && !stays(name) {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

/// What an answer's head says to the caller; a place it names is ours or none.
pub(super) fn back(headers: &HeaderMap, base: &Str, name: &str) -> HeaderMap {
    let named = named(headers);
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (key, value) in headers {
        let word = key.as_str();
        let stays = HOPS.contains(&word)
            || THEIRS.contains(&word)
            || word.starts_with("access-control-")
            || named.iter().any(|other| other == word);
        if stays {
            continue;
        }
        let value = if key == LOCATION { moved(value, base, name) } else { Some(value.clone()) };
        if let Some(value) = value {
            passed.append(key.clone(), value);
        }
    }
    passed
}

/// The names that hold for this connection.
fn named(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(|n| n.trim().to_ascii_lowercase())).collect()
}

/// Another place at the same API, by our name for it. Nobody is sent anywhere else.
fn moved(value: &HeaderValue, base: &Str, name: &str) -> Option<HeaderValue> {
    let to = value.to_str().ok()?;
    let rest = to.strip_prefix(&**base).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    HeaderValue::from_str(&format!("/passthrough/{name}{rest}")).ok()
}
