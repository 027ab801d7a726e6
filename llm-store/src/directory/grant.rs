//! What a key gives: its standing, its plan, and every owner on its path with limits of its own.

use std::sync::Arc;

use llm_core::Str;
use llm_core::ledger::Owner;
use llm_core::principal::{Grant, Payer, Principal, Scope, TenantId};
use llm_core::quota::{Limit, Plan, Zone};
use llm_core::store::{KeyHash, Shown};

use super::desk::{Desk, Op, Stop};
use super::party::{self, Party};
use super::plan;
use super::shelf::Shelf;
use crate::keys::{NotUsable, Rights, Standing};

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
            let mut level = Level::of(&party);
            match plan {
                Some(plan) if sold.is_none() => sold = Some(Sold { plan, to: level.owner }),
                // Somebody narrower has another one: this one holds as well, for all of its keys.
                Some(plan) => {
                    level.limits.extend(&plan.limits);
                    level.models = plan.models.clone();
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
        levels.push(Level {
            owner: Owner::Key,
            name: principal.key.0.clone(),
            limits: standing.rights.limits,
            in_flight_max,
            models: Scope::all(),
        });
        Ok(compose(principal, plan, to, levels, zone))
    }
}

/// One owner on the way from a key to its tenant, and what holds for all of its calls together.
struct Level {
    owner: Owner,
    name: Str,
    limits: Vec<Limit>,
    #[expect(dead_code, reason = "where calls come in, only the key's rules are known yet")]
    in_flight_max: Option<u32>,
    models: Scope,
}

impl Level {
    fn of(party: &Party) -> Self {
        let id = &party.draft.id;
        let (owner, name) = match id.level {
            party::Level::User => (Owner::User, id.id.clone()),
            party::Level::Team => (Owner::Team, id.id.clone()),
            // A team's account with a name that no team has, until parts have a word of their own.
            party::Level::Org => (Owner::Team, Str::from(format!("/{}", id.id))),
            party::Level::Tenant => (Owner::Tenant, id.id.clone()),
        };
        let (limits, in_flight_max) = (party.limits.clone(), party.parallel_max);
        Self { owner, name, limits, in_flight_max, models: Scope::all() }
    }
}

/// An owner's name in the ledger, where ids of all tenants meet.
fn account_name(owner: Owner, tenant: &TenantId, id: &Str) -> Str {
    match owner {
        Owner::Key | Owner::Tenant | Owner::Operator => id.clone(),
        Owner::User | Owner::Feature | Owner::Team => {
            let tenant = tenant.0.replace('%', "%25").replace('/', "%2F");
            Str::from(format!("{tenant}/{id}"))
        }
    }
}

/// The one place where levels become a grant. What is counted by accounts is counted level by
/// level; requests and tokens are counted where calls come in, which knows limits of the key alone.
fn compose(
    mut principal: Principal,
    plan: Arc<Plan>,
    sold_to: Owner,
    levels: Vec<Level>,
    zone: &Zone,
) -> Grant {
    let mut payers = vec![Payer::unlimited(Owner::Key, principal.key.0.clone())];
    let mut limits = Vec::new();
    for Level { owner, name, limits: own, in_flight_max: _, models } in levels {
        let bound = Rights { models, ..Rights::full() };
        let scope = Rights { models: principal.scope, ..Rights::full() };
        principal.scope = scope.meet(&bound).models;
        let name = account_name(owner, &principal.tenant, &name);
        let sold = if owner == sold_to { &plan.limits[..] } else { &[] };
        for limit in own.iter().chain(sold) {
            let Some(payer) = Payer::limited(owner, name.clone(), limit, zone) else {
                limits.push(*limit);
                continue;
            };
            let alike = |p: &&mut Payer| p.owner == owner && p.name == name && p.rule == payer.rule;
            match payers.iter_mut().find(alike) {
                Some(known) => known.limit = known.limit.min(payer.limit),
                None => payers.push(payer),
            }
        }
    }
    payers.sort_by(|a, b| (a.owner, &a.name).cmp(&(b.owner, &b.name)));
    // What it limits is among the payers and limits already.
    let plan = Arc::new(Plan { limits: Vec::new(), ..(*plan).clone() });
    Grant { principal: Arc::new(principal), plan, limits, payers }
}
