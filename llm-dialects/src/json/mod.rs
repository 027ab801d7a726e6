//! JSON without trees: fields are read where they stand and written where they go.

pub mod limits;
pub mod nested;
pub mod object;
pub mod peek;
pub mod piece;
pub mod place;
pub(crate) mod scan;
pub mod splice;
pub(crate) mod utf8;
pub mod write;

pub use object::{Bad, Field, JsonKind, Object};
pub use write::{ArrayWriter, ObjectWriter};
