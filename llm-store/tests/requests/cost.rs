//! What a record costs. The figures are printed and bind nobody: machines do other things too.

use std::time::Duration;

use llm_core::store::CallLog;
use llm_store::requests::BATCH_MAX;

use crate::calls::{NOVEMBER, call};
use crate::places;

const BATCHES: u128 = if cfg!(debug_assertions) { 40 } else { 400 };

/// Processor time of this process, all threads.
fn spent() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

#[tokio::test]
async fn of_a_record_in_a_file() {
    let (place, _) = places::sqlite().await;
    let log = place.log();
    let batch = |n: u128| -> Vec<_> {
        let numbers = n * BATCH_MAX as u128..(n + 1) * BATCH_MAX as u128;
        numbers.map(|n| call(n, NOVEMBER + n as i64 * 1_000, (n * 7 % 9_973) as u64)).collect()
    };
    log.append(&batch(0)).await.unwrap();
    let batches: Vec<_> = (1..=BATCHES).map(batch).collect();
    let (before, began) = (spent(), tokio::time::Instant::now());
    for batch in &batches {
        log.append(batch).await.unwrap();
    }
    let records = u32::try_from(BATCHES).unwrap() * BATCH_MAX as u32;
    let (used, took) = ((spent() - before) / records, began.elapsed() / records);
    println!("a record: {used:?} of the processor, {took:?} in all");
}
