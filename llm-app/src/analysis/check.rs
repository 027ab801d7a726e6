//! Whether what a model answered may be shown to anybody: it has the form that was asked for, cites
//! something for each claim, and cites nothing that is not there.
//!
//! A model's answer is data, and hostile data where somebody else wrote what it has read. So nothing
//! is mended here: one wrong citation refuses the answer, and the reasons are what the model is told
//! when it is asked again. They name places of the answer, and quote nothing but ids.

mod told;

use std::collections::{BTreeMap, BTreeSet};

use llm_core::Str;

use super::report::{Annotation, CellAnswer, Claim};
use super::split::Part;
use crate::terms::terms;
use told::{Source, Told, ToldAnswers};

/// Claims of a part.
pub const CLAIMS_MAX: usize = 200;
/// Letters of a claim, and of an answer.
pub const TEXT_LETTERS_MAX: usize = 4_000;
/// Citations of a claim.
const CITED_MAX: usize = 400;
/// Reasons that a model is told at once.
const REASONS_MAX: usize = 10;
/// Letters that are repeated of an id which is not there.
const REPEATED_MAX: usize = 64;
/// Letters of a quote.
const QUOTE_LETTERS_MAX: usize = 240;

/// Why an answer is refused.
pub type Reasons = Vec<String>;

/// What may be cited.
#[derive(Clone, Debug, Default)]
pub struct Allowed<'a> {
    cells: BTreeSet<&'a str>,
    pages: BTreeMap<&'a str, BTreeMap<u32, &'a str>>,
}

impl<'a> Allowed<'a> {
    /// What a part shows.
    pub fn of(part: &Part<'a>) -> Self {
        let mut pages: BTreeMap<&str, BTreeMap<u32, &str>> = BTreeMap::new();
        for shown in part.pages {
            pages.entry(&*shown.document).or_default().insert(shown.page, &*shown.text);
        }
        Self { cells: part.cells.iter().map(|cell| &*cell.id).collect(), pages }
    }

    /// What findings stand on that were checked before.
    pub fn by(self, claims: &'a [Claim]) -> Self {
        let cells = claims.iter().flat_map(|claim| &claim.cells).map(|id| &**id).collect();
        let mut pages: BTreeMap<&str, BTreeMap<u32, &str>> = BTreeMap::new();
        for cited in claims.iter().flat_map(|claim| &claim.annotations) {
            let text = self.pages.get(&*cited.document).and_then(|pages| pages.get(&cited.page));
            let text = text.copied().unwrap_or_default();
            pages.entry(&*cited.document).or_default().insert(cited.page, text);
        }
        Self { cells, pages }
    }

    /// The claims of an answer.
    pub fn claims(&self, answer: &str) -> Result<Vec<Claim>, Reasons> {
        let told: Told = read(answer)?;
        let mut wrong = Wrong::default();
        if told.claims.len() > CLAIMS_MAX {
            wrong.say(|| format!("claims: {CLAIMS_MAX} at the most"));
        }
        let mut claims = Vec::new();
        for (at, claim) in told.claims.into_iter().take(CLAIMS_MAX).enumerate() {
            let place = format!("claims[{at}]");
            if claim.cells.is_empty() && claim.sources.is_empty() {
                wrong.say(|| format!("{place} cites nothing"));
            }
            if claim.cells.len() + claim.sources.len() > CITED_MAX {
                wrong.say(|| format!("{place} cites more than {CITED_MAX} places"));
            }
            let mut cells: Vec<Str> = Vec::new();
            for id in claim.cells {
                if !self.cells.contains(&*id) {
                    let id: String = id.chars().take(REPEATED_MAX).collect();
                    wrong.say(|| format!("{place} cites the cell {id:?}, which is not there"));
                } else if !cells.contains(&id) {
                    cells.push(id);
                }
            }
            let text = wrong.text(&place, claim.text);
            let annotations = self.annotations(&place, &text, claim.sources, &mut wrong);
            claims.push(Claim { text, cells, annotations });
        }
        wrong.or(claims)
    }

    /// The answers for cells: one for each, and for no other.
    pub fn answers(&self, answer: &str) -> Result<Vec<CellAnswer>, Reasons> {
        let told: ToldAnswers = read(answer)?;
        let mut wrong = Wrong::default();
        let (mut seen, mut answers) = (BTreeSet::new(), Vec::new());
        for (cell, answer) in told.answers.0 {
            let known: String = cell.chars().take(REPEATED_MAX).collect();
            let place = format!("answers[{known:?}]");
            if !self.cells.contains(&*cell) {
                wrong.say(|| format!("{place} is for a cell that is not there"));
            } else if !seen.insert(cell.clone()) {
                wrong.say(|| format!("{place} stands there twice"));
            }
            let text = wrong.text(&place, answer.text);
            let annotations = self.annotations(&place, &text, answer.sources, &mut wrong);
            answers.push(CellAnswer { cell, text, annotations });
        }
        for missing in self.cells.iter().filter(|id| !seen.contains(**id)) {
            wrong.say(|| format!("the cell {missing:?} has no answer"));
        }
        wrong.or(answers)
    }

    fn annotations(
        &self,
        place: &str,
        text: &str,
        sources: Vec<Source>,
        wrong: &mut Wrong,
    ) -> Vec<Annotation> {
        let mut found: Vec<Annotation> = Vec::new();
        for Source { document, page } in sources.into_iter().take(CITED_MAX) {
            let pages = self.pages.get(&*document);
            let number = u32::try_from(page).ok();
            let shown = pages.zip(number).and_then(|(pages, page)| pages.get(&page));
            match (pages, shown) {
                (None, _) => {
                    let name: String = document.chars().take(REPEATED_MAX).collect();
                    wrong
                        .say(|| format!("{place} cites the document {name:?}, which is not there"));
                }
                (Some(_), None) => {
                    wrong.say(|| format!("{place} cites page {page}, which is not there"));
                }
                (Some(_), Some(shown)) => {
                    let page = number.unwrap_or_default();
                    if !found.iter().any(|one| one.document == document && one.page == page) {
                        found.push(Annotation { document, page, quote: quote(shown, text) });
                    }
                }
            }
        }
        found
    }
}

/// The line of a page that has most words of a claim; none where none has any.
fn quote(page: &str, claim: &str) -> Option<Str> {
    let wanted = terms(claim);
    let weight = |line: &str| terms(line).keys().filter(|term| wanted.contains_key(*term)).count();
    let lines = page.lines().map(str::trim).filter(|line| !line.is_empty());
    let weighed = lines.map(|line| (weight(line), line));
    // Of several the first one.
    let best = weighed.reduce(|best, next| if next.0 > best.0 { next } else { best });
    let (_, line) = best.filter(|(weight, _)| *weight > 0)?;
    let end = line.char_indices().nth(QUOTE_LETTERS_MAX).map_or(line.len(), |(at, _)| at);
    Some(Str::from(line.get(..end)?))
}

/// Reads an answer, which some models put between fences.
fn read<T: serde::de::DeserializeOwned>(answer: &str) -> Result<T, Reasons> {
    let answer = answer.trim();
    let bare = answer.strip_prefix("```json").or_else(|| answer.strip_prefix("```"));
    let bare = bare.and_then(|rest| rest.strip_suffix("```")).unwrap_or(answer);
    serde_json::from_str(bare).map_err(|error| {
        // Its own words could quote the answer.
        let (line, column) = (error.line(), error.column());
        vec![format!("the answer does not follow the schema, at line {line}, column {column}")]
    })
}

/// Reasons, as far as they are told.
#[derive(Debug, Default)]
struct Wrong {
    reasons: Reasons,
    more: usize,
}

impl Wrong {
    fn say(&mut self, reason: impl FnOnce() -> String) {
        match self.reasons.len() < REASONS_MAX {
            true => self.reasons.push(reason()),
            false => self.more += 1,
        }
    }

    fn text(&mut self, place: &str, text: Str) -> Str {
        let letters = text.chars().count();
        if text.trim().is_empty() || letters > TEXT_LETTERS_MAX {
            self.say(|| format!("{place} has no text, or more than {TEXT_LETTERS_MAX} letters"));
        }
        text
    }

    fn or<T>(mut self, answer: T) -> Result<T, Reasons> {
        if self.reasons.is_empty() {
            return Ok(answer);
        }
        if self.more > 0 {
            self.reasons.push(format!("and {} more", self.more));
        }
        Err(self.reasons)
    }
}

#[cfg(test)]
mod tests;
