//! What the attempts of a call cost, attempt by attempt, and the one settlement of their sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use llm_core::call::Operation;
use llm_core::dialect::Observed;
use llm_core::ledger::charge::{self, Alarm, Charge, Evidence, Payer, charge};
use llm_core::ledger::{HoldProof, Settlement};
use llm_core::money::{Money, Unit, cost};
use llm_core::usage::{Unknown, Usage, UsageSource};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{Funded, count};
use crate::reply::Ending;
use crate::stage::send;
use crate::target::Target;

/// What was spent so far.
#[derive(Debug)]
pub struct Bill {
    items: Mutex<SmallVec<[Item; 2]>>,
    /// Attempts, by number, that the caller will never see.
    unseen: AtomicU32,
    payer: Payer,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    charge: Charge<Money>,
    usage: Usage,
    seen: bool,
    /// Whether it counts for whoever pays in credits: what the accounts of the hold pay for.
    credited: bool,
}

impl Bill {
    pub(super) fn new(payer: Payer) -> Self {
        Self { items: Mutex::default(), unseen: AtomicU32::new(0), payer }
    }

    /// The caller will never see this attempt: it lost against another one, and is about to be
    /// dropped.
    pub fn lost(&self, number: u8) {
        self.unseen.fetch_or(1 << (number % 32), Ordering::Relaxed);
    }

    /// An attempt was marked lost too early: its answer is the caller's after all.
    pub fn kept(&self, number: u8) {
        self.unseen.fetch_and(!(1 << (number % 32)), Ordering::Relaxed);
    }

    /// No provider was asked: a recording answers, or another call's upstream, at this price.
    pub fn cache_hit(&self, hold: &HoldProof, price: Money, usage: Option<Usage>) {
        let charge = charge(charge::Ending::CacheHit(price), &Evidence::default(), hold);
        let usage = usage.unwrap_or_default();
        // A recording costs no credits: its price is in money.
        self.items.lock().push(Item { charge, usage, seen: true, credited: false });
    }

    /// An attempt is about to be sent, and owes so much before anything comes. Gives its line, and
    /// what all attempts together owe.
    fn open(&self, number: u8, cost: Money, usage: Usage) -> (usize, Money) {
        let item = self.guess(number, cost, usage);
        let mut items = self.items.lock();
        items.push(item);
        (items.len() - 1, owed(&items))
    }

    /// An attempt owes so much by now. Gives what all together owe.
    fn mark(&self, line: usize, number: u8, cost: Money, usage: Usage) -> Money {
        let guess = self.guess(number, cost, usage);
        let mut items = self.items.lock();
        if let Some(item) = items.get_mut(line) {
            *item = guess;
        }
        owed(&items)
    }

    /// An attempt has ended.
    fn close(&self, line: usize, item: Item) {
        if let Some(open) = self.items.lock().get_mut(line) {
            *open = item;
        }
    }

    /// What an attempt that goes on owes, as far as anyone knows.
    fn guess(&self, number: u8, cost: Money, usage: Usage) -> Item {
        let operators = self.is_lost(number) && self.payer == Payer::Operator;
        let (tenant, operator) = if operators { (Money::ZERO, cost) } else { (cost, Money::ZERO) };
        let charge = Charge { tenant, operator, source: UsageSource::Estimated, alarm: None };
        Item { charge, usage, seen: false, credited: !operators }
    }

    fn is_lost(&self, number: u8) -> bool {
        self.unseen.load(Ordering::Relaxed) & (1 << (number % 32)) != 0
    }

    /// All of it, when the last attempt has ended.
    pub(super) fn total(&self, hold: &HoldProof) -> Total {
        let items = self.items.lock();
        Total {
            usage: used(&items),
            alarms: alarms(&items, hold),
            settlement: settlement(&items, hold),
        }
    }

    /// What the attempts used that the accounts of the hold pay for, as far as it is known by now.
    pub(super) fn credited(&self) -> Usage {
        let items = self.items.lock();
        let mut credited = items.iter().filter(|i| i.credited).map(|i| i.usage);
        let first = credited.next().unwrap_or_default();
        credited.fold(first, sum)
    }
}

/// What is made of a bill.
pub(super) struct Total {
    /// What the delivered attempts used.
    pub(super) usage: Usage,
    /// What should ring, over all attempts.
    pub(super) alarms: SmallVec<[Alarm; 2]>,
    /// The settlement of everything.
    pub(super) settlement: Settlement,
}

fn used(items: &[Item]) -> Usage {
    let mut seen = items.iter().filter(|i| i.seen).map(|i| i.usage);
    let first = seen.next().unwrap_or_default();
    seen.fold(first, sum)
}

fn alarms(items: &[Item], hold: &HoldProof) -> SmallVec<[Alarm; 2]> {
    let mut alarms: SmallVec<[Alarm; 2]> = items.iter().filter_map(|i| i.charge.alarm).collect();
    // Each may be within the hold, and all of them together beyond it.
    if owed(items) > hold.amount() && !alarms.contains(&Alarm::Overrun) {
        alarms.push(Alarm::Overrun);
    }
    alarms
}

/// The tenant pays at most what was held, whatever the attempts add up to.
fn settlement(items: &[Item], hold: &HoldProof) -> Settlement {
    let mut all: Settlement = Settlement::void(hold.id());
    for item in items {
        all.tenant = all.tenant.saturating_add(item.charge.tenant);
        all.operator = all.operator.saturating_add(item.charge.operator);
        all.source = weaker(all.source, item.charge.source);
    }
    let over = all.tenant.saturating_sub(hold.amount()).max(Money::ZERO);
    all.tenant = all.tenant.saturating_sub(over);
    all.operator = all.operator.saturating_add(over);
    debug_assert!(all.tenant <= hold.amount() && !all.tenant.is_negative());
    debug_assert!(!all.operator.is_negative());
    all
}

/// What the accounts of the hold owe for all of them.
fn owed(items: &[Item]) -> Money {
    items.iter().fold(Money::ZERO, |sum, i| sum.saturating_add(i.charge.tenant))
}

/// The less certain of two ways to know.
fn weaker(a: UsageSource, b: UsageSource) -> UsageSource {
    match (a, b) {
        (UsageSource::Estimated, _) | (_, UsageSource::Estimated) => UsageSource::Estimated,
        (UsageSource::Counted, _) | (_, UsageSource::Counted) => UsageSource::Counted,
        (UsageSource::Reported, UsageSource::Reported) => UsageSource::Reported,
    }
}

/// Both halves of a resumed answer.
pub(crate) fn sum(a: Usage, b: Usage) -> Usage {
    Usage {
        input: a.input.saturating_add(b.input),
        cache_read: a.cache_read.saturating_add(b.cache_read),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        cache_write_1h: a.cache_write_1h.saturating_add(b.cache_write_1h),
        output: a.output.saturating_add(b.output),
        reasoning: a.reasoning.saturating_add(b.reasoning),
        audio_in: a.audio_in.saturating_add(b.audio_in),
        audio_out: a.audio_out.saturating_add(b.audio_out),
        images: a.images.saturating_add(b.images),
        calls: a.calls.saturating_add(b.calls),
        audio_ms: a.audio_ms.saturating_add(b.audio_ms),
        unknown: Unknown {
            input: a.unknown.input || b.unknown.input,
            output: a.unknown.output || b.unknown.output,
        },
        source: weaker(a.source, b.source),
    }
}

/// One attempt that somebody will owe for. Ends once; dropped without an ending, it was under way
/// when the caller left.
#[derive(Debug)]
pub struct Metered {
    funded: Funded,
    target: Arc<Target>,
    number: u8,
    /// Its place on the bill.
    line: usize,
    marked: u64,
    over: bool,
    /// How much it may write.
    written_max: u64,
}

/// A watermark is written at the latest after so many tokens: what a crash makes us guess is never
/// more than that.
const WATERMARK_TOKENS: u64 = 512;
/// How far a stream may go beyond the cap that the call was reserved with.
const SPARE_TOKENS: u64 = 16;

impl Metered {
    /// Opens a line on the bill. Also gives what all attempts together owe from now on: what a
    /// crash between here and the first watermark would leave of them.
    pub(super) fn open(funded: Funded, target: Arc<Target>, number: u8) -> (Self, Money) {
        let most = funded.bound_at(&target).written_max();
        // Pictures and speech are bound in other words than tokens.
        let spare = if most == 0 { u64::MAX } else { (most / 20).max(SPARE_TOKENS) };
        let written_max = most.saturating_add(spare);
        let mut metered =
            Self { funded, target, number, line: 0, marked: 0, over: false, written_max };
        // The peek's estimate: a count would read the words, which a relay never does. The bytes
        // of a recording are no words.
        let hears = metered.funded.shared.bound.audio_ms_max > 0;
        let tokens = metered.funded.opened().call.peek.input_tokens_estimate;
        let tokens = if hears { 0 } else { tokens };
        let usage = metered.asked(u64::from(tokens));
        let (line, owed) = metered.funded.bill().open(number, metered.priced(&usage), usage);
        metered.line = line;
        (metered, owed)
    }

    /// It was not sent after all.
    pub(super) fn unsent(mut self) {
        self.end(charge::Ending::NotSent, &Observed::default(), false);
    }

    /// The call that pays.
    pub fn funded(&self) -> &Funded {
        &self.funded
    }

    /// Which attempt of the call it is, from 0.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// Who was asked.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// A stream goes on: what has come is made durable now and then.
    pub fn progress(&mut self, seen: &Observed) {
        if seen.written.saturating_sub(self.marked) < WATERMARK_TOKENS {
            return;
        }
        self.marked = seen.written;
        let usage = self.counted(seen);
        let cost = self.priced(&usage);
        self.funded.watermark(self.funded.bill().mark(self.line, self.number, cost, usage));
    }

    /// What a usage costs here. Who may be asked without a price is asked for free.
    fn priced(&self, usage: &Usage) -> Money {
        let price = self.funded.price(&self.target).filter(|_| !self.funded.is_free());
        price.map_or(Money::ZERO, |price| cost(usage, price))
    }

    /// What the call uses by being asked, if it reads so many tokens.
    fn asked(&self, tokens: u64) -> Usage {
        let call = &self.funded.opened().call;
        let bound = self.funded.bound_at(&self.target);
        // What is billed by the piece nobody counts but the provider; so it is what was held.
        let apiece = call.operation != Operation::Chat;
        Usage {
            input: tokens.min(bound.input_tokens_max),
            calls: if apiece { bound.calls_max } else { 0 },
            images: bound.images_max,
            audio_ms: bound.audio_ms_max,
            source: UsageSource::Estimated,
            ..Usage::default()
        }
    }

    /// The provider refused, or was never reached: nothing is owed.
    pub fn refused(self) {
        self.refused_saying(&Observed::default());
    }

    /// The provider refused, and may say what that has used.
    pub fn refused_saying(mut self, seen: &Observed) {
        self.end(charge::Ending::Refused, seen, true);
    }

    /// An answer came that the caller does not get, because somebody else is asked.
    pub fn withheld(mut self, seen: &Observed) {
        let payer = self.funded.bill().payer;
        self.end(charge::Ending::Unseen(payer), seen, true);
    }

    /// It broke before the caller saw anything.
    pub fn failed(mut self) {
        let payer = self.funded.bill().payer;
        self.end(charge::Ending::Unseen(payer), &Observed::default(), true);
    }

    /// The answer ended.
    pub fn ended(mut self, ending: &Ending, seen: &Observed, stopped: bool) {
        let ending = match ending {
            _ if stopped => charge::Ending::Stopped,
            Ending::Complete => charge::Ending::Complete,
            Ending::CallerLeft => charge::Ending::CallerLeft,
            Ending::Broke(_) => charge::Ending::UpstreamBroke,
        };
        self.end(ending, seen, true);
    }

    fn end(&mut self, ending: charge::Ending<Money>, seen: &Observed, sent: bool) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let bill = self.funded.bill();
        let lost = bill.is_lost(self.number);
        let ending = if lost { charge::Ending::Unseen(bill.payer) } else { ending };
        let (charge, usage) = match ending {
            // Nothing to count, and counting a prompt is not free.
            charge::Ending::NotSent | charge::Ending::Refused if seen.usage.is_none() => {
                let none = Evidence::<Money> { sent, ..Evidence::default() };
                (charge(ending, &none, self.funded.proof()), Usage::default())
            }
            _ => self.charge(ending, seen, sent),
        };
        let unseen = matches!(
            ending,
            charge::Ending::Unseen(_) | charge::Ending::Refused | charge::Ending::NotSent
        );
        let credited = ending != charge::Ending::Unseen(charge::Payer::Operator);
        bill.close(self.line, Item { charge, usage, seen: !unseen, credited });
    }

    fn charge(
        &self,
        ending: charge::Ending<Money>,
        seen: &Observed,
        sent: bool,
    ) -> (Charge<Money>, Usage) {
        if self.funded.is_free() {
            let none = Evidence::<Money>::default();
            let charge = charge(charge::Ending::NotSent, &none, self.funded.proof());
            return (charge, Usage::default());
        }
        let Some(price) = self.funded.price(&self.target) else {
            debug_assert!(false, "a target without a price was asked");
            let none = Evidence::<Money>::default();
            return (charge(charge::Ending::NotSent, &none, self.funded.proof()), Usage::default());
        };
        // A usage counts when the answer was complete; one that opens a stream is a beginning.
        let refused = matches!(ending, charge::Ending::Refused);
        let whole = seen.usage.filter(|u| (seen.ended || refused) && self.believes(u));
        if let Some(mut usage) = whole.filter(|u| u.unknown == Unknown::default()) {
            usage.calls = usage.calls.max(seen.searches);
            let reported = Some(cost(&usage, price));
            let evidence = Evidence { sent, reported, ..Evidence::default() };
            return (charge(ending, &evidence, self.funded.proof()), usage);
        }
        let usage = self.counted(seen);
        let prompt = Usage { output: 0, reasoning: 0, audio_out: 0, ..usage };
        let evidence = Evidence {
            sent,
            reported: None,
            prompt: cost(&prompt, price),
            counted: cost(&usage, price),
            estimated: usage.source == UsageSource::Estimated,
            watermark: None,
        };
        (charge(ending, &evidence, self.funded.proof()), usage)
    }

    /// Our own count of what passed, with what the provider said of the prompt where it did.
    fn counted(&self, seen: &Observed) -> Usage {
        let mut usage = seen.usage.filter(|u| self.believes(u)).unwrap_or_default();
        usage.source = UsageSource::Counted;
        if usage.read_total() == 0 {
            let call = &self.funded.opened().call;
            // Who cannot be read has sent something all the same.
            let estimate = u64::from(call.peek.input_tokens_estimate);
            let read = || send::words(call).map_or(estimate, count::prompt);
            let asked = self.asked(count::spoken(call).unwrap_or_else(read));
            usage.input = asked.input;
            usage.calls = usage.calls.max(asked.calls);
            usage.images = usage.images.max(asked.images);
            usage.audio_ms = usage.audio_ms.max(asked.audio_ms);
        }
        usage.calls = usage.calls.max(seen.searches);
        let mut written = seen.written;
        if seen.guessed {
            // No provider writes more than it was allowed because we guess so.
            let most = self.funded.bound_at(&self.target).written_max();
            written = written.min(most.max(u64::from(seen.deltas)));
            usage.source = UsageSource::Estimated;
        }
        usage.output = usage.output.max(written.saturating_sub(usage.reasoning));
        usage.unknown = Unknown::default();
        usage
    }

    /// Whether a stream has run past what is set aside for it: past the tokens that it was bound
    /// to, give or take a few, by what its provider says, by the pieces that came, or by our own
    /// count.
    pub fn runs_over(&self, seen: &Observed) -> bool {
        let most = self.written_max;
        let counted = surely_written(seen);
        // What is said at the end comes too late to stop anything.
        let interim = seen.usage.filter(|u| !seen.ended && u.written_total() > most);
        counted > most || interim.is_some_and(|u| self.believes(&u))
    }

    /// Whether an answer says what it used, and can be believed.
    pub fn is_told(&self, seen: &Observed) -> bool {
        let chats = self.funded.opened().call.operation == Operation::Chat;
        !chats || seen.usage.is_some_and(|u| self.believes(&u))
    }

    /// Whether a usage can be true: an answer is not made of nothing, and no more was read or
    /// written than the call could ask for, give or take what providers add of their own.
    fn believes(&self, usage: &Usage) -> bool {
        let bound = self.funded.bound_at(&self.target);
        let within = |count: u64, most: u64| count <= most.saturating_mul(BEYOND_BELIEF);
        !usage.is_zero()
            && within(usage.read_total(), bound.input_tokens_max)
            && within(usage.written_total(), bound.written_max().max(1))
    }
}

/// Tokens that an answer has at the least. A guess errs by several times where a text is no language
/// (digits, hashes), and nobody's answer is cut for that.
fn surely_written(seen: &Observed) -> u64 {
    let counted = if seen.guessed { seen.written / GUESS_ERRS } else { seen.written };
    counted.max(u64::from(seen.deltas))
}

/// How many times too much a guess of tokens may be.
const GUESS_ERRS: u64 = 8;
/// How far a usage may lie beyond the bound before it is taken for a broken number, and not for a
/// provider that bills more than we knew of.
const BEYOND_BELIEF: u64 = 10;
// What was not cut by our guess is believed when its provider says it: somebody has to pay for it.
const _: () = assert!(BEYOND_BELIEF > GUESS_ERRS);

impl Drop for Metered {
    fn drop(&mut self) {
        if !self.over {
            self.end(charge::Ending::CallerLeft, &Observed::default(), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer in so many pieces, each of so many tokens by our count.
    fn seen(pieces: u32, tokens: u64) -> Observed {
        let mut seen = Observed::default();
        (0..pieces).for_each(|_| seen.delta(tokens));
        seen
    }

    #[test]
    fn a_guess_is_doubted_and_pieces_are_not() {
        assert_eq!(surely_written(&seen(200, 1)), 200);
        // Digits: the provider says fifty, and we guess a thousand.
        assert_eq!(surely_written(&seen(200, 6)), 200);
        // Few pieces with much in them.
        assert_eq!(surely_written(&seen(10, 8 * 40)), 400);
    }
}
