//! Simulated upstreams.

pub mod model;
