//! What was used.
//!
//! Google's convention: the prompt holds what came from the cache; what tools read stands beside
//! it; thoughts stand beside the candidates; the total is the sum of the four. A count that is
//! absent is nothing.

use llm_core::answer::UsageReport;
use llm_core::extra::{Extra, Losses};
use llm_core::usage::Usage;

use super::notation::ME;
use super::wire::{Count, Counts, Heard};
use crate::json::{Field, ObjectWriter, write};

/// The disjoint counts; `None` when nothing was counted at all.
pub(super) fn usage(counts: &Counts) -> Option<Usage> {
    let said = [counts.prompt_token_count, counts.total_token_count];
    if said.iter().all(Option::is_none) {
        return None;
    }
    let of = |count: Option<Count>| count.unwrap_or_default().0;
    let heard = |list: Option<Heard>| list.unwrap_or_default().0;
    let read = of(counts.prompt_token_count).saturating_add(of(counts.tool_use_prompt_token_count));
    let cache_read = of(counts.cached_content_token_count).min(read);
    let audio_in = heard(counts.prompt_tokens_details)
        .saturating_add(heard(counts.tool_use_prompt_tokens_details))
        .saturating_sub(heard(counts.cache_tokens_details))
        .min(read - cache_read);
    let written = of(counts.candidates_token_count.or(counts.response_token_count));
    let audio_out = heard(counts.candidates_tokens_details).min(written);
    Some(Usage {
        input: read - cache_read - audio_in,
        cache_read,
        output: written - audio_out,
        reasoning: of(counts.thoughts_token_count),
        audio_in,
        audio_out,
        ..Usage::default()
    })
}

/// The report of a `usageMetadata`; `None` when it counts nothing, or in a way that nobody knows.
pub(super) fn report(field: Field<'_>) -> Option<UsageReport> {
    let usage = usage(&field.parse().ok()?)?;
    Some(UsageReport { usage, extra: field.object().ok()?.rest(ME) })
}

/// Writes `usageMetadata`: the provider's own object where it still says the same.
pub(super) fn write(o: &mut ObjectWriter<'_>, report: &UsageReport, losses: &mut Losses) {
    let mut out = o.object("usageMetadata");
    if own(&report.extra).is_some_and(|u| u == report.usage) {
        out.extra(&report.extra, ME);
        return;
    }
    let u = &report.usage;
    if u.cache_write_total() > 0 {
        losses.dropped("usage.cache_write");
    }
    let known = |n: Option<u64>| n.unwrap_or(0);
    let (read, written) = (u.input_total(), u.output_total());
    out.opt_u64("promptTokenCount", read);
    if u.cache_read > 0 {
        out.u64("cachedContentTokenCount", u.cache_read);
    }
    if !u.unknown.output {
        out.u64("candidatesTokenCount", u.output.saturating_add(u.audio_out));
    }
    if u.reasoning > 0 {
        out.u64("thoughtsTokenCount", u.reasoning);
    }
    out.u64("totalTokenCount", known(read).saturating_add(known(written)));
    details(&mut out, "promptTokensDetails", known(read), u.audio_in);
    details(&mut out, "candidatesTokensDetails", u.output.saturating_add(u.audio_out), u.audio_out);
    drop(out);
    report.extra.lose(ME, "usage", losses);
}

/// Counts by modality, only where there is more than one.
fn details(o: &mut ObjectWriter<'_>, name: &'static str, all: u64, audio: u64) {
    if audio == 0 {
        return;
    }
    let mut list = o.array(name);
    let text = all.saturating_sub(audio);
    for (modality, count) in [("TEXT", text), ("AUDIO", audio)] {
        if count > 0 {
            list.object().str("modality", modality).u64("tokenCount", count);
        }
    }
}

/// What the provider's own object counts.
fn own(extra: &Extra) -> Option<Usage> {
    if extra.origin() != Some(ME) {
        return None;
    }
    let object = write::object(|o| {
        o.extra(extra, ME);
    });
    usage(&serde_json::from_slice(&object).ok()?)
}
