//! Of all who ask for the same key at once, one asks the directory. Whoever is in front and leaves
//! lets the next one in: nobody's answer depends on somebody else's patience.

use std::sync::Arc;

use foldhash::HashMap;
use llm_core::store::KeyHash;
use parking_lot::Mutex;

/// Keys that are being looked up at once. More than a database answers in its time; those who guess
/// keys wait for nobody and nobody waits for them.
const GATES_MAX: usize = 256;

type Turn = tokio::sync::Mutex<()>;

#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<KeyHash, Arc<Turn>>>);

/// A place in front of a gate.
pub(super) struct Gate<'g> {
    gates: &'g Gates,
    print: KeyHash,
    turn: Arc<Turn>,
}

impl Gates {
    /// `None` when there are too many already.
    pub(super) fn enter(&self, print: &KeyHash) -> Option<Gate<'_>> {
        let mut open = self.0.lock();
        if open.len() >= GATES_MAX && !open.contains_key(print) {
            return None;
        }
        let turn = Arc::clone(open.entry(*print).or_default());
        Some(Gate { gates: self, print: *print, turn })
    }
}

impl Gate<'_> {
    /// Until all who were here before are through.
    pub(super) async fn wait(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        let mut open = self.gates.0.lock();
        // The last one closes it: what is left is the map's and ours.
        if Arc::strong_count(&self.turn) == 2 {
            open.remove(&self.print);
        }
    }
}
