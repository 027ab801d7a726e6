//! Vendors, described: who they are, how they want to be asked, what they need in the head.
//!
//! A vendor is data. What differs between vendors of one wire format (a prefix in the path, a header
//! with another name, a field they refuse) is a value in [`Described`], not code; what a wire format
//! is, is its dialect's to know. No JSON is read or written here.

mod compatible;
mod described;
mod limits;
pub mod probe;
mod settings;

pub use compatible::{COMPATIBLE, Compatible};
pub use described::{Auth, Described, Speaks};
pub use settings::{Kind, ProviderSettings, from_env, is_key, ollama_host};
