//! Streams of two hundred deltas as each provider writes them, one event a piece of the network.

use bytes::Bytes;
use llm_core::dialect::{DialectId, Framing};

/// A stream and how it is framed.
#[derive(Debug)]
pub struct Stream {
    /// Whose it is.
    pub dialect: DialectId,
    /// How it is cut.
    pub framing: Framing,
    /// Its events, each as it comes off the network.
    pub pieces: Vec<Bytes>,
}

/// How many deltas each stream has.
pub const DELTAS: usize = 200;

/// One stream of every dialect that a provider speaks.
pub fn all() -> Vec<Stream> {
    let sse = Framing::Sse;
    vec![
        stream(DialectId::OpenaiChat, sse, openai_chat),
        stream(DialectId::OpenaiResponses, sse, openai_responses),
        stream(DialectId::Anthropic, sse, anthropic),
        stream(DialectId::Gemini, sse, gemini),
        stream(DialectId::Cohere, sse, cohere),
        stream(DialectId::Ollama, Framing::Ndjson, ollama),
    ]
}

/// What a dialect writes: first events, one delta, last events.
type Writer = fn(&str) -> (Vec<String>, String, Vec<String>);

fn stream(dialect: DialectId, framing: Framing, write: Writer) -> Stream {
    let (first, _, last) = write("");
    let deltas = (0..DELTAS).map(|n| write(WORDS[n % WORDS.len()]).1);
    let all: String = first.into_iter().chain(deltas).chain(last).collect();
    // Slices of one buffer that is shared already, as a connection's read buffer is.
    let whole = Bytes::from(all.clone());
    let end = if framing == Framing::Ndjson { "\n" } else { "\n\n" };
    let mut at = 0;
    let pieces = all
        .split_inclusive(end)
        .map(|piece| {
            at += piece.len();
            whole.slice(at - piece.len()..at)
        })
        .collect();
    Stream { dialect, framing, pieces }
}

/// Pieces as models write them: words, code with escapes, Korean.
const WORDS: [&str; 5] = [" the", " gateway", "\\n", " 안녕", " tokens,"];

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

fn named(name: &str, rest: &str) -> String {
    format!("event: {name}\ndata: {{\"type\":\"{name}\",{rest}}}\n\n")
}

fn openai_chat(word: &str) -> (Vec<String>, String, Vec<String>) {
    let chunk = |delta: &str, finish: &str| {
        event(&format!(
            r#"{{"id":"chatcmpl-B1x","object":"chat.completion.chunk","created":1740000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}],"usage":null,"obfuscation":"a8Zk2m"}}"#
        ))
    };
    let usage = r#"{"id":"chatcmpl-B1x","object":"chat.completion.chunk","created":1740000000,"model":"gpt-4o-mini-2024-07-18","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":200,"total_tokens":219,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#;
    (
        vec![chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null")],
        chunk(&format!(r#"{{"content":"{word}"}}"#), "null"),
        vec![chunk("{}", r#""stop""#), event(usage), event("[DONE]")],
    )
}

fn openai_responses(word: &str) -> (Vec<String>, String, Vec<String>) {
    let response = |status: &str, output: &str, usage: &str| {
        format!(
            r#""response":{{"id":"resp_1","object":"response","created_at":1740000000,"status":"{status}","error":null,"incomplete_details":null,"model":"gpt-5-mini","output":{output},"usage":{usage}}},"sequence_number":1"#
        )
    };
    let item = |content: &str| {
        format!(
            r#"{{"id":"msg_1","type":"message","status":"completed","content":{content},"role":"assistant"}}"#
        )
    };
    let place = r#""item_id":"msg_1","output_index":0,"content_index":0"#;
    let part = r#"{"type":"output_text","annotations":[],"logprobs":[],"text":""}"#;
    (
        vec![
            named("response.created", &response("in_progress", "[]", "null")),
            named(
                "response.output_item.added",
                &format!(r#""output_index":0,"item":{}"#, item("[]")),
            ),
            named("response.content_part.added", &format!(r#"{place},"part":{part}"#)),
        ],
        named(
            "response.output_text.delta",
            &format!(
                r#"{place},"delta":"{word}","logprobs":[],"sequence_number":9,"obfuscation":"x8Y""#
            ),
        ),
        vec![
            named("response.output_text.done", &format!(r#"{place},"text":"","logprobs":[]"#)),
            named("response.content_part.done", &format!(r#"{place},"part":{part}"#)),
            named(
                "response.output_item.done",
                &format!(r#""output_index":0,"item":{}"#, item(&format!("[{part}]"))),
            ),
            named(
                "response.completed",
                &response(
                    "completed",
                    &format!("[{}]", item(&format!("[{part}]"))),
                    r#"{"input_tokens":19,"input_tokens_details":{"cached_tokens":0},"output_tokens":200,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":219}"#,
                ),
            ),
        ],
    )
}

fn anthropic(word: &str) -> (Vec<String>, String, Vec<String>) {
    (
        vec![
            named(
                "message_start",
                r#""message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":19,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}"#,
            ),
            named("content_block_start", r#""index":0,"content_block":{"type":"text","text":""}"#),
        ],
        named(
            "content_block_delta",
            &format!(r#""index":0,"delta":{{"type":"text_delta","text":"{word}"}}       "#),
        ),
        vec![
            named("content_block_stop", r#""index":0"#),
            named(
                "message_delta",
                r#""delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":200}"#,
            ),
            named("message_stop", r#""x":0"#),
        ],
    )
}

fn gemini(word: &str) -> (Vec<String>, String, Vec<String>) {
    let chunk = |text: &str, finish: &str| {
        format!(
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \"{text}\"}}],\"role\": \"model\"}}{finish},\"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 19,\"candidatesTokenCount\": 20,\"totalTokenCount\": 39,\"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 19}}]}},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"A1b2C3\"}}\n\n"
        )
    };
    (vec![], chunk(word, ""), vec![chunk("", ",\"finishReason\": \"STOP\"")])
}

fn cohere(word: &str) -> (Vec<String>, String, Vec<String>) {
    (
        vec![
            named(
                "message-start",
                r#""id":"c1","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}"#,
            ),
            named(
                "content-start",
                r#""index":0,"delta":{"message":{"content":{"type":"text","text":""}}}"#,
            ),
        ],
        named(
            "content-delta",
            &format!(r#""index":0,"delta":{{"message":{{"content":{{"text":"{word}"}}}}}}"#),
        ),
        vec![
            named("content-end", r#""index":0"#),
            named(
                "message-end",
                r#""delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":4,"output_tokens":200},"tokens":{"input_tokens":19,"output_tokens":200}}}"#,
            ),
        ],
    )
}

fn ollama(word: &str) -> (Vec<String>, String, Vec<String>) {
    let line = |word: &str, rest: &str| {
        format!(
            r#"{{"model":"llama3.2","created_at":"2026-01-02T03:04:05.678901Z","message":{{"role":"assistant","content":"{word}"}},{rest}}}"#
        ) + "\n"
    };
    (
        vec![],
        line(word, r#""done":false"#),
        vec![line(
            "",
            r#""done_reason":"stop","done":true,"total_duration":5,"load_duration":1,"prompt_eval_count":19,"prompt_eval_duration":2,"eval_count":200,"eval_duration":4"#,
        )],
    )
}
