//! What an error of Redis means for whoever asked, and whether it is out.

use llm_core::Str;
use llm_core::store::StoreError;
use redis::{ErrorKind, RedisError};

/// An error, understood.
pub(super) struct Fault {
    /// For the caller.
    pub(super) error: StoreError,
    /// Whether the next operation is likely to fail as well.
    pub(super) is_outage: bool,
}

/// Only a code is told, never the server's own words: they quote arguments.
pub(super) fn fault(error: &RedisError) -> Fault {
    let code = error.code().unwrap_or_default();
    // Older servers put a script's error behind a code of their own.
    if code == "OOM" || error.to_string().contains("OOM command not allowed") {
        let error = StoreError::Full(Str::from_static("redis: no memory left"));
        return Fault { error, is_outage: false };
    }
    let corrupt = |why| Fault { error: StoreError::Corrupt(why), is_outage: false };
    match error.kind() {
        _ if code == "WRONGTYPE" => corrupt(Str::from_static("redis: a key is not ours")),
        ErrorKind::UnexpectedReturnType => corrupt(Str::from_static("redis: an odd reply")),
        // Everything else, a replica that takes no writes and a server that still loads among
        // them: it is there and does not do it.
        _ => {
            let why = if code.is_empty() {
                Str::from_static("redis: no connection")
            } else {
                Str::from(format!("redis: {code}"))
            };
            Fault { error: StoreError::Unavailable(why), is_outage: true }
        }
    }
}
