//! What came of a question, as it is kept, shown and downloaded.

use llm_core::Str;
use serde::{Deserialize, Serialize};

use super::selection::Mode;

/// A place in a document that a claim stands on.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// The document, by name.
    pub document: Str,
    /// The page, from 1 on.
    pub page: u32,
    /// The line of it that has most words of the claim: our own finding, and so never made up.
    pub quote: Option<Str>,
}

/// Something that was found, and what it stands on.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// What was found.
    pub text: Str,
    /// Cells that it stands on, by their ids.
    pub cells: Vec<Str>,
    /// Pages that it stands on.
    pub annotations: Vec<Annotation>,
}

/// The answer for a cell.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct CellAnswer {
    /// The cell's id.
    pub cell: Str,
    /// The answer.
    pub text: Str,
    /// Pages that it stands on.
    pub annotations: Vec<Annotation>,
}

/// What came of a question.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The question.
    pub question: Str,
    /// What was wanted.
    pub mode: Mode,
    /// The model that was asked.
    pub model: Str,
    /// What was found.
    pub claims: Vec<Claim>,
    /// The answer for each cell, in the order of the cells.
    pub answers: Vec<CellAnswer>,
    /// In how many parts it was asked.
    pub parts: u32,
    /// How many answers of models were refused, since what they cited was not there.
    pub refused: u32,
    /// What all calls cost, in nano-dollars.
    pub cost: i64,
}
