//! Plans: those that are configured, and those that are stored beside them. A name is one or the
//! other: a stored plan cannot take a configured one's, and where a later configuration takes a
//! stored one's, the configuration holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use llm_core::Str;
use llm_core::principal::{Priority, Scope};
use llm_core::quota::{OwnKeysUse, Plan};

use super::desk::{Desk, Op, Stop};
use super::text::{check_limits, check_name, check_scope, limits_of, limits_text};
use super::text::{priority_word, scope_of, scope_text};
use super::{By, NotDone, SqlDirectory};
use crate::sql::database::Record;
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Stored plans: a price list has a few dozen.
const PLANS_MAX: i64 = 1_000;

/// Plans as [`read`] wants them.
macro_rules! plans {
    ($tail:literal) => {
        concat!(
            "SELECT name, limits, models, priority, own_keys, own_keys_charged FROM plan",
            $tail
        )
    };
}

/// The configured ones, by their names.
#[derive(Debug, Default)]
pub(super) struct Plans(HashMap<Str, Arc<Plan>>);

impl Plans {
    pub(super) fn new(plans: Vec<Plan>) -> Self {
        Self(plans.into_iter().map(|plan| (plan.name.clone(), Arc::new(plan))).collect())
    }
}

impl SqlDirectory {
    /// Stores a plan, or changes a stored one. What was spent stays spent: from the next look-up
    /// on, other numbers hold for it.
    pub async fn put_plan(&self, by: &By, plan: Plan) -> Result<(), NotDone> {
        self.change(Put { by: by.clone(), plan }).await
    }

    /// Removes a stored plan that nobody has.
    pub async fn remove_plan(&self, by: &By, name: Str) -> Result<(), NotDone> {
        self.change(Remove { by: by.clone(), name }).await
    }

    /// What a name stands for.
    pub async fn plan(&self, name: Str) -> Result<Arc<Plan>, NotDone> {
        self.ask(Get { name }).await
    }

    /// All plans by their names.
    pub async fn plans(&self) -> Result<Vec<Arc<Plan>>, NotDone> {
        self.ask(All).await
    }
}

impl Desk<'_, '_> {
    /// What a name stands for. A plan that somebody has and nobody knows is no permission to go on
    /// without one.
    pub(super) async fn plan(&mut self, name: &Str) -> Result<Arc<Plan>, Stop> {
        if let Some(plan) = self.configured.0.get(name) {
            return Ok(Arc::clone(plan));
        }
        let text = plans!(" WHERE name = $1");
        match self.session.one(text, &[(&**name).into()]).await? {
            Some(row) => Ok(Arc::new(read(&row)?)),
            None => Err(NotDone::unknown("plan", name).into()),
        }
    }

    /// The same, where there may be none.
    pub(super) async fn maybe_plan(
        &mut self,
        name: Option<&Str>,
    ) -> Result<Option<Arc<Plan>>, Stop> {
        match name {
            Some(name) => Ok(Some(self.plan(name).await?)),
            None => Ok(None),
        }
    }
}

fn read(row: &Record) -> Result<Plan, Failure> {
    let priority = Priority::parse(&row.text(3)?).ok_or_else(|| odd("priority"))?;
    let (limits, models) = (limits_of(&row.text(1)?)?, scope_of(&row.text(2)?));
    let own_keys = row
        .maybe_text(4)?
        .map(|word| OwnKeysUse::parse(&word).ok_or_else(|| Failure::from(odd("own keys"))));
    Ok(Plan {
        name: row.text(0)?.into(),
        limits,
        models,
        priority,
        own_keys: own_keys.transpose()?,
        own_keys_charged: row.int(5)? == 1,
    })
}

/// A plan holds for whole tenants: it is not for keys to change.
fn only_operators(by: &By) -> Result<(), NotDone> {
    match by {
        By::Operator => Ok(()),
        By::Key(_) => Err(NotDone::Denied),
    }
}

struct Put {
    by: By,
    plan: Plan,
}

impl Op for Put {
    type Out = ();

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<(), Stop> {
        only_operators(&self.by)?;
        let Plan { name, limits, models, priority, own_keys, own_keys_charged } = &self.plan;
        check_name(name)?;
        check_limits(limits)?;
        check_scope(models)?;
        if desk.configured.0.contains_key(name) {
            return Err(NotDone::taken("configured plan", name).into());
        }
        let room = desk.session.one("SELECT count(*) FROM plan", &[]).await?;
        if room.ok_or_else(|| odd("plan")).map_err(Failure::from)?.int(0)? >= PLANS_MAX {
            return Err(NotDone::Text("there are 1000 stored plans: remove some").into());
        }
        let text = "INSERT INTO plan \
             (name, limits, models, priority, own_keys, own_keys_charged, created) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE \
             SET limits = $2, models = $3, priority = $4, own_keys = $5, own_keys_charged = $6";
        let (limits, models, at) = (limits_text(limits), scope_text(models), desk.at());
        let priority = priority_word(*priority);
        let args = [
            (&**name).into(),
            limits.as_str().into(),
            models.as_str().into(),
            priority.into(),
            own_keys.map(OwnKeysUse::name).into(),
            i64::from(*own_keys_charged).into(),
            at.into(),
        ];
        desk.session.run(text, &args).await?;
        Ok(desk.touch_plan(name).await?)
    }
}

struct Remove {
    by: By,
    name: Str,
}

impl Op for Remove {
    type Out = ();

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<(), Stop> {
        only_operators(&self.by)?;
        let name = [(&*self.name).into()];
        let had = "SELECT 1 FROM virtual_key WHERE plan = $1 UNION \
             SELECT 1 FROM party WHERE plan = $1";
        let configured = desk.configured.0.contains_key(&self.name);
        if !configured && desk.session.one(had, &name).await?.is_some() {
            return Err(NotDone::InUse(self.name.clone()).into());
        }
        // One that is gone is gone: whoever asks again does not know of the first time.
        desk.session.run("DELETE FROM plan WHERE name = $1", &name).await?;
        Ok(())
    }
}

struct Get {
    name: Str,
}

impl Op for Get {
    type Out = Arc<Plan>;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Arc<Plan>, Stop> {
        desk.plan(&self.name).await
    }
}

struct All;

impl Op for All {
    type Out = Vec<Arc<Plan>>;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Self::Out, Stop> {
        let mut all = BTreeMap::new();
        for row in desk.session.all(plans!(""), &[]).await? {
            let plan = read(&row)?;
            all.insert(plan.name.clone(), Arc::new(plan));
        }
        for (name, plan) in &desk.configured.0 {
            all.insert(name.clone(), Arc::clone(plan));
        }
        Ok(all.into_values().collect())
    }
}

/// What a plan allows, as rights: for keys that were issued by a key which has it.
pub(super) fn rights(plan: &Plan) -> crate::keys::Rights {
    let full = crate::keys::Rights::full();
    crate::keys::Rights { models: plan.models.clone(), limits: plan.limits.clone(), ..full }
}

/// What a key without any plan was sold: what its own rights say.
pub(super) fn none() -> Plan {
    Plan { models: Scope::all(), ..Plan::default() }
}
