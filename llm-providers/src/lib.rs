//! The gateway as a library: providers, the pipeline's stages, the transport.
//!
//! Reading order: [`stage`] says what a stage is and in which order the stages stand.

pub mod provider;
pub mod stage;
pub mod transport;
