//! What the benches measure on: inputs made here, so that they are the same everywhere.

use bytes::Bytes;
use llm_core::call::Has;
use llm_dialects::json::peek::{Layout, Member};

pub mod pipeline;
pub mod streams;

/// The shape of an OpenAI chat request, as far as a gateway must know it.
pub const CHAT: Layout = Layout::new(&[
    ("model", Member::Model),
    (
        "messages",
        Member::Mentions(&[
            ("\"image_url\"", Has::IMAGES),
            ("\"input_audio\"", Has::AUDIO),
            ("\"file\"", Has::FILES),
        ]),
    ),
    ("stream", Member::Stream),
    ("stream_options", Member::UsageOption),
    ("max_completion_tokens", Member::Cap),
    ("max_tokens", Member::Cap),
    ("n", Member::Candidates),
    ("user", Member::User),
    ("tools", Member::Has(Has::TOOLS)),
    (
        "response_format",
        Member::Mentions(&[
            ("\"json_object\"", Has::JSON),
            ("\"json_schema\"", Has::JSON | Has::JSON_SCHEMA),
        ]),
    ),
    ("reasoning_effort", Member::Has(Has::REASONING)),
    ("logprobs", Member::Has(Has::LOGPROBS)),
    ("temperature", Member::Once),
]);

/// A streamed chat of eight kilobytes: prose, code full of escapes, some Korean, and a tool.
pub fn chat_request() -> Bytes {
    let mut messages = Vec::new();
    let mut bytes = 0;
    while bytes < 7200 {
        let (role, text) = TURNS[messages.len() % TURNS.len()];
        let message = format!(r#"{{"role":"{role}","content":"{text}"}}"#);
        bytes += message.len();
        messages.push(message);
    }
    let messages = messages.join(",");
    let head = r#""model":"gpt-4o-mini","stream":true,"temperature":0.70,"max_tokens":1024"#;
    let tail = r#""tool_choice":"auto","user":"user-1234""#;
    let body = format!(r#"{{{head},"messages":[{messages}],"tools":[{TOOL}],{tail}}}"#);
    body.into()
}

/// So many events as a chat stream has them, one token each, and the end.
pub fn event_stream(events: usize) -> Bytes {
    let head = concat!(
        r#"data: {"id":"chatcmpl-B1x","object":"chat.completion.chunk","created":1740000000,"#,
        r#""model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_06737a9306","choices":"#,
        r#"[{"index":0,"delta":{"content":" token"#,
    );
    let tail = r#""},"logprobs":null,"finish_reason":null}],"usage":null}"#;
    let event = |n| format!("{head}{n}{tail}\n\n");
    let stream: String = (1..events).map(event).collect();
    Bytes::from(stream + "data: [DONE]\n\n")
}

/// A stream as OpenAI ends it: with a reason, with what was used, and with its last word.
pub fn chat_stream(events: usize) -> Bytes {
    let stream = event_stream(events);
    let text = stream.strip_suffix(b"data: [DONE]\n\n").unwrap_or(&stream);
    let mut all = Vec::from(text);
    all.extend_from_slice(br#"data: {"id":"chatcmpl-B1x","object":"chat.completion.chunk","created":1740000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}

data: {"id":"chatcmpl-B1x","object":"chat.completion.chunk","created":1740000000,"model":"gpt-4o-mini-2024-07-18","choices":[],"usage":{"prompt_tokens":1900,"completion_tokens":200,"total_tokens":2100}}

data: [DONE]

"#);
    all.into()
}

/// A whole answer of a bit more than a kilobyte.
pub fn chat_answer() -> Bytes {
    let text = "The sea is wide, and its tides follow the moon. ".repeat(14);
    let head = r#""id":"chatcmpl-B1x","object":"chat.completion","created":1740000000"#;
    let message =
        format!(r#"{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}}"#);
    let usage = r#"{"prompt_tokens":1900,"completion_tokens":160,"total_tokens":2060,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}"#;
    format!(r#"{{{head},"model":"gpt-4o-mini-2024-07-18","choices":[{{"index":0,"message":{message},"logprobs":null,"finish_reason":"stop"}}],"usage":{usage},"service_tier":"default","system_fingerprint":"fp_06737a9306"}}"#).into()
}

/// The same chat, to be answered whole.
pub fn whole_request() -> Bytes {
    let text = String::from_utf8_lossy(&chat_request()).replace("\"stream\":true,", "");
    text.into()
}

/// The chunks in which a network brings a stream: some of them end inside a frame.
pub fn chunks(stream: &Bytes) -> Vec<Bytes> {
    const CHUNK_BYTES: usize = 16 << 10;
    let places = (0..stream.len()).step_by(CHUNK_BYTES);
    places.map(|at| stream.slice(at..stream.len().min(at + CHUNK_BYTES))).collect()
}

/// Texts as they stand between the quotes of JSON.
const TURNS: [(&str, &str); 3] = [
    (
        "user",
        concat!(
            r#"Why does this not compile?\n\n```rust\nfn main() {\n    let text = \"a\\n\";\n"#,
            r#"    println!(\"{}\", text);\n}\n```\nI have read the whole chapter on borrowing "#,
            r#"twice and still do not see it."#,
        ),
    ),
    (
        "assistant",
        "It does compile as it stands. Which message do you get, and in which version? If the \
         error names a line, please quote it together with the two lines around it.",
    ),
    (
        "user",
        r#"컴파일러가 차용 검사에서 오류를 냅니다. 전체 메시지: \"cannot borrow as mutable twice\"."#,
    ),
];

const TOOL: &str = concat!(
    r#"{"type":"function","function":{"name":"find_files","description":"Finds files whose names "#,
    r#"match a pattern.","parameters":{"type":"object","properties":{"pattern":{"type":"string","#,
    r#""description":"A glob."},"limit":{"type":"integer","minimum":1},"kinds":{"type":"array","#,
    r#""items":{"type":"string","enum":["file","folder"]}}},"required":["pattern"],"#,
    r#""additionalProperties":false}}}"#,
);
