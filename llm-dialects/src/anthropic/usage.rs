//! Token counts, both ways.
//!
//! Anthropic counts what was read from a cache and what was written to one beside `input_tokens`
//! and not inside it, and thoughts inside `output_tokens`. A stream says the counts piecemeal:
//! field by field the last value counts.

use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::extra::Extra;
use llm_core::raw::{Raw, RawNumber};
use llm_core::usage::{Unknown, Usage, UsageSource};

use super::ID;
use crate::json::{Bad, Field, ObjectWriter};

/// The counts of an answer so far, as they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(Vec<(Str, Raw)>);

impl Counts {
    /// Takes a `usage` object. A field that says nothing changes nothing.
    pub(super) fn take(&mut self, field: Field<'_>) -> Result<(), Bad> {
        if field.is_null() {
            return Ok(());
        }
        let object = field.object()?;
        for (name, value) in object.members() {
            let known = self.0.iter_mut().find(|(n, _)| n == name);
            match known {
                Some(_) if value.is_null() => {}
                Some((_, old)) => *old = value.raw(),
                None => self.0.push((object.name(name), value.raw())),
            }
        }
        Ok(())
    }

    /// What they come to; `None` when neither side was counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        usage(|name| self.0.iter().find(|(n, _)| n == name).map(|(_, raw)| raw))
    }

    /// The report of them; `None` when neither side was counted.
    pub(super) fn report(self) -> Option<UsageReport> {
        let usage = self.usage()?;
        let mut extra = Extra::new(ID);
        for (name, value) in self.0 {
            extra.push(name, value);
        }
        Some(UsageReport { usage, extra })
    }
}

/// Disjoint counts from Anthropic's; `None` when neither side was counted.
pub(super) fn usage<'a>(get: impl Fn(&str) -> Option<&'a Raw>) -> Option<Usage> {
    let count = |name| get(name).and_then(number);
    let (input, output) = (count("input_tokens"), count("output_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let split = |name| get("cache_creation").and_then(|raw| inner(raw, name));
    let (short, long) = (split("ephemeral_5m_input_tokens"), split("ephemeral_1h_input_tokens"));
    let written = count("cache_creation_input_tokens")
        .unwrap_or_else(|| short.unwrap_or(0).saturating_add(long.unwrap_or(0)));
    let long = long.unwrap_or(0).min(written);
    let thoughts = get("output_tokens_details").and_then(|raw| inner(raw, "thinking_tokens"));
    let thoughts = thoughts.unwrap_or(0).min(output.unwrap_or(0));
    // Searches are billed by the piece; fetches are not billed at all.
    let searches = get("server_tool_use").and_then(|raw| inner(raw, "web_search_requests"));
    Some(Usage {
        input: input.unwrap_or(0),
        cache_read: count("cache_read_input_tokens").unwrap_or(0),
        cache_write: written - long,
        cache_write_1h: long,
        output: output.unwrap_or(0) - thoughts,
        reasoning: thoughts,
        calls: searches.map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        unknown: Unknown { input: input.is_none(), output: output.is_none() },
        source: UsageSource::Reported,
        ..Usage::default()
    })
}

fn number(raw: &Raw) -> Option<u64> {
    RawNumber::whole(raw.get())
}

fn inner(raw: &Raw, name: &str) -> Option<u64> {
    let object = Field::root(raw.text()).ok()?.object().ok()?;
    object.see(name)?.u64().ok()
}

/// Which counts are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In an answer that is whole, or has just begun: both sides must stand.
    Message,
    /// At the end of a stream, where an unknown input may be left out.
    Delta,
}

/// Writes the members of a `usage` object.
pub(super) fn write(o: &mut ObjectWriter<'_>, report: Option<&UsageReport>, place: Place) {
    let Some(report) = report else {
        if place == Place::Message {
            o.u64("input_tokens", 0);
        }
        o.u64("output_tokens", 0);
        return;
    };
    if report.extra.origin() == Some(ID) {
        for name in ["input_tokens", "output_tokens"] {
            let needed = place == Place::Message || name == "output_tokens";
            if needed && report.extra.get(name).is_none() {
                o.u64(name, 0);
            }
        }
        o.extra(&report.extra, ID);
        return;
    }
    let u = &report.usage;
    let output = u.output.saturating_add(u.reasoning).saturating_add(u.audio_out);
    if place == Place::Message || !u.unknown.input {
        // Audio has no count of its own here.
        o.u64("input_tokens", u.input.saturating_add(u.audio_in));
        o.u64("cache_creation_input_tokens", u.cache_write_total());
        o.u64("cache_read_input_tokens", u.cache_read);
        if u.cache_write_1h > 0 {
            let mut split = o.object("cache_creation");
            split.u64("ephemeral_5m_input_tokens", u.cache_write);
            split.u64("ephemeral_1h_input_tokens", u.cache_write_1h);
        }
    }
    o.u64("output_tokens", output);
    if u.reasoning > 0 {
        o.object("output_tokens_details").u64("thinking_tokens", u.reasoning);
    }
}
