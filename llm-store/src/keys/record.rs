//! What is kept of a key, and what may happen to it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::principal::{KeyId, Principal, TeamId, TenantId, UserId};

pub use llm_core::principal::OrgId;

use super::issue::Minted;
use super::pepper::KeyPrint;
use super::rights::Rights;
use super::standing::{NotUsable, Standing};

/// Longer than any roll-out; beyond it a rotation is two keys.
pub const OVERLAP_MAX: Duration = Duration::from_secs(90 * 86_400);

/// Whose a key is. What is said narrows: an issuer of a team issues keys of that team alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    /// Whose data it is.
    pub tenant: TenantId,
    /// The part of the tenant.
    pub org: Option<OrgId>,
    /// The group.
    pub team: Option<TeamId>,
    /// The person or service.
    pub user: Option<UserId>,
}

impl KeyOwner {
    /// A tenant as a whole.
    pub fn tenant(tenant: TenantId) -> Self {
        Self { tenant, org: None, team: None, user: None }
    }

    /// Whether an issuer of `other` may act for this one.
    pub fn within(&self, other: &Self) -> bool {
        fn narrower<T: PartialEq>(own: Option<&T>, other: Option<&T>) -> bool {
            other.is_none() || own == other
        }
        self.tenant == other.tenant
            && narrower(self.org.as_ref(), other.org.as_ref())
            && narrower(self.team.as_ref(), other.team.as_ref())
            && narrower(self.user.as_ref(), other.user.as_ref())
    }
}

/// Who issued a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// Whoever runs the gateway: by the admin key, the command line or the configuration.
    Operator,
    /// The line of another key: that key, or what has replaced it since.
    Key(KeyId),
}

/// A key that another one has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// By which.
    pub by: KeyId,
    /// The first instant at which the old one does not work any more.
    pub until: Timestamp,
}

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its public id.
    pub id: KeyId,
    /// The first key of its line of rotations: what accounts, windows and logs are named after, so
    /// that rotating a key does not buy its limits anew.
    pub line: KeyId,
    /// What it is found by.
    pub print: KeyPrint,
    /// What lists show of it.
    pub label: Str,
    /// Whose it is.
    pub owner: KeyOwner,
    /// What it may do at most; what it may do now is its [`Standing`].
    pub rights: Rights,
    /// The first instant at which it does not work any more.
    pub expires_at: Option<Timestamp>,
    /// Since when it rests.
    pub suspended_at: Option<Timestamp>,
    /// Since when it is gone for good.
    pub revoked_at: Option<Timestamp>,
    /// What has replaced it.
    pub replaced: Option<Replaced>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who answers for it.
    pub issuer: Issuer,
}

/// Why a key was not rotated. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRotated {
    /// It does not work: who replaced it would make it work again.
    #[error(transparent)]
    NotUsable(#[from] NotUsable),
    /// It was replaced before: rotate the head of its line.
    #[error("replaced by {0} before")]
    Replaced(KeyId),
    /// The overlap is too long.
    #[error("an overlap is {} days at the most", OVERLAP_MAX.as_secs() / 86_400)]
    Overlap,
}

impl KeyRecord {
    /// Whether the record itself lets the key be used. What its issuer says is not asked here.
    pub fn open(&self, now: Timestamp) -> Result<(), NotUsable> {
        // What is final comes first: a key that was revoked is not "expired".
        if self.revoked_at.is_some() {
            return Err(NotUsable::Revoked);
        }
        if self.suspended_at.is_some() {
            return Err(NotUsable::Suspended);
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(NotUsable::Expired);
        }
        match &self.replaced {
            Some(replaced) if replaced.until <= now => Err(NotUsable::Replaced),
            Some(_) | None => Ok(()),
        }
    }

    /// When the record itself ends.
    pub fn end(&self) -> Option<Timestamp> {
        let overlap = self.replaced.as_ref().map(|replaced| replaced.until);
        [self.expires_at, overlap].into_iter().flatten().min()
    }

    /// Lets it rest. The head of a line stops all of the line.
    pub fn suspend(&mut self, now: Timestamp) {
        self.suspended_at.get_or_insert(now);
    }

    /// Ends a rest.
    pub fn resume(&mut self) {
        self.suspended_at = None;
    }

    /// Ends it for good, and with the head of a line all of the line. The record stays, for whoever
    /// asks what it was.
    pub fn revoke(&mut self, now: Timestamp) {
        self.revoked_at.get_or_insert(now);
    }

    /// Makes what it may do less, never more.
    pub fn narrow(&mut self, to: &Rights) {
        self.rights = self.rights.meet(to);
    }

    /// Makes its time shorter, never longer.
    pub fn shorten(&mut self, end: Timestamp) {
        self.expires_at = Some(self.expires_at.map_or(end, |known| known.min(end)));
    }

    /// Replaces it. Until the overlap ends, both work: the old one as far as the new one does, so
    /// that what is taken from the one is not left with the other. A suspended or expired key is
    /// not replaced. The overlap ends no later than the key would have. Whether somebody may is
    /// asked of [`Authority::manages`](super::Authority::manages).
    pub fn rotate(
        &mut self,
        minted: Minted,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<Self, NotRotated> {
        self.open(now)?;
        if let Some(replaced) = &self.replaced {
            return Err(NotRotated::Replaced(replaced.by.clone()));
        }
        if overlap > OVERLAP_MAX {
            return Err(NotRotated::Overlap);
        }
        let wait = SignedDuration::try_from(overlap).map_err(|_| NotRotated::Overlap)?;
        let until = now.checked_add(wait).map_err(|_| NotRotated::Overlap)?;
        let Minted { id, print, label } = minted;
        let new = Self { id, print, label, created_at: now, ..self.clone() };
        self.replaced = Some(Replaced { by: new.id.clone(), until });
        Ok(new)
    }

    /// Ends an overlap early: the old key has leaked, or is not needed any more.
    pub fn end_overlap(&mut self, now: Timestamp) {
        if let Some(replaced) = &mut self.replaced {
            replaced.until = replaced.until.min(now);
        }
    }

    /// Who calls with it.
    pub fn principal(&self, standing: &Standing) -> Principal {
        Principal {
            key: self.line.clone(),
            tenant: self.owner.tenant.clone(),
            user: self.owner.user.clone(),
            team: self.owner.team.clone(),
            org: self.owner.org.clone(),
            scope: standing.rights.models.clone(),
        }
    }
}
