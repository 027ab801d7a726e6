//! What applications ask for beyond a model's answer, for programs that embed the gateway and for
//! the proxy alike.
//!
//! Each feature is a caller of the gateway like any other: it makes calls on behalf of whoever
//! asked, under its own name, with what its [`settings`](feature) say. The actors they share are
//! the *ground* (the gateway, the database, the clock), the *person* (whose everything is, sealed
//! under a key of their own, so that who leaves can be forgotten by forgetting the key) and the
//! *terms* of a text, by which what is sealed is still found.
//!
//! Deliberately absent: HTTP, sign-up and passwords, and any way to a provider but the gateway.

pub mod again;
pub mod analysis;
pub mod captions;
pub mod chat;
pub mod documents;
pub mod feature;
mod ground;
mod id;
pub mod own;
pub mod people;
pub mod privacy;
pub mod prompts;
pub mod terms;
#[cfg(test)]
mod testing;
pub mod usage;

pub use ground::{Ground, NotDone};
pub use id::{Id, NotId};
