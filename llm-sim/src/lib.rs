//! Simulated providers, and the kit that tests the gateway against them.

pub mod model;
pub mod record;
pub mod script;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod upstream;
