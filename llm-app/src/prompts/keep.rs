//! What prompts keep of people, for them to have and to have gone. What they have made for a team or
//! for everybody is the team's or everybody's, and stays.

use llm_core::seam::BoxFuture;
use llm_core::store::StoreError;
use serde_json::{Value, json};

use super::Prompts;
use super::holders::Access;
use crate::ground::NotDone;
use crate::people::Person;
use crate::privacy::{ITEMS_MAX, Keeps, Who};

impl Prompts {
    async fn all(&self, person: &Person) -> Result<Value, NotDone> {
        let owner = person.owner();
        let mut templates = Vec::new();
        for template in self.list_templates(Access::User, owner, None, ITEMS_MAX).await? {
            let versions = self.list_versions(&template, u64::MAX, ITEMS_MAX).await?;
            let told = |version: &super::templates::Version| json!({"number": version.number, "text": version.text});
            let versions: Vec<_> = versions.iter().map(told).collect();
            templates.push(json!({"about": template.head, "versions": versions}));
        }
        let experiments = self.list_experiments(Access::User, owner, None, ITEMS_MAX).await?;
        let experiments: Vec<_> = experiments.iter().map(|one| json!(one.setup)).collect();
        let voices = self.list_voices(person, u128::MAX, ITEMS_MAX).await?;
        let voices = voices.iter().map(|voice| {
            json!({"about": voice.about.word(), "object": voice.object,
                "comment": voice.said.comment, "score": voice.said.score,
                "created_at": voice.made.to_string()})
        });
        let voices: Vec<_> = voices.collect();
        let boosts = self.list_boosts(person, u128::MAX, ITEMS_MAX).await?;
        let boosts = boosts.iter().map(|boost| {
            json!({"prompt": boost.prompt, "boosted": boost.boosted,
                "created_at": boost.made.to_string()})
        });
        let boosts: Vec<_> = boosts.collect();
        Ok(json!({"boosts": boosts, "templates": templates,
            "experiments": experiments, "feedback": voices}))
    }
}

impl Keeps for Prompts {
    fn name(&self) -> &'static str {
        "prompts"
    }

    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(async move {
            match &who.person {
                Some(person) => self.all(person).await.map_err(NotDone::of_store),
                // What was kept of them nobody can read.
                None => Ok(json!({})),
            }
        })
    }

    fn erase<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.remove_all(&who.owner))
    }
}
