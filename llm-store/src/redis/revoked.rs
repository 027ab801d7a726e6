//! Telling all replicas that keys are no longer what they were.
//!
//! A hint and no truth: the directory knows, and this only saves waiting for the next look at it.
//! What is published while somebody does not listen is lost to them; so they are told when they
//! listen again, and look for themselves. A silent connection is asked for a sign of life every
//! second, since a network that swallows packets ends no connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use llm_core::Str;
use llm_core::principal::KeyId;
use llm_core::seam::Clock;
use llm_core::store::Stored;
use redis::aio::PubSub;
use redis::{Client, Msg, RedisResult};
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use tokio::task::AbortHandle;

use super::Redis;
use super::link::CONNECT_WAIT;

/// Keys in one message.
const KEYS_MAX: usize = 512;
/// Messages that wait for a consumer. Who is slower is told to look for themselves.
const NEWS_MAX: usize = 256;
/// How often a sign of life is asked for, and how long it may take.
const BEAT: Duration = Duration::from_secs(1);
const BEAT_WAIT: Duration = Duration::from_millis(500);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// From now on everything is heard. What was published before may have been missed: look for
    /// yourself once. Also said to a listener who was too slow.
    Listening,
    /// These keys were revoked or changed.
    Revoked(Vec<KeyId>),
    /// From now on nothing is heard, until the next [`News::Listening`].
    Deaf,
}

/// What is published, for as long as somebody listens. Never ends by itself.
#[derive(Debug)]
pub struct Revocations {
    news: Receiver<News>,
    listener: AbortHandle,
}

impl Stream for Revocations {
    type Item = News;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<News>> {
        self.news.poll_recv(cx)
    }
}

impl Drop for Revocations {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Redis {
    /// Tells all replicas that keys were revoked or changed. `Ok` says that the server has it, not
    /// who heard it.
    pub fn publish<'a>(&'a self, keys: &'a [KeyId]) -> Stored<'a, ()> {
        Box::pin(async move {
            for some in keys.chunks(KEYS_MAX) {
                let mut publish = redis::cmd("PUBLISH");
                publish.arg(self.names.revoked()).arg(write(some));
                let run = |mut to| async move { publish.exec_async(&mut to).await };
                self.counts.run(run).await?;
            }
            Ok(())
        })
    }

    /// Listens to what is published, from now on and again after every break.
    pub fn revocations(&self) -> Revocations {
        let (out, news) = mpsc::channel(NEWS_MAX);
        let listener = Listener {
            client: self.counts.client().clone(),
            clock: Arc::clone(self.counts.clock()),
            channel: self.names.revoked(),
            out,
            owed: None,
        };
        let listener = self.counts.runtime().spawn(listener.listen()).abort_handle();
        Revocations { news, listener }
    }
}

/// Who keeps the connection for one consumer.
struct Listener {
    client: Client,
    clock: Arc<dyn Clock>,
    channel: String,
    out: Sender<News>,
    /// What the consumer must hear once there is room: the last state, which covers what was lost.
    owed: Option<News>,
}

impl Listener {
    async fn listen(mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            if let Some(Ok(connection)) = self.within(CONNECT_WAIT, self.subscribe()).await {
                pause = PAUSE_MIN;
                self.say(News::Listening);
                self.hear(connection).await;
            }
            if pause == PAUSE_MIN {
                self.say(News::Deaf);
            }
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn subscribe(&self) -> RedisResult<PubSub> {
        let mut connection = self.client.get_async_pubsub().await?;
        connection.subscribe(&self.channel).await?;
        Ok(connection)
    }

    /// Passes on what comes, until nothing comes any more.
    async fn hear(&mut self, connection: PubSub) {
        let (mut ask, mut messages) = connection.split();
        let mut beat = self.clock.sleep(BEAT);
        loop {
            match select(messages.next(), beat).await {
                Either::Left((Some(message), rest)) => {
                    beat = rest;
                    self.pass_on(&message);
                }
                Either::Left((None, _)) => return,
                Either::Right(((), _)) => {
                    let answer = self.within(BEAT_WAIT, ask.ping::<redis::Value>()).await;
                    if !matches!(answer, Some(Ok(_))) {
                        return;
                    }
                    self.pay();
                    beat = self.clock.sleep(BEAT);
                }
            }
        }
    }

    fn pass_on(&mut self, message: &Msg) {
        // What we cannot read may name any key.
        self.say(match read(message.get_payload_bytes()) {
            Some(keys) => News::Revoked(keys),
            None => News::Listening,
        });
    }

    fn say(&mut self, news: News) {
        self.pay();
        let state = match &news {
            News::Deaf => News::Deaf,
            News::Listening | News::Revoked(_) => News::Listening,
        };
        // Behind something owed nothing may be said out of turn.
        if self.owed.is_some() || matches!(self.out.try_send(news), Err(TrySendError::Full(_))) {
            self.owed = Some(state);
        }
    }

    fn pay(&mut self) {
        let Some(news) = self.owed.take() else { return };
        if let Err(TrySendError::Full(news)) = self.out.try_send(news) {
            self.owed = Some(news);
        }
    }

    async fn within<T>(&self, wait: Duration, step: impl Future<Output = T>) -> Option<T> {
        match select(std::pin::pin!(step), self.clock.sleep(wait)).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(((), _)) => None,
        }
    }
}

/// Each key behind its length, since an id may have any character: `5:alice3:bob`.
fn write(keys: &[KeyId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(keys.iter().map(|key| key.0.len() + 4).sum());
    for key in keys {
        out.extend_from_slice(key.0.len().to_string().as_bytes());
        out.push(b':');
        out.extend_from_slice(key.0.as_bytes());
    }
    out
}

/// `None` when somebody else wrote it.
fn read(mut text: &[u8]) -> Option<Vec<KeyId>> {
    let mut keys = Vec::new();
    while !text.is_empty() {
        let colon = text.iter().position(|byte| *byte == b':')?;
        let length: usize = str::from_utf8(&text[..colon]).ok()?.parse().ok()?;
        let (key, rest) = text[colon + 1..].split_at_checked(length)?;
        keys.push(KeyId(Str::from(str::from_utf8(key).ok()?)));
        text = rest;
    }
    (keys.len() <= KEYS_MAX).then_some(keys)
}

#[cfg(test)]
mod tests;
