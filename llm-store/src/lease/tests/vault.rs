//! A vault in memory that breaks no law and lets nobody break one.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use llm_core::ledger::rules::{Account, Refused, Violation};
use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::Money;
use llm_core::seam::BoxFuture;
use llm_core::store::vault::{Estate, Fold, LeaseAsk, Tenure, Vault};
use llm_core::store::{Audit, NotReserved, StoreError, Stored};
use parking_lot::Mutex;

/// What the network does to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Weather {
    /// It arrives, and so does the answer.
    #[default]
    Fair,
    /// It does not arrive.
    Out,
    /// It arrives, and the answer is lost.
    Deaf,
    /// Nothing comes back at all, until the weather changes.
    Fog,
}

#[derive(Debug, Default)]
pub(super) struct StrictVault {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    accounts: BTreeMap<AccountId, Account<Money>>,
    leases: BTreeMap<(Tenure, AccountId), Money>,
    epochs: BTreeMap<String, u64>,
    ended: HashMap<HoldId, Settlement>,
    loss: Money,
    weather: Weather,
    fogged: Vec<Waker>,
    requests: BTreeMap<&'static str, u64>,
    folds: u64,
}

impl StrictVault {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn weather(&self, weather: Weather) {
        let mut inner = self.inner.lock();
        inner.weather = weather;
        inner.fogged.drain(..).for_each(Waker::wake);
    }

    pub(super) fn account(&self, id: &AccountId) -> Account<Money> {
        self.inner.lock().accounts.get(id).copied().unwrap_or_default()
    }

    pub(super) fn loss(&self) -> Money {
        self.inner.lock().loss
    }

    /// Ends that were counted, each once.
    pub(super) fn folds(&self) -> u64 {
        self.inner.lock().folds
    }

    pub(super) fn leased(&self, id: &AccountId) -> Money {
        let inner = self.inner.lock();
        let leases = inner.leases.iter().filter(|((_, account), _)| account == id);
        Money(leases.map(|(_, leased)| leased.0).sum())
    }

    pub(super) fn requests(&self, kind: &str) -> u64 {
        self.inner.lock().requests.get(kind).copied().unwrap_or_default()
    }

    fn ask<'a, T: Send + 'a, E: From<StoreError> + Send + 'a>(
        &'a self,
        kind: &'static str,
        carry_out: impl FnOnce(&mut Inner) -> Result<T, E> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, E>> {
        let mut carry_out = Some(carry_out);
        let mut asked = false;
        Box::pin(poll_fn(move |cx| {
            if !asked {
                // The network takes a turn.
                asked = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut inner = self.inner.lock();
            if inner.weather == Weather::Fog {
                inner.fogged.push(cx.waker().clone());
                return Poll::Pending;
            }
            let Some(carry_out) = carry_out.take() else { return Poll::Pending };
            *inner.requests.entry(kind).or_default() += 1;
            let lost = || StoreError::Unavailable("the network".into()).into();
            if inner.weather == Weather::Out {
                return Poll::Ready(Err(lost()));
            }
            let answer = carry_out(&mut inner);
            inner.check();
            if inner.weather == Weather::Deaf {
                return Poll::Ready(Err(lost()));
            }
            Poll::Ready(answer)
        }))
    }
}

impl Inner {
    /// The laws: what is held is what is leased, nothing is negative.
    fn check(&self) {
        let mut leased: BTreeMap<&AccountId, i64> = BTreeMap::new();
        for ((_, account), amount) in &self.leases {
            assert!(amount.0 >= 0, "a lease of less than nothing");
            *leased.entry(account).or_default() += amount.0;
        }
        for (id, account) in &self.accounts {
            assert_eq!(account.invariant(), Ok(()));
            assert_eq!(account.held.0, leased.get(id).copied().unwrap_or_default(), "{id:?}");
        }
    }

    fn lives(&self, who: &Tenure) -> Result<(), StoreError> {
        let epoch = self.epochs.get(&*who.replica).copied();
        let lives = epoch == Some(who.epoch);
        lives.then_some(()).ok_or_else(|| StoreError::Conflict("fenced".into()))
    }

    #[expect(clippy::result_large_err, reason = "the trait has this error")]
    fn lease(&mut self, who: &Tenure, asks: &[LeaseAsk]) -> Result<Vec<Money>, NotReserved> {
        self.lives(who)?;
        let mut accounts = self.accounts.clone();
        let mut has = Vec::new();
        for (at, ask) in asks.iter().enumerate() {
            assert!(ask.least >= Money(0) && ask.like >= ask.least && ask.has >= Money(0));
            let fresh = Account { limit: ask.limit, ..Account::default() };
            let account = accounts.entry(ask.account.clone()).or_insert(fresh);
            if ask.account.window.is_some() {
                account.limit = ask.limit;
            }
            let key = (who.clone(), ask.account.clone());
            let now = self.leases.get(&key).copied().unwrap_or_default();
            assert!(now >= ask.has, "{}: told {:?}, has {now:?}", ask.account.name, ask.has);
            let already = now.0 - ask.has.0;
            let least = Money((ask.least.0 - already).max(0));
            let like = Money((ask.like.0 - already).max(0));
            // As much as is liked while there is plenty.
            let plenty = account.remaining().is_none_or(|left| left.0 / 4 >= like.0);
            let more = if plenty { like } else { least };
            if more > Money(0) {
                account.reserve(more).map_err(|why| {
                    let why = match why {
                        Refused::Exhausted { limit, settled, held, asked, .. } => {
                            Refused::Exhausted { account: at, limit, settled, held, asked }
                        }
                        other => other,
                    };
                    NotReserved::Refused { account: Some(ask.account.clone()), why }
                })?;
                account.within().unwrap();
            }
            has.push(Money(now.0 + more.0));
        }
        for (ask, has) in asks.iter().zip(&has) {
            self.leases.insert((who.clone(), ask.account.clone()), *has);
        }
        self.accounts = accounts;
        Ok(has)
    }

    fn fold(&mut self, who: &Tenure, batch: &Fold) -> Result<(), StoreError> {
        self.lives(who)?;
        for ended in &batch.ended {
            let Settlement { hold, tenant, operator, .. } = ended.settlement;
            if self.ended.contains_key(&hold) {
                continue;
            }
            assert!(tenant <= ended.amount && tenant.0 >= 0 && operator.0 >= 0);
            for id in &ended.path {
                let lease = self.leases.entry((who.clone(), id.clone())).or_default();
                assert!(*lease >= tenant, "{}: more is paid than leased", id.name);
                lease.0 -= tenant.0;
                let account = self.accounts.get_mut(id).expect("no such account");
                account.settle(tenant, tenant).map_err(StoreError::from)?;
            }
            self.loss.0 += operator.0;
            self.ended.insert(hold, ended.settlement);
            self.folds += 1;
        }
        for (id, keep) in &batch.keeps {
            let lease = self.leases.entry((who.clone(), id.clone())).or_default();
            assert!(lease.0 >= keep.0 && keep.0 >= 0, "{}: keeps more than it has", id.name);
            let back = Money(lease.0 - keep.0);
            *lease = *keep;
            if back > Money(0) {
                let account = self.accounts.get_mut(id).ok_or(Violation::NotHeld)?;
                account.release(back)?;
            }
        }
        Ok(())
    }
}

impl Vault for StrictVault {
    fn enter<'a>(&'a self, replica: &'a str) -> Stored<'a, (Tenure, Vec<Estate>)> {
        self.ask("enter", move |inner| {
            let epoch = inner.epochs.entry(replica.to_owned()).or_default();
            *epoch += 1;
            let who = Tenure { replica: replica.to_owned().into(), epoch: *epoch };
            let ours = |lease: &(Tenure, AccountId)| *lease.0.replica == *replica;
            let left: Vec<_> = inner.leases.keys().filter(|lease| ours(lease)).cloned().collect();
            let mut estates: BTreeMap<Tenure, Vec<(AccountId, Money)>> = BTreeMap::new();
            for (of, account) in left {
                let amount = inner.leases.remove(&(of.clone(), account.clone())).unwrap();
                estates.entry(of).or_default().push((account.clone(), amount));
                inner.leases.entry((who.clone(), account)).or_default().0 += amount.0;
            }
            let estates = estates.into_iter().map(|(of, leases)| Estate { of, leases });
            Ok((who, estates.collect()))
        })
    }

    fn beat<'a>(&'a self, who: &'a Tenure, _: Duration) -> Stored<'a, ()> {
        self.ask("beat", |inner| inner.lives(who))
    }

    fn lease<'a>(
        &'a self,
        who: &'a Tenure,
        asks: &'a [LeaseAsk],
    ) -> BoxFuture<'a, Result<Vec<Money>, NotReserved>> {
        #[expect(clippy::result_large_err, reason = "the trait has this error")]
        let lease = move |inner: &mut Inner| inner.lease(who, asks);
        self.ask("lease", lease)
    }

    fn fold<'a>(&'a self, who: &'a Tenure, batch: &'a Fold) -> Stored<'a, ()> {
        self.ask("fold", |inner| inner.fold(who, batch))
    }

    fn silent(&self, _: Duration) -> Stored<'_, Vec<Estate>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn bury<'a>(&'a self, who: &'a Tenure, _: bool) -> Stored<'a, ()> {
        self.ask("bury", |inner| {
            inner.lives(who)?;
            *inner.epochs.get_mut(&*who.replica).unwrap() += 1;
            Ok(())
        })
    }

    fn ended<'a>(&'a self, hold: HoldId) -> Stored<'a, Option<Settlement>> {
        self.ask("ended", move |inner| Ok(inner.ended.get(&hold).copied()))
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<Money>>> {
        self.ask("balance", |inner| Ok(inner.accounts.get(account).copied()))
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<Money>) -> Stored<'a, ()> {
        self.ask("set_limit", move |inner| {
            inner.accounts.entry(account.clone()).or_default().limit = limit;
            Ok(())
        })
    }

    fn verify(&self) -> Stored<'_, Audit> {
        self.ask("verify", |inner| {
            inner.check();
            Ok(Audit { accounts: inner.accounts.len() as u64, ..Audit::default() })
        })
    }
}
