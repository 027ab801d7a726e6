//! What happens to a key that is there.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::KeyId;
use llm_core::quota::Limit;
use llm_core::store::KeyHash;

use super::desk::{Desk, Op, Stop};
use super::issue::check_about;
use super::party::Edited;
use super::shelf::{About, KeyEntry, Shelf};
use super::text::{check_limits, check_scope, whole};
use super::{By, Holder, NotDone, SqlDirectory};
use crate::keys::{Action, Draft, KeyPrint, Rights, Standing};

/// A step in the life of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It rests; the head of a line stops all of the line.
    Suspend,
    /// It rests no more.
    Resume,
    /// It is gone for good.
    Revoke,
    /// What it has replaced works no more.
    EndOverlap,
    /// It may do less: what it may and these may.
    Narrow(Rights),
    /// It ends sooner.
    Shorten(Timestamp),
}

impl SqlDirectory {
    /// Takes a step. One that was taken before is taken.
    pub async fn turn(&self, by: &By, key: KeyId, turn: Turn) -> Result<KeyEntry, NotDone> {
        self.change(Take { by: by.clone(), key, turn }).await
    }

    /// Says anew what a key may do, less or more; whoever says it answers for the key from now on.
    pub async fn adopt(&self, by: &By, key: KeyId, draft: Draft) -> Result<KeyEntry, NotDone> {
        self.change(Adopt { by: by.clone(), key, draft }).await
    }

    /// Changes what people call a key and what applications hang on it, for all of its line.
    pub async fn describe(
        &self,
        by: &By,
        key: KeyId,
        alias: Option<Str>,
        metadata: Str,
    ) -> Result<KeyEntry, NotDone> {
        self.change(Sell { by: by.clone(), key, sale: Sale::Words { alias, metadata } }).await
    }

    /// Gives somebody a plan, or none of their own. From the next look-up on its numbers hold for
    /// what was spent already.
    pub async fn set_plan(
        &self,
        by: &By,
        holder: Holder,
        plan: Option<Str>,
    ) -> Result<(), NotDone> {
        match holder {
            Holder::Key(key) => {
                let sale = Sale::Plan(plan);
                self.change(Sell { by: by.clone(), key, sale }).await.map(drop)
            }
            Holder::Party(id) => self.sell_party(by, id, Edited::Plan(plan)).await,
        }
    }

    /// Other limits for somebody. Lower ones on a key leave its issuer as it is; for others,
    /// whoever sets them answers for the key.
    pub async fn set_limits(
        &self,
        by: &By,
        holder: Holder,
        limits: Vec<Limit>,
    ) -> Result<(), NotDone> {
        match holder {
            Holder::Key(key) => {
                self.change(SetLimits { by: by.clone(), key, limits }).await.map(drop)
            }
            Holder::Party(id) => self.sell_party(by, id, Edited::Limits(limits)).await,
        }
    }

    /// How many calls of somebody may run at once.
    pub async fn set_parallel(
        &self,
        by: &By,
        holder: Holder,
        most: Option<u32>,
    ) -> Result<(), NotDone> {
        match holder {
            Holder::Key(key) => {
                let sale = Sale::Parallel(most);
                self.change(Sell { by: by.clone(), key, sale }).await.map(drop)
            }
            Holder::Party(id) => self.sell_party(by, id, Edited::Parallel(most)).await,
        }
    }

    /// Another print for the same key, when its pepper is being replaced: see
    /// [`Peppers::renewed`](crate::keys::Peppers::renewed).
    pub async fn renew(&self, old: KeyPrint, new: KeyPrint) -> Result<(), NotDone> {
        self.change(Renew { old, new }).await
    }

    /// Who shows a key that administers, and what they may do now; `None` when it is no such key.
    /// Asked of the store each time: nobody administers with what was true a minute ago.
    pub async fn administrator(
        &self,
        print: KeyHash,
    ) -> Result<Option<(KeyEntry, Standing)>, NotDone> {
        self.ask(Administrator { print }).await
    }
}

struct Take {
    by: By,
    key: KeyId,
    turn: Turn,
}

impl Op for Take {
    type Out = KeyEntry;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<KeyEntry, Stop> {
        let shelf = desk.shelf(&self.key).await?;
        let authority = desk.authority(&self.by).await?;
        let before = shelf.entry();
        authority.manages(&before.record, shelf.bounded().ok().as_ref())?;
        let mut after = before.clone();
        let record = &mut after.record;
        match &self.turn {
            Turn::Suspend => record.suspend(desk.now),
            Turn::Resume => record.resume(),
            Turn::Revoke => record.revoke(desk.now),
            Turn::EndOverlap => record.end_overlap(desk.now),
            Turn::Narrow(to) => {
                check_scope(&to.models)?;
                check_limits(&to.limits)?;
                record.narrow(to);
            }
            Turn::Shorten(end) => record.shorten(whole(*end)),
        }
        // What works again may be more than whoever wakes it.
        let woken = shelf.would(&after, shelf.plan().map(|plan| &**plan)).ok();
        authority.manages(&after.record, woken.as_ref())?;
        if after != *before {
            desk.keep(&after).await?;
            desk.touch_line(&after.record.line).await?;
        }
        Ok(after)
    }
}

struct Adopt {
    by: By,
    key: KeyId,
    draft: Draft,
}

impl Op for Adopt {
    type Out = KeyEntry;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<KeyEntry, Stop> {
        let draft = desk.checked(&self.draft).await?;
        let shelf = desk.shelf(&self.key).await?;
        desk.adopted(&self.by, &shelf, draft).await
    }
}

impl Desk<'_, '_> {
    async fn adopted(&mut self, by: &By, shelf: &Shelf, draft: Draft) -> Result<KeyEntry, Stop> {
        let authority = self.authority(by).await?;
        let mut entry = shelf.entry().clone();
        authority.adopt(&mut entry.record, draft, self.now)?;
        self.keep(&entry).await?;
        self.touch_line(&entry.record.line).await?;
        Ok(entry)
    }
}

struct SetLimits {
    by: By,
    key: KeyId,
    limits: Vec<Limit>,
}

impl Op for SetLimits {
    type Out = KeyEntry;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<KeyEntry, Stop> {
        check_limits(&self.limits)?;
        let shelf = desk.shelf(&self.key).await?;
        let entry = shelf.entry();
        let record = &entry.record;
        let with = |limits: &[Limit]| Rights { limits: limits.to_vec(), ..Rights::full() };
        if with(&self.limits).within(&with(&record.rights.limits)).is_ok() {
            let authority = desk.authority(&self.by).await?;
            authority.manages(record, shelf.bounded().ok().as_ref())?;
            let mut after = entry.clone();
            after.record.narrow(&with(&self.limits));
            desk.keep(&after).await?;
            desk.touch_line(&record.line).await?;
            return Ok(after);
        }
        let draft = Draft {
            owner: record.owner.clone(),
            actions: record.rights.actions,
            models: Some(record.rights.models.clone()),
            limits: self.limits.clone(),
            expires_at: record.expires_at,
        };
        desk.adopted(&self.by, &shelf, draft).await
    }
}

/// What all keys of a line have in common.
enum Sale {
    Words { alias: Option<Str>, metadata: Str },
    Plan(Option<Str>),
    Parallel(Option<u32>),
}

struct Sell {
    by: By,
    key: KeyId,
    sale: Sale,
}

impl Op for Sell {
    type Out = KeyEntry;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<KeyEntry, Stop> {
        let shelf = desk.shelf(&self.key).await?;
        let authority = desk.authority(&self.by).await?;
        let mut entry = shelf.entry().clone();
        authority.manages(&entry.record, shelf.bounded().ok().as_ref())?;
        match &self.sale {
            Sale::Words { alias, metadata } => {
                (entry.about.alias, entry.about.metadata) = (alias.clone(), metadata.clone());
            }
            Sale::Plan(plan) => entry.about.plan.clone_from(plan),
            Sale::Parallel(most) => {
                let cap = desk.cap(&self.by).await?;
                // Whoever is bounded does not unbind others, nor themselves.
                if cap.is_some_and(|cap| most.is_none_or(|most| most > cap)) {
                    return Err(NotDone::Denied.into());
                }
                entry.about.parallel_max = *most;
            }
        }
        let About { plan, .. } = &entry.about;
        let plan = desk.maybe_plan(plan.as_ref()).await?;
        check_about(&entry.about)?;
        // With another plan it may be more than whoever gives it.
        let sold = shelf.would(&entry, plan.as_deref()).ok();
        authority.manages(&entry.record, sold.as_ref())?;
        desk.keep_about(&entry.record.line, &entry.about).await?;
        desk.touch_line(&entry.record.line).await?;
        Ok(entry)
    }
}

impl Desk<'_, '_> {
    /// How many calls somebody may have running themselves.
    async fn cap(&mut self, by: &By) -> Result<Option<u32>, Stop> {
        match by {
            By::Operator => Ok(None),
            By::Key(id) => Ok(self.shelf(id).await?.sold(Default::default()).0),
        }
    }
}

struct Renew {
    old: KeyPrint,
    new: KeyPrint,
}

impl Op for Renew {
    type Out = ();

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<(), Stop> {
        // One that somebody else has renewed is renewed.
        let Some(row) = desk.key_by_print(&self.old.hash).await? else { return Ok(()) };
        let mut entry = row.entry;
        if entry.record.print != self.old {
            return Ok(());
        }
        if desk.key_by_print(&self.new.hash).await?.is_some() {
            return Err(NotDone::taken("key of the same text", &entry.record.label).into());
        }
        entry.record.print = self.new;
        desk.keep(&entry).await?;
        Ok(desk.touch_line(&entry.record.line).await?)
    }
}

struct Administrator {
    print: KeyHash,
}

impl Op for Administrator {
    type Out = Option<(KeyEntry, Standing)>;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Self::Out, Stop> {
        let Some(row) = desk.key_by_print(&self.print).await? else { return Ok(None) };
        let shelf = desk.shelved(row).await?;
        let Ok(standing) = shelf.bounded() else { return Ok(None) };
        let actions = standing.rights.actions;
        let reads = actions.has(Action::ReadUsage) || actions.has(Action::ReadCalls);
        let found = (actions.administers() || reads).then(|| (shelf.entry().clone(), standing));
        Ok(found)
    }
}
