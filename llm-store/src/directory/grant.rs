//! What a key gives: its standing, its plan, and every owner on its path with limits of its own.

use std::sync::Arc;

use llm_core::ledger::Owner;
use llm_core::principal::{Grant, Level};
use llm_core::quota::{Plan, Zone};
use llm_core::store::{KeyHash, Shown};

use super::desk::{Desk, Op, Stop};
use super::party::{self, Party};
use super::plan;
use super::shelf::Shelf;
use crate::keys::{NotUsable, Standing};

/// A key is shown.
pub(super) struct Look {
    pub(super) print: KeyHash,
    pub(super) zone: Zone,
}

impl Op for Look {
    type Out = Shown;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Shown, Stop> {
        let Some(row) = desk.key_by_print(&self.print).await? else { return Ok(Shown::Unknown) };
        let shelf = desk.shelved(row).await?;
        let standing = match shelf.standing() {
            Ok(standing) => standing,
            Err(NotUsable::Suspended) => return Ok(Shown::Barred),
            Err(
                NotUsable::Revoked
                | NotUsable::Expired
                | NotUsable::Replaced
                | NotUsable::Issuer { .. }
                | NotUsable::Owner
                | NotUsable::Missing(_)
                | NotUsable::Chain,
            ) => return Ok(Shown::Unknown),
        };
        let actions = standing.rights.actions;
        if !actions.has(crate::keys::Action::Call) || actions.administers() {
            return Ok(Shown::Barred);
        }
        let until = standing.until;
        let grant = desk.grant(&shelf, standing, &self.zone).await?;
        Ok(Shown::Known { grant: Arc::new(grant), until })
    }
}

/// Whose a plan is: the key's own, or that of the narrowest of its owners that has one.
struct Sold {
    plan: Arc<Plan>,
    to: Owner,
}

impl Desk<'_, '_> {
    async fn grant(
        &mut self,
        shelf: &Shelf,
        standing: Standing,
        zone: &Zone,
    ) -> Result<Grant, Stop> {
        let record = &shelf.entry().record;
        let mut sold = shelf.plan().map(|plan| Sold { plan: Arc::clone(plan), to: Owner::Key });
        let mut levels = Vec::new();
        for party in self.path(&record.owner).await? {
            let plan = self.maybe_plan(party.plan.as_ref()).await?;
            let mut level = level(&party);
            match plan {
                Some(plan) if sold.is_none() => sold = Some(Sold { plan, to: level.owner }),
                // Somebody narrower has another one: this one holds as well, for all of its keys.
                Some(plan) => {
                    level = level.limits(plan.limits.clone()).models(plan.models.clone());
                }
                None => {}
            }
            levels.push(level);
        }
        let Sold { plan, to } =
            sold.unwrap_or_else(|| Sold { plan: Arc::new(plan::none()), to: Owner::Key });
        let (in_flight_max, priority) = shelf.sold(plan.priority);
        let plan = if priority == plan.priority {
            plan
        } else {
            Arc::new(Plan { priority, ..(*plan).clone() })
        };
        let principal = record.principal(&standing);
        let key = Level::new(Owner::Key, principal.key.0.clone()).limits(standing.rights.limits);
        levels.push(in_flight(key, in_flight_max));
        Ok(Grant::compose(principal, plan, to, levels, zone))
    }
}

/// An owner with its own limits; those of its plan are said apart.
fn level(party: &Party) -> Level {
    let id = &party.draft.id;
    let owner = match id.level {
        party::Level::User => Owner::User,
        party::Level::Team => Owner::Team,
        party::Level::Org => Owner::Org,
        party::Level::Tenant => Owner::Tenant,
    };
    in_flight(Level::new(owner, id.id.clone()).limits(party.limits.clone()), party.parallel_max)
}

fn in_flight(level: Level, most: Option<u32>) -> Level {
    match most {
        Some(most) => level.in_flight(most),
        None => level,
    }
}
