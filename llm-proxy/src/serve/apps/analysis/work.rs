//! Analyses as jobs: part by part, each kept, so that another process goes on behind the last one.

use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use llm_app::NotDone;
use llm_app::again::may_pass;
use llm_app::analysis::Steps;
use llm_app::own::{OWN_BYTES_MAX, Own};
use llm_app::people::Person;
use llm_core::Str;
use llm_core::error::Kind;
use llm_core::principal::Grant;
use llm_core::seam::BoxFuture;
use llm_core::store::{KeyHash, StoreError};
use llm_store::deposits::Owner;
use llm_store::jobs;
use llm_store::jobs::runner::{Done, Run, Stop, Trouble, Work};

use super::super::super::house::House;
use super::Behind;

/// What came of it, among the artefacts of its job.
const REPORT: &str = "report.json";

/// The work of analyses.
pub(crate) struct AnalysisWork {
    /// The house ends with its workers, and not the other way round.
    house: Weak<House>,
}

impl AnalysisWork {
    /// The kind of its jobs.
    pub(crate) const KIND: &str = "analysis";

    pub(crate) fn new(house: Weak<House>) -> Self {
        Self { house }
    }
}

impl Work for AnalysisWork {
    fn run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(async move {
            let house = self.house.upgrade().ok_or_else(leaving)?;
            let order: Behind = serde_json::from_slice(run.input())
                .map_err(|_| Trouble::lasting("the job cannot be read"))?;
            // What is under way when it is to stop is asked again by whoever goes on.
            tokio::select! {
                done = Box::pin(analyse(&house, run, order)) => done,
                stop = run.stopped() => Err(stopped(stop)),
            }
        })
    }
}

async fn analyse(house: &House, run: &Run, order: Behind) -> Result<Done, Trouble> {
    let apps = house.apps.as_ref().ok_or_else(leaving)?.now();
    let (person, grant) = asker(house, order.owner, order.print).await?;
    let asked = apps.analysis.order(&person, &order.analysis).await.map_err(trouble)?;
    let steps = Kept(run);
    let report = apps.analysis.run(&person, &grant, &asked, &steps).await.map_err(trouble)?;
    apps.analysis.end(&person, &order.analysis, &report).await.map_err(trouble)?;
    let body = serde_json::to_vec(&report).unwrap_or_default();
    // A larger one is where the analysis is.
    if body.len() <= OWN_BYTES_MAX {
        Own::new(run, &person).attach(REPORT, "application/json", &body).await?;
    }
    Ok(Done::default())
}

/// Whose job it is, and what their key gives now.
pub(in crate::serve::apps) async fn asker(
    house: &House,
    owner: String,
    print: [u8; 32],
) -> Result<(Person, Arc<Grant>), Trouble> {
    let apps = house.apps.as_ref().ok_or_else(leaving)?.now();
    let person = apps.ground.people.find(&Owner::from(Str::from(owner))).await;
    let person = person.map_err(|why| trouble(why.into()))?;
    let person = person.ok_or_else(|| Trouble::lasting("whoever asked was forgotten"))?;
    if !person.may_be_kept() {
        return Err(trouble(NotDone::NoConsent));
    }
    let grant = house.keys.grant_of(&KeyHash(print)).await;
    Ok((person, grant.map_err(|why| trouble(why.into()))?))
}

/// The steps of a job, as an analysis wants them.
struct Kept<'r>(&'r Run);

impl Steps for Kept<'_> {
    fn kept<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, NotDone>> {
        Box::pin(async move { self.0.kept(step.to_owned()).await.map_err(store) })
    }

    fn keep<'a>(
        &'a self,
        step: &'a str,
        body: Bytes,
        percent: u8,
    ) -> BoxFuture<'a, Result<(), NotDone>> {
        Box::pin(async move {
            self.0.checkpoint(step.to_owned(), body).await.map_err(store)?;
            // How far it is matters to nobody as much as that it goes on.
            let _ = self.0.progress(percent, None).await;
            Ok(())
        })
    }
}

fn store(why: jobs::NotDone) -> NotDone {
    match why {
        jobs::NotDone::Store(error) => error.into(),
        jobs::NotDone::Absent
        | jobs::NotDone::Lost
        | jobs::NotDone::Gone
        | jobs::NotDone::Reused
        | jobs::NotDone::TooMuch { .. } => StoreError::Conflict(why.to_string().into()).into(),
    }
}

/// What those who asked are told, and whether it is of use to try again.
pub(in crate::serve::apps) fn trouble(why: NotDone) -> Trouble {
    let text = Str::from(why.to_string());
    let passes = match &why {
        NotDone::Unknown(_)
        | NotDone::Wrong { .. }
        | NotDone::Contradicts(_)
        | NotDone::NoConsent => false,
        NotDone::Store(why) => match why {
            StoreError::Unavailable(_) | StoreError::Conflict(_) => true,
            StoreError::Full(_) | StoreError::Corrupt(_) | StoreError::Violation(_) => false,
        },
        // What cannot be read was asked again already, with the reason.
        NotDone::Call(error) => {
            may_pass(error) && !matches!(error.kind(), Kind::CorruptReply | Kind::Internal)
        }
    };
    if passes { Trouble::passing(text) } else { Trouble::lasting(text) }
}

pub(in crate::serve::apps) fn stopped(stop: Stop) -> Trouble {
    match stop {
        Stop::Cancelled => Trouble::lasting("cancelled"),
        Stop::Leaving => leaving(),
    }
}

pub(in crate::serve::apps) fn leaving() -> Trouble {
    Trouble::passing("the process is ending")
}

impl fmt::Debug for AnalysisWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnalysisWork")
    }
}
