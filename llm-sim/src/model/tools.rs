//! Which tools the model calls, and with what.

use llm_core::dialect::DialectId;
use llm_core::prompt::{PartKind, Request, Role, Tool, ToolCall, ToolChoice, ToolKind};
use serde_json::{Value, json};

use super::hash;
use super::hint::Hints;
use super::schema::instance;

/// So many calls of one turn are parallel calls; more would be a loop.
const CALLS_MAX: usize = 4;
/// Shorter words (`get`, `the`) fit every tool and tell nothing.
const WORD_CHARS_MIN: usize = 4;

/// The calls that answer this request; none when the model speaks instead.
pub(crate) fn calls(request: &Request, question: &str, dialect: DialectId) -> Vec<ToolCall> {
    if !asks(request) {
        return Vec::new();
    }
    let hints = Hints::new(question);
    let mut out = Vec::new();
    for tool in chosen(request, question) {
        let values = match hints.places().len() {
            0 | 1 => 1,
            several if may_repeat(request, question, tool) => several,
            _ => 1,
        };
        for n in 0..values {
            if out.len() < CALLS_MAX {
                out.push(call(tool, question, &hints.nth(n), dialect, out.len()));
            }
        }
    }
    if request.parallel_tools == Some(false) {
        out.truncate(1);
    }
    out
}

/// A model that has its results speaks, whatever the choice says: a loop that offers the same
/// tools again must end.
fn asks(request: &Request) -> bool {
    let Some(last) = request.messages.last() else { return false };
    let results = last.parts.iter().any(|p| matches!(p.kind, PartKind::ToolResult(_)));
    last.role == Role::User && !results
}

fn chosen<'a>(request: &'a Request, question: &str) -> Vec<&'a Tool> {
    let own = |t: &&Tool| !matches!(t.kind, ToolKind::Native(_));
    let all: Vec<&Tool> = request.tools.iter().filter(own).collect();
    let fitting = |tools: &[&'a Tool]| best(tools, question);
    let forced = |tools: Vec<&'a Tool>| match fitting(&tools) {
        found if found.is_empty() => tools.into_iter().take(1).collect(),
        found => found,
    };
    match request.tool_choice.as_ref().unwrap_or(&ToolChoice::Auto) {
        ToolChoice::Never => Vec::new(),
        ToolChoice::Auto => fitting(&all),
        ToolChoice::Required => forced(all),
        ToolChoice::Named(name) => all.into_iter().filter(|t| t.name == *name).take(1).collect(),
        ToolChoice::Among { names, required } => {
            let some: Vec<_> = all.into_iter().filter(|t| names.contains(&t.name)).collect();
            if *required { forced(some) } else { fitting(&some) }
        }
    }
}

/// The tools whose words the question uses: those with the most words of their name in it, or
/// the one with the most of its description.
fn best<'a>(tools: &[&'a Tool], question: &str) -> Vec<&'a Tool> {
    let question = question.to_lowercase();
    let several = joins(&question);
    let mut named: Vec<(usize, &Tool)> = Vec::new();
    let mut described: Vec<(usize, &Tool)> = Vec::new();
    for &tool in tools {
        let name = score(&tool.name.to_lowercase(), &question);
        let about = tool.description.as_deref().unwrap_or_default().to_lowercase();
        if name > 0 {
            named.push((name, tool));
        }
        match score(&about, &question) {
            0 => {}
            words => described.push((words, tool)),
        }
    }
    let mut found = if named.is_empty() { described } else { named };
    // Stable, so that the first of equals is the one the caller listed first.
    found.sort_by_key(|(words, _)| std::cmp::Reverse(*words));
    found.into_iter().take(if several { CALLS_MAX } else { 1 }).map(|(_, t)| t).collect()
}

fn score(words: &str, question: &str) -> usize {
    words
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| w.chars().count() >= WORD_CHARS_MIN || !w.is_ascii() && w.chars().count() > 1)
        .filter(|w| question.contains(w) || korean(w).is_some_and(|k| question.contains(k)))
        .count()
}

/// Korean questions meet tools with English names.
fn korean(word: &str) -> Option<&'static str> {
    const WORDS: [(&str, &str); 8] = [
        ("weather", "날씨"),
        ("temperature", "기온"),
        ("time", "시간"),
        ("search", "검색"),
        ("calculate", "계산"),
        ("calculator", "계산"),
        ("translate", "번역"),
        ("news", "뉴스"),
    ];
    WORDS.iter().find(|(english, _)| *english == word).map(|(_, korean)| *korean)
}

fn joins(question: &str) -> bool {
    [" and ", ", ", "과 ", "와 ", " 및 ", "하고 "].iter().any(|w| question.contains(w))
}

/// One call a place, when the tool takes one place and the question joins several.
fn may_repeat(request: &Request, question: &str, tool: &Tool) -> bool {
    let schema = schema_of(tool);
    let one_place = schema.get("properties").and_then(Value::as_object).is_some_and(|p| {
        let places = p.keys().filter(|k| {
            let k = k.to_lowercase();
            ["city", "location", "place", "town", "country"].iter().any(|w| k.contains(w))
        });
        places.count() == 1
    });
    one_place && joins(&question.to_lowercase()) && request.parallel_tools != Some(false)
}

fn call(tool: &Tool, question: &str, hints: &Hints, dialect: DialectId, n: usize) -> ToolCall {
    let custom = matches!(tool.kind, ToolKind::Custom);
    let arguments = if custom {
        question.trim().to_owned()
    } else {
        instance(&schema_of(tool), hints).to_string()
    };
    let seed = hash::hash(format!("{question}\0{}\0{n}\0{arguments}", tool.name).as_bytes());
    let id = match dialect {
        DialectId::Anthropic => hash::id("toolu_01", seed, 22),
        DialectId::Cohere | DialectId::CohereV1 => {
            hash::id(&format!("{}_", tool.name), seed, 12).to_lowercase()
        }
        _ => hash::id("call_", seed, 24),
    };
    ToolCall { id: id.into(), name: tool.name.clone(), arguments: arguments.into(), custom }
}

fn schema_of(tool: &Tool) -> Value {
    match &tool.kind {
        ToolKind::Function { schema: Some(schema), .. } => {
            serde_json::from_str(schema.get()).unwrap_or_else(|_| json!({"type": "object"}))
        }
        _ => json!({"type": "object"}),
    }
}
