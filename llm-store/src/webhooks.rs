//! What others hear of what happened here, and what we believe of what others say happened there.
//!
//! The actors are the *outbox* (events, written in the transaction of what they tell), the *worker*
//! (takes what is due under a lease, signs it, has it sent and writes down what became of it), the
//! *sender* (speaks HTTP; written elsewhere) and, the other way round, [`Incoming`], which turns a
//! payment provider's signed webhook into a [`TopUp`].
//!
//! An event arrives at least once, always under the same id; a worker that dies between sending and
//! writing it down sends it again. Tries are bounded, and what was never taken is listed as dead.
//! Signatures are those of Standard Webhooks: HMAC-SHA-256 over `id.timestamp.body`.
//!
//! Deliberately absent: an order of events, HTTP, and retries for ever.

mod backoff;
mod event;
mod incoming;
mod outbox;
mod sign;
mod worker;

pub use event::{BUDGET_REACHED, CREDITS_GRANTED, CREDITS_LOW, Event, KIND_MAX};
pub use incoming::{Incoming, NotAccepted, TopUp};
pub use outbox::{Dead, Endpoint, NotEndpoint, Outbox, Webhooks};
pub use sign::{NotSecret, NotVerified, SECRET_MIN, SECRETS_MAX, Secrets, Shown, TOLERANCE};
pub use worker::{Letter, NotSent, Round, Sender, Worker};

pub(crate) use event::Facts;

pub use backoff::TRIES_MAX;
