//! What is left of every quota that the configuration names.
//!
//! The actors are *scopes* (the levels of grants that somebody asked to watch, and models with rules
//! of their own), the counts of admission, which are read when somebody looks, and the *balances*,
//! which a task reads from the ledger: at most once a second, and not at all while nobody looks. A
//! call's way pays for none of it. With counts shared among replicas, each shows what it has let in
//! itself: the sum over all is what is used.
//!
//! Deliberately absent: owners that only a request names. Scopes are told, never found.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::AccountId;
use llm_core::ledger::rules::Account;
use llm_core::money::{Money, Unit};
use llm_core::principal::{Grant, Level, Payer, TenantId, account_name};
use llm_core::quota::{Limit, Plan, Quantity, Verdict};
use llm_core::seam::Clock;
use llm_core::store::{Ledger, StoreError};
use parking_lot::Mutex;

use crate::model::Snapshot;
use crate::stage::admit::Admission;
use crate::stage::admit::limits::{OwnerId, Rules};
use crate::stage::admit::meter::{Now, Rule};

/// Whose quotas are shown. Their names are labels, and so come from the configuration.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Fixed keys, and users, teams and organisations that an operator has named: every level of
    /// each that has limits.
    pub grants: Vec<Arc<Grant>>,
    /// What is sold, beside the plans of those.
    pub plans: Vec<Arc<Plan>>,
}

/// One limit of one scope, as it stands. Money is in its smallest pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Whose: `key:prod`, `team:acme/a`, `plan:free`, `model:smart`.
    pub scope: Str,
    /// What is counted, without how much of it: `requests/hour`, `$/month`; `balance` without time.
    pub rule: Str,
    /// The time it counts: `hour`, `15minute`; empty without time.
    pub window: Str,
    /// How much; `None` is without limit.
    pub limit: Option<i64>,
    /// What is used and set aside; `None` where the limit counts nothing itself, or where nobody has
    /// read the account yet.
    pub taken: Option<Taken>,
    /// When there is more again.
    pub resets_at: Option<Timestamp>,
}

/// What is gone of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Used.
    pub used: i64,
    /// Set aside for calls that run.
    pub reserved: i64,
}

impl Quota {
    /// What is left; `None` without limit, or where it is not known.
    pub fn remaining(&self) -> Option<i64> {
        let Taken { used, reserved } = self.taken?;
        Some(self.limit?.saturating_sub(used).saturating_sub(reserved).max(0))
    }
}

/// Who is watched, resolved with a configuration.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    levels: Vec<Scope>,
    plans: Vec<Arc<Plan>>,
}

#[derive(Debug)]
struct Scope {
    label: Str,
    id: OwnerId,
    level: Level,
    payers: Vec<Payer>,
}

/// More than anybody looks at; each costs the ledger a question a second while somebody looks.
const SCOPES_MAX: usize = 1_024;

impl Scopes {
    pub(crate) fn new(watched: &Watched) -> Self {
        let mut scopes = Self::default();
        let mut places: HashMap<OwnerId, usize> = HashMap::new();
        for grant in &watched.grants {
            scopes.plan(&grant.plan);
            for level in grant.levels() {
                let id = OwnerId::level(&grant.principal.tenant, level);
                let next = scopes.levels.len();
                let place = *places.entry(id.clone()).or_insert(next);
                if place < next {
                    // The same owner by way of another key: the rule is the same or the latest.
                    let known = &mut scopes.levels[place].level;
                    *known = known.clone().limits(level.limits.iter().copied());
                } else if next < SCOPES_MAX {
                    scopes.levels.push(Scope::new(id, level, grant));
                } else {
                    places.remove(&id);
                }
            }
        }
        watched.plans.iter().for_each(|plan| scopes.plan(plan));
        scopes
    }

    fn plan(&mut self, plan: &Arc<Plan>) {
        let known = self.plans.iter().any(|p| p.name == plan.name);
        if !known && !plan.name.is_empty() && self.plans.len() < SCOPES_MAX {
            self.plans.push(Arc::clone(plan));
        }
    }

    /// Whether anything here is kept by the ledger.
    pub(crate) fn have_money(&self) -> bool {
        self.levels.iter().any(|scope| !scope.payers.is_empty())
    }

    fn accounts(&self, now: Timestamp) -> Vec<AccountId> {
        let payers = self.levels.iter().flat_map(|scope| &scope.payers);
        payers.map(|payer| payer.account(now)).collect()
    }
}

impl Scope {
    fn new(id: OwnerId, level: &Level, grant: &Grant) -> Self {
        let tenant: &TenantId = &grant.principal.tenant;
        let name = account_name(level.owner, tenant, &level.name);
        let own = |payer: &&Payer| payer.owner == level.owner && payer.name == name;
        let payers = grant.payers.iter().filter(own).cloned().collect();
        let label = Str::from(format!("{}:{name}", id.kind.name()));
        Self { label, id, level: level.clone(), payers }
    }
}

/// Reads what is left, for metrics and for whoever asks.
pub struct QuotaWatch {
    admission: Arc<Admission>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    current: Arc<ArcSwap<Snapshot>>,
    balances: Mutex<HashMap<AccountId, Account<Money>>>,
    looked: Mutex<Option<Instant>>,
    unread: AtomicBool,
    started: AtomicBool,
}

/// Balances are read this often and no oftener.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// Nobody has looked for so long: nobody looks. Longer than scrapes are apart.
const LOOK_MAX: Duration = Duration::from_mins(2);

impl QuotaWatch {
    pub(crate) fn new(
        admission: Arc<Admission>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        current: Arc<ArcSwap<Snapshot>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            admission,
            ledger,
            clock,
            current,
            balances: Mutex::default(),
            looked: Mutex::default(),
            unread: AtomicBool::new(false),
            started: AtomicBool::new(false),
        })
    }

    /// Begins to read balances, once there are any to read. Must be called within a runtime then.
    pub(crate) fn start(self: &Arc<Self>) {
        let wanted = self.current.load().scopes.have_money();
        if wanted && !self.started.swap(true, Ordering::Relaxed) {
            *self.looked.lock() = Some(self.clock.now());
            tokio::spawn(refresh(Arc::downgrade(self)));
        }
    }

    /// Every quota that is watched, as it stands.
    pub fn quotas(&self) -> Vec<Quota> {
        let now = Now::of(&*self.clock);
        *self.looked.lock() = Some(now.instant);
        let snapshot = self.current.load();
        let mut all = Vec::new();
        for scope in &snapshot.scopes.levels {
            let own = snapshot.rules.of(scope.level.owner);
            self.counts(&scope.label, &scope.id, &scope.level.limits, own, now, &mut all);
            self.money(scope, now, &mut all);
        }
        for (model, rules) in &snapshot.rules.models {
            let label = Str::from(format!("model:{model}"));
            self.counts(&label, &OwnerId::model(model), &[], Some(rules), now, &mut all);
        }
        for plan in &snapshot.scopes.plans {
            let label = Str::from(format!("plan:{}", plan.name));
            all.extend(plan.limits.iter().map(|limit| Quota::of(&label, limit)));
        }
        all
    }

    /// Every limit that holds for calls of a grant, as it stands. What it pays is asked of the
    /// ledger now; where replicas share counts, those of calls are this one's part.
    pub async fn of(&self, grant: &Grant) -> Result<Vec<Quota>, StoreError> {
        let now = Now::of(&*self.clock);
        let (snapshot, tenant) = (self.current.load_full(), &grant.principal.tenant);
        let mut all = Vec::new();
        for level in grant.levels() {
            let id = OwnerId::level(tenant, level);
            let label = Str::from(format!("{}:{}", id.kind.name(), level.name));
            let own = snapshot.rules.of(level.owner);
            self.counts(&label, &id, &level.limits, own, now, &mut all);
        }
        for payer in &grant.payers {
            let account = payer.account(now.wall);
            let known = self.ledger.balance(&account).await?.unwrap_or_default();
            let label = Str::from(format!("{}:{}", payer.owner.name(), payer.name));
            all.push(Quota::paid(label, payer, &account, Some(&known)));
        }
        Ok(all)
    }

    /// Whether balances could not be read when they were last asked for.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    fn counts(
        &self,
        label: &Str,
        id: &OwnerId,
        limits: &[Limit],
        own: Option<&Rules>,
        now: Now,
        all: &mut Vec<Quota>,
    ) {
        let tally = self.admission.limits().find(id);
        let seen = tally.map(|tally| tally.meters.look(now)).unwrap_or_default();
        let windows = own.into_iter().flat_map(|own| &own.rules).filter_map(Rule::limit);
        let mut shown: Vec<Limit> = Vec::new();
        for limit in limits.iter().copied().chain(windows).filter(|l| !l.quantity.is_paid()) {
            match shown.iter_mut().find(|known| known.counts_as(&limit)) {
                Some(known) => *known = known.lower(limit),
                None => shown.push(limit),
            }
        }
        for limit in &shown {
            let counted = |(rule, _): &&(Rule, Verdict)| {
                rule.limit().is_some_and(|known| known.counts_as(limit))
            };
            let verdict = seen.iter().find(counted).map(|(_, verdict)| verdict);
            let (used, reserved) = verdict.map_or((0, 0), |v| (v.used, v.reserved));
            let taken = Some(Taken { used: whole(used), reserved: whole(reserved) });
            let resets_at = verdict.filter(|_| used + reserved > 0).and_then(|v| v.resets_at);
            all.push(Quota { taken, resets_at, ..Quota::of(label, limit) });
        }
    }

    fn money(&self, scope: &Scope, now: Now, all: &mut Vec<Quota>) {
        let balances = self.balances.lock();
        for payer in &scope.payers {
            let account = payer.account(now.wall);
            let known = balances.get(&account);
            all.push(Quota::paid(scope.label.clone(), payer, &account, known));
        }
    }

    async fn refresh(&self) {
        let now = Now::of(&*self.clock);
        let fresh = |at: Instant| now.instant.saturating_duration_since(at) < LOOK_MAX;
        if !self.looked.lock().is_some_and(fresh) {
            return;
        }
        let accounts = self.current.load().scopes.accounts(now.wall);
        let mut read = HashMap::with_capacity(accounts.len());
        let mut failed = false;
        for account in accounts {
            match self.ledger.balance(&account).await {
                Ok(balance) => {
                    read.insert(account, balance.unwrap_or_default());
                }
                Err(error) => {
                    tracing::debug!(%error, "a balance was not read");
                    failed = true;
                    break;
                }
            }
        }
        self.unread.store(failed, Ordering::Relaxed);
        if !failed {
            *self.balances.lock() = read;
        }
    }
}

/// Ends with the gateway.
async fn refresh(watch: Weak<QuotaWatch>) {
    loop {
        let Some(watch) = watch.upgrade() else { return };
        watch.refresh().await;
        let pause = watch.clock.sleep(REFRESH_EVERY);
        drop(watch);
        pause.await;
    }
}

impl Quota {
    /// What somebody pays, and how much of it is gone.
    fn paid(
        scope: Str,
        payer: &Payer,
        account: &AccountId,
        known: Option<&Account<Money>>,
    ) -> Self {
        let taken = known.map(|a| Taken { used: a.settled.pieces(), reserved: a.held.pieces() });
        let rule = match &*payer.rule {
            "" => Str::from_static("balance"),
            _ => payer.rule.clone(),
        };
        let window = payer.rule.split_once('/').map_or("", |(_, period)| period).into();
        let limit = payer.limit.map(|limit| limit.pieces());
        let resets_at = account.window.map(|window| window.end);
        Self { scope, rule, window, limit, taken, resets_at }
    }

    /// A limit of which nothing is counted here.
    fn of(scope: &Str, limit: &Limit) -> Self {
        let most = match limit.quantity {
            Quantity::Requests(n) | Quantity::Tokens(n) => whole(n),
            Quantity::Money(amount) => amount.pieces(),
            Quantity::Credits(amount) => amount.pieces(),
        };
        Self {
            scope: scope.clone(),
            rule: Str::from(limit.span()),
            window: Str::from(limit.period.to_string()),
            limit: Some(most),
            taken: None,
            resets_at: None,
        }
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl fmt::Debug for QuotaWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaWatch").finish_non_exhaustive()
    }
}
