//! To come.

pub mod flight;
pub mod gcra;
