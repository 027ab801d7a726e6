//! Vectors for passages that have none: of a document that was added, of a model that is new.
//!
//! What is asked for is what is missing, so that it can be stopped and begun again at any point, and
//! a text that is there already costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use llm_core::Str;
use llm_core::answer::Embeddings;
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::prompt::{EmbedInput, EmbedRequest};
use llm_core::store::StoreError;

use super::chunk::tokens;
use super::store::{self, Bare, Embedded, KeepVectors, Vectorless};
use super::vector::Packed;
use super::{Document, Documents};
use crate::NotDone;
use crate::people::Person;

/// Texts of a call: what every provider takes at once.
const TEXTS_AT_ONCE: usize = 64;
/// Tokens of a call, as we count: what the most modest provider takes, and a gateway reads at once.
const TOKENS_AT_ONCE: usize = 8_000;
/// Calls beside each other. The plan of whoever asks holds beside this.
const CALLS_AT_ONCE: usize = 4;

/// Who hears how far it is, and may say that it is to stop.
pub trait Watch: Sync {
    /// So many of its passages have been looked at. `false` is to stop.
    fn seen(&self, passages: u32) -> bool;
}

/// Nobody, who never stops anything.
impl Watch for () {
    fn seen(&self, _: u32) -> bool {
        true
    }
}

impl Documents {
    /// How many passages of a document have no vector yet, up to a bound.
    pub async fn missing(
        &self,
        person: &Person,
        document: &Document,
        most: usize,
    ) -> Result<usize, NotDone> {
        let bare = self.bare(person, document, -1, most as i64).await?;
        Ok(bare.len())
    }

    async fn bare(
        &self,
        person: &Person,
        document: &Document,
        behind: i64,
        limit: i64,
    ) -> Result<Vec<Bare>, StoreError> {
        let vectorless = Vectorless {
            owner: person.owner().as_str().into(),
            document: document.id.clone(),
            model: self.feature.model.clone(),
            behind,
            limit,
        };
        self.ground.database.read(vectorless).await
    }

    /// Embeds what is not embedded yet, on behalf of whoever asked. Whether all of it is: it is not
    /// when the watch has stopped it.
    pub async fn embed(
        &self,
        person: &Person,
        grant: &Arc<Grant>,
        document: &Document,
        watch: &dyn Watch,
    ) -> Result<bool, NotDone> {
        let mut behind = -1;
        loop {
            let most = TEXTS_AT_ONCE * CALLS_AT_ONCE;
            let bare = self.bare(person, document, behind, most as i64).await?;
            let Some(last) = bare.last() else { break };
            behind = last.found.seq;
            // A text that stands in a document twice is asked for once.
            let mut texts: BTreeMap<i64, Str> = BTreeMap::new();
            for one in &bare {
                texts.insert(one.print, store::text(person, &one.found)?);
            }
            let texts: Vec<(i64, Str)> = texts.into_iter().collect();
            let calls = loads(&texts).into_iter().map(|some| self.call(person, grant, some));
            // Collected first: a closure that borrows may not go into the stream.
            let calls: Vec<_> = calls.collect();
            let mut calls = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE);
            while let Some(done) = calls.next().await {
                done?;
            }
            drop(calls);
            let seen = u32::try_from(behind.saturating_add(1)).unwrap_or(u32::MAX);
            if !watch.seen(seen) {
                return Ok(false);
            }
        }
        let model = self.feature.model.clone();
        if document.model.as_ref() != Some(&model) {
            let (owner, id) = (person.owner().as_str().into(), document.id.clone());
            self.ground.database.write(Embedded { owner, id, model }).await?;
        }
        Ok(true)
    }

    /// Asks for vectors of some texts, and keeps them.
    async fn call(
        &self,
        person: &Person,
        grant: &Arc<Grant>,
        texts: &[(i64, Str)],
    ) -> Result<(), NotDone> {
        let directions = self.directions(grant, texts.iter().map(|(_, text)| text)).await?;
        let model = &self.feature.model;
        let sealed = texts.iter().zip(directions).map(|((print, _), direction)| {
            let row = format!("{model}/{print}");
            let sealed = person.close(&store::vector_place(&row), &direction.to_bytes())?;
            Ok((*print, sealed))
        });
        let vectors = sealed.collect::<Result<_, StoreError>>()?;
        let owner = person.owner().as_str().into();
        let keep = KeepVectors { owner, model: model.clone(), vectors };
        Ok(self.ground.database.write(keep).await?)
    }

    /// The directions of texts, one each.
    pub(super) async fn directions(
        &self,
        grant: &Arc<Grant>,
        texts: impl Iterator<Item = &Str>,
    ) -> Result<Vec<Packed>, NotDone> {
        let mut request = EmbedRequest::new(self.feature.model.clone());
        request.input = texts.cloned().map(EmbedInput::Text).collect();
        let count = request.input.len();
        let asking = self.ground.asking(&self.feature, grant);
        let embeddings = Box::pin(asking.embed(request)).await?;
        read(embeddings, count).ok_or_else(|| {
            let text = "the provider answered other vectors than were asked for";
            Error::new(Kind::CorruptReply, text).into()
        })
    }
}

/// Texts in as few calls as they fit into, in their order.
fn loads(texts: &[(i64, Str)]) -> Vec<&[(i64, Str)]> {
    let (mut loads, mut rest) = (Vec::new(), texts);
    while !rest.is_empty() {
        let mut sum = 0;
        let fits = rest.iter().take(TEXTS_AT_ONCE).take_while(|(_, text)| {
            sum += tokens(text);
            sum <= TOKENS_AT_ONCE
        });
        let (load, after) = rest.split_at(fits.count().max(1));
        loads.push(load);
        rest = after;
    }
    loads
}

/// The directions of an answer, where it has as many as were asked for.
fn read(embeddings: Embeddings, count: usize) -> Option<Vec<Packed>> {
    let set = embeddings.sets.into_iter().next()?;
    let directions: Option<Vec<Packed>> = set.vectors.iter().map(Packed::of).collect();
    directions.filter(|all| all.len() == count)
}
