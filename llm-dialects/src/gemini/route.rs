//! Paths, both ways.
//!
//! Gemini says in the path what others say in the body: the model, the method, and in the query
//! whether a stream comes as events or as one array.

use http::Method;
use llm_core::Str;
use llm_core::call::Operation;
use llm_core::dialect::{Endpoint, Framing, Route};

use super::names;

/// What a request line asks for.
pub(super) fn route(method: &Method, path: &str) -> Option<Route> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (version, rest) = path.strip_prefix('/')?.split_once('/')?;
    let rest = below_publisher(rest)?;
    if *method == Method::GET {
        // `/v1/models` is OpenAI's and Anthropic's address as well: whoever serves several dialects
        // tells them apart by the key's header.
        return list(version, rest);
    }
    if *method != Method::POST || !is_version(version) {
        return None;
    }
    let (name, verb) = rest.rsplit_once(':').or_else(|| rest.rsplit_once("%3A"))?;
    let (operation, stream) = match verb {
        "generateContent" => (Operation::Chat, Some(false)),
        "streamGenerateContent" => (Operation::Chat, Some(true)),
        "countTokens" => (Operation::CountTokens, None),
        "embedContent" | "batchEmbedContents" => (Operation::Embed, None),
        _ => return None,
    };
    let framing = (stream == Some(true)).then(|| framing(query));
    Some(Route { operation, model: Some(model(name)?), stream, framing })
}

fn list(version: &str, rest: &str) -> Option<Route> {
    if !is_version(version) {
        return None;
    }
    let model = match rest {
        "models" => None,
        one => Some(model(one)?),
    };
    Some(Route { model, ..Route::new(Operation::ListModels) })
}

fn is_version(version: &str) -> bool {
    matches!(version, "v1" | "v1beta" | "v1alpha" | "v1beta1" | "v1beta2" | "v1beta3")
}

/// Vertex puts a project, a place and a publisher before the collection.
fn below_publisher(rest: &str) -> Option<&str> {
    let rest = match rest.strip_prefix("projects/") {
        Some(project) => project.split_once("/locations/")?.1.split_once('/')?.1,
        None => rest,
    };
    Some(rest.strip_prefix("publishers/google/").unwrap_or(rest))
}

/// The model a path names. Models of one's own tuning keep their collection, since nothing
/// implies it.
fn model(name: &str) -> Option<Str> {
    let bare = match name.strip_prefix("models/") {
        Some(bare) => bare,
        None if name.starts_with("tunedModels/") => name,
        None => return None,
    };
    let model = decoded(bare)?;
    (!model.is_empty() && model != "tunedModels/").then(|| model.into())
}

/// Events only when asked for; the proto's own `$alt` says it as well.
fn framing(query: &str) -> Framing {
    let sse = query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let alt = matches!(name, "alt" | "$alt") || name.eq_ignore_ascii_case("%24alt");
        alt && (value == "sse" || value.starts_with("sse;") || value.starts_with("sse%3B"))
    });
    if sse { Framing::Sse } else { Framing::JsonArray }
}

/// Percent signs resolved; `None` when that gives no text.
fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%');
        let byte = hex
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(out).ok()
}

/// Where a request goes below a base URL that ends in the version.
pub(super) fn endpoint(operation: Operation, model: &str, stream: bool) -> Option<Endpoint> {
    let verb = match operation {
        Operation::Chat if stream => "streamGenerateContent?alt=sse",
        Operation::Chat => "generateContent",
        Operation::CountTokens => "countTokens",
        // The batch form holds one input as well as many; the single form has no other use.
        Operation::Embed => "batchEmbedContents",
        Operation::ListModels if model.is_empty() => {
            // The largest page there is: fifty is the usual one, and a list is asked for whole.
            return Some(Endpoint::get(Str::from_static("/models?pageSize=1000")));
        }
        Operation::ListModels => return Some(Endpoint::get(format!("/{}", resource(model)))),
        _ => return None,
    };
    Some(Endpoint::post(format!("/{}:{verb}", resource(model))))
}

/// `models/x`, or the model's own collection, fit for a path.
fn resource(model: &str) -> String {
    let mut out = prefixed(names::bare(model));
    let unfit = |b: u8| b <= b' ' || b >= 0x7f || matches!(b, b'?' | b'#' | b'%' | b'"');
    if out.bytes().any(unfit) {
        let mut coded = String::with_capacity(out.len() + 8);
        for byte in out.bytes() {
            if unfit(byte) {
                coded.push_str(&format!("%{byte:02X}"));
            } else {
                coded.push(char::from(byte));
            }
        }
        out = coded;
    }
    out
}

/// The model with its collection, as bodies name it.
pub(super) fn prefixed(model: &str) -> String {
    const COLLECTIONS: [&str; 4] = ["models/", "tunedModels/", "publishers/", "projects/"];
    if COLLECTIONS.iter().any(|c| model.starts_with(c)) {
        model.to_owned()
    } else {
        format!("models/{model}")
    }
}
