//! Tokens of an issuer that the configuration names: whoever shows one asks as the person whom it
//! names, on that person's account.
//!
//! The actors are the [`keys`] that signatures are checked with (and [`published`], who fetches the
//! issuer's), the strict [`claims`], and the [`people`] of the directory. Behind each person's tokens
//! stands a key of theirs that nobody knows the text of: so limits, rests and accounts are those of
//! any other key, and there is no second way to be served.
//!
//! A token is checked once and remembered by its hash until it ends, or until the issuer's keys
//! change. Deliberately absent: sessions, refreshing, whatever a token's head says about where its
//! key may be found, and every algorithm that takes a key of another kind.

mod claims;
mod keys;
mod people;
mod published;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_core::principal::{Grant, Principal, Scope};
use llm_core::seam::Clock;
use llm_core::store::{KeyHash, Shown};
use llm_store::directory::{KnownKeys, SqlDirectory};
use llm_store::keys::Peppers;
use parking_lot::RwLock;

use crate::config::edge::Jwt;
use claims::{Said, Who};
use keys::Unchecked;
use people::People;
use published::Published;

pub(crate) use keys::NotKeys;

/// Longer ones are nobody's: they would be hashed for nothing.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Tokens that are remembered, at some 500 bytes each.
const TOKENS_MAX: usize = 16_384;

/// Whoever shows a token.
pub(crate) struct Tokens {
    said: Jwt,
    clock: Arc<dyn Clock>,
    published: Arc<Published>,
    people: People,
    known: Arc<KnownKeys>,
    seen: RwLock<HashMap<blake3::Hash, Arc<Seen>>>,
}

/// A token that was checked.
struct Seen {
    who: Who,
    /// Which keys it was checked with.
    round: u64,
    /// The person's own grant, and what the token leaves of it.
    narrowed: RwLock<Option<(Arc<Grant>, Arc<Grant>)>>,
}

impl Tokens {
    /// Of the configured issuer.
    pub(crate) fn open(
        said: &Jwt,
        directory: SqlDirectory,
        peppers: Peppers,
        known: Arc<KnownKeys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NotKeys> {
        let published = Published::open(said, Arc::clone(&clock))?;
        let people = People::new(said, directory, peppers, Arc::clone(&known));
        let (said, seen) = (said.clone(), RwLock::default());
        Ok(Self { said, clock, published, people, known, seen })
    }

    /// Whether a text has the form of a token.
    pub(crate) fn is_token(text: &str) -> bool {
        text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What a token gives, and the print of the key behind it. There is none where a token takes
    /// something from what that key gives: nothing may be done later that the token does not allow.
    pub(crate) async fn found(&self, token: &str) -> Result<(Option<KeyHash>, Arc<Grant>), Error> {
        let (seen, is_new) = self.seen(token).await?;
        if self.said.scope.as_ref().is_some_and(|scope| !seen.who.scopes.contains(scope)) {
            return Err(Error::new(Kind::Forbidden, "the token's scope does not include models"));
        }
        let print = self.people.print(&seen.who.user);
        let shown = if is_new {
            self.people.come_in(&seen.who, &print).await?
        } else {
            self.known.grant(&print.hash).await.map_err(people::unavailable)?
        };
        let grant = match shown {
            Shown::Known { grant, .. } => grant,
            Shown::Barred | Shown::Unknown => {
                let text = "the token's user may not ask models: they rest, or were shut out";
                return Err(Error::new(Kind::Forbidden, text));
            }
        };
        // What a person is of does not change by a token: somebody else would pay.
        if seen.who.team.is_some()
            && grant.principal.team.as_ref().map(|t| &t.0) != seen.who.team.as_ref()
        {
            let text = "the token names another team than its user is of";
            return Err(Error::new(Kind::Forbidden, text));
        }
        // Only now: who could not be let in is looked up again.
        if is_new {
            self.remember(token, seen.clone());
        }
        let print = seen.who.models.is_none().then_some(print.hash);
        Ok((print, seen.narrow(grant)))
    }

    /// Whom a token makes an operator.
    pub(crate) async fn administers(&self, token: &str) -> Option<Str> {
        let role = self.said.admin_role.as_ref()?;
        if !Self::is_token(token) {
            return None;
        }
        let (seen, _) = self.seen(token).await.ok()?;
        seen.who.roles.contains(role).then(|| seen.who.user.clone())
    }

    /// What a token says, and whether it is shown for the first time.
    async fn seen(&self, token: &str) -> Result<(Arc<Seen>, bool), Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::new(Kind::Unauthenticated, "the token is too long"));
        }
        let now = self.now();
        let hash = blake3::hash(token.as_bytes());
        let known = self.seen.read().get(&hash).cloned();
        if let Some(seen) = known
            && seen.round == self.published.round()
            && now < seen.who.until
        {
            return Ok((seen, false));
        }
        let (said, round) = self.checked(token).await?;
        let who =
            said.who(&self.said, now).map_err(|why| Error::new(Kind::Unauthenticated, why))?;
        Ok((Arc::new(Seen { who, round, narrowed: RwLock::default() }), true))
    }

    /// Checks a signature, once more with new keys where the old ones do not know it.
    async fn checked(&self, token: &str) -> Result<(Said, u64), Error> {
        let round = self.published.round();
        let first = match self.published.keys().check(token, &self.said.algorithms) {
            Ok(said) => return Ok((said, round)),
            Err(why) => why,
        };
        if first == Unchecked::UnknownKey && self.published.renew(round).await {
            let round = self.published.round();
            if let Ok(said) = self.published.keys().check(token, &self.said.algorithms) {
                return Ok((said, round));
            }
        }
        tracing::debug!(why = ?first, "a token was not believed");
        Err(Error::new(Kind::Unauthenticated, "the token is not one that is believed here"))
    }

    fn remember(&self, token: &str, seen: Arc<Seen>) {
        let now = self.now();
        let mut all = self.seen.write();
        if all.len() >= TOKENS_MAX {
            all.retain(|_, seen| now < seen.who.until);
        }
        if all.len() >= TOKENS_MAX {
            // They are checked anew: that costs a moment, and nobody anything else.
            all.clear();
        }
        all.insert(blake3::hash(token.as_bytes()), seen);
    }

    fn now(&self) -> i64 {
        Timestamp::try_from(self.clock.wall()).map_or(i64::MAX, Timestamp::as_second)
    }
}

impl Seen {
    /// What the token leaves of a grant.
    fn narrow(&self, grant: Arc<Grant>) -> Arc<Grant> {
        let Some(models) = &self.who.models else { return grant };
        if let Some((whole, narrowed)) = &*self.narrowed.read()
            && Arc::ptr_eq(whole, &grant)
        {
            return Arc::clone(narrowed);
        }
        let scope = grant.principal.scope.meet(&Scope { models: models.clone() });
        let principal = Arc::new(Principal { scope, ..(*grant.principal).clone() });
        let mut narrowed = Grant::clone(&grant);
        narrowed.principal = principal;
        let narrowed = Arc::new(narrowed);
        *self.narrowed.write() = Some((grant, Arc::clone(&narrowed)));
        narrowed
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("issuer", &self.said.issuer).finish_non_exhaustive()
    }
}
