//! A batch as its owner sees it: what was asked for, how far its job is, how many lines have ended.

use jiff::Timestamp;
use llm_store::deposits::{BatchEnd, Entry, Kind, Owner, Tally};
use llm_store::jobs::{Job, NotDone, State, Whose};
use serde_json::{Value, json};

use super::{Head, WINDOW, job_of};
use crate::serve::admin::refusal::Refusal;
use crate::serve::depot::Depot;

/// The files of a batch, by its own id: written again after a crash they are the same.
pub(super) fn output(id: &str) -> String {
    format!("file-{}-output", id.trim_start_matches("batch_"))
}

pub(super) fn errors(id: &str) -> String {
    format!("file-{}-errors", id.trim_start_matches("batch_"))
}

/// How far a batch is, and when it got there.
struct Standing {
    status: &'static str,
    tally: Tally,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    problem: Option<String>,
}

/// What a batch is.
pub(super) async fn shown(depot: &Depot, owner: &Owner, entry: &Entry) -> Result<Value, Refusal> {
    let none = || Refusal::absent("batch", &entry.id);
    let head: Head = serde_json::from_str(&entry.head).map_err(|_| none())?;
    let job = job_of(&entry.id).ok_or_else(none)?;
    let state = match depot.jobs.get(job, &Whose::all()).await {
        Ok((job, _)) => Some(job),
        Err(NotDone::Store(error)) => return Err(error.into()),
        Err(_) => None,
    };
    let standing = standing(depot, job, state, head.lines).await?;
    let at = |status: &str| {
        standing.ended.filter(|_| standing.status == status).map(Timestamp::as_second)
    };
    let (output, errors) = (output(&entry.id), errors(&entry.id));
    let mut files = [None, None];
    for (file, id) in files.iter_mut().zip([output, errors]) {
        if standing.ended.is_some() && depot.deposits.get(owner, Kind::File, &id).await?.is_some() {
            *file = Some(id);
        }
    }
    let [output, errors] = files;
    let wrong = standing.problem.as_ref().map(|problem| {
        let one = json!({ "code": "failed", "message": problem, "param": null, "line": null });
        json!({ "object": "list", "data": [one] })
    });
    let created = entry.created.as_second();
    let window = i64::try_from(WINDOW.as_secs()).unwrap_or(i64::MAX);
    let began = standing.began.map(Timestamp::as_second);
    let cancelling = (standing.status == "cancelling").then_some(began).flatten();
    Ok(json!({
        "id": &*entry.id, "object": "batch", "endpoint": head.endpoint, "errors": wrong,
        "input_file_id": head.file, "completion_window": head.window,
        "status": standing.status, "output_file_id": output, "error_file_id": errors,
        "created_at": created, "in_progress_at": began, "expires_at": created + window,
        "finalizing_at": at("completed"), "completed_at": at("completed"),
        "failed_at": at("failed"), "expired_at": at("expired"),
        "cancelling_at": cancelling, "cancelled_at": at("cancelled"),
        "request_counts": {
            "total": head.lines, "completed": standing.tally.done, "failed": standing.tally.failed,
        },
        "metadata": head.labels,
    }))
}

async fn standing(
    depot: &Depot,
    id: llm_store::jobs::JobId,
    job: Option<Job>,
    lines: u64,
) -> Result<Standing, Refusal> {
    let began = job.as_ref().and_then(|job| job.began_at);
    if let Some(end) = depot.deposits.batch_end(id).await? {
        let status = match end.how {
            BatchEnd::Completed => "completed",
            BatchEnd::Expired => "expired",
            BatchEnd::Cancelled => "cancelled",
        };
        let (tally, ended) = (end.tally, Some(end.at));
        return Ok(Standing { status, tally, began, ended, problem: None });
    }
    let tally = depot.deposits.tally(id).await?;
    let Some(job) = job else {
        return Ok(Standing { status: "failed", tally, began, ended: None, problem: None });
    };
    let status = match job.state {
        State::Pending if job.attempts == 0 => "validating",
        State::Pending | State::Processing if job.cancelling => "cancelling",
        State::Pending | State::Processing if tally.done + tally.failed >= lines => "finalizing",
        State::Pending | State::Processing => "in_progress",
        // Done, and its end not written: that is the job's last word before it is.
        State::Completed => "finalizing",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    };
    let problem = job.problem.filter(|_| job.state == State::Failed).map(|p| p.to_string());
    Ok(Standing { status, tally, began, ended: job.ended_at, problem })
}
