//! Idempotency keys in memory: for a program of one process, and the reference for stores that
//! outlast it.
//!
//! What a process forgets when it dies was running in that process or was said by it; a caller who
//! asks again then runs anew. Where that must not be paid twice, the store is one that outlasts the
//! process. Bodies are not sealed here: whoever reads this memory reads the answers under way as
//! well.

#[cfg(feature = "sql")]
pub mod sql;
#[cfg(any(test, feature = "suites"))]
pub mod suite;

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::idempotency::{Answer, IdempotencyStore, Kept, Record, Seen, Slot, State};
use llm_core::principal::TenantId;
use llm_core::store::{StoreError, Stored};
use parking_lot::Mutex;

/// How much is kept at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Records of all tenants. Beyond it the store is full: to forget one early would be to run it
    /// twice.
    pub records: usize,
    /// Records of one tenant, so that one does not fill the store for all.
    pub tenant_records: usize,
    /// Bytes of all bodies. Beyond it records are kept without.
    pub body_bytes: usize,
}

impl Default for Bounds {
    /// A key a second for eighteen hours, a quarter of them by one tenant; 64 MiB of answers, which
    /// are tens of thousands of usual ones.
    fn default() -> Self {
        Self { records: 1 << 16, tenant_records: 1 << 14, body_bytes: 64 << 20 }
    }
}

/// Records in memory.
#[derive(Debug, Default)]
pub struct MemorySlots {
    bounds: Bounds,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    records: HashMap<Slot, Record>,
    /// The same, by when they expire.
    ends: BTreeSet<(Timestamp, Slot)>,
    tenants: HashMap<TenantId, usize>,
    body_bytes: usize,
}

impl MemorySlots {
    /// With bounds.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, inner: Mutex::default() }
    }

    /// Bytes of bodies that are kept now.
    pub fn body_bytes(&self) -> usize {
        self.inner.lock().body_bytes
    }

    fn put(&self, slot: &Slot, seen: Option<Seen>, next: &Record) -> Result<(), StoreError> {
        // A body may be a slice of a larger buffer, which would stay as long as it does.
        let mut next = next.clone();
        if let Some(bytes) = body(&mut next).filter(|bytes| bytes.len() <= self.bounds.body_bytes) {
            *bytes = Bytes::copy_from_slice(bytes);
        }
        let mut inner = self.inner.lock();
        let known = inner.records.get(slot).map(Record::seen);
        if known == Some(next.seen()) {
            return Ok(());
        }
        if known != seen {
            return Err(StoreError::Conflict(Str::from_static("idempotency slot")));
        }
        if known.is_none() {
            let of_tenant = inner.tenants.get(&slot.tenant).copied().unwrap_or_default();
            if inner.records.len() >= self.bounds.records || of_tenant >= self.bounds.tenant_records
            {
                return Err(StoreError::Full(Str::from_static("idempotency records")));
            }
        }
        inner.take(slot);
        let room = self.bounds.body_bytes.saturating_sub(inner.body_bytes);
        if size(&next) > room
            && let State::Done(Answer { body, .. }) = &mut next.state
        {
            *body = Kept::Dropped;
        }
        inner.insert(slot, next);
        Ok(())
    }
}

impl Inner {
    fn insert(&mut self, slot: &Slot, record: Record) {
        self.ends.insert((record.expires_at, slot.clone()));
        self.body_bytes += size(&record);
        *self.tenants.entry(slot.tenant.clone()).or_default() += 1;
        self.records.insert(slot.clone(), record);
    }

    fn take(&mut self, slot: &Slot) {
        let Some(record) = self.records.remove(slot) else { return };
        self.ends.remove(&(record.expires_at, slot.clone()));
        self.body_bytes -= size(&record);
        if let Some(count) = self.tenants.get_mut(&slot.tenant) {
            *count -= 1;
            if *count == 0 {
                self.tenants.remove(&slot.tenant);
            }
        }
    }
}

fn body(record: &mut Record) -> Option<&mut Bytes> {
    match &mut record.state {
        State::Done(Answer { body: Kept::Body(bytes), .. }) => Some(bytes),
        State::Done(_) | State::Running { .. } | State::Indefinite => None,
    }
}

fn size(record: &Record) -> usize {
    match &record.state {
        State::Done(Answer { body: Kept::Body(bytes), .. }) => bytes.len(),
        State::Done(_) | State::Running { .. } | State::Indefinite => 0,
    }
}

impl IdempotencyStore for MemorySlots {
    fn read<'a>(&'a self, slot: &'a Slot) -> Stored<'a, Option<Record>> {
        Box::pin(async move { Ok(self.inner.lock().records.get(slot).cloned()) })
    }

    fn write<'a>(&'a self, slot: &'a Slot, seen: Option<Seen>, next: &'a Record) -> Stored<'a, ()> {
        Box::pin(async move { self.put(slot, seen, next) })
    }

    fn remove<'a>(&'a self, slot: &'a Slot, seen: Seen) -> Stored<'a, ()> {
        Box::pin(async move {
            let mut inner = self.inner.lock();
            if inner.records.get(slot).map(Record::seen) == Some(seen) {
                inner.take(slot);
            }
            Ok(())
        })
    }

    fn sweep(&self, now: Timestamp, max: usize) -> Stored<'_, usize> {
        Box::pin(async move {
            let mut inner = self.inner.lock();
            let over = inner.ends.iter().take(max).take_while(|(end, _)| *end <= now);
            let over: Vec<Slot> = over.map(|(_, slot)| slot.clone()).collect();
            over.iter().for_each(|slot| inner.take(slot));
            Ok(over.len())
        })
    }
}

#[cfg(test)]
mod tests;
