//! The pages that a question is answered from, by the names that they are cited by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llm_core::Str;
use llm_core::principal::Grant;

use super::selection::{Basis, Order};
use super::split::{BESIDE_MAX, PARTS_MAX, TOKENS_MAX};
use crate::NotDone;
use crate::documents::chunk::tokens;
use crate::documents::{Document, Documents, HITS_MAX, NAMED_MAX, Query, Within};
use crate::people::Person;

/// A page that a model is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The name that its document is cited by: its own, with a number where two have the same.
    pub document: Str,
    /// Its number.
    pub page: u32,
    /// What stands on it, or the part of it that was found.
    pub text: Str,
}

/// Whatever pages an order is about: all of the documents it names where a model can read them all,
/// and otherwise what a search finds in them.
pub(super) async fn shown(
    documents: &Documents,
    person: &Person,
    grant: &Arc<Grant>,
    order: &Order,
) -> Result<Vec<Shown>, NotDone> {
    let within = match &order.basis {
        Basis::Cells => return Ok(Vec::new()),
        Basis::Collection(name) => Within::Collection(name.clone()),
        Basis::Documents(ids) => {
            let ids = distinct(ids);
            if ids.len() > NAMED_MAX {
                return Err(NotDone::wrong("documents", format!("{NAMED_MAX} at the most")));
            }
            let mut named = Vec::with_capacity(ids.len());
            for id in &ids {
                named.push(documents.get(person, id).await?);
            }
            // Beside cells they stand in every part.
            let room = match order.selection.cells.is_empty() {
                true => TOKENS_MAX * PARTS_MAX / 2,
                false => BESIDE_MAX,
            };
            if let Some(pages) = whole(documents, person, &named, room).await? {
                return Ok(pages);
            }
            Within::Documents(ids)
        }
    };
    let text: String = order.question.chars().take(crate::documents::QUERY_LETTERS_MAX).collect();
    let query = Query { text: text.into(), within, limit: HITS_MAX };
    let results = documents.search(person, grant, &query).await?;
    let (mut names, mut left) = (Names::default(), BESIDE_MAX);
    let mut pages: BTreeMap<(Str, u32), String> = BTreeMap::new();
    for hit in results.hits {
        let weight = tokens(&hit.text);
        if weight > left {
            break;
        }
        left -= weight;
        let page = pages.entry((names.of(&hit.id, &hit.document), hit.page)).or_default();
        // Two passages of a page are shown as one piece each.
        if !page.is_empty() {
            page.push_str("\n…\n");
        }
        page.push_str(&hit.text);
    }
    if pages.is_empty() {
        let field = match order.basis {
            Basis::Collection(_) => "collection",
            Basis::Cells | Basis::Documents(_) => "documents",
        };
        return Err(NotDone::wrong(field, "nothing in it answers the question"));
    }
    let page = |((document, page), text): ((Str, u32), String)| Shown {
        document,
        page,
        text: text.into(),
    };
    Ok(pages.into_iter().map(page).collect())
}

/// All pages of documents, where there is room for them.
async fn whole(
    documents: &Documents,
    person: &Person,
    named: &[Document],
    room: usize,
) -> Result<Option<Vec<Shown>>, NotDone> {
    let (mut names, mut pages, mut left) = (Names::default(), Vec::new(), room);
    for document in named {
        // A passage has at least so many bytes that this is no close call.
        if document.passages as usize > room {
            return Ok(None);
        }
        let name = names.of(&document.id, &document.name);
        for page in documents.pages(person, &document.id).await? {
            let Some(rest) = left.checked_sub(tokens(&page.text)) else { return Ok(None) };
            left = rest;
            pages.push(Shown { document: name.clone(), page: page.number, text: page.text });
        }
    }
    Ok(Some(pages))
}

fn distinct(ids: &[Str]) -> Vec<Str> {
    let mut seen = BTreeSet::new();
    ids.iter().filter(|id| seen.insert(&***id)).cloned().collect()
}

/// The names that documents are cited by: no two have the same.
#[derive(Debug, Default)]
struct Names {
    by_id: BTreeMap<Str, Str>,
    taken: BTreeSet<Str>,
}

impl Names {
    fn of(&mut self, id: &Str, name: &Str) -> Str {
        if let Some(known) = self.by_id.get(id) {
            return known.clone();
        }
        let tries = (2..).map(|number| Str::from(format!("{name} ({number})")));
        let mut tries = std::iter::once(name.clone()).chain(tries);
        let free = tries.find(|one| !self.taken.contains(one)).unwrap_or_default();
        self.taken.insert(free.clone());
        self.by_id.insert(id.clone(), free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_documents_have_one_name() {
        let mut names = Names::default();
        let mut of = |id: &str, name: &str| names.of(&id.into(), &name.into()).to_string();
        assert_eq!(of("1", "보고서.pdf"), "보고서.pdf");
        assert_eq!(of("2", "보고서.pdf"), "보고서.pdf (2)");
        assert_eq!(of("3", "보고서.pdf (2)"), "보고서.pdf (2) (2)");
        assert_eq!(of("1", "보고서.pdf"), "보고서.pdf");
    }
}
