//! Orders documents by likeness, and checks texts against a word list.

use llm_core::answer::{Moderation, Ranked, Ranking, UsageReport, Verdict};
use llm_core::extra::Extra;
use llm_core::prompt::{ModerateRequest, RerankRequest};
use llm_core::raw::{Raw, RawNumber};
use llm_core::usage::Usage;
use serde_json::Value;

use super::embed::{likeness, plain};
use super::hash;

pub(crate) fn rerank(request: &RerankRequest) -> Ranking {
    let mut scored: Vec<(u32, f64)> = (0..)
        .zip(&request.documents)
        .map(|(index, document)| (index, likeness(&request.query, &document_text(document))))
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.truncate(request.top_n.map_or(usize::MAX, |n| n as usize));
    let seed = hash::hash(format!("{}{:?}", request.query, request.documents).as_bytes());
    // Cohere bills a search for each hundred documents.
    let calls = u32::try_from(request.documents.len().div_ceil(100)).unwrap_or(u32::MAX);
    let usage = Usage { calls, ..Usage::default() };
    Ranking {
        id: Some(hash::uuid(seed).into()),
        model: Some(request.model.clone()),
        results: scored.into_iter().map(|(index, score)| ranked(index, score)).collect(),
        usage: Some(UsageReport { usage, extra: Extra::default() }),
        extra: Extra::default(),
    }
}

fn ranked(index: u32, score: f64) -> Ranked {
    Ranked { index, score: decimal(score), extra: Extra::default() }
}

fn document_text(document: &Raw) -> String {
    match serde_json::from_str(document.get()) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(fields)) => match fields.get("text").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => Value::Object(fields).to_string(),
        },
        _ => document.get().to_owned(),
    }
}

/// The rules of OpenAI's moderation, and the words by which this one knows a break of them.
const RULES: [(&str, &[&str]); 13] = [
    ("harassment", &["idiot", "멍청이"]),
    ("harassment/threatening", &["i will hurt you", "죽여버"]),
    ("hate", &["hate speech", "혐오"]),
    ("hate/threatening", &[]),
    ("illicit", &["steal a car", "마약"]),
    ("illicit/violent", &["build a bomb", "폭탄"]),
    ("self-harm", &["hurt myself", "자해"]),
    ("self-harm/intent", &["kill myself", "want to die"]),
    ("self-harm/instructions", &[]),
    ("sexual", &["porn", "음란"]),
    ("sexual/minors", &[]),
    ("violence", &["kill", "stab", "shoot", "죽이"]),
    ("violence/graphic", &["gore"]),
];

pub(crate) fn moderate(request: &ModerateRequest) -> Moderation {
    let seed = hash::hash(format!("{:?}", request.input).as_bytes());
    Moderation {
        id: Some(hash::id("modr-", seed, 24).into()),
        model: Some(match request.model.is_empty() {
            true => llm_core::Str::from_static("omni-moderation-latest"),
            false => request.model.clone(),
        }),
        results: request.input.iter().map(|input| verdict(&plain(input))).collect(),
        extra: Extra::default(),
    }
}

fn verdict(text: &str) -> Verdict {
    let text = text.to_lowercase();
    let mut out = Verdict::default();
    for (rule, words) in RULES {
        let broken = words.iter().any(|w| text.contains(w));
        let rest = hash::mix(hash::hash(format!("{rule}{text}").as_bytes())) % 1_000;
        let score = if broken { 0.9 } else { 0.0 } + rest as f64 / 100_000.0;
        out.flagged |= broken;
        out.categories.push((rule.into(), broken));
        out.scores.push((rule.into(), decimal(score)));
    }
    out
}

/// Seven places are enough to order by, and print the same everywhere.
fn decimal(value: f64) -> RawNumber {
    RawNumber::parse(format!("{value:.7}")).unwrap_or_else(|| RawNumber::from(0u64))
}
