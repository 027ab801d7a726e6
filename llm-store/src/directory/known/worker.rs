//! What others have changed: looked at once a second, and at once when somebody says so.

use std::sync::atomic::Ordering;
use std::time::Duration;

use llm_core::store::StoreError;

use super::KnownKeys;

/// How often changes are looked at. What another replica has taken away works here for no longer
/// than this and one answer of the store; five seconds are promised.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl KnownKeys {
    /// Looks at what others have changed, for as long as it is polled. Each process runs it once.
    pub async fn watch(&self) {
        loop {
            if let Err(why) = self.catch_up().await {
                tracing::warn!(%why, "changes of keys cannot be read");
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Forgets what was changed since the last time.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        loop {
            let since = self.cursor.load(Ordering::SeqCst);
            let (keys, next) = self.directory.changed(since).await?;
            if next < since {
                // The first look, or a store that was put back to what it was before: nobody knows
                // what has changed.
                self.forget_all();
            }
            self.forget(&keys);
            self.cursor.store(next, Ordering::SeqCst);
            if keys.is_empty() {
                return Ok(());
            }
        }
    }

    /// Looks as soon as others say that something has changed, beside [`watch`](Self::watch): for
    /// as long as they say anything.
    #[cfg(feature = "redis")]
    pub async fn hear(&self, mut news: crate::redis::Revocations) {
        use crate::redis::News;
        use futures_util::StreamExt;
        while let Some(said) = news.next().await {
            match said {
                News::Revoked(keys) => self.forget(&keys),
                // Something may have been missed.
                News::Listening => {
                    if let Err(why) = self.catch_up().await {
                        tracing::warn!(%why, "changes of keys cannot be read");
                    }
                }
                // Looking goes on anyway.
                News::Deaf => {}
            }
        }
    }
}
