//! What documents and analyses keep of people, for them to have and to have gone.

use llm_core::seam::BoxFuture;
use llm_core::store::StoreError;
use serde_json::{Value, json};

use super::{Document, Documents, erase};
use crate::NotDone;
use crate::analysis::Analysis;
use crate::people::Person;
use crate::privacy::{CONTENT_BYTES_MAX, ITEMS_MAX, Keeps, Who};

/// Documents that are looked up at once.
const AT_ONCE: usize = 100;

/// Documents, and what was asked about them.
#[derive(Debug)]
pub struct DocumentKeeper {
    documents: Documents,
    analysis: Analysis,
}

impl DocumentKeeper {
    /// Of these.
    pub fn new(documents: Documents, analysis: Analysis) -> Self {
        Self { documents, analysis }
    }

    async fn all(&self, person: &Person) -> Result<Value, NotDone> {
        let (mut all, mut room) = (Vec::new(), CONTENT_BYTES_MAX);
        let mut before = None;
        loop {
            let page = self.documents.list(person, None, before, AT_ONCE).await?;
            for document in &page {
                all.push(self.one(person, document, &mut room).await?);
            }
            before = page.last().map(|last| last.id.clone());
            if page.len() < AT_ONCE || all.len() >= ITEMS_MAX {
                break;
            }
        }
        let mut asked = Vec::new();
        for id in self.analysis.ids(person, ITEMS_MAX).await? {
            let question = self.analysis.order(person, &id).await?;
            let report = match self.analysis.report(person, &id).await {
                Ok(report) => Some(report),
                // Nothing has come of it yet.
                Err(NotDone::Unknown(_)) => None,
                Err(why) => return Err(why),
            };
            asked.push(json!({"id": &*id, "asked": question, "report": report}));
        }
        Ok(json!({"documents": all, "analyses": asked}))
    }

    /// Of what is larger than there is room for it says that it is there.
    async fn one(
        &self,
        person: &Person,
        document: &Document,
        room: &mut usize,
    ) -> Result<Value, NotDone> {
        let pages = match document.size <= *room as u64 {
            true => {
                let pages = self.documents.pages(person, &document.id).await?;
                *room = room.saturating_sub(pages.iter().map(|page| page.text.len()).sum());
                let told = |page: &super::Page| json!({"page": page.number, "text": &*page.text});
                Some(pages.iter().map(told).collect::<Vec<_>>())
            }
            false => None,
        };
        Ok(json!({"id": &*document.id, "name": &*document.name, "pages": pages,
            "created_at": document.born.to_string()}))
    }
}

impl Keeps for DocumentKeeper {
    fn name(&self) -> &'static str {
        "documents"
    }

    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(async move {
            match &who.person {
                Some(person) => self.all(person).await.map_err(NotDone::of_store),
                // What was kept of them nobody can read.
                None => Ok(json!({"documents": [], "analyses": []})),
            }
        })
    }

    fn erase<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(erase(&self.documents.ground.database, &who.owner))
    }
}
