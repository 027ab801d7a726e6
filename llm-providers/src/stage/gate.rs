//! To come.

pub mod adaptive;
pub mod slots;
