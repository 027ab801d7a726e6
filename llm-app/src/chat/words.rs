//! What is said of conversations and messages.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::money::Money;
use serde::{Deserialize, Serialize};

use crate::id::Id;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being written.
    Pending,
    /// It is whole.
    Done,
    /// The person did not want more of it.
    Stopped,
    /// It broke off, for the reason that stands beside it.
    Failed,
    /// The process that wrote it is gone: what it kept is here.
    Interrupted,
}

impl Role {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::User, Self::Assistant].into_iter().find(|role| role.word() == word)
    }
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Done, Self::Stopped, Self::Failed, Self::Interrupted];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// How a conversation asks; what is not said is the feature's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// The model.
    #[serde(default)]
    pub model: Option<Str>,
    /// What the application says before everything else, behind the operator's own words.
    #[serde(default)]
    pub system: Option<Str>,
    /// The longest answer in tokens.
    #[serde(default)]
    pub tokens_max: Option<u32>,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its name.
    pub id: Id,
    /// What it is about; `None` until somebody says so.
    pub title: Option<Str>,
    /// How it asks.
    pub manner: Manner,
    /// When it was begun.
    pub created: Timestamp,
    /// When something was said last.
    pub touched: Timestamp,
    /// Until when it is kept.
    pub expires: Option<Timestamp>,
    /// The last message of the branch that is gone on with.
    pub leaf: Option<Id>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: Id,
    /// Where it is said.
    pub conversation: Id,
    /// What it goes on from.
    pub parent: Option<Id>,
    /// Who says it.
    pub role: Role,
    /// How far it is.
    pub state: State,
    /// What is said.
    pub text: String,
    /// When it was begun.
    pub created: Timestamp,
    /// When it ended, where it is a reply.
    pub ended: Option<Timestamp>,
    /// The model that was asked.
    pub model: Option<Str>,
    /// Why the model ended.
    pub finish: Option<Str>,
    /// What went wrong, as a word.
    pub fault: Option<Str>,
    /// Tokens read, and tokens written.
    pub tokens: Option<(u64, u64)>,
    /// What it cost.
    pub cost: Option<Money>,
}

/// A message, and what else was said in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// It.
    pub message: Message,
    /// All that were said there, itself included, in the order of their making.
    pub versions: Vec<Id>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next begins; `None` is the end.
    pub next: Option<String>,
}

/// What somebody begins a conversation with.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// What it is about.
    pub title: Option<Str>,
    /// How it asks.
    pub manner: Manner,
    /// For how many days it is kept; `None` is as long as the rules say.
    pub days: Option<u32>,
}

/// What is to be otherwise; what is not said stays. `Some(None)` takes it away.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What it is about.
    pub title: Option<Option<Str>>,
    /// The model.
    pub model: Option<Option<Str>>,
    /// The application's words.
    pub system: Option<Option<Str>>,
    /// The longest answer.
    pub tokens_max: Option<Option<u32>>,
    /// For how many days from now it is kept.
    pub days: Option<Option<u32>>,
    /// Any message of the branch that is to be gone on with.
    pub branch: Option<Id>,
}

/// What somebody says.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// The words.
    pub content: String,
    /// The model to ask; `None` is the conversation's.
    pub model: Option<Str>,
    /// The longest answer; the feature clamps it.
    pub tokens_max: Option<u32>,
    /// What makes the same post again the same post.
    pub key: Option<Str>,
}
