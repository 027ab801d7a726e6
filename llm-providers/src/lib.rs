//! The gateway as a library: providers, the pipeline's stages, the transport.
//!
//! A program describes a [`Gateway`] with its [builder](Gateway::builder), and then asks it:
//! [`Gateway::chat`], [`Gateway::stream`] and their siblings, or [`Gateway::asking`] on behalf of
//! somebody whose limits hold and whose accounts pay. The proxy is a host of exactly this.
//!
//! Reading order: [`stage`] says what a stage is and in which order the stages stand; [`reply`] is
//! what comes back; [`edge`] reads it.

pub mod asking;
pub mod builder;
pub mod edge;
pub mod gateway;
pub mod ledger;
pub mod log;
pub mod metrics;
pub mod model;
pub mod provider;
pub mod reply;
pub mod seam;
pub mod settings;
pub mod stage;
pub mod target;
pub mod transport;
mod typed;

pub use gateway::Gateway;
