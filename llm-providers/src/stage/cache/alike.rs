//! Answers to similar questions: off unless a model's policy wants them, and whoever builds the
//! gateway brings the [`Embedder`] that says what is similar.
//!
//! Similar is only the last thing that a person said; everything else of two calls (who asks, the
//! conversation before it, tools, sampling, the model) must be the same. Never across keys, whatever
//! the policy shares otherwise: a similar question may hold what only its asker may know. An entry
//! here is a vector and the name of a recording; what is not on the shelf any more is forgotten
//! when it is found. An embedder that fails or is slow is a miss.

mod ngrams;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::Str;
use llm_core::call::Operation;
use llm_core::error::Error;
use llm_core::prompt::{PartKind, Prompt, Role};
use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::CacheKey;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::key;
use crate::model::CacheScope;
use crate::stage::record::Opened;
use crate::stage::send::words;
use crate::stage::{Either, race};

pub use ngrams::Ngrams;

/// Says where a text stands among all texts: similar ones stand close to each other.
pub trait Embedder: Send + Sync + fmt::Debug + 'static {
    /// Its vector. All of one embedder have the same length.
    fn embed<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>>;
}

/// What an embedder may take: beyond it, asking the provider is as good.
const WAIT: Duration = Duration::from_millis(250);
/// Bytes of all vectors together.
const BYTES_MAX: u64 = 64 << 20;
/// Last words of one conversation: comparing so many vectors takes some hundred microseconds.
const ENTRIES_MAX: usize = 256;
/// Longer vectors than any model makes.
const LENGTH_MAX: usize = 8_192;
/// An answer that has not come by then will not.
const UNDER_WAY: Duration = Duration::from_mins(10);
/// A conversation that nobody has asked about is forgotten.
const IDLE: Duration = Duration::from_hours(6);

/// Last words, by what else is said.
pub(super) struct Alike {
    embedder: Arc<dyn Embedder>,
    rooms: Cache<CacheKey, Room>,
    clock: Arc<dyn Clock>,
}

type Room = Arc<Mutex<Vec<Entry>>>;

/// What a room weighs: its vectors, and about as much again for names as is usual.
fn weight(_: &CacheKey, room: &Room) -> u32 {
    let bytes: usize = room.lock().iter().map(|e| e.vector.len() * 4 + ENTRY_BYTES).sum();
    u32::try_from(bytes + ENTRY_BYTES).unwrap_or(u32::MAX)
}

const ENTRY_BYTES: usize = 256;

struct Entry {
    /// Of length one.
    vector: Vec<f32>,
    recording: CacheKey,
    noted: Instant,
}

/// A question's place: where it would be kept, once it is known not to be there.
pub(super) struct Place {
    room: CacheKey,
    vector: Vec<f32>,
}

impl Alike {
    pub(super) fn new(embedder: Arc<dyn Embedder>, clock: Arc<dyn Clock>) -> Self {
        let rooms =
            Cache::builder().max_capacity(BYTES_MAX).weigher(weight).time_to_idle(IDLE).build();
        Self { embedder, rooms, clock }
    }

    /// Where a question stands; `None` when nothing may be compared with it.
    pub(super) async fn place(&self, opened: &Opened) -> Option<Place> {
        if opened.call.operation != Operation::Chat {
            return None;
        }
        let mut prompt = words(&opened.call).ok()?.clone();
        let last = last(&mut prompt)?;
        let room = opened.saying(prompt);
        let room = key::key(&room.call, &opened.model, CacheScope::Key)?;
        let vector = match race(self.embedder.embed(&last), || self.clock.sleep(WAIT)).await {
            Either::First(Ok(vector)) => unit(vector)?,
            Either::First(Err(error)) => {
                tracing::debug!(%error, "the embedder failed");
                return None;
            }
            Either::Second(()) => return None,
        };
        Some(Place { room, vector })
    }

    /// The recordings whose questions are at least so similar, the most similar first.
    pub(super) fn find(&self, place: &Place, thousandths: u16) -> Vec<CacheKey> {
        let Some(room) = self.rooms.get(&place.room) else { return Vec::new() };
        let least = f32::from(thousandths) / 1_000.0;
        let mut found: Vec<(f32, CacheKey)> = {
            let entries = room.lock();
            let near = |e: &Entry| Some((dot(&e.vector, &place.vector)?, e.recording.clone()));
            entries.iter().filter_map(near).filter(|(like, _)| *like >= least).collect()
        };
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.into_iter().map(|(_, recording)| recording).collect()
    }

    /// A question whose answer will stand under that name.
    pub(super) fn note(&self, place: Place, recording: &CacheKey) {
        let room = self.rooms.get_with(place.room.clone(), Arc::default);
        self.add(&room, place.vector, recording);
        // Again, so that it is weighed with what it holds now.
        self.rooms.insert(place.room, room);
    }

    fn add(&self, room: &Room, vector: Vec<f32>, recording: &CacheKey) {
        let mut entries = room.lock();
        entries.retain(|e| e.recording != *recording);
        if entries.len() >= ENTRIES_MAX {
            entries.remove(0);
        }
        let recording = recording.clone();
        entries.push(Entry { vector, recording, noted: self.clock.now() });
    }

    /// A recording that is not on the shelf: not any more, or not yet.
    pub(super) fn missed(&self, place: &Place, recording: &CacheKey) {
        let now = self.clock.now();
        let young = |e: &Entry| now.saturating_duration_since(e.noted) < UNDER_WAY;
        if let Some(room) = self.rooms.get(&place.room) {
            room.lock().retain(|e| e.recording != *recording || young(e));
        }
    }
}

/// Takes the last thing that a person said out of a conversation, when it is one text.
fn last(prompt: &mut Prompt) -> Option<Str> {
    let Prompt::Chat(request) = prompt else { return None };
    let message = request.messages.last_mut().filter(|m| m.role == Role::User)?;
    let [part] = &mut *message.parts else { return None };
    match &mut part.kind {
        PartKind::Text(text) if !text.text.trim().is_empty() => {
            Some(std::mem::take(&mut text.text))
        }
        _ => None,
    }
}

/// The same direction, of length one; `None` for what has none.
fn unit(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if vector.len() > LENGTH_MAX || !length.is_finite() || length == 0.0 {
        return None;
    }
    vector.iter_mut().for_each(|x| *x /= length);
    Some(vector)
}

/// How similar two vectors of length one are; `None` when they are of two embedders.
fn dot(a: &[f32], b: &[f32]) -> Option<f32> {
    (a.len() == b.len()).then(|| a.iter().zip(b).map(|(a, b)| a * b).sum())
}

impl fmt::Debug for Alike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alike").field("embedder", &self.embedder).finish_non_exhaustive()
    }
}
