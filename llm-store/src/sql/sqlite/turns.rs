//! Turns at writing, among the processes that have one file open.
//!
//! SQLite's own lock is asked for again and again, and whoever asks finds it free only at the right
//! moment: a process that writes without a pause keeps all others out for as long as it has something
//! to write. So there are two more locks before it, which the system takes back from whoever dies: the
//! *door* and the *turn*. Who writes has the turn. Who wants to write takes the door, waits there for
//! the turn, and leaves the door; whoever has just written comes to a door that is taken, and is behind
//! the one who stands in it.
//!
//! Deliberately absent: safety. What SQLite promises it promises by its own lock, which is asked for
//! behind these; where the file system knows none, turns are as they fall.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::seam::Clock;
use llm_core::store::StoreError;

use super::place::keep_private;

/// How often somebody looks whether it is theirs: a step takes about as long.
const LOOK: Duration = Duration::from_millis(1);

/// How long a turn is, if there is more to do: a start waits for several of them, and a call for
/// credit for one. What a commit costs is little of it.
const LENGTH: Duration = Duration::from_millis(50);

/// The locks of a file. Cheap to clone: all share them.
#[derive(Clone)]
pub(super) struct Turns {
    locks: Arc<Locks>,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

#[derive(Debug)]
struct Locks {
    door: File,
    turn: File,
}

/// A lock that is ours until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it is the next one's turn"]
pub(super) struct Held<'t>(Option<&'t File>);

impl Turns {
    /// The locks beside a file.
    pub(super) fn beside(
        file: &Path,
        patience: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let lock = |name: &str| {
            let mut path = file.as_os_str().to_owned();
            path.push(name);
            keep_private(Path::new(&path))
        };
        let locks = Arc::new(Locks { door: lock("-door")?, turn: lock("-turn")? });
        Ok(Self { locks, clock, patience })
    }

    /// Whose time they are.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// A turn begins.
    pub(super) fn begin(&self) -> Instant {
        self.clock.now()
    }

    /// Whether one that began then has been long enough.
    pub(super) fn is_over(&self, began: Instant) -> bool {
        self.clock.now().saturating_duration_since(began) >= LENGTH
    }

    /// Waits until it is this one's turn. `None`: it was not in all the time that anybody waits.
    pub(super) async fn take(&self) -> Option<Held<'_>> {
        let Locks { door, turn } = &*self.locks;
        let mut at_door = Held::of(door);
        if at_door.is_some()
            && let Some(turn) = Held::of(turn)
        {
            return Some(turn);
        }
        let mut end = self.clock.sleep(self.patience);
        loop {
            tokio::select! {
                () = &mut end => return None,
                () = self.clock.sleep(LOOK) => {}
            }
            at_door = at_door.or_else(|| Held::of(door));
            if at_door.is_some()
                && let Some(turn) = Held::of(turn)
            {
                return Some(turn);
            }
        }
    }
}

impl<'t> Held<'t> {
    fn of(file: &'t File) -> Option<Self> {
        match file.try_lock() {
            Ok(()) => Some(Self(Some(file))),
            Err(TryLockError::WouldBlock) => None,
            // There is nothing to wait for.
            Err(TryLockError::Error(_)) => Some(Self(None)),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.0 {
            // It can only fail where it was never locked.
            let _ = file.unlock();
        }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("locks", &self.locks).finish_non_exhaustive()
    }
}
