//! Analyses: questions about cells of a table and pages of documents, whose answers say what they
//! stand on.
//!
//! The actors are the *order* (cells, documents, a question), its *parts* (what a model reads at
//! once), the *check* that every answer has to pass before anybody sees it, and the *report*. A
//! model is asked about each part, a few beside each other; an answer that cites what is not there
//! is refused, and asked for again with the reason. What the parts have found is put together at the
//! end, by the same check.
//!
//! What was asked and what came of it is sealed under its person's key. Deliberately absent: any use
//! of an answer that did not pass, and sums that we would calculate ourselves.

mod ask;
pub mod check;
pub mod report;
pub mod selection;
pub mod source;
pub mod split;
mod store;
mod words;
pub mod written;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::seam::BoxFuture;
use llm_store::seal::Place;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::documents::Documents;
use crate::documents::chunk::tokens;
use crate::feature::Feature;
use crate::people::Person;
use crate::{Ground, NotDone};
use ask::Held;
use check::Allowed;
use report::{CellAnswer, Claim, Report};
use selection::{Mode, Order};
use source::Shown;
use split::{PARTS_MAX, Part, split};

/// Parts that are asked beside each other. The plan of whoever asks holds beside this.
const PARTS_AT_ONCE: usize = 4;
/// Up to so many parts whoever asks can wait for.
const WAITED_MAX: usize = 4;

/// What earlier attempts have come to, and who hears how far it is: of a job.
pub trait Steps: Sync {
    /// What a step has come to.
    fn kept<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, NotDone>>;

    /// Keeps what a step has come to, when so many percent are done.
    fn keep<'a>(
        &'a self,
        step: &'a str,
        body: Bytes,
        percent: u8,
    ) -> BoxFuture<'a, Result<(), NotDone>>;
}

/// Nobody: whoever asks waits for all of it.
impl Steps for () {
    fn kept<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, NotDone>> {
        Box::pin(async { Ok(None) })
    }

    fn keep<'a>(&'a self, _: &'a str, _: Bytes, _: u8) -> BoxFuture<'a, Result<(), NotDone>> {
        Box::pin(async { Ok(()) })
    }
}

/// An analysis as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub id: Str,
    /// The job that does it.
    pub job: Option<Str>,
    /// When it was asked for.
    pub born: Timestamp,
    /// When it was done; `None` until then.
    pub ended: Option<Timestamp>,
    /// Until when it is kept.
    pub expires: Timestamp,
}

/// Analyses. Cheap to clone.
#[derive(Clone)]
pub struct Analysis {
    ground: Ground,
    feature: Arc<Feature>,
    documents: Documents,
}

impl Analysis {
    /// Analyses by that feature's model, of these documents.
    pub fn new(ground: Ground, feature: Feature, documents: Documents) -> Self {
        Self { ground, feature: Arc::new(feature), documents }
    }

    /// Whether nobody should be made to wait for it.
    pub fn is_large(&self, order: &Order) -> bool {
        split(&order.selection.cells, &[], order.mode).len() > WAITED_MAX
    }

    /// Does it: asks about all parts that no earlier attempt has asked about, checks, and puts
    /// together.
    pub async fn run(
        &self,
        person: &Person,
        grant: &Arc<Grant>,
        order: &Order,
        steps: &dyn Steps,
    ) -> Result<Report, NotDone> {
        order.check()?;
        let pages = Box::pin(source::shown(&self.documents, person, grant, order)).await?;
        let parts = split(&order.selection.cells, &pages, order.mode);
        if parts.len() > PARTS_MAX {
            let text = format!("this would take {} parts, and {PARTS_MAX} is all", parts.len());
            return Err(NotDone::wrong("selection", text));
        }
        let going = Going { analysis: self, person, grant, order, steps, parts: parts.len() };
        let mut report = Report {
            question: order.question.clone(),
            mode: order.mode,
            model: order.model.clone().unwrap_or_else(|| self.feature.model.clone()),
            parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            ..Report::default()
        };
        match order.mode {
            Mode::Claims => {
                let found: Vec<Held<Vec<Claim>>> = going.all(&parts, Allowed::claims).await?;
                let claims: Vec<Claim> = found.into_iter().flat_map(|h| report.take(h)).collect();
                report.claims = claims;
                if parts.len() > 1 && !report.claims.is_empty() {
                    going.merge(&mut report, &pages).await?;
                }
            }
            Mode::PerCell => {
                let found: Vec<Held<Vec<CellAnswer>>> = going.all(&parts, Allowed::answers).await?;
                let answers = found.into_iter().flat_map(|h| report.take(h));
                report.answers = in_order(order, answers.collect::<Vec<_>>());
            }
        }
        Ok(report)
    }

    fn request(
        &self,
        order: &Order,
        part: &Part<'_>,
    ) -> Result<llm_core::prompt::Request, NotDone> {
        let request = words::asked(self.model(order), self.own(), order, part);
        let cells: Vec<&str> = part.cells.iter().map(|cell| &*cell.id).collect();
        let pages: Vec<(&str, u32)> =
            part.pages.iter().map(|shown| (&*shown.document, shown.page)).collect();
        Ok(request.schema(words::form(order.mode, &cells, &pages)?))
    }

    fn model<'a>(&'a self, order: &'a Order) -> &'a str {
        order.model.as_ref().unwrap_or(&self.feature.model)
    }

    fn own(&self) -> Option<&str> {
        self.feature.system.as_deref()
    }
}

impl Report {
    /// What it took goes to the whole, and what was found goes on.
    fn take<T>(&mut self, held: Held<T>) -> T {
        self.refused += held.refused;
        self.cost = self.cost.saturating_add(held.cost);
        held.answer
    }
}

/// Answers in the order of their cells.
fn in_order(order: &Order, mut answers: Vec<CellAnswer>) -> Vec<CellAnswer> {
    let cells = order.selection.cells.iter().enumerate();
    let places: std::collections::HashMap<&str, usize> =
        cells.map(|(at, cell)| (&*cell.id, at)).collect();
    answers.sort_by_key(|answer| places.get(&*answer.cell).copied());
    answers
}

/// A question under way.
struct Going<'a> {
    analysis: &'a Analysis,
    person: &'a Person,
    grant: &'a Arc<Grant>,
    order: &'a Order,
    steps: &'a dyn Steps,
    parts: usize,
}

impl Going<'_> {
    /// What all parts have come to, in their order.
    async fn all<'p, T>(
        &self,
        parts: &'p [Part<'p>],
        check: fn(&Allowed<'p>, &str) -> Result<T, check::Reasons>,
    ) -> Result<Vec<Held<T>>, NotDone>
    where
        T: Serialize + DeserializeOwned + Send,
    {
        let asked: Vec<BoxFuture<'_, _>> = parts
            .iter()
            .enumerate()
            .map(|(at, part)| -> BoxFuture<'_, _> {
                Box::pin(async move { Ok::<_, NotDone>((at, self.part(at, part, check).await?)) })
            })
            .collect();
        let mut asked = stream::iter(asked).buffer_unordered(PARTS_AT_ONCE);
        let mut found: Vec<(usize, Held<T>)> = Vec::with_capacity(parts.len());
        while let Some(one) = asked.next().await {
            let (at, (held, new)) = one?;
            found.push((at, held));
            if new {
                let percent = found.len() * 95 / self.parts.max(1);
                let (_, held) = found.last().ok_or_else(odd)?;
                self.keep(&step(at), held, u8::try_from(percent).unwrap_or(95)).await?;
            }
        }
        found.sort_by_key(|(at, _)| *at);
        Ok(found.into_iter().map(|(_, held)| held).collect())
    }

    /// One part, and whether it was asked now.
    async fn part<'p, T: DeserializeOwned>(
        &self,
        at: usize,
        part: &Part<'p>,
        check: fn(&Allowed<'p>, &str) -> Result<T, check::Reasons>,
    ) -> Result<(Held<T>, bool), NotDone> {
        if let Some(held) = self.kept(&step(at)).await? {
            return Ok((held, false));
        }
        let request = self.analysis.request(self.order, part)?;
        let allowed = Allowed::of(part);
        let check = |answer: &str| check(&allowed, answer);
        Ok((self.analysis.held(self.grant, request, check).await?, true))
    }

    /// Puts together what the parts have found, where a model can read it all at once.
    async fn merge(&self, report: &mut Report, pages: &[Shown]) -> Result<(), NotDone> {
        let (analysis, order) = (self.analysis, self.order);
        let claims = std::mem::take(&mut report.claims);
        let shown = Part { cells: &order.selection.cells, pages };
        let allowed = Allowed::of(&shown).by(&claims);
        let request = words::merged(analysis.model(order), analysis.own(), order, &claims);
        let size: usize = claims.iter().map(|claim| tokens(&claim.text)).sum();
        if size > split::TOKENS_MAX {
            report.claims = claims;
            return Ok(());
        }
        let (cells, cited) = cited(&claims);
        let request = request.schema(words::form(Mode::Claims, &cells, &cited)?);
        let held = analysis.held(self.grant, request, |answer| allowed.claims(answer)).await?;
        report.claims = report.take(held);
        Ok(())
    }

    async fn kept<T: DeserializeOwned>(&self, step: &str) -> Result<Option<T>, NotDone> {
        let Some(sealed) = self.steps.kept(step).await? else { return Ok(None) };
        // One that cannot be opened any more is asked again.
        let opened = self.person.open(&place(step), sealed).ok();
        Ok(opened.and_then(|body| serde_json::from_slice(&body).ok()))
    }

    async fn keep(&self, step: &str, held: &impl Serialize, percent: u8) -> Result<(), NotDone> {
        let body = serde_json::to_vec(held).unwrap_or_default();
        let sealed = self.person.close(&place(step), &body)?;
        self.steps.keep(step, sealed, percent).await
    }
}

/// Everything that claims stand on, once each.
fn cited(claims: &[Claim]) -> (Vec<&str>, Vec<(&str, u32)>) {
    let (mut cells, mut pages): (Vec<&str>, Vec<(&str, u32)>) = (Vec::new(), Vec::new());
    let mut seen = std::collections::BTreeSet::new();
    for claim in claims {
        cells.extend(claim.cells.iter().map(|id| &**id).filter(|id| seen.insert(*id)));
        for at in &claim.annotations {
            let place = (&*at.document, at.page);
            if !pages.contains(&place) {
                pages.push(place);
            }
        }
    }
    (cells, pages)
}

fn step(at: usize) -> String {
    format!("part-{at}")
}

fn place(step: &str) -> Place<'_> {
    Place { table: "analysis", column: "step", row: step, version: 0 }
}

fn odd() -> Error {
    Error::new(Kind::Internal, "a part of an analysis is lost")
}

impl fmt::Debug for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analysis").field("model", &self.feature.model).finish_non_exhaustive()
    }
}
