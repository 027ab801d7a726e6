//! Who pays what when a call has ended: one table, no judgement anywhere else.
//!
//! It takes amounts, not tokens: what the provider reported, what we counted and what the last
//! watermark covers, each priced beforehand with the price that the hold was made with.

use super::{HoldProof, Settlement};
use crate::money::Unit;
use crate::usage::UsageSource;

/// How a call ended, as far as money is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<U: Unit> {
    /// Nothing was sent to any provider.
    NotSent,
    /// The answer came whole.
    Complete,
    /// The provider refused before it wrote anything, or no connection came about.
    Refused,
    /// The caller left, before the first byte or in the middle.
    CallerLeft,
    /// The provider broke off or took too long, before the first byte or in the middle.
    UpstreamBroke,
    /// We stopped the stream because the hold was used up.
    Stopped,
    /// A content rule of ours withheld the answer, which was bought all the same.
    Blocked,
    /// A cache answered, at this price.
    CacheHit(U),
    /// An attempt that the caller never saw: a failed one that was billed, or a hedge that lost.
    Unseen(Payer),
    /// The process died with the hold open, and this is its recovery.
    Crashed(Unknown),
}

/// Who pays for an attempt that the caller never saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payer {
    /// Whoever runs the gateway, whose retry it was.
    #[default]
    Operator,
    /// The accounts of the hold.
    Tenant,
}

/// What a call is charged that was sent, and of which a crash left no watermark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// What it read.
    #[default]
    Prompt,
    /// Nothing.
    Zero,
    /// All that was held.
    Full,
}

/// What is known of a call's cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence<U: Unit> {
    /// Whether anything was sent.
    pub sent: bool,
    /// What the provider's *final* usage costs, if it came in time. An interim usage (one that
    /// opens a stream) belongs into `counted`.
    pub reported: Option<U>,
    /// What the prompt costs, by our own count.
    pub prompt: U,
    /// What prompt and received text cost, by our own count.
    pub counted: U,
    /// Whether that count is a guess.
    pub estimated: bool,
    /// What the last durable watermark covers, prompt included.
    pub watermark: Option<U>,
}

/// Who pays what, and what somebody should know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge<U: Unit> {
    /// What the accounts of the hold pay; never more than was held.
    pub tenant: U,
    /// What the operator pays.
    pub operator: U,
    /// How the amounts are known.
    pub source: UsageSource,
    /// What should ring.
    pub alarm: Option<Alarm>,
}

/// What should ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// A call cost more than was held: a price, a window or a provider is not as declared.
    Overrun,
    /// A whole answer came without its usage.
    NoUsage,
}

impl<U: Unit> Charge<U> {
    /// The settlement that carries it out.
    pub fn settle(&self, hold: &HoldProof<U>) -> Settlement<U> {
        let Self { tenant, operator, source, alarm: _ } = *self;
        Settlement { hold: hold.id(), tenant, operator, source }
    }
}

/// The table. Whatever the ending, the tenant pays at most what was held and the operator the
/// rest; nobody pays less than nothing.
pub fn charge<U: Unit>(
    ending: Ending<U>,
    evidence: &Evidence<U>,
    hold: &HoldProof<U>,
) -> Charge<U> {
    let (due, source) = due(ending, evidence, hold.amount());
    let due = due.max(U::ZERO);
    let payer = match ending {
        Ending::Unseen(payer) => payer,
        Ending::NotSent
        | Ending::Complete
        | Ending::Refused
        | Ending::CallerLeft
        | Ending::UpstreamBroke
        | Ending::Stopped
        | Ending::Blocked
        | Ending::CacheHit(_)
        | Ending::Crashed(_) => Payer::Tenant,
    };
    let tenant = match payer {
        Payer::Tenant => due.min(hold.amount()),
        Payer::Operator => U::ZERO,
    };
    let alarm = if due > hold.amount() {
        Some(Alarm::Overrun)
    } else if ending == Ending::Complete && evidence.reported.is_none() {
        Some(Alarm::NoUsage)
    } else {
        None
    };
    let operator = due.saturating_sub(tenant);
    debug_assert!(tenant <= hold.amount() && !tenant.is_negative(), "the hold is the tenant's end");
    debug_assert!(!operator.is_negative(), "the operator is not paid for losses");
    Charge { tenant, operator, source, alarm }
}

/// What the call cost, and how we know.
fn due<U: Unit>(ending: Ending<U>, evidence: &Evidence<U>, held: U) -> (U, UsageSource) {
    let reported = evidence.reported.map(|cost| (cost, UsageSource::Reported));
    let known = if evidence.estimated { UsageSource::Estimated } else { UsageSource::Counted };
    let counted = (evidence.counted.max(evidence.prompt), known);
    let nothing = (U::ZERO, UsageSource::Reported);
    match ending {
        Ending::NotSent => nothing,
        // Ours to ask and no cost: what the hold does not cover is nobody's loss.
        Ending::CacheHit(price) => (price.min(held), UsageSource::Reported),
        // A provider that refuses bills nothing, unless its error says what it used.
        Ending::Refused => reported.unwrap_or(nothing),
        Ending::Crashed(_) if !evidence.sent => nothing,
        Ending::Crashed(unknown) => match (evidence.watermark, unknown) {
            (Some(cost), _) => (cost.max(evidence.prompt), UsageSource::Estimated),
            (None, Unknown::Prompt) => (evidence.prompt, UsageSource::Estimated),
            (None, Unknown::Zero) => (U::ZERO, UsageSource::Estimated),
            (None, Unknown::Full) => (held, UsageSource::Estimated),
        },
        Ending::Complete
        | Ending::CallerLeft
        | Ending::UpstreamBroke
        | Ending::Stopped
        | Ending::Blocked
        | Ending::Unseen(_) => match (reported, evidence.sent) {
            (Some(cost), _) => cost,
            (None, true) => counted,
            (None, false) => nothing,
        },
    }
}
