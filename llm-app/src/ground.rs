//! What every feature stands on, and why a feature does not do what it was asked.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::error::Error;
use llm_core::principal::Grant;
use llm_core::seam::{Clock, Entropy};
use llm_core::store::StoreError;
use llm_providers::Gateway;
use llm_providers::asking::Asking;
use llm_store::deposits::Owner;
use llm_store::sql::Database;

use crate::feature::Feature;
use crate::people::{People, Person};

/// What every feature stands on. Cheap to clone.
#[derive(Clone)]
pub struct Ground {
    /// The pipeline.
    pub gateway: Gateway,
    /// Where things are kept.
    pub database: Database,
    /// Whose things they are.
    pub people: People,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness that need not be secret.
    pub entropy: Arc<dyn Entropy>,
}

impl Ground {
    /// What is asked in the name of a feature, on behalf of somebody. Their own limits hold, and
    /// those of the feature beside them.
    pub fn asking(&self, feature: &Feature, grant: &Arc<Grant>) -> Asking<'_> {
        let mut asking = self.gateway.asking().on_behalf(feature.granted(grant));
        asking = asking.feature(feature.name.clone()).priority(feature.priority);
        match feature.within {
            Some(within) => asking.within(within),
            None => asking,
        }
    }

    /// Whoever a grant is about.
    pub async fn person(&self, grant: &Grant) -> Result<Person, NotDone> {
        Ok(self.people.of(&Owner::of(&grant.principal)).await?)
    }

    /// The time of day, as everything that is kept has it.
    pub fn now(&self) -> Timestamp {
        let since = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }

    /// An id that sorts by when it was made: 48 bits of milliseconds, 80 of chance.
    pub fn id(&self) -> u128 {
        let millis = u128::from(self.now().as_millisecond().unsigned_abs());
        let chance = u128::from(self.entropy.next_u64()) << 16;
        millis << 80 | chance | u128::from(self.entropy.next_u64() & 0xffff)
    }
}

/// Why a feature did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotDone {
    /// It is not there, or another's.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// A field says what cannot be done.
    #[error("{field}: {why}")]
    Wrong {
        /// Which one, as the caller wrote it.
        field: Str,
        /// What is wrong with it.
        why: Str,
    },
    /// It contradicts what is there.
    #[error("{0}")]
    Contradicts(Str),
    /// Whoever it is about has not agreed that anything of theirs is kept.
    #[error("nothing may be kept of this user without consent")]
    NoConsent,
    /// The gateway refused the call, or nobody answered it.
    #[error(transparent)]
    Call(#[from] Error),
    /// What is kept cannot be read or written now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NotDone {
    /// What it says of the store, for whoever asks for nothing that could be refused otherwise.
    pub(crate) fn of_store(self) -> StoreError {
        match self {
            Self::Store(why) => why,
            other => StoreError::Unavailable(Str::from(other.to_string())),
        }
    }

    /// A field that says what cannot be done.
    pub fn wrong(field: impl Into<Str>, why: impl Into<Str>) -> Self {
        Self::Wrong { field: field.into(), why: why.into() }
    }
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground").field("database", &self.database).finish_non_exhaustive()
    }
}
