//! The pipeline against the simulated providers, in process and in virtual time.

mod endings;
mod leaving;
mod outage;
mod resuming;
mod world;
