//! A real proxy, as a process, with a real upstream and a real store: killed while it works, overrun
//! by callers, left alone by its stores.
//!
//! The upstream lives in the test, so that it outlasts the proxy and its records can be held against
//! the ledger's rows, which are read beside the proxy.

#[cfg(test)]
mod acceptance;
#[cfg(test)]
mod apps;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod books;
#[cfg(test)]
mod busy;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod captions;
#[cfg(test)]
mod client;
#[cfg(test)]
mod collector;
#[cfg(test)]
mod first;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod left;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod once;
#[cfg(test)]
mod ops;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod overspend;
#[cfg(test)]
mod proxy;
#[cfg(test)]
#[path = "../../../llm-store/tests/redis/server.rs"]
#[expect(dead_code, reason = "the store's own tests want more of it")]
mod redis_server;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod rolling;
#[cfg(test)]
#[path = "../../../llm-store/tests/vault/server.rs"]
mod server;
#[cfg(test)]
mod told;
#[cfg(test)]
mod vendors;
