//! What chat keeps of people, for them to have and to have gone.

use llm_core::seam::BoxFuture;
use llm_core::store::StoreError;
use serde_json::{Value, json};

use super::{Chat, Export};
use crate::people::Person;
use crate::privacy::{ITEMS_MAX, Keeps, Who};

/// Conversations that are looked up at once.
const AT_ONCE: usize = 100;

impl Chat {
    async fn all(&self, person: &Person) -> Result<Value, StoreError> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.listed(person, cursor.as_deref(), AT_ONCE).await;
            let page = page.map_err(|why| why.of_store())?;
            for conversation in page.items {
                match self.exported(person, conversation.id).await {
                    Ok(export) => all.push(told(&export)),
                    // It went in between.
                    Err(crate::NotDone::Unknown(_)) => {}
                    Err(why) => return Err(why.of_store()),
                }
            }
            cursor = page.next;
            if cursor.is_none() || all.len() >= ITEMS_MAX {
                return Ok(all.into());
            }
        }
    }
}

fn told(export: &Export) -> Value {
    let of = &export.conversation;
    let messages = export.messages.iter().map(|one| {
        json!({"id": one.id.to_string(), "parent": one.parent.map(|id| id.to_string()),
            "role": one.role.word(), "state": one.state.word(), "text": &*one.text,
            "created_at": one.created.to_string()})
    });
    json!({"id": of.id.to_string(), "title": of.title.as_deref(),
        "system": of.manner.system.as_deref(), "created_at": of.created.to_string(),
        "messages": messages.collect::<Vec<_>>()})
}

impl Keeps for Chat {
    fn name(&self) -> &'static str {
        "conversations"
    }

    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(async move {
            match &who.person {
                Some(person) => self.all(person).await,
                // What was kept of them nobody can read.
                None => Ok(json!([])),
            }
        })
    }

    fn erase<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.forget(&who.owner))
    }
}
