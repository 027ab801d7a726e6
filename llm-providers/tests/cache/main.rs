//! The cache in a whole gateway, against simulated providers, in virtual time.

mod forms;
mod lab;
mod leaving;
mod money;
mod scopes;
mod sharing;
mod store;
