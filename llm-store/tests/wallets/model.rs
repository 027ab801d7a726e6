//! The store against the rules' own wallet in memory: whatever is asked, in whatever order, with
//! repetitions and a clock that jumps, the receipts, the journal and the balance are the same.

use core::num::NonZeroU8;

use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::quota::Zone;
use llm_core::wallet::monthly::{Anchor, Monthly, Turn};
use llm_core::wallet::{Entry, Grant, Refund, Refused, Source, Step, Wallet};
use llm_store::wallets::{Ask, Done, Enrolment, Filter, Keep, NotDone, WalletId, Wallets};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::place::{Place, sound, user};

const DAY: i64 = 86_400;
const CASES: usize = 40;

#[derive(Clone, Debug)]
enum Do {
    Grant { event: u8, amount: i64, source: Source, lasts: Option<i64> },
    Reserve { hold: u8, amount: i64, lasts: Option<i64> },
    Settle { hold: u8, actual: i64 },
    Keep { hold: u8, lasts: Option<i64> },
    Refund { event: u8, hold: u8, amount: i64, usable: Option<i64> },
    Enrol { plan: Option<u8> },
}

/// A step, how many days pass before it, and whether it is asked twice.
fn any_step() -> impl Strategy<Value = (i64, bool, Do)> {
    let source = prop::sample::select(vec![Source::Granted, Source::Bought, Source::Refunded]);
    let lasts = || prop::option::of(-1i64..40);
    let what = prop_oneof![
        4 => (0u8..7, -1i64..9, source, lasts())
            .prop_map(|(event, amount, source, lasts)| Do::Grant { event, amount, source, lasts }),
        5 => (0u8..9, -1i64..10, lasts())
            .prop_map(|(hold, amount, lasts)| Do::Reserve { hold, amount, lasts }),
        4 => (0u8..9, -1i64..8).prop_map(|(hold, actual)| Do::Settle { hold, actual }),
        1 => (0u8..9, lasts()).prop_map(|(hold, lasts)| Do::Keep { hold, lasts }),
        3 => (0u8..7, 0u8..9, -1i64..6, lasts())
            .prop_map(|(event, hold, amount, usable)| Do::Refund { event, hold, amount, usable }),
        2 => prop::option::of(0u8..3).prop_map(|plan| Do::Enrol { plan }),
    ];
    (prop_oneof![6 => 0i64..3, 2 => 3i64..40, 1 => -35i64..0], any::<bool>(), what)
}

#[derive(Default)]
struct Model {
    wallet: Wallet,
    journal: Vec<Entry>,
    /// The open holds, the oldest first.
    kept: Vec<(HoldId, Keep)>,
    plan: Option<Monthly>,
    anchor: Option<Anchor>,
}

type Told = Result<(String, bool), NotDone>;

impl Model {
    fn took<R: std::fmt::Debug>(&mut self, step: Result<Step<R>, Refused>) -> Told {
        let Step { receipt, entries } = step?;
        let again = entries.is_empty();
        self.journal.extend(entries);
        Ok((format!("{receipt:?}"), again))
    }

    fn touch(&mut self, now: Timestamp) {
        let over = |keep: &Keep| matches!(keep, Keep::Until(end) if *end <= now);
        for hold in self.kept.iter().filter(|(_, k)| over(k)).map(|k| k.0).collect::<Vec<_>>() {
            let step = self.wallet.release(hold, now);
            self.took(step).unwrap();
        }
        self.forget_ended();
        self.month(now);
    }

    fn forget_ended(&mut self) {
        self.kept.retain(|(hold, _)| self.wallet.hold(*hold).is_some());
    }

    fn month(&mut self, now: Timestamp) {
        let (Some(plan), Some(anchor)) = (&self.plan, &self.anchor) else { return };
        if let Some(due) = plan.due(&self.wallet, anchor, &Zone::UTC, now) {
            let step = self.wallet.grant(due, now);
            self.took(step).unwrap();
        }
    }

    fn act(&mut self, what: &Do, now: Timestamp) -> Told {
        self.touch(now);
        let told = match what {
            Do::Grant { .. } => {
                let step = self.wallet.grant(grant(what, "event/", now), now);
                self.took(step)
            }
            Do::Reserve { hold, amount, lasts } => {
                let id = HoldId((*hold).into());
                let step = self.wallet.reserve(id, Credits(*amount), now);
                let told = self.took(step);
                if let Ok((_, false)) = told {
                    self.kept.push((id, keep(*lasts, now)));
                }
                told
            }
            Do::Settle { hold, actual } => {
                let step = self.wallet.settle(HoldId((*hold).into()), Credits(*actual), now);
                self.took(step)
            }
            Do::Keep { hold, lasts } => {
                let id = HoldId((*hold).into());
                match self.kept.iter_mut().find(|(open, _)| *open == id) {
                    Some((_, kept)) => {
                        *kept = keep(*lasts, now);
                        Ok((String::new(), false))
                    }
                    None if self.wallet.charge(id).is_some() => Err(Refused::Ended.into()),
                    None => Err(Refused::UnknownHold.into()),
                }
            }
            Do::Refund { .. } => {
                let step = self.wallet.refund(refund(what, "event/", now), now);
                self.took(step)
            }
            Do::Enrol { plan } => {
                self.plan = plan.map(|plan| enrolment(plan).monthly);
                if self.plan.is_some() && self.anchor.is_none() {
                    self.anchor = Some(Anchor { since: now, turn: Turn::Anniversary });
                }
                self.month(now);
                Ok((String::new(), false))
            }
        };
        self.forget_ended();
        told
    }
}

fn days(now: Timestamp, days: i64) -> Timestamp {
    now + SignedDuration::from_secs(days * DAY)
}

fn keep(lasts: Option<i64>, now: Timestamp) -> Keep {
    lasts.map_or(Keep::Job("j".into()), |lasts| Keep::Until(days(now, lasts)))
}

fn grant(what: &Do, room: &str, now: Timestamp) -> Grant {
    let Do::Grant { event, amount, source, lasts } = what else { panic!("{what:?}") };
    let expires_at = lasts.map(|lasts| days(now, lasts));
    let event = Str::from(format!("{room}g{event}"));
    Grant { event, amount: Credits(*amount), source: *source, expires_at }
}

fn refund(what: &Do, room: &str, now: Timestamp) -> Refund {
    let Do::Refund { event, hold, amount, usable } = what else { panic!("{what:?}") };
    let usable_until = usable.map(|usable| days(now, usable));
    let event = Str::from(format!("{room}r{event}"));
    Refund { event, charge: HoldId((*hold).into()), amount: Credits(*amount), usable_until }
}

fn enrolment(plan: u8) -> Enrolment {
    let amount = Credits(4 * (i64::from(plan) + 1));
    let plan = Str::from(format!("p{plan}"));
    let monthly = Monthly { plan, amount, periods: NonZeroU8::new(2) };
    Enrolment { monthly, turn: Turn::Anniversary }
}

fn told<R: std::fmt::Debug>(done: Result<Done<R>, NotDone>) -> Told {
    done.map(|done| (format!("{:?}", done.receipt), done.again))
}

async fn ask(wallets: &Wallets, who: &WalletId, what: &Do, now: Timestamp) -> Told {
    match what {
        Do::Grant { .. } => told(wallets.grant(who, grant(what, "", now)).await),
        Do::Reserve { hold, amount, lasts } => {
            let (hold, amount) = (HoldId((*hold).into()), Credits(*amount));
            let ask = Ask { hold, amount, price: None, keep: keep(*lasts, now) };
            told(wallets.reserve(who, ask).await)
        }
        Do::Settle { hold, actual } => {
            told(wallets.settle(who, HoldId((*hold).into()), Credits(*actual)).await)
        }
        Do::Keep { hold, lasts } => {
            let kept = wallets.keep(who, HoldId((*hold).into()), keep(*lasts, now)).await;
            kept.map(|()| (String::new(), false))
        }
        Do::Refund { .. } => told(wallets.refund(who, refund(what, "", now)).await),
        Do::Enrol { plan } => {
            let set = wallets.set_plan(who, plan.map(enrolment)).await;
            set.map(|()| (String::new(), false))
        }
    }
}

pub(crate) async fn the_store_is_the_wallet(place: &Place) {
    // Two processes, that take turns.
    let both = [place.wallets().await, place.wallets().await];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let script = prop::collection::vec(any_step(), 1..40);
    let (mut taken, mut refused) = (0, 0);
    for case in 0..CASES {
        let (who, mut model) = (user(&format!("case {case}")), Model::default());
        // Made before it is looked at: what is refused for want of a wallet is another test's.
        both[0].watch(&who, None).await.unwrap();
        let steps = script.new_tree(&mut runner).unwrap().current();
        for (at, (later, twice, what)) in steps.iter().enumerate() {
            place.pass(later * DAY).await;
            let now = place.clock.at();
            for time in 0..=usize::from(*twice) {
                let wallets = &both[(at + time) % 2];
                let (done, want) = (ask(wallets, &who, what, now).await, model.act(what, now));
                assert_eq!(done, want, "case {case}, step {at}: {what:?} of {steps:?}");
                *(if done.is_ok() { &mut taken } else { &mut refused }) += 1;
                let seen = wallets.balance(&who).await.unwrap();
                let mut looked = model.wallet.clone();
                let _ = looked.expire(now);
                // What is due by now is counted in by whoever looks.
                if model.kept.iter().all(|(_, k)| !matches!(k, Keep::Until(e) if *e <= now)) {
                    assert_eq!(seen.buckets, looked.buckets(), "case {case}, step {at}");
                }
            }
        }
        let mut lines = Vec::new();
        let mut cursor = None;
        loop {
            let page = both[0].history(&who, Filter::default(), cursor, 500).await.unwrap();
            lines.extend(page.lines.into_iter().map(|line| line.entry));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        lines.reverse();
        assert_eq!(lines, model.journal, "case {case}");
    }
    assert!(taken > 300 && refused > 100, "{taken} taken, {refused} refused");
    println!("{taken} taken, {refused} refused, {:?}", sound(&both[1]).await);
}
