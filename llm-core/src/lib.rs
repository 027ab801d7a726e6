//! The words of the gateway.
//!
//! Everything here is a type, a law or a pure rule. There is no socket, no clock and no lock in
//! this crate, so that whoever reads a `Request`, an `Event` or a `Hold` elsewhere knows that it
//! means the same in a codec, in the pipeline, in a store and in the simulator.
//!
//! Reading order: a [`call::Call`] carries a [`prompt::Prompt`]; a provider's answer is a sequence
//! of [`event::Event`]s, whose fold is a [`completion::Completion`]; both are read and written by
//! a [`dialect`]; what was used is a [`usage::Usage`], what it costs is [`money::Money`], and who
//! pays is settled by the rules in [`ledger`] and [`quota`].

pub mod answer;
pub mod call;
pub mod capability;
pub mod catalog;
pub mod completion;
pub mod dialect;
pub mod error;
pub mod event;
pub mod extra;
pub mod fault;
pub mod idempotency;
pub mod ledger;
pub mod money;
pub mod principal;
pub mod prompt;
pub mod provider;
pub mod quota;
pub mod raw;
pub mod seam;
pub mod secret;
pub mod store;
pub mod trace;
pub mod usage;
pub mod wallet;

/// UTF-8 text in shared bytes: a slice of the body it came from, cheap to clone and to cut.
pub type Str = bytestring::ByteString;
