//! What was used, in OpenAI's convention and those of its imitators.
//!
//! `prompt_tokens` includes what was read from a cache, `completion_tokens` includes reasoning.
//! Two hosts differ: DeepSeek counts cache hits beside the details, and xAI leaves reasoning out of
//! `completion_tokens`, which only the total gives away.

use llm_core::answer::UsageReport;
use llm_core::extra::Extra;
use llm_core::raw::Raw;
use llm_core::usage::{Unknown, Usage};

use super::notation::ME;
use crate::json::scan::{Broken, Scan};
use crate::json::{Field, Object, ObjectWriter};

/// Reads a `usage` object; `None` when it counts nothing.
pub(crate) fn read(field: Field<'_>) -> Option<UsageReport> {
    let object = field.object().ok()?;
    let usage = counts(&object)?;
    Some(UsageReport { usage, extra: object.rest(ME) })
}

fn counts(o: &Object<'_>) -> Option<Usage> {
    let within = |names: &[&str]| names.iter().find_map(|name| o.see(name)?.object().ok());
    let details = |o: Object<'_>| Details {
        cached_tokens: number(&o, "cached_tokens"),
        cache_write_tokens: number(&o, "cache_write_tokens"),
        audio_tokens: number(&o, "audio_tokens"),
        reasoning_tokens: number(&o, "reasoning_tokens"),
    };
    let said = Said {
        // Embeddings and transcripts of the newer kind say `input_tokens`.
        prompt_tokens: number(o, "prompt_tokens").or_else(|| number(o, "input_tokens")),
        completion_tokens: number(o, "completion_tokens").or_else(|| number(o, "output_tokens")),
        total_tokens: number(o, "total_tokens"),
        prompt_cache_hit_tokens: number(o, "prompt_cache_hit_tokens"),
        cached_tokens: number(o, "cached_tokens"),
        prompt_tokens_details: within(&[
            "prompt_tokens_details",
            "input_tokens_details",
            "input_token_details",
        ])
        .map(details),
        completion_tokens_details: within(&["completion_tokens_details", "output_tokens_details"])
            .map(details),
    };
    said.usage()
}

/// The members that count, of an object that may say more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_cache_hit_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
    completion_tokens_details: Option<Details>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Details {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

/// A count that comes next, where it is one and the first of its name.
fn count(scan: &mut Scan<'_>, place: &mut Option<u64>) -> Result<(), Broken> {
    match scan.count()? {
        Some(count) if place.replace(count).is_some() => Err(Broken::Syntax),
        Some(_) | None => Ok(()),
    }
}

impl Details {
    /// Here and below names are compared as a whole: patterns of bytes go through them one by one.
    fn scan(scan: &mut Scan<'_>, place: &mut Option<Self>) -> Result<(), Broken> {
        if scan.next_byte() == Some(b'n') {
            return scan.skip(&mut ());
        }
        let (mut details, mut members) = (Self::default(), scan.object()?);
        while let Some(name) = members.next(scan)? {
            let place = match name.raw {
                _ if name.escaped => return Err(Broken::Syntax),
                raw if raw == b"cached_tokens" => &mut details.cached_tokens,
                raw if raw == b"audio_tokens" => &mut details.audio_tokens,
                raw if raw == b"reasoning_tokens" => &mut details.reasoning_tokens,
                raw if raw == b"cache_write_tokens" => &mut details.cache_write_tokens,
                _ => {
                    scan.skip(&mut ())?;
                    continue;
                }
            };
            count(scan, place)?;
        }
        if place.replace(details).is_some() { Err(Broken::Syntax) } else { Ok(()) }
    }
}

impl Said {
    /// Those of an object as it passes. What is not of its type, or stands twice, breaks the scan,
    /// and is then read member by member: this is the way of nearly every answer, and costs a tenth.
    pub(super) fn scan(scan: &mut Scan<'_>) -> Result<Self, Broken> {
        let (mut said, mut members) = (Self::default(), scan.object()?);
        while let Some(name) = members.next(scan)? {
            let place = match name.raw {
                _ if name.escaped => return Err(Broken::Syntax),
                raw if raw == b"total_tokens" => &mut said.total_tokens,
                raw if raw == b"prompt_tokens" || raw == b"input_tokens" => &mut said.prompt_tokens,
                raw if raw == b"cached_tokens" => &mut said.cached_tokens,
                raw if raw == b"completion_tokens" || raw == b"output_tokens" => {
                    &mut said.completion_tokens
                }
                raw if raw == b"prompt_cache_hit_tokens" => &mut said.prompt_cache_hit_tokens,
                raw if raw == b"prompt_tokens_details"
                    || raw == b"input_tokens_details"
                    || raw == b"input_token_details" =>
                {
                    Details::scan(scan, &mut said.prompt_tokens_details)?;
                    continue;
                }
                raw if raw == b"completion_tokens_details" || raw == b"output_tokens_details" => {
                    Details::scan(scan, &mut said.completion_tokens_details)?;
                    continue;
                }
                _ => {
                    scan.skip(&mut ())?;
                    continue;
                }
            };
            count(scan, place)?;
        }
        Ok(said)
    }

    /// The one conversion of this dialect; `None` when nothing is counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        let (prompt, completion) = (self.prompt_tokens, self.completion_tokens);
        if prompt.is_none() && completion.is_none() {
            return None;
        }
        let read = self.prompt_tokens_details.unwrap_or_default();
        let written = self.completion_tokens_details.unwrap_or_default();
        // DeepSeek; Moonshot.
        let cached = read.cached_tokens.or(self.prompt_cache_hit_tokens).or(self.cached_tokens);
        let reasoning = written.reasoning_tokens.unwrap_or(0);
        let total = self.total_tokens;
        let completion = completion.map(|n| {
            let beside = total.is_some() && total == sum(&[prompt, Some(n), Some(reasoning)]);
            if reasoning > 0 && beside { n.saturating_add(reasoning) } else { n }
        });
        // Each share is taken out of what is left, so that the shares always add up to the total.
        let mut input = prompt.unwrap_or(0);
        let cache_read = share(&mut input, cached);
        let cache_write = share(&mut input, read.cache_write_tokens);
        let audio_in = share(&mut input, read.audio_tokens);
        let mut output = completion.unwrap_or(0);
        let reasoning = share(&mut output, Some(reasoning));
        let audio_out = share(&mut output, written.audio_tokens);
        Some(Usage {
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            audio_in,
            audio_out,
            unknown: Unknown { input: prompt.is_none(), output: completion.is_none() },
            ..Usage::default()
        })
    }
}

fn sum(counts: &[Option<u64>]) -> Option<u64> {
    counts.iter().try_fold(0u64, |all, n| all.checked_add((*n)?))
}

fn share(whole: &mut u64, part: Option<u64>) -> u64 {
    let part = part.unwrap_or(0).min(*whole);
    *whole -= part;
    part
}

fn number(o: &Object<'_>, name: &str) -> Option<u64> {
    o.see(name)?.u64().ok()
}

/// Writes the members of a `usage` object of a completion.
pub(crate) fn write(o: &mut ObjectWriter<'_>, report: &UsageReport) {
    let Usage { cache_read, reasoning, audio_in, audio_out, .. } = report.usage;
    let input = report.usage.input_total().unwrap_or(0);
    let output = report.usage.output_total().unwrap_or(0);
    o.u64("prompt_tokens", input).u64("completion_tokens", output);
    o.u64("total_tokens", input.saturating_add(output));
    if restore(o, report, &["prompt_tokens", "completion_tokens", "total_tokens"]) {
        return;
    }
    let mut details = o.object("prompt_tokens_details");
    details.u64("cached_tokens", cache_read).u64("audio_tokens", audio_in);
    let written = report.usage.cache_write_total();
    details.opt_u64("cache_write_tokens", Some(written).filter(|n| *n > 0));
    drop(details);
    o.object("completion_tokens_details")
        .u64("reasoning_tokens", reasoning)
        .u64("audio_tokens", audio_out);
}

/// Writes the members of a `usage` object of an answer that writes no tokens.
pub(super) fn write_input(o: &mut ObjectWriter<'_>, report: &UsageReport) {
    if restore(o, report, &[]) {
        return;
    }
    let input = report.usage.input_total().unwrap_or(0);
    o.u64("prompt_tokens", input);
    o.u64("total_tokens", input.saturating_add(report.usage.output_total().unwrap_or(0)));
}

/// Restores the provider's own object, as long as it still says what the counts say.
fn restore(o: &mut ObjectWriter<'_>, report: &UsageReport, written: &[&str]) -> bool {
    let Some(same) = read_back(&report.extra) else { return false };
    if same != report.usage {
        return false;
    }
    super::notation::others(o, &report.extra, written);
    true
}

fn read_back(extra: &Extra) -> Option<Usage> {
    if extra.origin() != Some(ME) {
        return None;
    }
    let text = crate::json::write::object(|o| _ = o.extra(extra, ME));
    let raw = Raw::parse(llm_core::Str::try_from(text.freeze()).ok()?).ok()?;
    counts(&Object::root(raw.text()).ok()?)
}

/// Reads a `usage` object that may have nothing but a total (Jina's and Voyage's reranking).
pub(super) fn read_total(field: Field<'_>) -> Option<UsageReport> {
    read(field).or_else(|| {
        let o = field.object().ok()?;
        let input = number(&o, "total_tokens")?;
        let usage =
            Usage { input, unknown: Unknown { input: false, output: true }, ..Usage::default() };
        Some(UsageReport { usage, extra: o.rest(ME) })
    })
}

/// Writes the members of a `usage` object that may have nothing but a total.
pub(super) fn write_total(o: &mut ObjectWriter<'_>, report: &UsageReport) {
    if report.extra.origin() == Some(ME) {
        super::notation::others(o, &report.extra, &[]);
    } else {
        o.u64("total_tokens", report.usage.input_total().unwrap_or(0));
    }
}

/// Writes the members of a `usage` object of the newer spelling (images, transcripts).
pub(super) fn write_tokens(o: &mut ObjectWriter<'_>, report: &UsageReport) {
    if report.extra.origin() == Some(ME) {
        super::notation::others(o, &report.extra, &[]);
        return;
    }
    let input = report.usage.input_total().unwrap_or(0);
    let output = report.usage.output_total().unwrap_or(0);
    o.u64("input_tokens", input).u64("output_tokens", output);
    o.u64("total_tokens", input.saturating_add(output));
}
