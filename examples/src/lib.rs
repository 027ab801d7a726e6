//! One concept of the gateway per file, each run by the tests against simulated providers.
//!
//! What will live here, once the library has its public face: hello, fallback, streaming, tools,
//! structured output, cache, rate limits, a custom provider, an own tower layer, metrics.
