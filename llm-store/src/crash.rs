//! Points at which a test ends the process, as if it had been killed there.
//!
//! `LLM_CRASH_AT=fold.done:3` ends it when that point is passed for the third time. Nothing of this
//! is in a program that is built without the feature: the call is empty, and the variable unread.

/// The process may end here.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn point(_: &'static str) {}

/// The process may end here.
#[cfg(feature = "crash-points")]
pub fn point(name: &'static str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let text = std::env::var("LLM_CRASH_AT").ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), times.parse().ok()?))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let Some((wanted, times)) = &*WANTED else { return };
    if wanted == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *times {
        // No destructor runs, no buffer is written, no connection is closed politely.
        std::process::abort();
    }
}
