//! `llm-proxy ledger verify`: whether what is stored of money adds up.
//!
//! It reads the store alone and asks no proxy that runs beside it: what that has leased is open
//! here until it is carried to the store.

use std::process::ExitCode;

use llm_store::verify::{self, Report};

use super::{Done, EXIT_BAD, opened, say, stored};
use crate::config::resolve::Asked;
use crate::verified::Verified;

/// Recomputes every balance from its entries.
pub(crate) async fn verify(asked: Asked) -> Done {
    let database = opened(&stored(&asked)?).await?;
    let report = verify::verify(&database).await.map_err(|error| error.to_string())?;
    say(&written(&report)?)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD) })
}

/// A report as JSON.
pub(super) fn written(report: &Report) -> Result<String, String> {
    serde_json::to_string(&Verified::of(report)).map_err(|error| error.to_string())
}
