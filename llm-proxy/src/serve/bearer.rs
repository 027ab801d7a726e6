//! Where a request carries its key. Each client has a place of its own for it; all are read, so
//! that one virtual key serves every client there is.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

/// The headers that official clients put their key into, beside `authorization`.
const PLACES: [&str; 4] = ["x-api-key", "api-key", "x-goog-api-key", "x-litellm-api-key"];

/// The key that a request shows.
pub(crate) fn shown<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<Cow<'r, str>> {
    if headers.contains_key(AUTHORIZATION) || PLACES.iter().any(|p| headers.contains_key(*p)) {
        // Whoever says who they are in two ways has said it in the usual one.
        return in_head(headers);
    }
    in_query(uri.query()?)
}

/// The key that a request shows in its head.
pub(crate) fn in_head(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let value = value.to_str().ok()?.trim();
        let (scheme, key) = value.split_once(' ').unwrap_or(("", value));
        return (scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer"))
            .then(|| Cow::Borrowed(key.trim()));
    }
    for place in PLACES {
        if let Some(value) = headers.get(place) {
            return value
                .to_str()
                .ok()
                .map(|key| Cow::Borrowed(key.strip_prefix("Bearer ").unwrap_or(key).trim()));
        }
    }
    None
}

/// `?key=…`, as clients of Gemini write it.
fn in_query(query: &str) -> Option<Cow<'_, str>> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    percent_encoding::percent_decode_str(value).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(headers: &[(&'static str, &str)], uri: &'static str) -> Option<String> {
        let headers = headers.iter().map(|(n, v)| {
            (http::HeaderName::from_static(n), http::HeaderValue::from_str(v).unwrap())
        });
        let (headers, uri) = (headers.collect(), Uri::from_static(uri));
        shown(&headers, &uri).map(Cow::into_owned)
    }

    #[test]
    fn a_key_is_found_wherever_a_client_puts_it() {
        let key = Some("sk-1".to_owned());
        assert_eq!(find(&[("authorization", "Bearer sk-1")], "/"), key);
        assert_eq!(find(&[("authorization", "bearer  sk-1 ")], "/"), key);
        assert_eq!(find(&[("authorization", "sk-1")], "/"), key);
        for place in PLACES {
            assert_eq!(find(&[(place, "sk-1")], "/"), key, "{place}");
        }
        assert_eq!(find(&[], "/v1beta/models?alt=sse&key=sk%2D1"), key);
    }

    #[test]
    fn another_scheme_is_no_key_and_nothing_else_is_tried() {
        assert_eq!(find(&[("authorization", "Basic c2s="), ("x-api-key", "sk-1")], "/"), None);
        assert_eq!(find(&[], "/v1/models?monkey=sk-1"), None);
    }
}
