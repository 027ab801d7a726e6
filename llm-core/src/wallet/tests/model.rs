//! A wallet as a heap of coins, each of the smallest piece. Slow, and obviously right.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Do {
    Grant { event: u8, amount: i64, source: Source, lasts: Option<i64> },
    Reserve { hold: u8, amount: i64 },
    Settle { hold: u8, actual: i64 },
    Release { hold: u8 },
    Expire,
    Refund { event: u8, hold: u8, amount: i64, usable: Option<i64> },
}

/// A step, and how much time passes before it; a clock may go back.
pub(super) fn any_step() -> impl Strategy<Value = (i64, Do)> {
    let source = || {
        let all = [Source::Granted, Source::Bought, Source::Redeemed, Source::Refunded];
        prop::sample::select(all.to_vec())
    };
    let lasts = || prop::option::of(-1i64..12);
    let what = prop_oneof![
        4 => (0u8..9, -1i64..9, source(), lasts())
            .prop_map(|(event, amount, source, lasts)| Do::Grant { event, amount, source, lasts }),
        4 => (0u8..9, -1i64..14).prop_map(|(hold, amount)| Do::Reserve { hold, amount }),
        3 => (0u8..9, -1i64..14).prop_map(|(hold, actual)| Do::Settle { hold, actual }),
        1 => (0u8..9).prop_map(|hold| Do::Release { hold }),
        1 => Just(Do::Expire),
        3 => (0u8..9, 0u8..9, -1i64..9, lasts())
            .prop_map(|(event, hold, amount, usable)| Do::Refund { event, hold, amount, usable }),
    ];
    (prop_oneof![9 => 0i64..3, 1 => -3i64..0], what)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Left,
    Held(u8),
    Spent(u8),
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Coin {
    source: Source,
    end: Option<i64>,
    /// When the first coin of its bucket came.
    age: u64,
    state: State,
}

impl Coin {
    fn over(&self, now: i64) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    fn turn(&self) -> (i64, u64) {
        (self.end.unwrap_or(i64::MAX), self.age)
    }
}

#[derive(Default)]
struct Heap {
    coins: Vec<Coin>,
    ages: u64,
    grants: BTreeMap<u8, (i64, Source, Option<i64>)>,
    /// What was asked for, and the coins in the order in which they were taken.
    open: BTreeMap<u8, Vec<usize>>,
    /// What was charged and not refunded, in that order; charged, released and lapsed.
    closed: BTreeMap<u8, (Vec<usize>, [usize; 3])>,
    refunds: BTreeMap<u8, (u8, i64)>,
}

fn pieces(n: usize) -> Credits {
    Credits(n as i64)
}

impl Heap {
    fn sweep(&mut self, now: i64) {
        for coin in self.coins.iter_mut().filter(|c| c.state == State::Left) {
            if coin.over(now) {
                coin.state = State::Gone;
            }
        }
    }

    fn add(&mut self, source: Source, end: Option<i64>, amount: i64) {
        let there = |c: &&Coin| !matches!(c.state, State::Spent(_) | State::Gone);
        let same = |c: &&Coin| c.source == source && c.end == end;
        let age = self.coins.iter().filter(there).find(same).map(|c| c.age);
        let age = age.unwrap_or_else(|| {
            self.ages += 1;
            self.ages
        });
        let coin = Coin { source, end, age, state: State::Left };
        self.coins.extend((0..amount).map(|_| coin));
    }

    fn live(&self, now: i64) -> Vec<usize> {
        let left = |c: &Coin| c.state == State::Left && !c.over(now);
        let mut live: Vec<_> = (0..self.coins.len()).filter(|n| left(&self.coins[*n])).collect();
        live.sort_by_key(|n| self.coins[*n].turn());
        live
    }

    fn act(&mut self, what: &Do, now: i64) -> Result<(), Refused> {
        match *what {
            Do::Grant { event, amount, source, lasts } => {
                let end = lasts.map(|lasts| now + lasts);
                match self.grants.get(&event) {
                    Some(first) if *first == (amount, source, end) => return Ok(()),
                    Some(_) => return Err(Refused::OtherTerms),
                    None if amount <= 0 => return Err(Refused::Amount),
                    None if end.is_some_and(|end| end <= now) => return Err(Refused::Over),
                    None => {}
                }
                self.sweep(now);
                self.add(source, end, amount);
                self.grants.insert(event, (amount, source, end));
            }
            Do::Reserve { hold, amount } => {
                if self.closed.contains_key(&hold) {
                    return Err(Refused::Ended);
                }
                if let Some(open) = self.open.get(&hold) {
                    let same = open.len() as i64 == amount;
                    return if same { Ok(()) } else { Err(Refused::OtherTerms) };
                }
                let live = self.live(now);
                let asked = usize::try_from(amount).map_err(|_| Refused::Amount)?;
                if asked > live.len() {
                    let (asked, available) = (Credits(amount), pieces(live.len()));
                    return Err(Refused::Short { asked, available });
                }
                self.sweep(now);
                let taken = live[..asked].to_vec();
                taken.iter().for_each(|n| self.coins[*n].state = State::Held(hold));
                self.open.insert(hold, taken);
            }
            Do::Settle { hold, actual } => self.settle(hold, actual, now)?,
            Do::Release { hold } => self.settle(hold, 0, now)?,
            Do::Expire => self.sweep(now),
            Do::Refund { event, hold, amount, usable } => {
                return self.refund(event, hold, amount, usable.map(|u| now + u), now);
            }
        }
        Ok(())
    }

    fn settle(&mut self, hold: u8, actual: i64, now: i64) -> Result<(), Refused> {
        if self.closed.contains_key(&hold) {
            return Ok(());
        }
        let taken = self.open.get(&hold).ok_or(Refused::UnknownHold)?.clone();
        let due = usize::try_from(actual).map_err(|_| Refused::Amount)?;
        if due > taken.len() {
            return Err(Refused::Overrun { actual: Credits(actual), held: pieces(taken.len()) });
        }
        self.sweep(now);
        self.open.remove(&hold);
        let (spent, back) = taken.split_at(due);
        spent.iter().for_each(|n| self.coins[*n].state = State::Spent(hold));
        let late = back.iter().filter(|n| self.coins[**n].over(now)).count();
        back.iter().for_each(|n| self.coins[*n].state = State::Left);
        self.sweep(now);
        self.closed.insert(hold, (spent.to_vec(), [spent.len(), back.len(), late]));
        Ok(())
    }

    fn refund(
        &mut self,
        event: u8,
        hold: u8,
        amount: i64,
        usable: Option<i64>,
        now: i64,
    ) -> Result<(), Refused> {
        if let Some(first) = self.refunds.get(&event) {
            return if *first == (hold, amount) { Ok(()) } else { Err(Refused::OtherTerms) };
        }
        let asked = usize::try_from(amount).ok().filter(|n| *n > 0).ok_or(Refused::Amount)?;
        let (spent, _) = self.closed.get_mut(&hold).ok_or(Refused::UnknownCharge)?;
        if asked > spent.len() {
            let refundable = pieces(spent.len());
            return Err(Refused::OverRefund { asked: Credits(amount), refundable });
        }
        let back: Vec<_> = spent.drain(spent.len() - asked..).rev().collect();
        self.sweep(now);
        for n in back {
            assert_eq!(self.coins[n].state, State::Spent(hold));
            self.coins[n].state = State::Gone;
            let end = self.coins[n].end.map(|end| end.max(usable.unwrap_or(end)));
            if end.is_none_or(|end| end > now) {
                self.add(Source::Refunded, end, 1);
            }
        }
        self.refunds.insert(event, (hold, amount));
        Ok(())
    }

    /// What is in the wallet, in the order in which it is spent.
    fn buckets(&self) -> Vec<(Source, Option<i64>, usize, usize)> {
        let mut buckets = BTreeMap::new();
        for coin in &self.coins {
            let (left, held) = match coin.state {
                State::Left => (1, 0),
                State::Held(_) => (0, 1),
                State::Spent(_) | State::Gone => continue,
            };
            let bucket = buckets.entry(coin.turn()).or_insert((coin.source, coin.end, 0, 0));
            bucket.2 += left;
            bucket.3 += held;
        }
        buckets.into_values().collect()
    }
}

fn step(wallet: &mut Wallet, what: &Do, now: i64) -> Result<(String, Vec<Entry>), Refused> {
    let event = |event: u8| Str::from(format!("e{event}"));
    let id = |hold: u8| HoldId(hold.into());
    fn said<R: std::fmt::Debug>(step: Step<R>) -> (String, Vec<Entry>) {
        (format!("{:?}", step.receipt), step.entries)
    }
    match *what {
        Do::Grant { event: e, amount, source, lasts } => {
            let expires_at = lasts.map(|lasts| at(now + lasts));
            let grant = Grant { event: event(e), amount: Credits(amount), source, expires_at };
            wallet.grant(grant, at(now)).map(said)
        }
        Do::Reserve { hold, amount } => {
            wallet.reserve(id(hold), Credits(amount), at(now)).map(said)
        }
        Do::Settle { hold, actual } => wallet.settle(id(hold), Credits(actual), at(now)).map(said),
        Do::Release { hold } => wallet.release(id(hold), at(now)).map(said),
        Do::Expire => Ok(said(wallet.expire(at(now)))),
        Do::Refund { event: e, hold, amount, usable } => {
            let (charge, amount) = (id(hold), Credits(amount));
            let usable_until = usable.map(|u| at(now + u));
            let refund = Refund { event: event(e), charge, amount, usable_until };
            wallet.refund(refund, at(now)).map(said)
        }
    }
}

pub(super) fn run(steps: &[(i64, Do)]) -> Result<(), TestCaseError> {
    let (mut wallet, mut heap, mut journal) = (Wallet::default(), Heap::default(), Vec::new());
    let mut now = 100;
    for (later, what) in steps {
        now += later;
        let before = wallet.clone();
        let done = step(&mut wallet, what, now);
        let told = heap.act(what, now);
        prop_assert_eq!(done.as_ref().map(|_| ()), told.as_ref().map(|_| ()), "{:?}", what);
        let Ok((receipt, entries)) = done else {
            prop_assert_eq!(&wallet, &before);
            continue;
        };
        journal.extend(entries);
        prop_assert_eq!(wallet.check(&journal), Ok(()));
        let replayed = Wallet::replay(&journal);
        prop_assert_eq!(replayed.as_ref(), Ok(&wallet));

        // What a store keeps of it, and what it brings back, is all there is.
        let holds = wallet.open_holds().map(|(id, _)| (id, wallet.hold(id).unwrap().to_vec()));
        let (buckets, made) = (wallet.buckets().to_vec(), wallet.made());
        let state = super::State { buckets, made, holds: holds.collect() };
        let mut restored = Wallet::restore(state).unwrap();
        wallet.clone().shelve(Timestamp::MAX).into_iter().for_each(|r| restored.recall(r));
        prop_assert_eq!(&restored, &wallet);

        let buckets = wallet.buckets().iter().map(|b| {
            let end = b.expires_at.map(Timestamp::as_second);
            (b.source, end, b.left.0 as usize, b.held.0 as usize)
        });
        prop_assert_eq!(buckets.collect::<Vec<_>>(), heap.buckets());
        prop_assert_eq!(wallet.available(at(now)), pieces(heap.live(now).len()));
        for (hold, (spent, sums)) in &heap.closed {
            let charge = wallet.charge(HoldId((*hold).into())).unwrap();
            prop_assert_eq!([charge.charged, charge.released, charge.lapsed], sums.map(pieces));
            prop_assert_eq!(charge.refundable(), pieces(spent.len()));
        }

        // Once more: the same receipt, and nothing moves.
        let after = wallet.clone();
        if let Ok((again, entries)) = step(&mut wallet, what, now) {
            prop_assert_eq!(entries, Vec::new());
            if !matches!(what, Do::Expire) {
                prop_assert_eq!(again, receipt);
            }
        } else {
            prop_assert!(matches!(what, Do::Reserve { .. }), "{:?} was refused", what);
        }
        prop_assert_eq!(&wallet, &after);
    }
    Ok(())
}
