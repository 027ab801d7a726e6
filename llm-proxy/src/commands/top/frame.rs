//! Two looks as lines.

use std::collections::BTreeMap;

use super::look::Look;
use super::page::{Page, Sample};

/// Lines of one list: a terminal has few.
const ROWS_MAX: usize = 10;
const MODEL: &str = "gen_ai_request_model";
const PROVIDER: &str = "gen_ai_provider_name";
const KIND: &str = "gen_ai_token_type";
const NANOS: f64 = 1e9;

/// What lies between two looks, for people.
pub(super) fn lines(base: &str, before: &Look, now: &Look) -> Vec<String> {
    let seconds = now.at.saturating_duration_since(before.at).as_secs_f64().max(1e-3);
    let gained = |name: &str, fits: &dyn Fn(&Sample) -> bool| {
        (now.page.sum(name, fits) - before.page.sum(name, fits)).max(0.0)
    };
    let calls = gained("gw_calls_total", &|_| true);
    let failed = gained("gw_calls_total", &|s| !matches!(s.label("outcome"), "done" | "left"));
    let tokens = |out: bool| {
        let is_out = |s: &Sample| matches!(s.label(KIND), "output" | "reasoning" | "audio_out");
        gained("gen_ai_client_token_usage", &|s| is_out(s) == out) / seconds
    };
    let page = &now.page;
    let mut lines = vec![
        format!("{base}  {}  version {}", now.standing, version(page)),
        format!(
            "calls {:.1}/s  failed {:.1}/s  open {:.0}  waiting for the store {:.0}",
            calls / seconds,
            failed / seconds,
            page.total("gw_calls_in_flight"),
            page.total("gw_ledger_unfolded"),
        ),
        format!(
            "tokens in {:.0}/s  out {:.0}/s  first token {}  whole answer {}",
            tokens(false),
            tokens(true),
            mean(before, now, "gen_ai_server_time_to_first_token"),
            mean(before, now, "gen_ai_server_request_duration"),
        ),
        format!(
            "processor {:.0}%  memory {:.0} MiB  files {:.0}  journal {:.1} MiB",
            gained("process_cpu_seconds_total", &|_| true) / seconds * 100.0,
            page.total("process_resident_memory_bytes") / f64::from(1 << 20),
            page.total("process_open_fds"),
            page.total("gw_journal_bytes") / f64::from(1 << 20),
        ),
        String::new(),
    ];
    lines.extend(models(before, now, seconds));
    lines.extend(targets(before, now, seconds));
    lines.extend(spend(now));
    lines
}

fn version(page: &Page) -> &str {
    page.of("gw_build_info").next().map_or("?", |sample| sample.label("version"))
}

/// The mean of what was counted in between.
fn mean(before: &Look, now: &Look, name: &str) -> String {
    let gained = |what: &str| {
        let name = format!("{name}_{what}");
        now.page.total(&name) - before.page.total(&name)
    };
    let (sum, count) = (gained("sum"), gained("count"));
    if count > 0.0 { format!("{:.0} ms", sum / count * 1e3) } else { "-".to_owned() }
}

/// Values by a name, the largest first.
fn ranked(rows: BTreeMap<String, [f64; 3]>) -> Vec<(String, [f64; 3])> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|(a, x), (b, y)| y[0].total_cmp(&x[0]).then(y[1].total_cmp(&x[1])).then(a.cmp(b)));
    rows
}

/// What is left out of a list.
fn others(all: usize) -> Option<String> {
    (all > ROWS_MAX).then(|| format!("  … and {} others", all - ROWS_MAX))
}

fn models(before: &Look, now: &Look, seconds: f64) -> Vec<String> {
    let mut rows: BTreeMap<String, [f64; 3]> = BTreeMap::new();
    for sample in now.page.of("gw_calls_total") {
        let row = rows.entry(sample.label(MODEL).to_owned()).or_default();
        let same = |s: &Sample| s.labels == sample.labels;
        let gained = sample.value - before.page.sum("gw_calls_total", same);
        row[0] += gained.max(0.0) / seconds;
        if !matches!(sample.label("outcome"), "done" | "left") {
            row[2] += gained.max(0.0) / seconds;
        }
    }
    for sample in now.page.of("gw_calls_in_flight") {
        rows.entry(sample.label(MODEL).to_owned()).or_default()[1] += sample.value;
    }
    let rows = ranked(rows);
    let mut lines =
        vec![format!("{:<44} {:>9} {:>7} {:>9}", "model", "calls/s", "open", "failed/s")];
    lines.extend(rows.iter().take(ROWS_MAX).map(|(name, [calls, open, failed])| {
        let name = if name.is_empty() { "(none of ours)" } else { name };
        format!("{:<44} {calls:>9.1} {open:>7.0} {failed:>9.1}", short(name))
    }));
    lines.extend(others(rows.len()));
    lines.push(String::new());
    lines
}

fn targets(before: &Look, now: &Look, seconds: f64) -> Vec<String> {
    let mut rows: BTreeMap<String, [f64; 3]> = BTreeMap::new();
    for sample in now.page.of("gw_breaker_state") {
        rows.entry(sample.label("deployment").to_owned()).or_default()[1] = sample.value;
    }
    for sample in now.page.of("gw_attempts_total") {
        let name = format!("{}/{}", sample.label(PROVIDER), sample.label(MODEL));
        let same = |s: &Sample| s.labels == sample.labels;
        let gained = (sample.value - before.page.sum("gw_attempts_total", same)).max(0.0) / seconds;
        let row = rows.entry(name).or_default();
        row[0] += gained;
        if !sample.label("error_type").is_empty() {
            row[2] += gained;
        }
    }
    let rows = ranked(rows);
    let mut lines =
        vec![format!("{:<44} {:>9} {:>7} {:>9}", "target", "tries/s", "breaker", "failed/s")];
    lines.extend(rows.iter().take(ROWS_MAX).map(|(name, [tries, breaker, failed])| {
        let breaker = match *breaker {
            state if state >= 2.0 => "OPEN",
            state if state >= 1.0 => "probing",
            _ => "closed",
        };
        format!("{:<44} {tries:>9.1} {breaker:>7} {failed:>9.1}", short(name))
    }));
    lines.extend(others(rows.len()));
    lines.push(String::new());
    lines
}

fn spend(now: &Look) -> Vec<String> {
    let rows = match &now.spend {
        Ok(rows) => rows,
        Err(why) => return vec![format!("spend today: {why}")],
    };
    let total: i64 = rows.iter().map(|row| row.spend_nanos).sum();
    let mut lines = vec![
        format!("spend today ${:.6}", total as f64 / NANOS),
        format!("{:<44} {:>9} {:>7} {:>9}", "key", "calls", "failed", "USD"),
    ];
    lines.extend(rows.iter().take(ROWS_MAX).map(|row| {
        let usd = row.spend_nanos as f64 / NANOS;
        format!("{:<44} {:>9} {:>7} {usd:>9.4}", short(&row.key), row.calls, row.errors)
    }));
    lines.extend(others(rows.len()));
    lines
}

/// As much of a name as a column has, and nothing that a terminal would obey.
fn short(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(44).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::look::Spender;
    use super::*;

    fn look(at: Instant, text: &str) -> Look {
        let spender = Spender {
            key: "app\x1b[2J".to_owned(),
            calls: 3,
            errors: 1,
            spend_nanos: 1_500_000_000,
        };
        let spend = Ok(vec![spender]);
        Look { at, page: Page::read(text), standing: "ready".to_owned(), spend }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "two moments, whichever they are")]
    fn rates_are_what_lies_between_two_looks() {
        let began = Instant::now();
        let page = |calls: u32| {
            format!(
                "gw_calls_total{{gen_ai_request_model=\"m\",outcome=\"done\"}} {calls}\n\
                 gw_calls_in_flight{{gen_ai_request_model=\"m\"}} 2\n\
                 gw_breaker_state{{deployment=\"p/m\"}} 2\n"
            )
        };
        let (before, now) =
            (look(began, &page(10)), look(began + Duration::from_secs(2), &page(30)));
        let text = lines("http://x", &before, &now).join("\n");
        assert!(text.contains("calls 10.0/s"), "{text}");
        assert!(text.contains("open 2 "), "{text}");
        assert!(text.contains("OPEN"), "{text}");
        assert!(text.contains("spend today $1.500000"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }
}
