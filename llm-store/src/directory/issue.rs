//! Keys come into being: issued, or in place of another.

use std::time::Duration;

use llm_core::principal::KeyId;

use super::desk::{Desk, Op, Stop};
use super::shelf::{About, KeyEntry};
use super::text::{actions_text, check_limits, check_maybe_name, check_metadata, check_name};
use super::text::{check_scope, limits_text, scope_text, whole};
use super::{By, NotDone, SqlDirectory};
use crate::keys::{self, Draft, Issuer, KeyRecord, Minted, PepperId};
use crate::sql::fault::Failure;

impl SqlDirectory {
    /// Issues a key. The same minted key again is the one that is there.
    pub async fn issue(
        &self,
        by: &By,
        draft: Draft,
        minted: Minted,
        about: About,
    ) -> Result<KeyEntry, NotDone> {
        self.change(Issue { by: by.clone(), draft, minted, about }).await
    }

    /// Replaces a key; both work until the overlap ends. The same minted key again is the one that
    /// is there.
    pub async fn rotate(
        &self,
        by: &By,
        key: KeyId,
        minted: Minted,
        overlap: Duration,
    ) -> Result<KeyEntry, NotDone> {
        self.change(Rotate { by: by.clone(), key, minted, overlap }).await
    }
}

struct Issue {
    by: By,
    draft: Draft,
    minted: Minted,
    about: About,
}

impl Op for Issue {
    type Out = KeyEntry;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<KeyEntry, Stop> {
        check_about(&self.about)?;
        if let Some(known) = desk.minted(&self.minted).await? {
            return Ok(known);
        }
        let draft = desk.checked(&self.draft).await?;
        let authority = desk.authority(&self.by).await?;
        desk.maybe_plan(self.about.plan.as_ref()).await?;
        let record = keys::issue(draft, self.minted.clone(), &authority, whole(desk.now))?;
        let entry = KeyEntry { record, about: self.about.clone() };
        desk.add(&entry).await?;
        desk.touch_line(&entry.record.line).await?;
        Ok(entry)
    }
}

struct Rotate {
    by: By,
    key: KeyId,
    minted: Minted,
    overlap: Duration,
}

impl Op for Rotate {
    type Out = KeyEntry;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<KeyEntry, Stop> {
        if let Some(known) = desk.minted(&self.minted).await? {
            return Ok(known);
        }
        let shelf = desk.shelf(&self.key).await?;
        let authority = desk.authority(&self.by).await?;
        let mut old = shelf.entry().clone();
        authority.manages(&old.record, shelf.bounded().ok().as_ref())?;
        // Who rests with their owner is not replaced either.
        shelf.open()?;
        let record = old.record.rotate(self.minted.clone(), self.overlap, desk.now)?;
        let new = KeyEntry { record, about: old.about.clone() };
        // The old one first: a line has one head at any time.
        desk.keep(&old).await?;
        desk.add(&new).await?;
        desk.touch_line(&new.record.line).await?;
        Ok(new)
    }
}

pub(super) fn check_about(about: &About) -> Result<(), NotDone> {
    check_maybe_name(about.alias.as_ref())?;
    check_metadata(&about.metadata)
}

impl Desk<'_, '_> {
    /// A key that was made by the same request before; none when it is new.
    async fn minted(&mut self, minted: &Minted) -> Result<Option<KeyEntry>, Stop> {
        check_name(&minted.id.0)?;
        if let Some(row) = self.maybe_key(&minted.id).await? {
            if row.entry.record.print == minted.print {
                return Ok(Some(row.entry));
            }
            return Err(NotDone::taken("key", &minted.id.0).into());
        }
        if let Some(row) = self.key_by_print(&minted.print.hash).await? {
            // Whoever brings a key along that is here already is not told whose.
            let label = row.entry.record.label;
            return Err(NotDone::taken("key of the same text", &label).into());
        }
        Ok(None)
    }

    /// A draft whose owner is there and whose words can be kept.
    pub(super) async fn checked(&mut self, draft: &Draft) -> Result<Draft, Stop> {
        check_limits(&draft.limits)?;
        if let Some(models) = &draft.models {
            check_scope(models)?;
        }
        let owner = self.whole_owner(&draft.owner).await?;
        let expires_at = draft.expires_at.map(whole);
        Ok(Draft { owner, expires_at, ..draft.clone() })
    }

    async fn add(&mut self, entry: &KeyEntry) -> Result<(), Failure> {
        let KeyRecord { id, line, print, label, created_at, .. } = &entry.record;
        let PepperId(pepper) = print.pepper;
        let text = "INSERT INTO virtual_key (id, line, pepper, print, label, created, tenant, \
             actions, models, limits, metadata) VALUES ($1, $2, $3, $4, $5, $6, '', '', '', '', '')";
        let args = [
            (&*id.0).into(),
            (&*line.0).into(),
            pepper.cast_signed().into(),
            print.hash.0.as_slice().into(),
            (&**label).into(),
            created_at.as_microsecond().into(),
        ];
        self.session.run(text, &args).await?;
        self.keep(entry).await
    }

    /// Writes what may change of a key; what its line has in common is kept by `keep_about`.
    pub(super) async fn keep(&mut self, entry: &KeyEntry) -> Result<(), Failure> {
        let KeyEntry { record, about } = entry;
        let micros = |at: Option<jiff::Timestamp>| at.map(jiff::Timestamp::as_microsecond);
        let (actions, models) =
            (actions_text(record.rights.actions), scope_text(&record.rights.models));
        let limits = limits_text(&record.rights.limits);
        let issuer = match &record.issuer {
            Issuer::Operator => None,
            Issuer::Key(line) => Some(&*line.0),
        };
        let (replaced, owner) = (record.replaced.as_ref(), &record.owner);
        let text = "UPDATE virtual_key SET tenant = $2, org = $3, team = $4, person = $5, \
             actions = $6, models = $7, limits = $8, expires = $9, suspended = $10, revoked = $11, \
             replaced_by = $12, replaced_until = $13, issuer = $14, alias = $15, metadata = $16, \
             plan = $17, parallel = $18, pepper = $19, print = $20 WHERE id = $1";
        let PepperId(pepper) = record.print.pepper;
        let args = [
            (&*record.id.0).into(),
            (&*owner.tenant.0).into(),
            owner.org.as_ref().map(|id| &*id.0).into(),
            owner.team.as_ref().map(|id| &*id.0).into(),
            owner.user.as_ref().map(|id| &*id.0).into(),
            actions.as_str().into(),
            models.as_str().into(),
            limits.as_str().into(),
            micros(record.expires_at).into(),
            micros(record.suspended_at).into(),
            micros(record.revoked_at).into(),
            replaced.map(|replaced| &*replaced.by.0).into(),
            micros(replaced.map(|replaced| replaced.until)).into(),
            issuer.into(),
            about.alias.as_deref().into(),
            (&*about.metadata).into(),
            about.plan.as_deref().into(),
            about.parallel_max.map(i64::from).into(),
            pepper.cast_signed().into(),
            record.print.hash.0.as_slice().into(),
        ];
        self.session.run(text, &args).await.map(drop)
    }

    /// Writes what all keys of a line have in common.
    pub(super) async fn keep_about(&mut self, line: &KeyId, about: &About) -> Result<(), Failure> {
        let text = "UPDATE virtual_key SET alias = $2, metadata = $3, plan = $4, parallel = $5 \
             WHERE line = $1";
        let args = [
            (&*line.0).into(),
            about.alias.as_deref().into(),
            (&*about.metadata).into(),
            about.plan.as_deref().into(),
            about.parallel_max.map(i64::from).into(),
        ];
        self.session.run(text, &args).await.map(drop)
    }
}
