//! How a key comes into being, and how its rights change hands.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::{KeyId, Scope};
use llm_core::quota::Limit;

use super::pepper::{KeyPrint, Peppers};
use super::record::{Issuer, KeyOwner, KeyRecord};
use super::rights::{Action, Actions, Excess, Rights, loosened};
use super::standing::{CHAIN_MAX, NotUsable, Standing, Walk};
use super::text::VirtualKey;

/// More than any gateway has models; each is compared with each of the issuer's.
const MODELS_MAX: usize = 256;
/// More rules than anyone can explain to a user; each is a window to count.
const LIMITS_MAX: usize = 16;
/// How deep issuers may issue. A key that was replaced is looked at twice, and taking keys over
/// may stack what was issued apart.
const DEPTH_MAX: usize = CHAIN_MAX / 4;

/// What is kept of a key that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minted {
    /// Its public id.
    pub id: KeyId,
    /// What it is found by.
    pub print: KeyPrint,
    /// What lists show of it.
    pub label: Str,
}

impl Minted {
    /// Takes from a key what may be kept.
    pub fn new(id: KeyId, key: &VirtualKey, peppers: &Peppers) -> Self {
        Self { id, print: peppers.print(key.expose()), label: key.label() }
    }
}

/// A key that somebody would like to have.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whose.
    pub owner: KeyOwner,
    /// What it may do; [`Action::Call`] alone unless it is said.
    pub actions: Actions,
    /// With which models; `None` is all that the issuer may use.
    pub models: Option<Scope>,
    /// Limits beside those of the issuer, which it has anyway.
    pub limits: Vec<Limit>,
    /// Until when; `None` is as long as the issuer.
    pub expires_at: Option<Timestamp>,
}

impl Draft {
    /// A key that may ask models, and nothing else.
    pub fn new(owner: KeyOwner) -> Self {
        let actions = Actions::from_iter([Action::Call]);
        Self { owner, actions, models: None, limits: Vec::new(), expires_at: None }
    }
}

/// Who issues: what they may do at this instant. Not to be kept.
#[derive(Clone, Debug)]
pub struct Authority {
    issuer: Issuer,
    /// Whom they act for; `None` is everybody.
    owner: Option<KeyOwner>,
    standing: Standing,
    /// Their line and all above it.
    lines: Vec<KeyId>,
}

/// Why a key was not issued. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIssued {
    /// The issuer may not issue keys.
    #[error("this key may not issue keys")]
    NoIssuer,
    /// The owner is not one that the issuer acts for.
    #[error("the issuer may not act for this owner")]
    Owner,
    /// More than the issuer has.
    #[error(transparent)]
    Excess(#[from] Excess),
    /// Longer than the issuer.
    #[error("the key would outlive its issuer")]
    Outlives,
    /// Its time is over before it begins.
    #[error("the end lies in the past")]
    Past,
    /// Too many models or limits.
    #[error("at most {MODELS_MAX} models and {LIMITS_MAX} limits")]
    TooMany,
    /// Issuers of issuers of issuers.
    #[error("at most {DEPTH_MAX} issuers above a key")]
    Depth,
    /// It is above the one who would take it over.
    #[error("a key cannot answer for one that it depends on")]
    Circle,
}

impl Authority {
    /// Whoever runs the gateway.
    pub fn operator() -> Self {
        let (issuer, standing) = (Issuer::Operator, Standing::full());
        Self { issuer, owner: None, standing, lines: Vec::new() }
    }

    /// A key that issues keys.
    pub fn of<'a>(
        key: &'a KeyRecord,
        head: &dyn Fn(&KeyId) -> Option<&'a KeyRecord>,
        now: Timestamp,
    ) -> Result<Self, NotUsable> {
        let walk = Walk::new(head, now).key(key)?;
        let (issuer, owner) = (Issuer::Key(key.line.clone()), Some(key.owner.clone()));
        Ok(Self { issuer, owner, standing: walk.standing, lines: walk.lines })
    }

    /// Whether they may rotate, suspend, narrow or revoke a key: one of an owner whom they act for,
    /// and that can do no more than they can. Whoever rotates a key is shown the new one; a weaker
    /// issuer would get a stronger key. `of_key` is its standing, `None` where it does not work:
    /// nothing can be had from it.
    pub fn manages(&self, key: &KeyRecord, of_key: Option<&Standing>) -> Result<(), NotIssued> {
        let own = &self.standing.rights;
        if !own.actions.has(Action::ManageKeys) {
            return Err(NotIssued::NoIssuer);
        }
        if !self.owner.as_ref().is_none_or(|issuer| key.owner.within(issuer)) {
            return Err(NotIssued::Owner);
        }
        Ok(of_key.map_or(Ok(()), |standing| standing.rights.within(own))?)
    }

    /// Changes what a key may do, to less or to more, and answers for it from now on: its issuer
    /// was asked for what it had, not for this.
    pub fn adopt(
        &self,
        key: &mut KeyRecord,
        draft: Draft,
        now: Timestamp,
    ) -> Result<(), NotIssued> {
        if self.lines.contains(&key.line) {
            return Err(NotIssued::Circle);
        }
        // Taking a key over from somebody else's owner would be a way to theirs.
        if !self.owner.as_ref().is_none_or(|own| key.owner.within(own)) {
            return Err(NotIssued::Owner);
        }
        let (owner, rights, expires_at) = self.admit(draft, now)?;
        (key.owner, key.rights, key.expires_at) = (owner, rights, expires_at);
        key.issuer = self.issuer.clone();
        Ok(())
    }

    fn admit(
        &self,
        draft: Draft,
        now: Timestamp,
    ) -> Result<(KeyOwner, Rights, Option<Timestamp>), NotIssued> {
        let Draft { owner, actions, models, limits, expires_at } = draft;
        let own = &self.standing.rights;
        if !own.actions.has(Action::ManageKeys) {
            return Err(NotIssued::NoIssuer);
        }
        if !self.owner.as_ref().is_none_or(|issuer| owner.within(issuer)) {
            return Err(NotIssued::Owner);
        }
        if self.lines.len() >= DEPTH_MAX {
            return Err(NotIssued::Depth);
        }
        // A limit that says more than the issuer's is a mistake to be told, not to be mended.
        if let Some(limit) = loosened(&limits, &own.limits) {
            return Err(Excess::Limit(limit).into());
        }
        let models = models.unwrap_or_else(|| own.models.clone());
        let asked = Rights { actions, models, limits };
        let inherited = Rights { limits: own.limits.clone(), ..Rights::full() };
        let rights = asked.meet(&inherited);
        if rights.models.models.len() > MODELS_MAX || rights.limits.len() > LIMITS_MAX {
            return Err(NotIssued::TooMany);
        }
        rights.within(own)?;
        let end = expires_at.or(self.standing.until);
        if end.zip(self.standing.until).is_some_and(|(end, last)| end > last) {
            return Err(NotIssued::Outlives);
        }
        if end.is_some_and(|end| end <= now) {
            return Err(NotIssued::Past);
        }
        Ok((owner, rights, end))
    }
}

/// Issues a key, or refuses whatever its issuer could not do itself.
pub fn issue(
    draft: Draft,
    minted: Minted,
    by: &Authority,
    now: Timestamp,
) -> Result<KeyRecord, NotIssued> {
    let (owner, rights, expires_at) = by.admit(draft, now)?;
    let Minted { id, print, label } = minted;
    Ok(KeyRecord {
        line: id.clone(),
        id,
        print,
        label,
        owner,
        rights,
        expires_at,
        suspended_at: None,
        revoked_at: None,
        replaced: None,
        created_at: now,
        issuer: by.issuer.clone(),
    })
}
