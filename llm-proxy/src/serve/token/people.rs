//! Whom tokens name, in the directory.
//!
//! Behind a person's tokens stands one key, whose print follows from the issuer's and the person's
//! names under the pepper, hashed once more: no text that anybody could send has that print.

use std::sync::Arc;

use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_core::principal::{KeyId, TeamId, UserId};
use llm_core::store::{KeyHash, Shown, StoreError};
use llm_store::directory::SqlDirectory;
use llm_store::directory::{About, By, Holder, KnownKeys, Level, NotDone, PartyDraft, PartyId};
use llm_store::keys::{Draft, KeyOwner, KeyPrint, Minted, Peppers};

use super::claims::Who;
use crate::config::TENANT;
use crate::config::edge::Jwt;

const CONTEXT: &str = "llm-proxy 2026-11 the key behind a person's tokens";
/// Bytes of a print that make a public id: enough for everybody to have another one.
const ID_BYTES: usize = 12;

/// Who is who.
pub(super) struct People {
    issuer: Str,
    create: bool,
    plan: Option<Str>,
    directory: SqlDirectory,
    peppers: Peppers,
    known: Arc<KnownKeys>,
}

impl People {
    pub(super) fn new(
        jwt: &Jwt,
        directory: SqlDirectory,
        peppers: Peppers,
        known: Arc<KnownKeys>,
    ) -> Self {
        let (issuer, plan) = (jwt.issuer.clone(), jwt.plan.clone());
        Self { issuer, create: jwt.create_users, plan, directory, peppers, known }
    }

    /// What the key behind somebody's tokens is found by.
    pub(super) fn print(&self, user: &str) -> KeyPrint {
        let named = format!("{}\0{}\0{user}", self.issuer.len(), self.issuer);
        let KeyPrint { pepper, hash } = self.peppers.print(&named);
        KeyPrint { pepper, hash: KeyHash(blake3::derive_key(CONTEXT, &hash.0)) }
    }

    /// Somebody shows a token for the first time. Who is not known comes into being, where that is
    /// allowed, and is sold what the token or the configuration says.
    pub(super) async fn come_in(&self, who: &Who, print: &KeyPrint) -> Result<Shown, Error> {
        let shown = self.known.grant(&print.hash).await.map_err(unavailable)?;
        let shown = match shown {
            Shown::Unknown => {
                self.issue(who, print).await.map_err(not_let_in)?;
                self.known.grant(&print.hash).await.map_err(unavailable)?
            }
            Shown::Known { .. } | Shown::Barred => shown,
        };
        let Shown::Known { grant, .. } = &shown else { return Ok(shown) };
        // The issuer's word holds over what was sold before; the usual plan is for who has none.
        let usual = self.plan.as_ref().filter(|_| grant.plan.name.is_empty());
        let wanted = who.plan.as_ref().or(usual).filter(|plan| **plan != grant.plan.name);
        let Some(plan) = wanted else { return Ok(shown) };
        let holder = Holder::Party(party(Level::User, who.user.clone()));
        let sold = self.directory.set_plan(&By::Operator, holder, Some(plan.clone())).await;
        sold.map_err(not_let_in)?;
        self.known.grant(&print.hash).await.map_err(unavailable)
    }

    async fn issue(&self, who: &Who, print: &KeyPrint) -> Result<(), NotDone> {
        let by = By::Operator;
        let id = party(Level::User, who.user.clone());
        match self.directory.party(id.clone()).await {
            Ok(_) => {}
            Err(NotDone::Unknown { .. }) if self.create => {
                if let Some(team) = &who.team {
                    self.team(team).await?;
                }
                let team = who.team.clone().map(TeamId);
                self.directory
                    .create(&by, PartyDraft { team, ..PartyDraft::new(id.clone()) })
                    .await?;
                let plan = who.plan.as_ref().or(self.plan.as_ref());
                if let Some(plan) = plan {
                    let holder = Holder::Party(id);
                    self.directory.set_plan(&by, holder, Some(plan.clone())).await?;
                }
            }
            Err(why) => return Err(why),
        }
        let owner = KeyOwner { user: Some(UserId(who.user.clone())), ..KeyOwner::tenant(TENANT) };
        let id = blake3::Hash::from_bytes(print.hash.0).to_hex();
        let id = KeyId(Str::from(format!("jwt-{}", &id[..2 * ID_BYTES])));
        let minted = Minted { id, print: *print, label: Str::from_static("(tokens)") };
        let about = About { alias: Some(who.user.clone()), ..About::default() };
        self.directory.issue(&by, Draft::new(owner), minted, about).await.map(drop)
    }

    async fn team(&self, team: &Str) -> Result<(), NotDone> {
        let id = party(Level::Team, team.clone());
        match self.directory.party(id.clone()).await {
            Err(NotDone::Unknown { .. }) => {
                self.directory.create(&By::Operator, PartyDraft::new(id)).await.map(drop)
            }
            known => known.map(drop),
        }
    }
}

fn party(level: Level, id: Str) -> PartyId {
    PartyId { tenant: TENANT, level, id }
}

/// Nobody could say.
pub(super) fn unavailable(why: StoreError) -> Error {
    Error::new(Kind::Busy, "the store of people is not available").because(why)
}

fn not_let_in(why: NotDone) -> Error {
    match why {
        NotDone::Store(why) => unavailable(why),
        NotDone::Unknown { what: "plan", .. } => {
            Error::new(Kind::Forbidden, "the token names a plan that is not sold here")
        }
        NotDone::Unknown { .. } => {
            Error::new(Kind::Forbidden, "the token's user is not known here")
        }
        why => Error::new(Kind::Forbidden, "the token's user cannot be let in").because(why),
    }
}
