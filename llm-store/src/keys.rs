//! Virtual keys: what callers show, what is kept of it, and what it allows.
//!
//! The actors are the *key* (shown once, and after that only by whoever holds it), its *print* (a
//! keyed hash, which is all that a store has), the *record* (whose key it is, until when, who
//! issued it), its *rights* and its *standing*: what is left of the rights when everything above
//! the key has had its say. All of it is a pure rule over values. A store loads records and writes
//! back what comes out.
//!
//! ```text
//!  operator ──issue──▶ key A ──issue──▶ key B ──rotate──▶ key B'   (B works until the overlap ends)
//!                        ▲                ▲                  │
//!                        └── B is never more than A is now ──┘  and never more than B' is
//! ```
//!
//! The one law: what a key may do is within what its issuer could do when it was issued, and within
//! what its issuer can do now. The first is refused at [`issue`]; the second is [`standing`], which
//! is asked whenever a key is read from the store, so that a row which somebody wrote by hand gives
//! no more than its issuer has.
//!
//! Deliberately absent: storage, money that several keys share (accounts do that), and a way to
//! get a key back: who has lost one rotates it.

mod issue;
mod pepper;
mod record;
mod rights;
mod standing;
mod text;

pub use issue::{Authority, Draft, Minted, NotIssued, issue};
pub use pepper::{KeyPrint, Pepper, PepperId, Peppers};
pub use record::{Issuer, KeyOwner, KeyRecord, NotRotated, OVERLAP_MAX, OrgId, Replaced};
pub use rights::{Action, Actions, Excess, Rights};
pub use standing::{CHAIN_MAX, NotUsable, Standing, standing};
pub use text::{KEY_PREFIX, NotKey, VirtualKey, check};

#[cfg(test)]
mod tests;
