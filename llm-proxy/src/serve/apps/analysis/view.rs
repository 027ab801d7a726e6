//! What is said of an analysis.

use llm_app::analysis::Kept;
use llm_app::analysis::report::{Annotation, CellAnswer, Claim, Report};
use llm_core::Str;
use llm_core::money::Money;
use llm_store::jobs::State;
use serde::Serialize;

use super::super::super::routes::shape::{Field, Of, flag, list, text, whole, words};

const STATES: &[&str] = &["pending", "processing", "completed", "failed", "cancelled"];
const ANNOTATION: &[Field] = &[
    text("document", "its name").need(),
    whole("page", "from 1 on").need(),
    text("quote", "the line of the page that says it best"),
];
const CLAIM: &[Field] = &[
    text("text", "").need(),
    list("cells", &Of::Text, "the ids of those that it stands on").need(),
    list("annotations", &Of::Table(&[ANNOTATION]), "the pages that it stands on").need(),
];
const ANSWER: &[Field] = &[
    text("cell", "its id").need(),
    text("text", "").need(),
    list("annotations", &Of::Table(&[ANNOTATION]), "the pages that it stands on").need(),
];
pub(super) const ANALYSIS: &[Field] = &[
    text("id", "").need(),
    words("status", STATES, "").need(),
    text("job_id", "the job that does it"),
    text("created_at", "").need(),
    text("ended_at", ""),
    text("expires_at", "until when it is kept").need(),
    text("question", "once it is done, like what follows"),
    words("mode", super::MODES, ""),
    text("model", "the model that was asked"),
    list("claims", &Of::Table(&[CLAIM]), "what was found").need(),
    list("answers", &Of::Table(&[ANSWER]), "one for each cell, in the mode per_cell").need(),
    whole("parts", "in how many parts it was asked").need(),
    whole("refused", "answers of the model that cited what is not there").need(),
    text("cost", "what all calls cost, in dollars"),
];
pub(super) const GONE: &[Field] = &[text("id", "").need(), flag("deleted", "").need()];

/// It is gone.
#[derive(Serialize)]
pub(super) struct Gone<'a> {
    pub(super) id: &'a str,
    pub(super) deleted: bool,
}

/// An analysis.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    id: &'a str,
    status: &'static str,
    job_id: Option<&'a str>,
    created_at: String,
    ended_at: Option<String>,
    expires_at: String,
    question: Option<Str>,
    mode: Option<&'static str>,
    model: Option<Str>,
    claims: Vec<Found>,
    answers: Vec<Answer>,
    parts: u32,
    refused: u32,
    cost: Option<String>,
}

#[derive(Serialize)]
struct Found {
    text: Str,
    cells: Vec<Str>,
    annotations: Vec<Annotation>,
}

#[derive(Serialize)]
struct Answer {
    cell: Str,
    text: Str,
    annotations: Vec<Annotation>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(kept: &'a Kept, state: State, report: Option<Report>) -> Self {
        let at = |at: jiff::Timestamp| format!("{at:.3}");
        let done = report.is_some();
        let report = report.unwrap_or_default();
        let claim = |c: Claim| Found { text: c.text, cells: c.cells, annotations: c.annotations };
        let answer =
            |a: CellAnswer| Answer { cell: a.cell, text: a.text, annotations: a.annotations };
        Self {
            id: &kept.id,
            status: state.as_str(),
            job_id: kept.job.as_deref(),
            created_at: at(kept.born),
            ended_at: kept.ended.map(at),
            expires_at: at(kept.expires),
            question: done.then_some(report.question),
            mode: done.then_some(report.mode.as_str()),
            model: done.then_some(report.model),
            claims: report.claims.into_iter().map(claim).collect(),
            answers: report.answers.into_iter().map(answer).collect(),
            parts: report.parts,
            refused: report.refused,
            cost: done.then(|| Money(report.cost).to_string()),
        }
    }
}
