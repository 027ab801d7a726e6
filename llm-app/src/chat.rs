//! Chat: conversations that people have with a model, kept for them and for nobody else.
//!
//! The actors are the *conversation* (how it asks, what it is called, where it is gone on with), its
//! *messages* (a tree: what is said again in other words is a branch beside the first), the *reply*
//! in progress (a task of its own, that goes on when whoever asked has left) and those who *follow*
//! it from any place of its text. All words are sealed under the key of whose they are; what they
//! are found by are numbers that only this key makes.
//!
//! A post that fails before its first word leaves nothing behind, and may be sent again under its
//! own key; what fails later is kept, with the reason beside it.
//!
//! Deliberately absent: files, tools, and conversations of several people.

mod follow;
mod keep;
mod live;
mod mark;
mod notes;
mod question;
mod read;
mod reply;
mod say;
mod store;
pub mod tree;
pub mod window;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::principal::Grant;
use llm_core::store::StoreError;
use llm_store::deposits::Owner;
use llm_store::seal::Place;

pub use follow::Following;
pub use live::Heard;
pub use mark::{Mark, NotMark};
pub use read::{Export, Found};
pub use say::Replied;
pub use words::{Change, Conversation, Manner, Message, Opening, Page, Post, Role, Shown, State};

use crate::feature::Feature;
pub use crate::id::{Id, NotId};
use crate::people::Person;
use crate::terms::terms;
use crate::{Ground, NotDone};
use live::Live;
use store::{Kept, Line};

/// Conversations of one person.
pub const CONVERSATIONS_MAX: usize = 10_000;
/// Messages of one conversation, all branches together: its tree is looked at as a whole.
pub const MESSAGES_MAX: usize = 2_000;
/// Bytes of what somebody says at once.
pub const CONTENT_BYTES_MAX: usize = 32 << 10;
/// Bytes of a title.
pub const TITLE_BYTES_MAX: usize = 400;
/// Bytes of what an application says before everything else.
pub const SYSTEM_BYTES_MAX: usize = 16 << 10;
/// Bytes of a model's name.
pub const MODEL_BYTES_MAX: usize = 256;
/// Bytes of a key under which something is posted.
pub const KEY_BYTES_MAX: usize = 256;
/// Days for which a conversation may be kept; beyond it one says nothing.
pub const DAYS_MAX: u32 = 3_650;
/// Items of a page.
pub const PAGE_MAX: usize = store::SOME_MAX;
/// Terms of a message that it is found by.
const TERMS_MAX: usize = 300;
const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// How chat asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Replies.
    pub chat: Feature,
    /// Titles, and notes of what is left out: made when nobody waits.
    pub titles: Feature,
    /// When the first word should be there: who is silent until then is left for somebody else.
    pub first_token: Duration,
    /// Tokens that a model reads and writes of a conversation at the most, where it could more:
    /// what is older goes into notes. `None` is its whole window.
    pub window_max: Option<u32>,
    /// How long a conversation is kept unless it says; `None` is until somebody deletes it.
    pub keep: Option<Duration>,
}

/// All conversations. Cheap to clone.
#[derive(Clone)]
pub struct Chat(Arc<Inner>);

struct Inner {
    ground: Ground,
    settings: Settings,
    live: Live,
}

impl Chat {
    /// On this ground.
    pub fn new(ground: Ground, settings: Settings) -> Self {
        Self(Arc::new(Inner { ground, settings, live: Live::default() }))
    }

    /// The same conversations, asked about in another way from now on: replies under way go on as
    /// they began, and are followed and stopped here as well.
    #[must_use]
    pub fn with(&self, settings: Settings) -> Self {
        let (ground, live) = (self.0.ground.clone(), self.0.live.clone());
        Self(Arc::new(Inner { ground, settings, live }))
    }

    /// How it asks.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What holds for somebody who chats: their own limits, and those of chat.
    pub fn granted(&self, grant: &Arc<Grant>) -> Arc<Grant> {
        self.0.settings.chat.granted(grant)
    }

    /// Forgets what is kept no longer: whether there may be more.
    pub async fn sweep(&self) -> Result<bool, StoreError> {
        self.0.ground.database.write(store::Sweep).await
    }

    /// Forgets what is kept no longer, every so often, for as long as anybody has this chat: it keeps
    /// nothing open by itself.
    pub fn upkeep(&self, every: Duration) -> impl Future<Output = ()> + Send + 'static {
        let (chat, clock) = (Arc::downgrade(&self.0), Arc::clone(&self.0.ground.clock));
        async move {
            while let Some(inner) = chat.upgrade() {
                let swept = Self(inner).sweep().await;
                if let Err(error) = &swept {
                    tracing::warn!(%error, "upkeep of conversations");
                }
                if !swept.unwrap_or(false) {
                    clock.sleep(every).await;
                }
            }
        }
    }

    /// Deletes everything that somebody has said: how many rows those were.
    pub async fn forget(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.0.ground.database.write(store::Forget(owner.clone())).await
    }

    /// Ends the replies in progress: what there is of them is kept. Waits for that, within bounds.
    pub async fn close(&self) {
        self.0.live.close();
        for _ in 0..CLOSE_STEPS {
            if self.0.live.is_empty() {
                return;
            }
            self.0.ground.clock.sleep(CLOSE_STEP).await;
        }
    }

    /// Whoever asks, where something of theirs is to be kept.
    async fn keeping(&self, grant: &Grant) -> Result<Person, NotDone> {
        let person = self.0.ground.person(grant).await?;
        if person.may_be_kept() { Ok(person) } else { Err(NotDone::NoConsent) }
    }

    /// A conversation of theirs.
    async fn kept(&self, person: &Person, id: Id) -> Result<Kept, NotDone> {
        let find = store::Find { owner: person.owner().clone(), id };
        self.0.ground.database.read(find).await?.ok_or(NotDone::Unknown("conversation"))
    }
}

/// How long an ending process waits for replies to be kept.
const CLOSE_STEP: Duration = Duration::from_millis(50);
const CLOSE_STEPS: u32 = 100;

/// Where a text of a conversation or message is sealed for.
fn place<'a>(column: &'static str, row: &'a str) -> Place<'a> {
    Place { table: "chat", column, row, version: 0 }
}

fn sealed(person: &Person, column: &'static str, id: Id, text: &str) -> Result<Bytes, StoreError> {
    person.close(&place(column, &id.to_string()), text.as_bytes())
}

fn opened(
    person: &Person,
    column: &'static str,
    id: Id,
    body: Bytes,
) -> Result<String, StoreError> {
    let bytes = person.open(&place(column, &id.to_string()), body)?;
    String::from_utf8(bytes.into()).map_err(|_| StoreError::Corrupt("a text is none".into()))
}

fn conversation(person: &Person, kept: Kept) -> Result<Conversation, StoreError> {
    let Kept { id, created, touched, leaf, expires, said, title, summary: _ } = kept;
    let manner = serde_json::from_str(&opened(person, "said", id, said)?);
    let manner = manner.map_err(|_| StoreError::Corrupt("a conversation's manner".into()))?;
    let title = title.map(|title| opened(person, "title", id, title)).transpose()?;
    Ok(Conversation { id, title: title.map(Str::from), manner, created, touched, expires, leaf })
}

fn message(person: &Person, conversation: Id, line: Line) -> Result<Message, StoreError> {
    let Line { id, parent, role, state, created, ended, model, finish, fault, tokens, cost, body } =
        line;
    let text = opened(person, "body", id, body)?;
    Ok(Message {
        id,
        conversation,
        parent,
        role,
        state,
        text,
        created,
        ended,
        model,
        finish,
        fault,
        tokens,
        cost,
    })
}

/// The numbers that a text is found by.
fn numbers(person: &Person, text: &str) -> Vec<i64> {
    let terms = terms(text);
    let mut numbers: Vec<i64> =
        terms.keys().take(TERMS_MAX).map(|term| person.blind(term)).collect();
    numbers.sort_unstable();
    numbers
}

/// A text of so many bytes at the most, and of at least one.
fn checked(field: &'static str, text: &str, most: usize) -> Result<(), NotDone> {
    let named = field == "model" && text.chars().any(char::is_control);
    if text.trim().is_empty() || text.len() > most || named {
        return Err(NotDone::wrong(field, format!("1 to {most} bytes that are not all blank")));
    }
    Ok(())
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
