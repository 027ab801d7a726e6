//! What recorded counts cost by the built-in table: each provider's own words for what was used,
//! through its dialect, times its prices. The sums are done by hand and written beside the figure;
//! a rate of a dollar for a million tokens is a thousand nano-dollars for one.

use bytes::Bytes;
use llm_core::call::Operation::{self, Chat, Embed, Rerank, Transcribe};
use llm_core::catalog::Catalog;
use llm_core::dialect::{Body, DialectId};
use llm_core::money::{Price, Ratio, cost};

/// What the answer says beside its usage.
fn answer(dialect: DialectId, operation: Operation, usage: &str) -> String {
    match (dialect, operation) {
        (DialectId::OpenaiChat, Embed) => format!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[0.1]}}],"model":"m",{usage}}}"#
        ),
        (DialectId::OpenaiChat, Transcribe) => format!(r#"{{"text":"a",{usage}}}"#),
        (DialectId::OpenaiChat, _) => format!(
            r#"{{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"a"}},"finish_reason":"stop"}}],{usage}}}"#
        ),
        (DialectId::OpenaiResponses, _) => format!(
            r#"{{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"m",{usage}}}"#
        ),
        (DialectId::Anthropic, _) => format!(
            r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"a"}}],"stop_reason":"end_turn","stop_sequence":null,{usage}}}"#
        ),
        (DialectId::Gemini, _) => format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"a"}}]}},"finishReason":"STOP","index":0}}],{usage}}}"#
        ),
        (DialectId::Cohere, Embed) => format!(
            r#"{{"id":"e","embeddings":{{"float":[[0.1]]}},"texts":["a"],"response_type":"embeddings_by_type",{usage}}}"#
        ),
        (DialectId::Cohere, Rerank) => {
            format!(r#"{{"id":"r","results":[{{"index":0,"relevance_score":0.5}}],{usage}}}"#)
        }
        (DialectId::Cohere, _) => format!(
            r#"{{"id":"c","finish_reason":"COMPLETE","message":{{"role":"assistant","content":[{{"type":"text","text":"a"}}]}},{usage}}}"#
        ),
        (DialectId::Ollama, _) => format!(
            r#"{{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{{"role":"assistant","content":"a"}},"done":true,"done_reason":"stop",{usage}}}"#
        ),
        _ => panic!("no such answer"),
    }
}

/// Nano-dollars of an answer, as the pipeline counts them.
fn nanos((dialect, operation): (DialectId, Operation), price: &Price, usage: &str) -> i64 {
    let bytes = Bytes::from(answer(dialect, operation, usage));
    let upstream = llm_dialects::upstream(dialect).unwrap();
    let body = Body { bytes: &bytes, content_type: Some("application/json") };
    let seen = upstream.glance(operation, body).unwrap().seen;
    let mut usage = seen.usage.unwrap();
    usage.calls = usage.calls.max(seen.searches);
    cost(&usage, price).0
}

const OPENAI: (DialectId, Operation) = (DialectId::OpenaiChat, Chat);
const RESPONSES: (DialectId, Operation) = (DialectId::OpenaiResponses, Chat);
const ANTHROPIC: (DialectId, Operation) = (DialectId::Anthropic, Chat);
const GEMINI: (DialectId, Operation) = (DialectId::Gemini, Chat);
const COHERE: (DialectId, Operation) = (DialectId::Cohere, Chat);

type Vector = ((DialectId, Operation), &'static str, &'static str, i64);

/// Cached tokens stand inside `prompt_tokens`, reasoning and audio inside `completion_tokens`.
const OF_OPENAI: [Vector; 17] = [
    // 1000 × 150 + 500 × 600
    (
        OPENAI,
        "openai gpt-4o-mini",
        r#""usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500}"#,
        450_000,
    ),
    // (2006 − 1920) × 150 + 1920 × 75 + 300 × 600 = 12_900 + 144_000 + 180_000
    (
        OPENAI,
        "openai gpt-4o-mini",
        r#""usage":{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,"prompt_tokens_details":{"cached_tokens":1920,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}"#,
        336_900,
    ),
    // 1117 × 2500 + 46 × 10_000 = 2_792_500 + 460_000
    (
        OPENAI,
        "openai gpt-4o",
        r#""usage":{"prompt_tokens":1117,"completion_tokens":46,"total_tokens":1163}"#,
        3_252_500,
    ),
    // 20 × 1250 + 1000 × 10_000: of the thousand, 896 are reasoning
    (
        OPENAI,
        "openai gpt-5",
        r#""usage":{"prompt_tokens":20,"completion_tokens":1000,"total_tokens":1020,"completion_tokens_details":{"reasoning_tokens":896}}"#,
        10_025_000,
    ),
    // 40 × 2500 + 60 × 40_000 + 50 × 10_000 + 150 × 80_000 = 100_000 + 2_400_000 + 500_000 + 12_000_000
    (
        OPENAI,
        "openai gpt-4o-audio-preview-2025-06-03",
        r#""usage":{"prompt_tokens":100,"completion_tokens":200,"total_tokens":300,"prompt_tokens_details":{"audio_tokens":60,"cached_tokens":0},"completion_tokens_details":{"audio_tokens":150}}"#,
        15_000_000,
    ),
    // 40 × 600 + 60 × 10_000 + 10 × 2400 + 40 × 20_000 = 24_000 + 600_000 + 24_000 + 800_000
    (
        OPENAI,
        "openai gpt-audio-mini",
        r#""usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"audio_tokens":60},"completion_tokens_details":{"audio_tokens":40}}"#,
        1_448_000,
    ),
    // at the threshold still the lower rates: 272_000 × 2500 + 10 × 15_000
    (
        OPENAI,
        "openai gpt-5.4",
        r#""usage":{"prompt_tokens":272000,"completion_tokens":10,"total_tokens":272010}"#,
        680_150_000,
    ),
    // beyond it all at the higher: 272_001 × 5000 + 10 × 22_500
    (
        OPENAI,
        "openai gpt-5.4",
        r#""usage":{"prompt_tokens":272001,"completion_tokens":10,"total_tokens":272011}"#,
        1_360_230_000,
    ),
    // cached tokens count towards it: 10_000 × 5000 + 290_000 × 500 + 1000 × 22_500
    (
        OPENAI,
        "openai gpt-5.4",
        r#""usage":{"prompt_tokens":300000,"completion_tokens":1000,"total_tokens":301000,"prompt_tokens_details":{"cached_tokens":290000}}"#,
        217_500_000,
    ),
    // 100 × 4000 + 400 × 400 + 500 × 5000 + 10 × 20_000 = 400_000 + 160_000 + 2_500_000 + 200_000
    (
        OPENAI,
        "openai gpt-5.6",
        r#""usage":{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010,"prompt_tokens_details":{"cached_tokens":400,"cache_write_tokens":500}}"#,
        3_260_000,
    ),
    // DeepSeek's words for a cache: 400 × 150 + 600 × 75 + 10 × 600
    (
        OPENAI,
        "openai gpt-4o-mini",
        r#""usage":{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010,"prompt_cache_hit_tokens":600,"prompt_cache_miss_tokens":400}"#,
        111_000,
    ),
    // xAI's reasoning stands beside: 32 × 1250 + (9 + 94) × 10_000
    (
        OPENAI,
        "openai gpt-5",
        r#""usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#,
        1_070_000,
    ),
    // 8 × 20
    (
        (DialectId::OpenaiChat, Embed),
        "openai text-embedding-3-small",
        r#""usage":{"prompt_tokens":8,"total_tokens":8}"#,
        160,
    ),
    // 14 × 1250 + 45 × 5000
    (
        (DialectId::OpenaiChat, Transcribe),
        "openai gpt-4o-mini-transcribe",
        r#""usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}"#,
        242_500,
    ),
    // 36 × 1250 + 87 × 10_000
    (
        RESPONSES,
        "openai gpt-5",
        r#""output":[],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":0},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":123}"#,
        915_000,
    ),
    // 976 × 2000 + 1024 × 500 + 100 × 8000 = 1_952_000 + 512_000 + 800_000
    (
        RESPONSES,
        "openai gpt-4.1",
        r#""output":[],"usage":{"input_tokens":2000,"input_tokens_details":{"cached_tokens":1024},"output_tokens":100,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":2100}"#,
        3_264_000,
    ),
    // 1000 × 1250 + 100 × 10_000, and two searches at a cent
    (
        RESPONSES,
        "openai gpt-5",
        r#""output":[{"type":"web_search_call","id":"ws_1","status":"completed"},{"type":"web_search_call","id":"ws_2","status":"completed"}],"usage":{"input_tokens":1000,"output_tokens":100,"total_tokens":1100}"#,
        22_250_000,
    ),
];

/// What a cache gave and took stands beside `input_tokens`, thoughts inside `output_tokens`.
const OF_ANTHROPIC: [Vector; 8] = [
    // 2095 × 3000 + 503 × 15_000 = 6_285_000 + 7_545_000
    (
        ANTHROPIC,
        "anthropic claude-sonnet-4-5",
        r#""usage":{"input_tokens":2095,"output_tokens":503}"#,
        13_830_000,
    ),
    // 21 × 3000 + 188_086 × 3750 + 393 × 15_000 = 63_000 + 705_322_500 + 5_895_000
    (
        ANTHROPIC,
        "anthropic claude-sonnet-4-5",
        r#""usage":{"input_tokens":21,"cache_creation_input_tokens":188086,"cache_read_input_tokens":0,"output_tokens":393}"#,
        711_280_500,
    ),
    // 21 × 3000 + 188_086 × 300 + 393 × 15_000 = 63_000 + 56_425_800 + 5_895_000
    (
        ANTHROPIC,
        "anthropic claude-sonnet-4-5",
        r#""usage":{"input_tokens":21,"cache_creation_input_tokens":0,"cache_read_input_tokens":188086,"output_tokens":393}"#,
        62_383_800,
    ),
    // 2048 × 3000 + 1800 × 300 + 148 × 3750 + 100 × 6000 + 503 × 15_000
    // = 6_144_000 + 540_000 + 555_000 + 600_000 + 7_545_000
    (
        ANTHROPIC,
        "anthropic claude-sonnet-4-5",
        r#""usage":{"input_tokens":2048,"cache_read_input_tokens":1800,"cache_creation_input_tokens":248,"cache_creation":{"ephemeral_5m_input_tokens":148,"ephemeral_1h_input_tokens":100},"output_tokens":503}"#,
        15_384_000,
    ),
    // 105 × 5000 + 6039 × 25_000, and two searches at a cent
    (
        ANTHROPIC,
        "anthropic claude-opus-4-5",
        r#""usage":{"input_tokens":105,"output_tokens":6039,"server_tool_use":{"web_search_requests":2}}"#,
        171_500_000,
    ),
    // 100_001 × 500 + 10 × 2500
    (
        ANTHROPIC,
        "anthropic claude-haiku-5-5",
        r#""usage":{"input_tokens":100001,"output_tokens":10}"#,
        50_025_500,
    ),
    // what the cache gave counts towards the tier: 1 × 500 + 100_000 × 50 + 10 × 2500
    (
        ANTHROPIC,
        "anthropic claude-haiku-5-5",
        r#""usage":{"input_tokens":1,"cache_read_input_tokens":100000,"output_tokens":10}"#,
        5_025_500,
    ),
    // 10 × 1000 + 100 × 5000
    (
        ANTHROPIC,
        "anthropic claude-haiku-4-5",
        r#""usage":{"input_tokens":10,"output_tokens":100,"output_tokens_details":{"thinking_tokens":80}}"#,
        510_000,
    ),
];

/// Thoughts and what tools read stand beside, what a cache gave inside the prompt.
const OF_GEMINI: [Vector; 7] = [
    // 10 × 300 + (20 + 30) × 2500
    (
        GEMINI,
        "gemini gemini-2.5-flash",
        r#""usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":30,"totalTokenCount":60}"#,
        128_000,
    ),
    // 200_000 × 1250 + 200 × 10_000
    (
        GEMINI,
        "gemini gemini-2.5-pro",
        r#""usageMetadata":{"promptTokenCount":200000,"candidatesTokenCount":100,"thoughtsTokenCount":100,"totalTokenCount":200200}"#,
        252_000_000,
    ),
    // 200_001 × 2500 + 200 × 15_000
    (
        GEMINI,
        "gemini gemini-2.5-pro",
        r#""usageMetadata":{"promptTokenCount":200001,"candidatesTokenCount":100,"thoughtsTokenCount":100,"totalTokenCount":200201}"#,
        503_002_500,
    ),
    // 1000 × 1250 + 4000 × 125 + 100 × 10_000
    (
        GEMINI,
        "gemini gemini-2.5-pro",
        r#""usageMetadata":{"promptTokenCount":5000,"cachedContentTokenCount":4000,"candidatesTokenCount":100,"totalTokenCount":5100}"#,
        2_750_000,
    ),
    // 10 × 300 + 90 × 1000 + 5 × 2500
    (
        GEMINI,
        "gemini gemini-2.5-flash",
        r#""usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":5,"totalTokenCount":105,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":90}]}"#,
        105_500,
    ),
    // (100 + 50) × 500 + 10 × 3000
    (
        GEMINI,
        "gemini gemini-3-flash-preview",
        r#""usageMetadata":{"promptTokenCount":100,"toolUsePromptTokenCount":50,"candidatesTokenCount":10,"totalTokenCount":160}"#,
        105_000,
    ),
    // 10 × 300 + 10 × 2500, and one search at 3.5 cents
    (
        GEMINI,
        "gemini gemini-2.5-flash",
        r#""groundingMetadata":{"webSearchQueries":["a","b"]},"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":10,"totalTokenCount":20}"#,
        35_028_000,
    ),
];

/// Cohere bills units; a daemon of one's own bills nothing.
const OF_OTHERS: [Vector; 5] = [
    // 5 × 2500 + 418 × 10_000
    (
        COHERE,
        "cohere command-a-03-2025",
        r#""usage":{"billed_units":{"input_tokens":5,"output_tokens":418}}"#,
        4_192_500,
    ),
    // (71 − 50) × 2500 + 50 × 2500 + 418 × 10_000: no rate of its own for what a cache gave
    (
        COHERE,
        "cohere command-a-03-2025",
        r#""usage":{"tokens":{"input_tokens":71,"output_tokens":418},"cached_tokens":50}"#,
        4_357_500,
    ),
    // 100 × 120
    (
        (DialectId::Cohere, Embed),
        "cohere embed-v4.0",
        r#""meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":100}}"#,
        12_000,
    ),
    // two units at a fifth of a cent
    (
        (DialectId::Cohere, Rerank),
        "cohere rerank-v3.5",
        r#""meta":{"api_version":{"version":"2"},"billed_units":{"search_units":2}}"#,
        4_000_000,
    ),
    ((DialectId::Ollama, Chat), "ollama llama3.2", r#""prompt_eval_count":26,"eval_count":298"#, 0),
];

fn listed(name: &str) -> &'static Price {
    let (vendor, model) = name.split_once(' ').unwrap();
    Catalog::builtin().lookup(vendor, model).unwrap().price.as_ref().unwrap()
}

#[test]
fn what_recorded_counts_cost() {
    let all = OF_OPENAI.iter().chain(&OF_ANTHROPIC).chain(&OF_GEMINI).chain(&OF_OTHERS);
    let wrong = all.clone().filter_map(|(way, name, usage, expected)| {
        let nanos = nanos(*way, listed(name), usage);
        (nanos != *expected).then(|| format!("{name}: {nanos}, not {expected}: {usage}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all.count() >= 30);
}

/// A batch costs half, and half a nano-dollar is rounded up once a request, not once a class.
#[test]
fn halves() {
    let half = |name: &str| {
        let multiplier = Ratio { numerator: 1, denominator: 2.try_into().unwrap() };
        Price { multiplier, ..listed(name).clone() }
    };
    let mini = half("openai gpt-4o-mini");
    let cases = [
        // 336_900 ÷ 2, as above
        (
            r#""usage":{"prompt_tokens":2006,"completion_tokens":300,"prompt_tokens_details":{"cached_tokens":1920}}"#,
            168_450,
        ),
        // 75 ÷ 2 = 37.5
        (
            r#""usage":{"prompt_tokens":1,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":1}}"#,
            38,
        ),
        // 3 × 75 ÷ 2 = 112.5
        (
            r#""usage":{"prompt_tokens":3,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":3}}"#,
            113,
        ),
        // (150 + 75 + 600) ÷ 2 = 412.5
        (
            r#""usage":{"prompt_tokens":2,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":1}}"#,
            413,
        ),
    ];
    for (usage, expected) in cases {
        assert_eq!(nanos(OPENAI, &mini, usage), expected, "{usage}");
    }
    // (272_001 × 5000 + 10 × 22_500) ÷ 2
    let usage = r#""usage":{"prompt_tokens":272001,"completion_tokens":10}"#;
    assert_eq!(nanos(OPENAI, &half("openai gpt-5.4"), usage), 680_115_000);
}
