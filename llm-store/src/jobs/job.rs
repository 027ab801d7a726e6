//! What a job is, to those who make one and those who look at it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::principal::{KeyId, Priority, TenantId, UserId};
use llm_core::store::StoreError;

/// The longest name of a kind, a step, an artefact, an owner, and of a job by its maker.
pub const NAME_MAX: usize = 256;
/// The longest input, step result or artefact: what a sealed part has room for. Films and sounds
/// are in files, and a job has their names.
pub const PART_MAX: usize = crate::seal::SECRET_MAX;
/// Steps of a job: more than a person follows on a screen, and each is a row.
pub const STEPS_MAX: usize = 64;
/// Artefacts of a job: subtitles in three notations for twenty languages.
pub const ARTEFACTS_MAX: usize = 64;
/// The longest text that says why it failed; the rest is cut.
pub const PROBLEM_MAX: usize = 1024;
/// How often a job may be begun. What has failed twenty times fails.
pub const ATTEMPTS_MAX: u32 = 20;

/// Names a job: 48 bits of milliseconds, then 80 of entropy, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u128);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no id of a job")]
pub struct NotJobId;

impl FromStr for JobId {
    type Err = NotJobId;

    fn from_str(text: &str) -> Result<Self, NotJobId> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).map_err(|_| NotJobId)?;
        if digits { Ok(Self(number)) } else { Err(NotJobId) }
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody has it: it is new, or waits to be tried again.
    Pending,
    /// Somebody has it.
    Processing,
    /// It is done, and its artefacts are there.
    Completed,
    /// It will not be done.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Cancelled];

    /// The word of the interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing follows any more.
    pub fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Processing => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// How long the parts of a job stay once it has ended. Its row and events stay longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retention {
    /// Two hours: long enough to fetch them.
    #[default]
    TwoHours,
    /// A week.
    Week,
    /// Thirty days.
    Month,
    /// Ninety days.
    Quarter,
}

impl Retention {
    /// How long that is.
    pub fn span(self) -> Duration {
        const HOUR: u64 = 3_600;
        Duration::from_secs(match self {
            Self::TwoHours => 2 * HOUR,
            Self::Week => 7 * 24 * HOUR,
            Self::Month => 30 * 24 * HOUR,
            Self::Quarter => 90 * 24 * HOUR,
        })
    }
}

/// What a job is paid with: a hold that was made before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The hold.
    pub hold: HoldId,
    /// Of which unit its pieces are, as the ledger calls it.
    pub unit: Str,
}

/// A job that somebody would like to have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Whose.
    pub tenant: TenantId,
    /// For whom.
    pub user: Option<UserId>,
    /// With which virtual key it was asked for.
    pub key: Option<KeyId>,
    /// What is to be done.
    pub kind: Str,
    /// How soon.
    pub priority: Priority,
    /// What it is to be done with.
    pub input: Bytes,
    /// How often it may be begun.
    pub attempts_max: u32,
    /// Not before so long from now.
    pub after: Duration,
    /// How long its parts stay.
    pub retention: Retention,
    /// What pays for it.
    pub payment: Option<Payment>,
    /// What its maker calls it: made again under the same name, it is the same job.
    pub once: Option<Str>,
}

impl Draft {
    /// A job for now, begun three times at the most.
    pub fn new(tenant: TenantId, kind: Str, input: Bytes) -> Self {
        Self {
            tenant,
            user: None,
            key: None,
            kind,
            priority: Priority::Default,
            input,
            attempts_max: 3,
            after: Duration::ZERO,
            retention: Retention::default(),
            payment: None,
            once: None,
        }
    }
}

/// A job that was made, now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Which one.
    pub id: JobId,
    /// Whether it was made now, and not by an earlier try of the same name.
    pub new: bool,
}

/// A job as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// For whom.
    pub user: Option<UserId>,
    /// With which virtual key it was asked for.
    pub key: Option<KeyId>,
    /// What is to be done.
    pub kind: Str,
    /// How soon.
    pub priority: Priority,
    /// How far it is.
    pub state: State,
    /// How much of it is done, in percent: never less than it was.
    pub percent: u8,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it may be.
    pub attempts_max: u32,
    /// Whether somebody has asked whoever works on it to stop.
    pub cancelling: bool,
    /// Why it failed, or has to be tried again.
    pub problem: Option<Str>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was first begun.
    pub began_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Until when its parts are kept; `None` while it has not ended, and once they are gone.
    pub expires_at: Option<Timestamp>,
    /// What pays for it.
    pub payment: Option<Payment>,
    /// What it costs, in pieces of the payment's unit; `None` until it has ended.
    pub charge: Option<i64>,
    /// Whether nothing of it is owed: its hold is settled, or it never had one.
    pub settled: bool,
    /// The number of its last event.
    pub events: u64,
}

/// Why it was not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// There is no such job, or it is somebody else's.
    #[error("there is no such job")]
    Absent,
    /// Whoever asks does not have the job any more. What they have made of it is of no use.
    #[error("the job is somebody else's now, or has ended")]
    Lost,
    /// Its parts are not kept any more.
    #[error("what came of this job is not kept any more")]
    Gone,
    /// The name was used for another job.
    #[error("this name was used for another job")]
    Reused,
    /// More than there is room for.
    #[error("{what}: {max} at the most")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much there may be.
        max: usize,
    },
    /// The store did not do it, or nobody knows whether it did.
    #[error(transparent)]
    Store(#[from] StoreError),
}
