//! What is kept of prompts. What people wrote is sealed; what is beside it are classes, numbers and
//! instants.

pub(super) mod boosts;
pub(super) mod experiments;
pub(super) mod feedback;
pub(super) mod templates;
pub(super) mod voices;

use llm_core::store::StoreError;
use llm_store::deposits::Owner;
use llm_store::seal::Place;
use llm_store::sql::{Failure, Record};

use crate::id::Id;
use crate::people::Person;

/// How an id is written.
pub fn named(id: u128) -> String {
    Id(id).to_string()
}

/// An id as somebody wrote it: the digits that we write and nothing else.
pub fn id(text: &str) -> Option<u128> {
    text.parse().ok().map(|Id(id)| id)
}

pub(super) fn odd(what: &'static str) -> StoreError {
    StoreError::Corrupt(what.into())
}

pub(super) fn id_of(row: &Record, at: usize) -> Result<u128, Failure> {
    Ok(Id::read(&row.bytes(at)?)?.0)
}

pub(super) fn count(row: &Record, at: usize) -> Result<u64, Failure> {
    u64::try_from(row.int(at)?).map_err(|_| odd("a count").into())
}

/// What is kept sealed, as JSON.
pub(super) fn close<T: serde::Serialize>(
    person: &Person,
    place: &Place<'_>,
    value: &T,
) -> Result<bytes::Bytes, StoreError> {
    let text = serde_json::to_vec(value).map_err(|_| odd("what cannot be written"))?;
    person.close(place, &text)
}

/// What was kept so.
pub(super) fn open<T: serde::de::DeserializeOwned>(
    person: &Person,
    place: &Place<'_>,
    sealed: Vec<u8>,
) -> Result<T, StoreError> {
    let text = person.open(place, sealed.into())?;
    serde_json::from_slice(&text).map_err(|_| odd("what was sealed has another form"))
}

/// The place of a row's sealed part: its version is one more each time it is written.
pub(super) fn place<'a>(table: &'a str, row: &'a str, version: u64) -> Place<'a> {
    Place { table, column: "sealed", row, version }
}

/// Ours alone, in statements.
pub(super) fn whose(owner: &Owner) -> llm_store::sql::Arg<'_> {
    owner.as_str().into()
}
