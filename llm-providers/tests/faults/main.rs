//! The fault matrix: each way an upstream can go wrong × each dialect a caller can speak × each
//! provider × streamed and whole. Every cell ends in an answer that is right in the caller's
//! dialect, or in one typed error of that dialect, within its deadline, with nothing left held.

#[path = "../pipeline/world.rs"]
#[expect(dead_code, reason = "the other tests of the pipeline use the rest")]
#[cfg(test)]
mod world;

#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod cell;

use llm_core::dialect::DialectId;
use llm_sim::testkit::client::Client;
use llm_sim::upstream::Vendor;

use catalogue::FAULTS;
use cell::{Cell, Ended, Expected};

/// One fault against all callers, providers and forms.
async fn row(fault: &catalogue::Fault) -> (usize, Vec<String>) {
    let (mut cells, mut wrong) = (0, Vec::new());
    for vendor in Vendor::ALL {
        for dialect in Client::DIALECTS {
            for stream in [false, true] {
                let cell = Cell { fault, vendor, dialect, stream };
                let Some(expected) = fault.expected(stream) else { continue };
                cells += 1;
                if let Err(why) = cell.check(expected).await {
                    wrong.push(format!("{} {vendor} {dialect} stream={stream}: {why}", fault.name));
                }
            }
        }
    }
    (cells, wrong)
}

#[tokio::test(start_paused = true)]
async fn every_fault_ends_as_it_should_for_everyone() {
    let (mut cells, mut wrong) = (0, Vec::new());
    for fault in FAULTS {
        let (n, bad) = row(fault).await;
        cells += n;
        wrong.extend(bad);
    }
    println!("{cells} cells");
    assert!(wrong.is_empty(), "{} of {cells}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn without_a_fault_everyone_is_answered() {
    let well = catalogue::Fault {
        name: "none",
        rule: "{}",
        whole: Some(Expected::Answer),
        stream: Some(Expected::Answer),
    };
    let (cells, wrong) = row(&well).await;
    assert_eq!(cells, 60);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The words of the test, so that a fault's outcome can be told from another's.
#[tokio::test(start_paused = true)]
async fn the_judge_can_fail() {
    let well = catalogue::Fault { name: "none", rule: "{}", whole: None, stream: None };
    let cell =
        Cell { fault: &well, vendor: Vendor::OpenAi, dialect: DialectId::Anthropic, stream: true };
    assert_eq!(cell.run().await.unwrap().ended, Ended::Answer);
    assert!(cell.check(Expected::Error).await.is_err());
}
