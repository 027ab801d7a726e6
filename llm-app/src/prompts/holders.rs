//! Whose templates and experiments are: a user's, a team's, or everybody's.
//!
//! What is a team's is sealed under a key of the team's, and what is everybody's under one of the
//! tenant's: who may see them is a matter of where they are looked for, and nobody's own key opens
//! what others made. Everybody's are made by operators, and by nobody else.

use std::sync::Arc;

use llm_core::Str;
use llm_core::principal::{Grant, Principal, TenantId};
use llm_store::deposits::Owner;

use super::Prompts;
use super::intent::named;
use crate::ground::NotDone;
use crate::people::Person;

named! {
    /// Who may see it.
    Access {
        /// Whoever made it.
        User = "user",
        /// All who are of the maker's team.
        Team = "team",
        /// Everybody.
        Global = "global",
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum By {
    /// Whoever runs the gateway, for a tenant.
    Operator(TenantId),
    /// Somebody, by a key.
    App(Arc<Grant>),
}

impl By {
    /// Where whoever asks looks, the nearest first.
    pub(super) fn sees(&self) -> Vec<(Access, Owner)> {
        match self {
            Self::Operator(tenant) => vec![(Access::Global, everybody(tenant))],
            Self::App(grant) => {
                let principal = &grant.principal;
                let mut seen = vec![(Access::User, Owner::of(principal))];
                seen.extend(team(principal).map(|owner| (Access::Team, owner)));
                seen.push((Access::Global, everybody(&principal.tenant)));
                seen
            }
        }
    }

    /// Whose it is what they make.
    pub(super) fn holder(&self, access: Access) -> Result<Owner, NotDone> {
        let wrong = |why| NotDone::wrong("access", why);
        match (self, access) {
            (Self::Operator(tenant), Access::Global) => Ok(everybody(tenant)),
            (Self::Operator(_), Access::User | Access::Team) => {
                Err(wrong("what operators make is global"))
            }
            (Self::App(grant), Access::User) => Ok(Owner::of(&grant.principal)),
            (Self::App(grant), Access::Team) => {
                team(&grant.principal).ok_or_else(|| wrong("this key is of no team"))
            }
            (Self::App(_), Access::Global) => Err(wrong("only operators make what is global")),
        }
    }

    /// Whether they may change what is there for these.
    pub(super) fn may_change(&self, access: Access) -> bool {
        match self {
            Self::Operator(_) => access == Access::Global,
            Self::App(_) => access != Access::Global,
        }
    }

    /// What they make unless they say.
    pub fn usual(&self) -> Access {
        match self {
            Self::Operator(_) => Access::Global,
            Self::App(_) => Access::User,
        }
    }
}

/// The same writing as that of users: `tenant/kind/id`.
fn team(principal: &Principal) -> Option<Owner> {
    let team = principal.team.as_ref()?;
    Some(Owner::from(Str::from(format!("{}/team/{team}", written(&principal.tenant)))))
}

fn everybody(tenant: &TenantId) -> Owner {
    Owner::from(Str::from(format!("{}/everybody", written(tenant))))
}

fn written(tenant: &TenantId) -> String {
    tenant.0.replace('%', "%25").replace('/', "%2F")
}

impl Prompts {
    /// Under whose key it is sealed; nothing is kept of whoever has not agreed to it.
    pub(super) async fn sealer(&self, by: &By, holder: &Owner) -> Result<Person, NotDone> {
        if let By::App(grant) = by
            && !self.ground.person(grant).await?.may_be_kept()
        {
            return Err(NotDone::NoConsent);
        }
        Ok(self.ground.people.of(holder).await?)
    }
}
