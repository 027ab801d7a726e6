//! Which passages answer a question: by their words and by their meaning at once.
//!
//! Everything within the scope is looked at, a part at a time, and nothing but its weight is kept;
//! the texts of the best are opened at the end.

use std::collections::HashMap;
use std::sync::Arc;

use llm_core::Str;
use llm_core::principal::Grant;
use llm_core::store::StoreError;

use super::rank::{Words, best, fused};
use super::store::{self, Bodies, Look, Scope, Shelved};
use super::vector::Packed;
use super::{Documents, PASSAGES_MAX};
use crate::NotDone;
use crate::people::Person;
use crate::terms::terms;

/// Letters of a question.
pub const QUERY_LETTERS_MAX: usize = 2_000;
/// Passages that are answered.
pub const HITS_MAX: usize = 50;
/// Passages of a part.
const LOOK_AT_ONCE: i64 = 256;
/// Terms of a question that are looked for.
const TERMS_MAX: usize = 64;
/// Documents that may be named.
pub const NAMED_MAX: usize = 50;
/// Of each order so many ranks count; what is behind them in both answers nothing.
const RANKS_MAX: usize = 500;
/// Letters of an excerpt.
const EXCERPT_LETTERS: usize = 300;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// Everywhere.
    All,
    /// In a collection.
    Collection(Str),
    /// In these documents.
    Documents(Vec<Str>),
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// In words.
    pub text: Str,
    /// Where.
    pub within: Within,
    /// How many passages.
    pub limit: usize,
}

/// A passage that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its document.
    pub id: Str,
    /// What that is called.
    pub document: Str,
    /// Its page.
    pub page: u32,
    /// How good it is, to be compared with the others of the same search.
    pub score: f64,
    /// All of it, what is repeated of the passage before it included.
    pub text: Str,
    /// The part of it that the question's words stand in.
    pub excerpt: Str,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// The best first.
    pub hits: Vec<Hit>,
    /// Passages that were looked at.
    pub looked: usize,
    /// Those of them that have no vector yet, and were found by their words alone.
    pub unembedded: usize,
}

/// A search as it goes.
struct Going {
    direction: Packed,
    words: Words,
    near: Vec<(usize, f64)>,
    seen: Vec<(Str, i64)>,
    unembedded: usize,
}

impl Documents {
    /// Looks for passages.
    pub async fn search(
        &self,
        person: &Person,
        grant: &Arc<Grant>,
        query: &Query,
    ) -> Result<Results, NotDone> {
        let letters = query.text.chars().count();
        if query.text.trim().is_empty() || letters > QUERY_LETTERS_MAX {
            return Err(NotDone::wrong("query", format!("1 to {QUERY_LETTERS_MAX} letters")));
        }
        let directions = self.directions(grant, std::iter::once(&query.text)).await?;
        let Some(direction) = directions.into_iter().next() else { return Ok(Results::default()) };
        let numbers = terms(&query.text).into_keys().take(TERMS_MAX);
        let words = Words::new(numbers.map(|term| person.blind(&term)));
        let (near, seen) = (Vec::new(), Vec::new());
        let mut going = Going { direction, words, near, seen, unembedded: 0 };
        for scope in scopes(person, &query.within)? {
            self.look(person, scope, &mut going).await?;
        }
        let Going { words, near, seen, unembedded, .. } = going;
        let mut orders = [best(near), words.ranked()];
        orders.iter_mut().for_each(|order| order.truncate(RANKS_MAX));
        let limit = query.limit.clamp(1, HITS_MAX);
        let found = fused(&orders).into_iter().take(limit);
        let found = found.filter_map(|(at, score)| Some((seen.get(at)?, score)));
        let hits = self.opened(person, found, &query.text).await?;
        Ok(Results { hits, looked: seen.len(), unembedded })
    }

    async fn look(&self, person: &Person, scope: Scope, going: &mut Going) -> Result<(), NotDone> {
        let mut behind = (Str::new(), -1);
        loop {
            let look = Look {
                owner: person.owner().as_str().into(),
                model: self.feature.model.clone(),
                scope: scope.clone(),
                behind,
                limit: LOOK_AT_ONCE,
            };
            let some = self.ground.database.read(look).await?;
            let Some(last) = some.last() else { return Ok(()) };
            behind = (last.document.clone(), last.seq);
            for one in some {
                going.look(person, &self.feature.model, one)?;
            }
            // Nobody has more; somebody might, whose documents were written by two at once.
            if going.seen.len() as i64 > 2 * PASSAGES_MAX {
                return Err(NotDone::wrong("collection", "too much to look through: name one"));
            }
            // What was opened has taken a while, and others are to have their turn.
            tokio::task::yield_now().await;
        }
    }

    async fn opened(
        &self,
        person: &Person,
        found: impl Iterator<Item = (&(Str, i64), f64)>,
        question: &str,
    ) -> Result<Vec<Hit>, NotDone> {
        let mut names: HashMap<Str, Str> = HashMap::new();
        let mut hits = Vec::new();
        for ((id, seq), score) in found {
            let owner = person.owner().as_str().into();
            let bodies = Bodies { owner, document: id.clone(), behind: seq - 1, limit: 1 };
            let mut bodies = self.ground.database.read(bodies).await?;
            // It may have been deleted in this instant.
            let Some(body) = bodies.pop().filter(|body| body.seq == *seq) else { continue };
            let name = match names.get(id) {
                Some(name) => name.clone(),
                None => match self.get(person, id).await {
                    Ok(document) => {
                        names.insert(id.clone(), document.name.clone());
                        document.name
                    }
                    Err(NotDone::Unknown(_)) => continue,
                    Err(why) => return Err(why),
                },
            };
            let text = store::text(person, &body)?;
            let excerpt = excerpt(&text, question);
            hits.push(Hit {
                id: id.clone(),
                document: name,
                page: body.page,
                score,
                text,
                excerpt,
            });
        }
        Ok(hits)
    }
}

impl Going {
    fn look(&mut self, person: &Person, model: &str, one: Shelved) -> Result<(), StoreError> {
        let at = self.seen.len();
        self.words.look(at, &one.terms, one.length);
        match one.vector {
            None => self.unembedded += 1,
            Some(sealed) => {
                let row = format!("{model}/{}", one.print);
                let opened = person.open(&store::vector_place(&row), sealed)?;
                let odd = || StoreError::Corrupt("a vector".into());
                let direction = Packed::from_bytes(&opened).ok_or_else(odd)?;
                if let Some(near) = self.direction.nearness(&direction) {
                    self.near.push((at, near));
                }
            }
        }
        self.seen.push((one.document, one.seq));
        Ok(())
    }
}

fn scopes(person: &Person, within: &Within) -> Result<Vec<Scope>, NotDone> {
    Ok(match within {
        Within::All => vec![Scope::All],
        Within::Collection(name) => vec![Scope::Collection(store::collection(person, name))],
        Within::Documents(ids) if ids.len() > NAMED_MAX => {
            return Err(NotDone::wrong("documents", format!("{NAMED_MAX} at the most")));
        }
        Within::Documents(ids) => ids.iter().cloned().map(Scope::Document).collect(),
    })
}

/// The part of a text that begins a little before the first word of the question that stands in it.
fn excerpt(text: &str, question: &str) -> Str {
    let words = question.split(|letter: char| !letter.is_alphanumeric());
    let at = words.filter(|word| !word.is_empty()).find_map(|word| {
        // A Korean word is found by its beginning, too: its end changes.
        let two = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
        text.find(word).or_else(|| text.find(word.get(..two)?))
    });
    let before = text.get(..at.unwrap_or(0)).unwrap_or_default();
    let begin = before.char_indices().rev().nth(EXCERPT_LETTERS / 4 - 1).map_or(0, |(at, _)| at);
    let rest = text.get(begin..).unwrap_or_default();
    let end = rest.char_indices().nth(EXCERPT_LETTERS).map_or(rest.len(), |(at, _)| at);
    Str::from(rest.get(..end).unwrap_or_default().trim())
}
