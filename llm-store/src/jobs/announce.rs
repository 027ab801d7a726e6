//! Telling others that a job has ended, within the transaction in which it does: nobody hears of an
//! end that was not written, and no end is written that nobody hears of.

use llm_core::Str;
use serde::Serialize;

use super::event::What;
use super::job::State;
use super::life::News;
use super::rows::{Row, at};
use crate::sql::database::Session;
use crate::sql::fault::Failure;
use crate::webhooks::{Event, Outbox};

/// A job is done, and its artefacts are there.
pub const JOB_COMPLETED: &str = "job.completed";
/// A job will not be done.
pub const JOB_FAILED: &str = "job.failed";
/// Nobody wants a job any more.
pub const JOB_CANCELLED: &str = "job.cancelled";

/// What is told of a job: which one, and never what is in it.
#[derive(Serialize)]
struct Facts<'a> {
    job: String,
    kind: &'a str,
    state: &'static str,
    tenant: &'a str,
    user: Option<&'a str>,
    problem: Option<&'a Str>,
}

fn kind_of(what: What) -> Option<&'static str> {
    match what {
        What::Completed => Some(JOB_COMPLETED),
        What::Failed => Some(JOB_FAILED),
        What::Cancelled => Some(JOB_CANCELLED),
        What::Created
        | What::Started
        | What::Progress
        | What::Step
        | What::Retrying
        | What::Released
        | What::Lost
        | What::Cancelling
        | What::Expired => None,
    }
}

/// Writes down for others what of these news is theirs to hear.
pub(super) async fn announce(
    session: &mut Session<'_>,
    outbox: &Outbox,
    row: &Row,
    news: &[News],
) -> Result<(), Failure> {
    for kind in news.iter().filter_map(|one| kind_of(one.what)) {
        if !outbox.wants(kind) {
            continue;
        }
        let facts = Facts {
            job: row.id.to_string(),
            kind: &row.kind,
            state: row.life.state.as_str(),
            tenant: &row.tenant.0,
            user: row.user.as_ref().map(|user| &user.0[..]),
            problem: row.life.problem.as_ref().filter(|_| row.life.state == State::Failed),
        };
        let event = Event::new(kind, &facts.job, at(session.now())?, &facts)?;
        outbox.put(session, &event).await?;
    }
    Ok(())
}
