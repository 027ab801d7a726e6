//! A job as its owner sees it.

use std::borrow::Cow;

use llm_app::own;
use llm_core::money::{Credits, Unit as _};
use llm_store::jobs::{Artefact, Event, Job, JobId, Step};
use serde::{Deserialize, Serialize};

use super::super::super::routes::shape::{
    Field, Of, flag, list as several, table, text, whole, words,
};
use super::STATES;

pub(super) const JOB: &[Field] = &[
    text("id", "").need(),
    text("kind", "").need(),
    words("state", &STATES, "").need(),
    whole("progress", "in percent: never less than it was").need(),
    several("steps", &Of::Table(&[STEP]), "how far each step is that was begun"),
    whole("attempts", "how often it was begun").need(),
    whole("attempts_max", "how often it may be").need(),
    flag("cancelling", "whoever works on it was asked to stop").need(),
    text("error", "why it failed, or has to be tried again"),
    text("created_at", "").need(),
    text("started_at", ""),
    text("ended_at", ""),
    text("expires_at", "until when what came of it is kept"),
    table("credits", &[CREDITS], "what it costs, where it costs anything"),
    several("artefacts", &Of::Table(&[ARTEFACT]), "what came of it"),
    whole("last_event", "").need(),
    several("events", &Of::Table(&[EVENT]), "what has happened, where that was asked for"),
];
const STEP: &[Field] = &[text("name", "").need(), whole("percent", "").need()];
const CREDITS: &[Field] = &[
    text("reserved", "set aside when it was made"),
    text("charged", "once it has ended"),
    flag("settled", "whether the rest of what was set aside is back").need(),
];
const ARTEFACT: &[Field] = &[
    text("name", "").need(),
    text("media_type", "").need(),
    text("path", "where its bytes are").need(),
];
pub(super) const EVENT: &[Field] = &[
    whole("number", "from 1").need(),
    text("at", "").need(),
    text("what", "").need(),
    whole("percent", "of the job").need(),
    whole("attempt", "").need(),
    text("step", "the step that it is about"),
    whole("step_percent", "how much of that is done"),
    text("note", ""),
];

#[derive(Serialize)]
pub(super) struct Shown {
    id: String,
    kind: String,
    state: &'static str,
    progress: u8,
    steps: Option<Vec<ShownStep>>,
    attempts: u32,
    attempts_max: u32,
    cancelling: bool,
    error: Option<String>,
    created_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    expires_at: Option<String>,
    credits: Option<Cost>,
    artefacts: Option<Vec<ShownArtefact>>,
    last_event: u64,
    events: Option<Vec<Happened>>,
}

#[derive(Serialize)]
struct ShownStep {
    name: String,
    percent: u8,
}

#[derive(Serialize)]
struct Cost {
    reserved: Option<String>,
    charged: Option<String>,
    settled: bool,
}

#[derive(Serialize)]
struct ShownArtefact {
    name: String,
    media_type: String,
    path: String,
}

/// An event, as it is told.
#[derive(Serialize)]
pub(super) struct Happened {
    pub(super) number: u64,
    at: String,
    pub(super) what: &'static str,
    percent: u8,
    attempt: u32,
    step: Option<String>,
    step_percent: Option<u8>,
    note: Option<String>,
}

/// What every order says that is paid for.
#[derive(Deserialize)]
struct Priced {
    charge: i64,
}

impl Shown {
    pub(super) fn of(job: &Job) -> Self {
        let said = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
        let credits = job.payment.as_ref().map(|_| Cost {
            reserved: None,
            charged: job.charge.map(|pieces| Credits::from_pieces(pieces).to_string()),
            settled: job.settled,
        });
        Self {
            id: job.id.to_string(),
            kind: job.kind.to_string(),
            state: job.state.as_str(),
            progress: job.percent,
            steps: None,
            attempts: job.attempts,
            attempts_max: job.attempts_max,
            cancelling: job.cancelling,
            error: job.problem.as_ref().map(ToString::to_string),
            created_at: job.created_at.to_string(),
            started_at: said(job.began_at),
            ended_at: said(job.ended_at),
            expires_at: said(job.expires_at),
            credits,
            artefacts: None,
            last_event: job.events,
            events: None,
        }
    }

    pub(super) fn steps(&mut self, steps: Vec<Step>) {
        let shown = |step: Step| ShownStep { name: step.name.to_string(), percent: step.percent };
        self.steps = Some(steps.into_iter().map(shown).collect());
    }

    pub(super) fn artefacts(&mut self, id: JobId, artefacts: Vec<Artefact>) {
        let shown = |one: Artefact| ShownArtefact {
            path: format!("/api/v1/jobs/{id}/artefacts/{}", escaped(&one.name)),
            media_type: own::media(&one.media).to_owned(),
            name: one.name.to_string(),
        };
        self.artefacts = Some(artefacts.into_iter().map(shown).collect());
    }

    pub(super) fn reserved(&mut self, input: &[u8]) {
        let priced: Option<Priced> = serde_json::from_slice(input).ok();
        if let (Some(cost), Some(priced)) = (&mut self.credits, priced) {
            cost.reserved = Some(Credits::from_pieces(priced.charge).to_string());
        }
    }

    pub(super) fn events(&mut self, events: Vec<Event>) {
        self.events = Some(events.iter().map(Happened::of).collect());
    }
}

impl Happened {
    pub(super) fn of(event: &Event) -> Self {
        let (step, step_percent) = event.step.clone().unzip();
        Self {
            number: event.number,
            at: event.at.to_string(),
            what: event.what.as_str(),
            percent: event.percent,
            attempt: event.attempt,
            step: step.map(|name| name.to_string()),
            step_percent,
            note: event.note.as_ref().map(ToString::to_string),
        }
    }
}

/// A name as a part of a path.
fn escaped(name: &str) -> Cow<'_, str> {
    const PLAIN: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');
    percent_encoding::utf8_percent_encode(name, PLAIN).into()
}
