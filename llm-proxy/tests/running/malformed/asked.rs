//! Addresses: parameters that are none, at every route of the document that is asked with some.

use serde_json::Value;

use super::shapes::Shape;
use super::{APP, Case, Expect, posted};
use crate::proxy::ADMIN;

/// Values that no parameter has, as they stand in an address.
const ODD: [&str; 5] = ["x", "-1", "99999999999999999999", "%00", "%ff%0d%0ax-evil:%201"];

/// Every route of the document that is asked with parameters: values that are none. Some are texts
/// that may be anything; none is a fault of ours.
pub(super) fn cases(document: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"];
        let parameters = operation["parameters"].as_array().map_or(&[][..], |all| all);
        // A stream of what happens goes on for as long as somebody listens.
        if operation.is_null() || operation["responses"].to_string().contains("event-stream") {
            continue;
        }
        let key =
            if operation["security"].to_string().contains("operator") { ADMIN } else { APP.key };
        let envelope = path.starts_with("/api/v1/") || path.starts_with("/webhooks/");
        let shape = if envelope { Shape::Envelope } else { Shape::OpenAi };
        let mut put = |name: String, to: &str| {
            let bytes = posted("GET", to, key, "", b"");
            let expect = Expect::NoFault;
            cases.push(Case { expect, ..Case::refused(name, shape, bytes) });
        };
        for value in ODD {
            let names = parameters.iter().filter(|one| one["in"] == "query");
            for name in names.filter_map(|one| one["name"].as_str()) {
                put(
                    format!("GET {path}: {name} is {value:?}"),
                    &format!("{}?{name}={value}", filled(path, "x")),
                );
            }
            if path.contains('{') {
                put(format!("GET {path}: of {value:?}"), &filled(path, value));
            }
        }
    }
    cases
}

/// A path with a value in the places of its parameters.
pub(super) fn filled(path: &str, value: &str) -> String {
    let mut parts = path.split('{');
    let begin = parts.next().unwrap_or_default().to_owned();
    parts.fold(begin, |text, part| {
        let rest = part.split_once('}').map_or("", |(_, rest)| rest);
        format!("{text}{value}{rest}")
    })
}
