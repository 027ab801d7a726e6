//! Pages for people: the routes in words. One page that needs nothing from elsewhere and reads
//! without scripts; a script of ours finds things on it.

use std::fmt::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::admin::refusal::Answered;
use super::body::Body;
use super::door::json;
use super::routes::ask::Ask;
use super::routes::openapi;
use super::routes::shape::Shape;
use super::routes::{Route, Run};

const STYLE: &str = include_str!("pages/docs.css");
const SCRIPT: &str = include_str!("pages/docs.js");
/// Nothing from anywhere but here, and nowhere inside somebody else's page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/openapi.json",
        "This document.",
        Run::Anyone(|_| Box::pin(async { Ok(json(StatusCode::OK, openapi::document())) })),
    ),
    Route::get("/docs", "The same for people.", Run::Anyone(|ask| Box::pin(docs(ask))))
        .gives(Shape::Typed("text/html")),
    Route::get(
        "/docs/docs.css",
        "How it looks.",
        Run::Anyone(|_| Box::pin(async { Ok(page("text/css; charset=utf-8", STYLE)) })),
    )
    .gives(Shape::Typed("text/css")),
    Route::get(
        "/docs/docs.js",
        "How things are found on it.",
        Run::Anyone(|_| Box::pin(async { Ok(page("text/javascript; charset=utf-8", SCRIPT)) })),
    )
    .gives(Shape::Typed("text/javascript")),
];

async fn docs(_: &mut Ask) -> Answered {
    static PAGE: OnceLock<Bytes> = OnceLock::new();
    let whole = PAGE.get_or_init(|| Bytes::from(page_of(&openapi::written()))).clone();
    Ok(page("text/html; charset=utf-8", whole))
}

fn page(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The page, from the document: what stands in one stands in the other.
pub(crate) fn page_of(document: &Value) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>llm-proxy</title>\
         <link rel=\"stylesheet\" href=\"/docs/docs.css\">\
         <script src=\"/docs/docs.js\" defer></script></head><body><header><h1>llm-proxy</h1><p>",
    );
    out.push_str(&plain(text(&document["info"]["description"])));
    out.push_str(
        "</p><p><a href=\"/openapi.json\">openapi.json</a></p>\
         <input id=\"find\" type=\"search\" placeholder=\"find\" hidden></header><main>",
    );
    for (tag, operations) in by_tag(document) {
        // Writing to a string does not fail.
        let _ = write!(out, "<section><h2>{}</h2>", plain(&tag));
        for (verb, path, operation) in operations {
            write_operation(&mut out, verb, path, operation);
        }
        out.push_str("</section>");
    }
    out.push_str("</main></body></html>");
    out
}

type Operation<'d> = (&'d str, &'d str, &'d Value);

/// Operations by what they are listed under, in the order of the document's tables.
fn by_tag(document: &Value) -> Vec<(String, Vec<Operation<'_>>)> {
    let mut tags: Vec<(String, Vec<Operation<'_>>)> = Vec::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, item) in paths {
        for (verb, operation) in item.as_object().into_iter().flatten() {
            let tag = text(&operation["tags"][0]);
            let one = (verb.as_str(), path.as_str(), operation);
            match tags.iter_mut().find(|(known, _)| known == tag) {
                Some((_, operations)) => operations.push(one),
                None => tags.push((tag.to_owned(), vec![one])),
            }
        }
    }
    tags.sort_by(|a, b| a.0.cmp(&b.0));
    tags
}

fn write_operation(out: &mut String, verb: &str, path: &str, operation: &Value) {
    let _ = write!(
        out,
        "<details><summary><b class=\"{verb}\">{}</b> <code>{}</code> <span>{}</span></summary>",
        verb.to_uppercase(),
        plain(path),
        plain(text(&operation["summary"])),
    );
    let who = text(&operation["description"]);
    if !who.is_empty() {
        let _ = write!(out, "<p>{}</p>", plain(who));
    }
    let parameters = operation["parameters"].as_array();
    if let Some(parameters) = parameters.filter(|all| !all.is_empty()) {
        out.push_str("<h3>Parameters</h3><dl>");
        for one in parameters {
            let need = one["required"] == true;
            term(out, text(&one["name"]), &one["schema"], need, text(&one["description"]));
        }
        out.push_str("</dl>");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let given = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    for (title, schema) in [("Body", body), ("Answer", given)] {
        if schema["properties"].is_object() || schema["items"].is_object() {
            let _ = write!(out, "<h3>{title}</h3>");
            write_schema(out, schema);
        }
    }
    out.push_str("</details>");
}

fn write_schema(out: &mut String, schema: &Value) {
    if schema["items"].is_object() {
        out.push_str("<p>A list of:</p>");
        return write_schema(out, &schema["items"]);
    }
    let needed = schema["required"].as_array();
    out.push_str("<dl>");
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        let need = needed.is_some_and(|all| all.iter().any(|one| one == name));
        term(out, name, of, need, text(&of["description"]));
        let inner = if of["items"]["properties"].is_object() { &of["items"] } else { of };
        if inner["properties"].is_object() {
            out.push_str("<dd>");
            write_schema(out, inner);
            out.push_str("</dd>");
        }
    }
    out.push_str("</dl>");
}

fn term(out: &mut String, name: &str, schema: &Value, need: bool, about: &str) {
    let need = if need { " <em>always</em>" } else { "" };
    let _ = write!(
        out,
        "<dt><code>{}</code> <small>{}</small>{need}</dt><dd>{}</dd>",
        plain(name),
        plain(&kind(schema)),
        plain(about),
    );
}

/// What a field holds, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return words.join(" | ");
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => text(&kinds[0]),
        other => text(other),
    };
    match kind {
        "array" => format!("list of {}", kind_of_items(schema)),
        kind => kind.to_owned(),
    }
}

fn kind_of_items(schema: &Value) -> String {
    kind(&schema["items"])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text that nothing in it can be taken for marks.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
