//! What a stage is, and how stages stand on each other.
//!
//! A call is one value that grows more permitted as it travels, and each [`Stage`] is the only
//! maker of what the next one takes. So they stack in one order only, and any other does not
//! compile. Deliberately absent: back-pressure through `poll_ready`. Whoever must wait waits
//! inside `run` of the admit stage, where the queue has an owner, a bound and a deadline.

pub mod admit;
pub mod cache;
pub mod gate;
pub mod route;
