//! So many entries and no more: a hand goes round and puts out the first that nobody has asked for
//! since it last came by. Whoever asks only sets a mark, so that all may ask at once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use llm_core::principal::KeyId;
use llm_core::store::{KeyHash, Shown};

/// What is remembered of a print.
#[derive(Debug)]
pub(super) struct Entry {
    print: KeyHash,
    pub(super) shown: Shown,
    /// What it is forgotten by; `None` with any change.
    pub(super) line: Option<KeyId>,
    /// When this was true.
    pub(super) seen: Instant,
    used: AtomicBool,
}

impl Entry {
    pub(super) fn new(print: KeyHash, shown: Shown, line: Option<KeyId>, seen: Instant) -> Self {
        Self { print, shown, line, seen, used: AtomicBool::new(false) }
    }
}

/// Prints are keyed hashes that nobody outside can choose: hashing them again would buy nothing.
#[derive(Debug, Default)]
pub(super) struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // A length comes before the bytes, and eight of these are enough.
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

#[derive(Debug)]
pub(super) struct Ring {
    most: usize,
    entries: Vec<Entry>,
    places: HashMap<KeyHash, usize, BuildHasherDefault<Plain>>,
    hand: usize,
}

impl Ring {
    pub(super) fn new(most: usize) -> Self {
        let places = HashMap::default();
        Self { most: most.max(1), entries: Vec::new(), places, hand: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, print: &KeyHash) -> Option<&Entry> {
        let entry = self.entries.get(*self.places.get(print)?)?;
        // Read first: a mark that is set would be a line of memory that all threads fight for.
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(entry)
    }

    pub(super) fn put(&mut self, entry: Entry) {
        if let Some(known) = self.places.get(&entry.print).and_then(|at| self.entries.get_mut(*at))
        {
            *known = entry;
            return;
        }
        if self.entries.len() < self.most {
            self.places.insert(entry.print, self.entries.len());
            self.entries.push(entry);
            return;
        }
        let at = self.idle();
        if let Some(old) = self.entries.get_mut(at) {
            self.places.remove(&old.print);
            self.places.insert(entry.print, at);
            *old = entry;
        }
    }

    /// Whom the hand puts out. It comes round once at the most: then all marks are gone.
    fn idle(&mut self) -> usize {
        for _ in 0..=self.entries.len() {
            let at = self.hand % self.entries.len().max(1);
            self.hand = at + 1;
            let used =
                self.entries.get_mut(at).is_some_and(|entry| std::mem::take(entry.used.get_mut()));
            if !used {
                return at;
            }
        }
        0
    }

    pub(super) fn remove(&mut self, print: &KeyHash) {
        let Some(at) = self.places.remove(print) else { return };
        self.entries.swap_remove(at);
        if let Some(moved) = self.entries.get(at) {
            self.places.insert(moved.print, at);
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let mut at = 0;
        while let Some(entry) = self.entries.get(at) {
            if keep(entry) {
                at += 1;
            } else {
                let print = entry.print;
                self.remove(&print);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.places.clear();
    }
}
