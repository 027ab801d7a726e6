//! The vault in memory behind a network that fails, and beside it an auditor: a second account of
//! everything, kept from what was asked and answered alone, that looks after every step.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use llm_core::Str;
use llm_core::ledger::rules::Account;
use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::Money;
use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::vault::{Ended, Estate, Fold, LeaseAsk, Tenure, Vault};
use llm_core::store::{Audit, NotReserved, StoreError, Stored};
use parking_lot::Mutex;

use super::vault::Weather;
use crate::memory::MemoryVault;

#[derive(Debug)]
pub(super) struct Watched {
    vault: MemoryVault,
    net: Mutex<Net>,
    auditor: Mutex<Auditor>,
}

#[derive(Debug, Default)]
struct Net {
    weather: Weather,
    /// What arrives, arrives twice.
    twice: bool,
    fogged: Vec<Waker>,
}

/// What ought to be.
#[derive(Debug, Default)]
struct Auditor {
    accounts: BTreeMap<AccountId, Account<Money>>,
    leases: BTreeMap<(Str, AccountId), i64>,
    owners: BTreeMap<Str, (u64, bool)>,
    ended: HashMap<HoldId, Ended>,
    loss: i64,
}

impl Watched {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let (net, auditor) = (Mutex::default(), Mutex::default());
        Arc::new(Self { vault: MemoryVault::new(clock), net, auditor })
    }

    pub(super) fn weather(&self, weather: Weather) {
        let mut net = self.net.lock();
        (net.weather, net.twice) = (weather, false);
        net.fogged.drain(..).for_each(Waker::wake);
    }

    pub(super) fn twice(&self) {
        self.weather(Weather::Fair);
        self.net.lock().twice = true;
    }

    pub(super) fn account(&self, id: &AccountId) -> Account<Money> {
        at_once(self.vault.balance(id)).unwrap().unwrap_or_default()
    }

    pub(super) fn loss(&self) -> Money {
        self.account(&AccountId::loss()).settled
    }

    pub(super) fn end(&self, hold: HoldId) -> Option<Ended> {
        self.auditor.lock().ended.get(&hold).cloned()
    }

    /// Ends that were counted, each once.
    pub(super) fn folds(&self) -> u64 {
        self.auditor.lock().ended.len() as u64
    }

    /// Everything that the vault itself finds.
    pub(super) fn sound(&self) {
        assert_eq!(at_once(self.vault.verify()).unwrap().problems, []);
    }

    fn ask<'a, T: Send + 'a, E: From<StoreError> + Send + 'a>(
        &'a self,
        carry_out: impl Fn() -> Result<T, E> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, E>> {
        let mut asked = false;
        Box::pin(poll_fn(move |cx| {
            if !asked {
                // The network takes a turn.
                asked = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let (weather, twice) = {
                let mut net = self.net.lock();
                if net.weather == Weather::Fog {
                    net.fogged.push(cx.waker().clone());
                    return Poll::Pending;
                }
                (net.weather, net.twice)
            };
            let lost = || Poll::Ready(Err(StoreError::Unavailable("the network".into()).into()));
            if weather == Weather::Out {
                return lost();
            }
            if twice {
                let _ = carry_out();
            }
            let answer = carry_out();
            if weather == Weather::Deaf { lost() } else { Poll::Ready(answer) }
        }))
    }
}

fn at_once<T>(future: BoxFuture<'_, T>) -> T {
    future.now_or_never().expect("memory does not wait")
}

impl Auditor {
    fn lives(&self, who: &Tenure) -> bool {
        self.owners.get(&who.replica) == Some(&(who.epoch, false))
    }

    /// Whether somebody was heard is whether they live.
    fn heard(&self, who: &Tenure, error: Option<&StoreError>) -> bool {
        match error {
            None => assert!(self.lives(who), "{who:?} is dead and was heard"),
            Some(StoreError::Conflict(_)) => assert!(!self.lives(who), "{who:?} was not heard"),
            Some(error) => panic!("{who:?}: {error}"),
        }
        error.is_none()
    }

    fn leased(&mut self, who: &Tenure, account: &AccountId) -> &mut i64 {
        self.leases.entry((who.replica.clone(), account.clone())).or_default()
    }

    fn same(&self, vault: &MemoryVault, account: &AccountId) {
        let ours = self.accounts.get(account).copied();
        let theirs = at_once(vault.balance(account)).unwrap();
        assert_eq!(ours, theirs, "{}", account.name);
        assert_eq!(ours.unwrap_or_default().invariant(), Ok(()));
    }

    fn entered(&mut self, who: &Tenure, estates: &[Estate]) {
        let owner = self.owners.entry(who.replica.clone()).or_default();
        assert_eq!(who.epoch, owner.0 + 1);
        *owner = (who.epoch, false);
        let ours = self.leases.iter().filter(|((of, _), n)| *of == who.replica && **n != 0);
        let ours: Vec<_> = ours.map(|((_, account), n)| (account.clone(), Money(*n))).collect();
        let told: Vec<_> = estates.iter().flat_map(|estate| estate.leases.clone()).collect();
        assert_eq!(ours, told, "what {who:?} has inherited");
    }

    fn lent(&mut self, who: &Tenure, asks: &[LeaseAsk], told: &Result<Vec<Money>, NotReserved>) {
        let error = if let Err(NotReserved::Store(error)) = told { Some(error) } else { None };
        if !self.heard(who, error) {
            return;
        }
        for ask in asks {
            let fresh = Account { limit: ask.limit, ..Account::default() };
            self.accounts.entry(ask.account.clone()).or_insert(fresh);
            let known = *self.leased(who, &ask.account);
            let claim = "claims to have more than it has";
            assert!(ask.has.0 <= known, "{who:?} {claim}: {} of {known}", ask.has.0);
        }
        match told {
            Ok(has) => {
                assert_eq!(has.len(), asks.len());
                for (ask, has) in asks.iter().zip(has) {
                    self.grown(who, ask, has.0);
                }
            }
            Err(NotReserved::Refused { account, .. }) => {
                let ask = asks.iter().find(|ask| Some(&ask.account) == account.as_ref());
                let ask = ask.expect("a refusal names its account");
                let unheard = *self.leased(who, &ask.account) - ask.has.0;
                let left = self.accounts[&ask.account].remaining();
                let fits = left.is_none_or(|left| ask.least.0 - unheard <= left.0);
                assert!(!fits, "{}: refused with {left:?} left", ask.account.name);
            }
            Err(NotReserved::Store(_)) => {}
        }
    }

    fn grown(&mut self, who: &Tenure, ask: &LeaseAsk, has: i64) {
        let lease = self.leased(who, &ask.account);
        let more = has - *lease;
        assert!(more >= 0 && has >= ask.has.0 + ask.least.0, "less than the least");
        let most = (*lease).max(ask.has.0 + ask.like.0.max(ask.least.0));
        assert!(has <= most, "{}: {has} of {most} asked for: granted twice", ask.account.name);
        *lease = has;
        let row = self.accounts.get_mut(&ask.account).unwrap();
        row.held.0 += more;
        if more > 0 {
            assert_eq!(row.within(), Ok(()), "{}: the limit is passed", ask.account.name);
        }
    }

    fn carried(&mut self, who: &Tenure, batch: &Fold, told: &Result<(), StoreError>) {
        if !self.heard(who, told.as_ref().err()) {
            return;
        }
        for ended in &batch.ended {
            let Settlement { hold, tenant, operator, .. } = ended.settlement;
            if self.ended.contains_key(&hold) {
                continue;
            }
            assert!(tenant <= ended.amount && tenant.0 >= 0 && operator.0 >= 0);
            for account in ended.path.iter().filter(|_| tenant.0 > 0) {
                let lease = self.leased(who, account);
                assert!(*lease >= tenant.0, "{}: more is paid than leased", account.name);
                *lease -= tenant.0;
                let row = self.accounts.get_mut(account).unwrap();
                (row.held.0, row.settled.0) = (row.held.0 - tenant.0, row.settled.0 + tenant.0);
            }
            self.loss += operator.0;
            self.ended.insert(hold, ended.clone());
        }
        for (account, keep) in &batch.keeps {
            let lease = self.leased(who, account);
            let back = *lease - keep.0;
            assert!(back >= 0 && keep.0 >= 0, "{}: keeps more than it has", account.name);
            *lease = keep.0;
            if back > 0 {
                self.accounts.get_mut(account).unwrap().held.0 -= back;
            }
        }
    }

    fn buried(&mut self, who: &Tenure) {
        if !self.lives(who) {
            return;
        }
        self.owners.insert(who.replica.clone(), (who.epoch, true));
        for ((of, account), lease) in &mut self.leases {
            // Who was told to keep nothing of an account may never have had any of it.
            if *of == who.replica && *lease > 0 {
                let row = self.accounts.get_mut(account).unwrap();
                (row.held.0, row.settled.0) = (row.held.0 - *lease, row.settled.0 + *lease);
                *lease = 0;
            }
        }
    }
}

impl Vault for Watched {
    fn enter<'a>(&'a self, replica: &'a str) -> Stored<'a, (Tenure, Vec<Estate>)> {
        self.ask(move || {
            let (who, estates) = at_once(self.vault.enter(replica))?;
            self.auditor.lock().entered(&who, &estates);
            Ok((who, estates))
        })
    }

    fn beat<'a>(&'a self, who: &'a Tenure, lives: Duration) -> Stored<'a, ()> {
        self.ask(move || {
            let told = at_once(self.vault.beat(who, lives));
            self.auditor.lock().heard(who, told.as_ref().err());
            told
        })
    }

    fn lease<'a>(
        &'a self,
        who: &'a Tenure,
        asks: &'a [LeaseAsk],
    ) -> BoxFuture<'a, Result<Vec<Money>, NotReserved>> {
        #[expect(clippy::result_large_err, reason = "the trait has this error")]
        let lease = move || {
            let told = at_once(self.vault.lease(who, asks));
            let mut auditor = self.auditor.lock();
            auditor.lent(who, asks, &told);
            asks.iter().for_each(|ask| auditor.same(&self.vault, &ask.account));
            told
        };
        self.ask(lease)
    }

    fn fold<'a>(&'a self, who: &'a Tenure, batch: &'a Fold) -> Stored<'a, ()> {
        self.ask(move || {
            let told = at_once(self.vault.fold(who, batch));
            let mut auditor = self.auditor.lock();
            auditor.carried(who, batch, &told);
            let ids: Vec<AccountId> = auditor.accounts.keys().cloned().collect();
            ids.iter().for_each(|id| auditor.same(&self.vault, id));
            assert_eq!(self.loss(), Money(auditor.loss));
            told
        })
    }

    fn silent(&self, since: Duration) -> Stored<'_, Vec<Estate>> {
        self.ask(move || at_once(self.vault.silent(since)))
    }

    fn bury<'a>(&'a self, who: &'a Tenure, used: bool) -> Stored<'a, ()> {
        assert!(used, "who may come back has used what it had");
        self.ask(move || {
            at_once(self.vault.bury(who, true))?;
            let mut auditor = self.auditor.lock();
            auditor.buried(who);
            auditor.accounts.keys().for_each(|id| auditor.same(&self.vault, id));
            Ok(())
        })
    }

    fn ended<'a>(&'a self, hold: HoldId) -> Stored<'a, Option<Settlement>> {
        self.ask(move || {
            let told = at_once(self.vault.ended(hold))?;
            assert_eq!(told, self.end(hold).map(|end| end.settlement));
            Ok(told)
        })
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<Money>>> {
        self.ask(move || at_once(self.vault.balance(account)))
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<Money>) -> Stored<'a, ()> {
        self.ask(move || {
            at_once(self.vault.set_limit(account, limit))?;
            let mut auditor = self.auditor.lock();
            auditor.accounts.entry(account.clone()).or_default().limit = limit;
            auditor.same(&self.vault, account);
            Ok(())
        })
    }

    fn verify(&self) -> Stored<'_, Audit> {
        self.ask(move || at_once(self.vault.verify()))
    }
}
