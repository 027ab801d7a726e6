//! TODO
#[cfg(feature = "testkit")]
pub mod testkit;
