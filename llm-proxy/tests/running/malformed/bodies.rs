//! Bodies: each route's good one, and what can be wrong with it.

use serde_json::{Value, json};

use super::shapes::Shape;
use super::{APP, Case, Expect, JSON, posted};
use crate::proxy::ADMIN;

/// A route that takes JSON, a body that is right there, and the field that it is about.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) shape: Shape,
    good: &'static str,
    /// The field without which there is no question, and values that are none.
    about: &'static str,
    /// Fields whose values are of another type.
    typed: &'static [(&'static str, &'static str)],
}

const CHAT: &[(&str, &str)] = &[
    ("messages", "5"),
    ("messages", "\"hi\""),
    ("messages", "[5]"),
    ("messages", "[null]"),
    ("messages", "[[]]"),
    ("messages", r#"[{"role":"user"}]"#),
    ("messages", r#"[{"role":"nobody","content":"x"}]"#),
    ("messages", r#"[{"role":5,"content":"x"}]"#),
    ("messages", r#"[{"role":"user","content":5}]"#),
    ("messages", r#"[{"role":"user","content":[5]}]"#),
    ("stream", "\"yes\""),
    ("stream", "1"),
    ("tools", "5"),
    ("tools", "[5]"),
];
const KNOBS: &[(&str, &str)] = &[
    ("max_tokens", "\"x\""),
    ("max_tokens", "-1"),
    ("max_tokens", "1.5"),
    ("max_tokens", "1e400"),
    ("max_tokens", "[]"),
    ("temperature", "\"hot\""),
    ("temperature", "{}"),
];

pub(super) const ROUTES: [Route; 20] = [
    Route {
        path: "/v1/chat/completions",
        shape: Shape::OpenAi,
        good: r#"{"model":"plain","messages":[{"role":"user","content":"hi"}]}"#,
        about: "messages",
        typed: &[
            ("response_format", "3"),
            ("tool_choice", "7"),
            ("n", "\"two\""),
            ("stop", "{}"),
            ("stream_options", "5"),
            ("logprobs", "\"x\""),
        ],
    },
    Route {
        path: "/chat/completions",
        shape: Shape::OpenAi,
        good: r#"{"model":"of-anthropic","messages":[{"role":"user","content":"hi"}]}"#,
        about: "messages",
        typed: &[("response_format", "3"), ("tool_choice", "7"), ("n", "\"two\""), ("stop", "{}")],
    },
    Route {
        path: "/v1/responses",
        shape: Shape::OpenAi,
        good: r#"{"model":"plain","input":"hi"}"#,
        about: "input",
        typed: &[
            ("input", "5"),
            ("input", "[5]"),
            ("stream", "\"yes\""),
            ("tools", "5"),
            ("previous_response_id", "5"),
        ],
    },
    Route {
        path: "/v1/completions",
        shape: Shape::OpenAi,
        good: r#"{"model":"plain","prompt":"hi"}"#,
        about: "prompt",
        typed: &[("prompt", "{}"), ("stream", "\"yes\""), ("max_tokens", "\"x\"")],
    },
    Route {
        path: "/v1/embeddings",
        shape: Shape::OpenAi,
        good: r#"{"model":"plain","input":"hi"}"#,
        about: "input",
        typed: &[
            ("input", "5"),
            ("input", "{}"),
            ("dimensions", "\"x\""),
            ("encoding_format", "5"),
        ],
    },
    Route {
        path: "/v1/moderations",
        shape: Shape::OpenAi,
        good: r#"{"model":"plain","input":"hi"}"#,
        about: "input",
        typed: &[("input", "5"), ("input", "{}")],
    },
    Route {
        path: "/v1/images/generations",
        shape: Shape::OpenAi,
        good: r#"{"model":"plain","prompt":"a cat"}"#,
        about: "prompt",
        typed: &[("prompt", "5"), ("n", "\"x\"")],
    },
    Route {
        path: "/v1/audio/speech",
        shape: Shape::OpenAi,
        good: r#"{"model":"plain","input":"hi","voice":"alloy"}"#,
        about: "input",
        typed: &[("input", "5"), ("voice", "5")],
    },
    Route {
        path: "/v1/rerank",
        shape: Shape::OpenAi,
        good: r#"{"model":"of-cohere","query":"a","documents":["b","c"]}"#,
        about: "documents",
        typed: &[("documents", "5"), ("query", "5"), ("top_n", "\"x\"")],
    },
    Route {
        path: "/v1/messages",
        shape: Shape::Anthropic,
        good: r#"{"model":"of-anthropic","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
        about: "messages",
        typed: &[("system", "5"), ("tool_choice", "7")],
    },
    Route {
        path: "/messages",
        shape: Shape::Anthropic,
        good: r#"{"model":"plain","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
        about: "messages",
        typed: &[("system", "5")],
    },
    Route {
        path: "/v1/messages/count_tokens",
        shape: Shape::Anthropic,
        good: r#"{"model":"of-anthropic","messages":[{"role":"user","content":"hi"}]}"#,
        about: "messages",
        typed: &[("messages", "5"), ("messages", "[5]")],
    },
    Route {
        path: "/v1beta/models/of-gemini:generateContent",
        shape: Shape::Gemini,
        good: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        about: "contents",
        typed: &[
            ("contents", "5"),
            ("contents", "[5]"),
            ("contents", r#"[{"parts":5}]"#),
            ("contents", r#"[{"parts":[5]}]"#),
            ("generationConfig", "5"),
            ("tools", "5"),
        ],
    },
    Route {
        path: "/v1beta/models/plain:streamGenerateContent?alt=sse",
        shape: Shape::Gemini,
        good: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        about: "contents",
        typed: &[("contents", "5"), ("contents", "[5]"), ("generationConfig", "5")],
    },
    Route {
        path: "/api/chat",
        shape: Shape::Ollama,
        good: r#"{"model":"of-ollama","stream":false,"messages":[{"role":"user","content":"hi"}]}"#,
        about: "messages",
        typed: &[("options", "5")],
    },
    Route {
        path: "/api/generate",
        shape: Shape::Ollama,
        good: r#"{"model":"plain","stream":false,"prompt":"hi"}"#,
        about: "prompt",
        typed: &[("prompt", "5"), ("stream", "\"yes\""), ("options", "5")],
    },
    Route {
        path: "/api/embed",
        shape: Shape::Ollama,
        good: r#"{"model":"of-ollama","input":"hi"}"#,
        about: "input",
        typed: &[("input", "5"), ("input", "{}")],
    },
    Route {
        path: "/v2/chat",
        shape: Shape::Cohere,
        good: r#"{"model":"of-cohere","messages":[{"role":"user","content":"hi"}]}"#,
        about: "messages",
        typed: &[],
    },
    Route {
        path: "/v2/rerank",
        shape: Shape::Cohere,
        good: r#"{"model":"of-cohere","query":"a","documents":["b","c"]}"#,
        about: "documents",
        typed: &[("documents", "5"), ("query", "5"), ("top_n", "\"x\"")],
    },
    Route {
        path: "/v2/embed",
        shape: Shape::Cohere,
        good: r#"{"model":"of-cohere","input_type":"search_query","embedding_types":["float"],"texts":["hi"]}"#,
        about: "texts",
        typed: &[("texts", "5"), ("texts", "[5]")],
    },
];

/// One for each route that is answered, so that what is refused is refused for what is wrong with it.
pub(super) fn good() -> Vec<Case> {
    let one = |route: &Route| {
        let bytes = posted("POST", route.path, APP.key, JSON, route.good.as_bytes());
        Case::refused(route.path, route.shape, bytes)
    };
    ROUTES.iter().map(one).collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for route in &ROUTES {
        let mut put = |name: &str, expect, field, body: &[u8]| {
            let bytes = posted("POST", route.path, APP.key, JSON, body);
            let name = format!("{}: {name}", route.path);
            cases.push(Case { expect, field, ..Case::refused(name, route.shape, bytes) });
        };
        for (name, body) in broken(route.good) {
            put(name, Expect::Refused, None, &body);
        }
        for (name, body) in odd(route.good) {
            put(name, Expect::NoFault, None, &body);
        }
        let lists = [route.typed, if route.about == "messages" { CHAT } else { &[] }];
        let knobs = if ["messages", "prompt"].contains(&route.about)
            && route.good.contains("\"max_tokens\"")
            || route.path.ends_with("chat/completions")
        {
            KNOBS
        } else {
            &[]
        };
        for (field, value) in lists.iter().copied().flatten().chain(knobs) {
            if route.path == "/v1/messages/count_tokens" && *field == "stream" {
                continue;
            }
            let body = with(route.good, field, value);
            // Ollama's own words name what is wrong, and not where.
            let named = (route.shape != Shape::Ollama).then_some(*field);
            // Its turns may be empty.
            let odd = route.shape == Shape::Ollama && *value == r#"[{"role":"user"}]"#;
            let expect = if odd { Expect::NoFault } else { Expect::Refused };
            put(&format!("{field} is {value}"), expect, named, body.as_bytes());
        }
        if !route.path.contains("/models/") {
            let may_lack = route.path.ends_with("/moderations");
            for (name, value) in models().into_iter().filter(|(_, v)| !(may_lack && v == "null")) {
                let body = with(route.good, "model", &value);
                put(name, Expect::Refused, None, body.as_bytes());
            }
        }
        let lacking = without(route.good, route.about);
        // Without one, Ollama is asked to have its model ready; and where the words are another
        // provider's, it says what it lacks.
        let expect = if route.path == "/api/chat" { Expect::NoFault } else { Expect::Refused };
        put(&format!("no {}", route.about), expect, None, lacking.as_bytes());
    }
    cases
}

/// Names of models that nobody has.
fn models() -> Vec<(&'static str, String)> {
    let text = |name: &str| json!(name).to_string();
    vec![
        ("a model that is a number", "5".to_owned()),
        ("a model that is null", "null".to_owned()),
        ("a model that is a list", "[\"plain\"]".to_owned()),
        ("a model of no name", text("")),
        ("a model that nobody has", text("no-such-model")),
        ("a model that breaks lines", text("plain\r\nx-evil: 1")),
        ("a model of another folder", text("../../etc/passwd")),
        ("a model that is a template", text("{{7*7}}${7*7}<%= 7 %>")),
        ("a model written backwards", text("\u{202e}nialp")),
        ("a model that is a page", text("<script>alert(1)</script>")),
        ("a model of 100 KB", text(&"m".repeat(100_000))),
        ("a model of a provider that nobody has", text("nobody/plain")),
        ("a model with a zero byte", text("plain\0")),
    ]
}

/// A body with a field in place of the one that it had, or beside the others.
fn with(good: &str, field: &str, value: &str) -> String {
    let rest = without(good, field);
    let gap = if rest == "{}" { "" } else { "," };
    format!("{{\"{field}\":{value}{gap}{}", &rest[1..])
}

fn without(good: &str, field: &str) -> String {
    let mut body: Value = serde_json::from_str(good).unwrap();
    body.as_object_mut().unwrap().remove(field);
    body.to_string()
}

/// No JSON.
fn broken(good: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inner = &good[1..good.len() - 1];
    let value = |value: &str| format!("{{\"metadata\":{value},{inner}}}").into_bytes();
    let raw =
        |bytes: &[u8]| [b"{\"user\":\"".as_slice(), bytes, b"\",", inner.as_bytes(), b"}"].concat();
    let half = good.len() / 2;
    let utf16 = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut all: Vec<(&'static str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("spaces", b"  \n\t ".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a list of one", format!("[{good}]").into_bytes()),
        ("a number", b"42".to_vec()),
        ("a text", b"\"text\"".to_vec()),
        ("words", b"hello there".to_vec()),
        ("half of it", good.as_bytes()[..half].to_vec()),
        ("all but the end", good.as_bytes()[..good.len() - 1].to_vec()),
        ("a comma at the end", format!("{{{inner},}}").into_bytes()),
        ("a comma at the beginning", format!("{{,{inner}}}").into_bytes()),
        ("two commas", format!("{{{inner},,\"user\":\"x\"}}").into_bytes()),
        ("something behind it", format!("{good}x").into_bytes()),
        ("two of them", format!("{good}{good}").into_bytes()),
        ("one bracket more", format!("{good}}}").into_bytes()),
        ("a zero byte behind it", format!("{good}\0").into_bytes()),
        ("single quotes", good.replace('"', "'").into_bytes()),
        ("a name without quotes", good.replacen('"', "", 2).into_bytes()),
        ("no colon", good.replacen(':', " ", 1).into_bytes()),
        ("an equals sign", good.replacen(':', "=", 1).into_bytes()),
        ("brackets that do not fit", format!("{{{inner}]").into_bytes()),
        ("a note in it", format!("{{/* x */{inner}}}").into_bytes()),
        ("a note behind a line", format!("{{// x\n{inner}}}").into_bytes()),
        ("a text without end", format!("{{\"user\":\"x,{}", inner.replace('"', "")).into_bytes()),
        ("as UTF-16", utf16),
    ];
    let values = [
        ("NaN", "NaN"),
        ("infinity", "Infinity"),
        ("a plus", "+1"),
        ("a leading zero", "01"),
        ("a leading point", ".5"),
        ("a trailing point", "1."),
        ("half an exponent", "1e"),
        ("a number in hex", "0x10"),
        ("a True", "True"),
        ("undefined", "undefined"),
        ("nothing as a value", ""),
        ("minus alone", "-"),
    ];
    all.extend(values.map(|(name, v)| (name, value(v))));
    let texts: [(&'static str, &[u8]); 9] = [
        ("a raw line's end in a text", b"a\nb"),
        ("a raw zero in a text", b"a\0b"),
        ("a raw control in a text", b"a\x01b"),
        ("an escape of nobody", b"\\x41"),
        ("half an escape", b"\\u12"),
        ("an escape of no hex", b"\\uZZZZ"),
        ("half a letter", b"\xea\xb0"),
        ("no letter", b"\xff\xfe"),
        ("a letter that is too long", b"\xc0\xaf"),
    ];
    all.extend(texts.map(|(name, bytes)| (name, raw(bytes))));
    all.push(("a surrogate as bytes", raw(b"\xed\xa0\x80")));
    for (name, open, close) in [("lists in lists", "[", "]"), ("tables in tables", "{\"a\":", "}")]
    {
        let deep = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
        all.push((name, value(&deep)));
    }
    all.push(("lists without end", value(&"[".repeat(100_000))));
    all
}

/// What some readers take, and others do not.
fn odd(good: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inner = &good[1..good.len() - 1];
    let value = |value: &str| format!("{{\"metadata\":{value},{inner}}}").into_bytes();
    let many: Vec<_> = (0..10_000).map(|n| format!("\"k{n}\":1")).collect();
    vec![
        ("a mark before it", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("half a pair", format!("{{\"user\":\"\\ud800\",{inner}}}").into_bytes()),
        ("lists, 100 deep", value(&format!("{}{}", "[".repeat(100), "]".repeat(100)))),
        ("a number of 400 digits", value(&"9".repeat(400))),
        ("ten thousand names", value(&format!("{{{}}}", many.join(",")))),
        ("a field that nobody knows", format!("{{\"frobnicate\":true,{inner}}}").into_bytes()),
        ("the same field twice", format!("{{{inner},{inner}}}").into_bytes()),
        ("a name of 100 KB", format!("{{\"{}\":1,{inner}}}", "n".repeat(100_000)).into_bytes()),
        ("a zero in a text, escaped", format!("{{\"user\":\"a\\u0000b\",{inner}}}").into_bytes()),
    ]
}

/// Every route of the document that takes JSON, beside calls of models: no JSON, and fields that are
/// not its own.
pub(super) fn described(document: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    let paths = document["paths"].as_object().unwrap();
    for (path, item) in paths {
        for (verb, operation) in item.as_object().unwrap() {
            let model_call =
                operation["tags"][0].as_str().is_some_and(|t| t.starts_with("models:"));
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            if model_call || body.is_null() {
                continue;
            }
            let key = if operation["security"].to_string().contains("operator") {
                ADMIN
            } else {
                APP.key
            };
            let envelope = path.starts_with("/api/v1/") || path.starts_with("/webhooks/");
            let shape = if envelope { Shape::Envelope } else { Shape::OpenAi };
            let place = super::asked::filled(path, "x");
            let verb = verb.to_uppercase();
            let mut put = |name: &str, field, body: &[u8]| {
                let bytes = posted(&verb, &place, key, JSON, body);
                let name = format!("{verb} {path}: {name}");
                cases.push(Case { field, ..Case::refused(name, shape, bytes) });
            };
            for (name, body) in broken("{\"x\":\"y\"}").into_iter().filter(|(name, _)| !empty(name))
            {
                put(name, None, &body);
            }
            // Passed on to whoever it is for, as it came.
            if operation["requestBody"]["content"]["application/json"]["schema"]["additionalProperties"]
                != true
            {
                put("a field of nobody", None, br#"{"frobnicate":true}"#);
            }
        }
    }
    cases
}

/// Where no field is needed, nothing at all is right.
fn empty(name: &str) -> bool {
    ["nothing", "spaces"].contains(&name)
}
