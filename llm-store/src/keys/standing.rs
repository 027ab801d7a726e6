//! What a key may do now: its own rights, and those of everybody who answers for it.

use jiff::Timestamp;
use llm_core::error::Kind;
use llm_core::principal::KeyId;

use super::record::{Issuer, KeyRecord};
use super::rights::Rights;

/// Records that are looked at for one key: the key, the head of its line, and for both of them the
/// line of issuers. Whoever writes a circle into the store gets keys that do not work.
pub const CHAIN_MAX: usize = 32;

/// What is left of a key's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it may do.
    pub rights: Rights,
    /// The first instant at which time alone makes it less: nobody may remember it for longer.
    pub until: Option<Timestamp>,
}

/// Why a key is of no use now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUsable {
    /// It is gone for good.
    #[error("the key was revoked")]
    Revoked,
    /// It rests.
    #[error("the key is suspended")]
    Suspended,
    /// Its time is over.
    #[error("the key has expired")]
    Expired,
    /// Another key has taken its place.
    #[error("the key was replaced")]
    Replaced,
    /// Who issued it has no rights any more. Somebody else may take it over: see
    /// [`Authority::adopt`](super::Authority::adopt).
    #[error("what issued the key ({id}) does not work: {why}")]
    Issuer {
        /// The issuer.
        id: KeyId,
        /// What is wrong with it.
        why: Box<NotUsable>,
    },
    /// It belongs to somebody whom its issuer does not act for.
    #[error("the key's owner is not one of its issuer")]
    Owner,
    /// A line that a record names has no head.
    #[error("the record of {0} is missing")]
    Missing(KeyId),
    /// Issuers without end.
    #[error("the line of issuers is longer than {CHAIN_MAX}, or a circle")]
    Chain,
}

impl NotUsable {
    /// What a caller is told: a key that rests is known and may not; all others are no keys. The
    /// reason is for logs, since it names other keys.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Suspended => Kind::Forbidden,
            Self::Revoked
            | Self::Expired
            | Self::Replaced
            | Self::Issuer { .. }
            | Self::Owner
            | Self::Missing(_)
            | Self::Chain => Kind::Unauthenticated,
        }
    }
}

impl Standing {
    /// Without bounds.
    pub(super) fn full() -> Self {
        Self { rights: Rights::full(), until: None }
    }

    fn bound(&mut self, rights: &Rights, end: Option<Timestamp>) {
        self.rights = self.rights.meet(rights);
        self.until = [self.until, end].into_iter().flatten().min();
    }
}

/// What a key may do now. `head` gives the head of a line: the one record of it that nothing has
/// replaced. All come from one consistent reading of the store.
///
/// A key that was replaced is bounded by the head of its line, and an issuer is represented by it:
/// rotating an issuer does not end what it has issued, revoking its head does.
pub fn standing<'a>(
    key: &'a KeyRecord,
    head: &dyn Fn(&KeyId) -> Option<&'a KeyRecord>,
    now: Timestamp,
) -> Result<Standing, NotUsable> {
    Ok(Walk::new(head, now).key(key)?.standing)
}

/// A walk along the records that bound a key.
pub(super) struct Walk<'f, 'a> {
    head: &'f dyn Fn(&KeyId) -> Option<&'a KeyRecord>,
    now: Timestamp,
    left: usize,
    pub(super) standing: Standing,
    /// The lines it came by, each once.
    pub(super) lines: Vec<KeyId>,
}

impl<'f, 'a> Walk<'f, 'a> {
    pub(super) fn new(head: &'f dyn Fn(&KeyId) -> Option<&'a KeyRecord>, now: Timestamp) -> Self {
        Self { head, now, left: CHAIN_MAX, standing: Standing::full(), lines: Vec::new() }
    }

    pub(super) fn key(mut self, key: &'a KeyRecord) -> Result<Self, NotUsable> {
        key.open(self.now)?;
        self.climb(key)?;
        if key.replaced.is_some() {
            let head = self.head(&key.line)?;
            head.open(self.now)?;
            self.climb(head)?;
        }
        Ok(self)
    }

    /// From a record to the operator.
    fn climb(&mut self, from: &'a KeyRecord) -> Result<(), NotUsable> {
        let mut at = from;
        loop {
            self.left = self.left.checked_sub(1).ok_or(NotUsable::Chain)?;
            if !self.lines.contains(&at.line) {
                self.lines.push(at.line.clone());
            }
            self.standing.bound(&at.rights, at.end());
            let Issuer::Key(line) = &at.issuer else { return Ok(()) };
            let issuer = self.head(line)?;
            issuer.open(self.now).map_err(|why| {
                let why = Box::new(why);
                NotUsable::Issuer { id: issuer.id.clone(), why }
            })?;
            if !at.owner.within(&issuer.owner) {
                return Err(NotUsable::Owner);
            }
            at = issuer;
        }
    }

    fn head(&self, line: &KeyId) -> Result<&'a KeyRecord, NotUsable> {
        let head = (self.head)(line).filter(|record| record.replaced.is_none());
        head.ok_or_else(|| NotUsable::Missing(line.clone()))
    }
}
