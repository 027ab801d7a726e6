//! x
mod refusal;
mod vendor;
pub use refusal::{Problem, Refusal};
pub use vendor::{UNKNOWN_MODELS, Vendor, WRONG_KEY};
