//! The document that describes the routes: OpenAPI 3.1, made once from the tables.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::shape::{Field, Shape, object};
use super::spoken::{Gives, PASSED, PROBES, SPOKEN, body};
use super::{Route, Run, Takes, Verb, all, app};

const EVENTS: &str = "text/event-stream";

/// The document, as it is sent.
pub(crate) fn document() -> Bytes {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    DOCUMENT.get_or_init(|| Bytes::from(written().to_string())).clone()
}

/// The document.
pub(crate) fn written() -> Value {
    let mut paths = Map::new();
    for spoken in SPOKEN {
        put(&mut paths, spoken.path, spoken.verb, model_call(spoken));
    }
    for (path, about) in PROBES {
        let operation = json!({"tags": ["health"], "summary": about, "security": [],
            "responses": {"200": {"description": "as it says"}}});
        put(&mut paths, path, "GET", operation);
    }
    for (verb, about) in PASSED {
        put(&mut paths, "/passthrough/{name}/{path}", verb, passed(about));
    }
    for route in all() {
        put(&mut paths, route.path, route.verb.name(), operation(route));
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "llm-proxy",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One API in front of many providers. Calls of models are in the words \
                of the client that is used; errors, too. Paths of /v1 stay what they are: fields \
                are added, and none is renamed.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "securitySchemes": schemes(),
            "schemas": schemas(),
        },
    })
}

/// Two methods of a path are two operations of one item.
fn put(paths: &mut Map<String, Value>, path: &str, verb: &str, operation: Value) {
    let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
    if let Value::Object(item) = item {
        // Where a path is a dialect's and an operator's, the first is who is asked more often.
        item.entry(verb.to_lowercase()).or_insert(operation);
    }
}

fn schemes() -> Value {
    let named = |name: &str| json!({"type": "apiKey", "in": "header", "name": name});
    json!({
        "key": {"type": "http", "scheme": "bearer", "description": "a virtual key: sk-…"},
        "operator": {
            "type": "http",
            "scheme": "bearer",
            "description": "the admin key, or that of an operator",
        },
        "x-api-key": named("x-api-key"),
        "api-key": named("api-key"),
        "x-goog-api-key": named("x-goog-api-key"),
    })
}

/// What is refused is told in the words of whose client asks.
fn schemas() -> Value {
    let text = || json!({"type": "string"});
    let perhaps = || json!({"type": ["string", "null"]});
    let object =
        |needs: &[&str], of: Value| json!({"type": "object", "required": needs, "properties": of});
    let error = |needs: &[&str], of: Value| object(&["error"], json!({"error": object(needs, of)}));
    json!({
        "AppError": app::refused_schema(),
        "Error": error(&["message", "type", "code"], json!({"message": text(), "type": text(),
            "param": perhaps(), "code": perhaps()})),
        "AnthropicError": object(&["type", "error"], json!({"type": {"const": "error"},
            "error": object(&["type", "message"], json!({"type": text(), "message": text()}))})),
        "GeminiError": error(&["code", "message", "status"], json!({"code": {"type": "integer"},
            "message": text(), "status": text(), "details": {"type": "array"}})),
        "CohereError": object(&["message"], json!({"id": text(), "message": text()})),
        "OllamaError": object(&["error"], json!({"error": text()})),
    })
}

fn failures(codes: &[(&str, &str)], kinds: &[&str]) -> Map<String, Value> {
    let of = |kind: &&str| json!({"$ref": format!("#/components/schemas/{kind}")});
    let schema = match kinds {
        [one] => of(one),
        several => json!({"anyOf": several.iter().map(of).collect::<Vec<_>>()}),
    };
    let one = |(code, about): &(&str, &str)| {
        let content = json!({"application/json": {"schema": schema}});
        ((*code).to_owned(), json!({"description": about, "content": content}))
    };
    codes.iter().map(one).collect()
}

fn model_call(spoken: &super::spoken::Spoken) -> Value {
    let codes = [
        ("400", "the question is not one"),
        ("401", "no key, or none of ours"),
        ("403", "the key may not use this model"),
        ("404", "there is no such model"),
        ("413", "the body is too large"),
        ("429", "a limit: retry-after says when; or a budget, and then it does not"),
        ("502", "the provider failed"),
        ("503", "nobody can answer now"),
        ("504", "the provider took too long"),
    ];
    let mut responses = failures(&codes, spoken.errors());
    let kind = match spoken.gives {
        Gives::Words => json!({"application/json": {"schema": {"type": "object"}},
            EVENTS: {}, "application/x-ndjson": {"schema": {"type": "string"}}}),
        Gives::Sound => json!({"audio/*": {"schema": {"type": "string", "format": "binary"}}}),
        Gives::Written => json!({"application/json": {"schema": {"type": "object"}},
            "text/plain": {"schema": {"type": "string"}},
            EVENTS: {}}),
    };
    let about = format!("the answer, in the words of {}", spoken.dialect);
    responses.insert("200".to_owned(), json!({"description": about, "content": kind}));
    let keys = json!([{"key": []}, {"x-api-key": []}, {"api-key": []}, {"x-goog-api-key": []}]);
    let mut operation = json!({"tags": [format!("models: {}", spoken.dialect)],
        "summary": spoken.about, "security": keys, "responses": responses,
        "parameters": names(spoken.path)});
    if !spoken.needs.is_empty() {
        operation["requestBody"] = json!({"required": true,
            "content": {spoken.takes(): {"schema": body(spoken.needs)}}});
    }
    operation
}

/// The names in a path, as parameters.
fn names(path: &str) -> Vec<Value> {
    let named = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let one = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    named.map(one).collect()
}

/// A parameter without a text is none.
fn parameter(field: &Field) -> Value {
    let field = if field.need && field.bounds.0.is_none() { field.least(1) } else { *field };
    json!({"name": field.name, "in": "query", "required": field.need,
        "description": field.about, "schema": field.schema()})
}

/// What whoever shows a key may be told beside it.
const KEYED: [(&str, &str); 3] = [
    ("429", "a limit: the answer and retry-after say when there is more"),
    ("501", "nothing outlasts this process"),
    ("503", "nobody can answer now"),
];

fn operation(route: &Route) -> Value {
    let mut parameters = names(route.path);
    parameters.extend(route.query.iter().copied().flatten().map(parameter));
    let mut codes = vec![("400", "a field or parameter is wrong: `param` names it")];
    let (security, who) = match route.run {
        Run::Anyone(_) => (json!([]), String::new()),
        Run::App(_) => (json!([{"key": []}]), "Applications, by their key.".to_owned()),
        Run::Operator(scope, _) => {
            let who = format!("Operators with the scope `{}`.", scope.name());
            (json!([{"operator": []}]), who)
        }
        Run::Either(scope, _) => {
            let who = format!("Applications, and operators with the scope `{}`.", scope.name());
            (json!([{"key": []}, {"operator": []}]), who)
        }
    };
    if !who.is_empty() {
        codes.extend([("401", "no key, or none of ours"), ("403", "not theirs to do")]);
    }
    let has_body = !matches!(route.takes, Takes::Nothing);
    if route.path.contains('{') || !route.query.is_empty() || has_body {
        codes.push(("404", "there is no such thing"));
    }
    if has_body {
        codes.push(("413", "the body is too large"));
    }
    if route.verb != Verb::Get {
        codes.push(("409", "it contradicts what is there"));
    }
    if route.path.contains("/wallets/") || route.is_enveloped() && route.verb == Verb::Post {
        codes.push(("402", "there are not enough credits"));
    }
    if !who.is_empty() || route.is_enveloped() {
        codes.extend(KEYED);
    }
    if route.is_enveloped() {
        codes.extend([
            ("401", "no key or signature, or none of ours"),
            ("502", "the provider failed"),
        ]);
    }
    let kind = if route.is_enveloped() { "AppError" } else { "Error" };
    let mut responses = failures(&codes, &[kind]);
    let mut content = json!({});
    content[route.gives.content_type()] = media(route.gives.content_type(), given(route));
    if let Some(kind) = route.also {
        content[kind] = media(kind, json!({"type": "string"}));
    }
    responses.insert("200".to_owned(), json!({"description": "done", "content": content}));
    if route.gives.has("job_id") && route.verb == Verb::Post {
        let content = json!({route.gives.content_type(): {"schema": given(route)}});
        let about = "taken; the job `job_id` does it";
        responses.insert("202".to_owned(), json!({"description": about, "content": content}));
    }
    let mut operation = json!({"tags": [tag(route.path)], "summary": route.about,
        "description": who, "security": security, "parameters": parameters,
        "responses": responses});
    match route.takes {
        Takes::Nothing => {}
        Takes::Fields(groups) | Takes::Raw(groups) => {
            operation["requestBody"] = taken("application/json", groups);
        }
        Takes::Form(groups) => {
            operation["requestBody"] = taken("multipart/form-data", groups);
        }
    }
    operation
}

/// What is sent as that. Of events, a schema would say what each of them is, and each is something
/// else.
fn media(kind: &str, schema: Value) -> Value {
    if kind == EVENTS { json!({}) } else { json!({"schema": schema}) }
}

fn taken(kind: &str, groups: &[&[Field]]) -> Value {
    let needed = groups.iter().copied().flatten().any(|field| field.need);
    json!({"required": needed, "content": {kind: {"schema": object(groups)}}})
}

/// What a route's answer is, with its envelope where it has one.
pub(crate) fn given(route: &Route) -> Value {
    let schema = route.gives.schema();
    match route.gives {
        Shape::Typed(_) => schema,
        Shape::Anything | Shape::Table(_) | Shape::List(_) | Shape::Page(_) | Shape::Named(..) => {
            if route.is_enveloped() {
                app::told_schema(&schema)
            } else {
                schema
            }
        }
    }
}

/// An API behind a passage: of what it takes and gives nothing is known.
fn passed(about: &str) -> Value {
    let codes = [
        ("401", "no key, or none of ours"),
        ("403", "the key may not use this API"),
        ("404", "there is no such API, or this path of it may not be asked for"),
        ("405", "this method may not be used"),
        ("502", "the API could not be asked"),
        ("504", "the API took too long"),
    ];
    let mut responses = failures(&codes, &["Error"]);
    responses.insert("200".to_owned(), json!({"description": "the API's own answer"}));
    json!({"tags": ["passthrough"], "summary": about, "security": [{"key": []}],
        "description": "The path behind the name is the API's own, slashes and all.",
        "parameters": names("/passthrough/{name}/{path}"), "responses": responses})
}

/// What a route is listed under: the first word of its path, or the one behind `/admin` or the
/// version of an application's.
pub(crate) fn tag(path: &str) -> &str {
    let mut words = path.split('/').filter(|word| !matches!(*word, "" | "admin" | "api" | "v1"));
    words.next().unwrap_or("pages")
}
