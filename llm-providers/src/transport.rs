//! The way to upstreams.
