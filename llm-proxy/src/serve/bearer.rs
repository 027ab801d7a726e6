//! Where a request carries its key. Each client has a place of its own for it; all are read, so
//! that one virtual key serves every client there is.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// The headers that official clients put their key into, beside `authorization`.
const PLACES: [HeaderName; 4] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-litellm-api-key"),
];

/// The key that a request shows.
pub(crate) fn shown<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<Cow<'r, str>> {
    match placed(headers) {
        // Whoever says who they are in two ways has said it in the usual one.
        Some(place) => place.key(),
        None => in_query(uri.query()?),
    }
}

/// The key that a request shows in its head.
pub(crate) fn in_head(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    placed(headers)?.key()
}

/// Where a head has its key.
enum Place<'r> {
    Usual(&'r HeaderValue),
    Own(&'r HeaderValue),
}

fn placed(headers: &HeaderMap) -> Option<Place<'_>> {
    let usual = headers.get(AUTHORIZATION).map(Place::Usual);
    usual.or_else(|| PLACES.iter().find_map(|place| headers.get(place)).map(Place::Own))
}

impl<'r> Place<'r> {
    fn key(self) -> Option<Cow<'r, str>> {
        let key = match self {
            Self::Usual(value) => {
                let value = value.to_str().ok()?.trim();
                let (scheme, key) = value.split_once(' ').unwrap_or(("", value));
                if !scheme.is_empty() && !scheme.eq_ignore_ascii_case("bearer") {
                    return None;
                }
                key
            }
            Self::Own(value) => {
                let key = value.to_str().ok()?;
                key.strip_prefix("Bearer ").unwrap_or(key)
            }
        };
        Some(Cow::Borrowed(key.trim()))
    }
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
        let headers = headers
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap()));
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
            let headers = HeaderMap::from_iter([(place.clone(), HeaderValue::from_static("sk-1"))]);
            let found = shown(&headers, &Uri::from_static("/")).map(Cow::into_owned);
            assert_eq!(found, key, "{place}");
        }
        assert_eq!(find(&[], "/v1beta/models?alt=sse&key=sk%2D1"), key);
    }

    #[test]
    fn another_scheme_is_no_key_and_nothing_else_is_tried() {
        assert_eq!(find(&[("authorization", "Basic c2s="), ("x-api-key", "sk-1")], "/"), None);
        assert_eq!(find(&[], "/v1/models?monkey=sk-1"), None);
    }
}
