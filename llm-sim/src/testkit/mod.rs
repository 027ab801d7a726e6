//! What tests of the gateway share: the recorded exchanges and how they are read and shown.
//!
//! Behind a feature, because an application that only wants simulated providers has no use for it.

pub mod client;
pub mod corpus;
pub mod fixtures;
pub mod reading;
pub mod rendering;
pub mod vendor;
pub mod world;
