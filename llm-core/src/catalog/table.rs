//! Reads the table: a line for a model, words on a line.

use super::{Catalog, ModelEntry, ModelKind};
use crate::capability::Capability;
use crate::money::{Listed, Price};

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// Counted from one.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

pub(super) fn read(text: &str) -> (Catalog, Vec<BadLine>) {
    let (mut catalog, mut bad) = (Catalog::default(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let read = match text.strip_prefix("as-of ") {
            Some(date) => date.parse().map(|d| catalog.as_of = Some(d)).map_err(|e| e.to_string()),
            None => entry(text).and_then(|entry| match catalog.insert(entry) {
                Some(twice) => Err(format!("{} stands twice", twice.model)),
                None => Ok(()),
            }),
        };
        if let Err(why) = read {
            bad.push(BadLine { line, why });
        }
    }
    (catalog, bad)
}

fn entry(line: &str) -> Result<ModelEntry, String> {
    let mut words = line.split_ascii_whitespace();
    let mut next = |what| words.next().ok_or_else(|| format!("no {what}"));
    let (provider, model, kind) = (next("provider")?, next("model")?, next("kind")?);
    let kind = ModelKind::parse(kind).ok_or_else(|| format!("no kind of model: {kind}"))?;
    let mut entry = ModelEntry::new(provider.to_owned(), model.to_owned(), kind);
    entry.capability = NOTHING;
    let (mut listed, mut free) = (Listed::default(), false);
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse().map_err(|e| format!("{word}: {e}"));
        match name {
            "window" => entry.capability.context_tokens_max = number()?,
            "out" => entry.capability.output_tokens_max = number()?,
            "retires" => entry.retires = Some(value.parse().map_err(|e| format!("{word}: {e}"))?),
            "takes" => {
                for ability in value.split(',') {
                    *flag(&mut entry.capability, ability)
                        .ok_or_else(|| format!("no ability: {ability}"))? = true;
                }
            }
            "free" => free = true,
            _ => listed.set(name, value).map_err(|e| format!("{word}: {e}"))?,
        }
    }
    entry.price = match (free, listed.is_empty()) {
        (true, true) => Some(Price::FREE),
        (false, true) => None,
        (false, false) => Some(listed.price()),
        (true, false) => return Err(String::from("free, and a price")),
    };
    // A zero that nobody declared is how a wrong table gives models away.
    if !free && entry.price.as_ref().is_some_and(Price::is_free) {
        return Err(String::from("a price of zero that is not declared free"));
    }
    Ok(entry)
}

/// Takes nothing: the table names what a model takes.
const NOTHING: Capability = Capability {
    context_tokens_max: 0,
    output_tokens_max: 0,
    tools: false,
    tool_choice: false,
    parallel_tools: false,
    json: false,
    json_schema: false,
    image_in: false,
    audio_in: false,
    file_in: false,
    video_in: false,
    audio_out: false,
    reasoning: false,
    sampling: false,
    max_completion_tokens: false,
    developer_role: false,
    stream_options: false,
    logprobs: false,
    candidates: false,
};

fn flag<'a>(capability: &'a mut Capability, name: &str) -> Option<&'a mut bool> {
    Some(match name {
        "tools" => &mut capability.tools,
        "tool_choice" => &mut capability.tool_choice,
        "parallel_tools" => &mut capability.parallel_tools,
        "json" => &mut capability.json,
        "json_schema" => &mut capability.json_schema,
        "image_in" => &mut capability.image_in,
        "audio_in" => &mut capability.audio_in,
        "file_in" => &mut capability.file_in,
        "video_in" => &mut capability.video_in,
        "audio_out" => &mut capability.audio_out,
        "reasoning" => &mut capability.reasoning,
        "sampling" => &mut capability.sampling,
        "max_completion_tokens" => &mut capability.max_completion_tokens,
        "developer_role" => &mut capability.developer_role,
        "stream_options" => &mut capability.stream_options,
        "logprobs" => &mut capability.logprobs,
        "candidates" => &mut capability.candidates,
        _ => return None,
    })
}
