//! Usage, both ways.

use llm_core::answer::UsageReport;
use llm_core::usage::{Unknown, Usage};

use super::notation::{ME, own, write_plain};
use crate::json::{Field, JsonKind, Object, ObjectWriter};

/// Reads OpenAI's counts, where cached tokens are part of the input and reasoning is part of the
/// output, into disjoint ones. Where a host leaves reasoning out of the output (xAI: the total
/// says so), it is not taken out again.
pub(super) fn disjoint(counts: Counts) -> Usage {
    let Counts { input, cached, written, output, reasoning, total } = counts;
    let (read, wrote) = (input.unwrap_or(0), output.unwrap_or(0));
    let beside =
        reasoning > 0 && total == Some(read.saturating_add(wrote).saturating_add(reasoning));
    // A host that counts cached tokens beside the input would make the rest negative.
    let cached = cached.min(read);
    let written = written.min(read - cached);
    let reasoning_inside = if beside { 0 } else { reasoning.min(wrote) };
    Usage {
        input: read - cached - written,
        cache_read: cached,
        cache_write: written,
        output: wrote - reasoning_inside,
        reasoning: if beside { reasoning } else { reasoning_inside },
        unknown: Unknown { input: input.is_none(), output: output.is_none() },
        ..Usage::default()
    }
}

/// The counts as OpenAI says them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// `input_tokens`
    pub(super) input: Option<u64>,
    /// `input_tokens_details.cached_tokens`
    pub(super) cached: u64,
    /// `input_tokens_details.cache_write_tokens`
    pub(super) written: u64,
    /// `output_tokens`
    pub(super) output: Option<u64>,
    /// `output_tokens_details.reasoning_tokens`
    pub(super) reasoning: u64,
    /// `total_tokens`
    pub(super) total: Option<u64>,
}

/// Reads a usage object; `None` when it has no counts.
pub(super) fn read(field: Field<'_>) -> Option<UsageReport> {
    let o = field.object().ok()?;
    let number = |o: &Object<'_>, name| {
        o.see(name).filter(|f| f.kind() == JsonKind::Number).and_then(|f| f.u64().ok())
    };
    let inside = |outer, name| {
        let details = o.see(outer).filter(|f| f.kind() == JsonKind::Object)?;
        number(&details.object().ok()?, name)
    };
    let counts = Counts {
        input: number(&o, "input_tokens"),
        cached: inside("input_tokens_details", "cached_tokens").unwrap_or(0),
        written: inside("input_tokens_details", "cache_write_tokens").unwrap_or(0),
        output: number(&o, "output_tokens"),
        reasoning: inside("output_tokens_details", "reasoning_tokens").unwrap_or(0),
        total: number(&o, "total_tokens"),
    };
    if counts.input.is_none() && counts.output.is_none() {
        return None;
    }
    Some(UsageReport { usage: disjoint(counts), extra: o.rest(ME) })
}

/// Writes the members of a usage object. Official clients require each of these counts.
pub(super) fn write(report: &UsageReport, o: &mut ObjectWriter<'_>) {
    if own(&report.extra) && !report.extra.is_empty() {
        write_plain(&report.extra, &[], o);
        return;
    }
    let usage = &report.usage;
    let input = usage.input_total().unwrap_or(0);
    let output = usage.output_total().unwrap_or(0);
    o.u64("input_tokens", input);
    o.object("input_tokens_details")
        .u64("cached_tokens", usage.cache_read)
        .u64("cache_write_tokens", usage.cache_write_total());
    o.u64("output_tokens", output);
    o.object("output_tokens_details").u64("reasoning_tokens", usage.reasoning);
    o.u64("total_tokens", input.saturating_add(output));
}
