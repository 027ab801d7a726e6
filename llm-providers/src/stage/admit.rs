//! To come.

pub mod fair;
pub mod flight;
pub mod gcra;
pub mod limits;
pub mod meter;
