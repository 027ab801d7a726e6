//! The gateway as a library: providers, the pipeline's stages, the transport.
//!
//! What will live here: `gateway` (the stack on one screen), `stage/` (record, admit, reserve,
//! inspect, cache, route, gate, send), `reply` (a body that gives back what was taken), `edge/`
//! (rendering to a caller's dialect or to typed events), `provider/` (a short description of each
//! vendor), `catalog`, `transport/`, `snapshot` and `metrics`.
