//! What a call used, in Cohere's words.

use llm_core::answer::UsageReport;
use llm_core::usage::Usage;

use super::wire::ID;
use crate::json::{Field, JsonKind, Object, ObjectWriter};

/// Cohere's counts. `tokens` is what the model read and wrote: tokens of pictures stand beside the
/// input, cached ones inside it, reasoning inside the output. `billed_units` is what is paid for,
/// leaves out the provider's own prompt, and counts only where `tokens` is missing. `None` when
/// there is no count at all.
pub(super) fn report(field: Field<'_>) -> Option<UsageReport> {
    let o = field.object().ok()?;
    let inner = |name: &str| o.see(name).and_then(|f| f.object().ok()).filter(|i| any(i));
    let (tokens, billed) = (inner("tokens"), inner("billed_units"));
    let counted = tokens.as_ref().or(billed.as_ref())?;
    let images = tokens.as_ref().and_then(|t| count(t, "image_tokens")).unwrap_or_default();
    let input = count(counted, "input_tokens");
    let output = count(counted, "output_tokens");
    let read = input.unwrap_or_default().saturating_add(images);
    let written = output.unwrap_or_default();
    let cached = count(&o, "cached_tokens").unwrap_or_default().min(read);
    let reasoning = count(counted, "reasoning_tokens").unwrap_or_default().min(written);
    let mut usage = Usage {
        input: read - cached,
        cache_read: cached,
        output: written - reasoning,
        reasoning,
        ..Usage::default()
    };
    usage.unknown.input = input.is_none();
    usage.unknown.output = output.is_none();
    if let Some(units) = billed.as_ref().and_then(|b| count(b, "search_units")) {
        usage.calls = u32::try_from(units).unwrap_or(u32::MAX);
    }
    Some(UsageReport { usage, extra: o.rest(ID) })
}

/// The counts of vectors and rankings, and of v1's answers, which stand in `meta`: only billed
/// units there, as a rule.
pub(super) fn of_meta(o: &mut Object<'_>) -> Option<UsageReport> {
    let field = o.see("meta").filter(|f| f.kind() == JsonKind::Object)?;
    let report = report(field)?;
    o.take_if("meta", JsonKind::Object)?;
    Some(report)
}

fn any(o: &Object<'_>) -> bool {
    o.names().next().is_some()
}

fn count(o: &Object<'_>, name: &str) -> Option<u64> {
    o.see(name).and_then(|f| f.u64().ok())
}

/// Writes the counts of a conversation's turn.
pub(super) fn write(o: &mut ObjectWriter<'_>, report: &UsageReport) {
    if report.extra.origin() == Some(ID) {
        o.extra(&report.extra, ID);
        return;
    }
    let usage = &report.usage;
    let (input, output) = (usage.input_total(), usage.output_total());
    for name in ["billed_units", "tokens"] {
        let mut inner = o.object(name);
        inner.opt_u64("input_tokens", input).opt_u64("output_tokens", output);
        if name == "tokens" && usage.reasoning > 0 {
            inner.u64("reasoning_tokens", usage.reasoning);
        }
    }
    o.u64("cached_tokens", usage.cache_read);
}

/// Writes `meta` of vectors and rankings.
pub(super) fn write_meta(o: &mut ObjectWriter<'_>, report: Option<&UsageReport>) {
    let Some(report) = report else { return };
    let mut meta = o.object("meta");
    if report.extra.origin() == Some(ID) {
        meta.extra(&report.extra, ID);
        return;
    }
    meta.object("api_version").str("version", "2");
    let mut billed = meta.object("billed_units");
    let searches = report.usage.calls;
    if searches > 0 {
        billed.u64("search_units", u64::from(searches));
    } else {
        billed.opt_u64("input_tokens", report.usage.input_total());
    }
}
