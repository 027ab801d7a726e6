//! Whom to wake. One bell for all readers of a flight, so that whoever is awake goes on with it.

use std::sync::Arc;
use std::task::{Wake, Waker};

use parking_lot::Mutex;

/// The wakers of all readers that wait.
#[derive(Default)]
pub(super) struct Bell(Mutex<Places>);

#[derive(Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Bell {
    /// A place for a reader.
    pub(super) fn enter(&self) -> usize {
        let mut places = self.0.lock();
        if let Some(place) = places.free.pop() {
            return place;
        }
        places.wakers.push(None);
        places.wakers.len() - 1
    }

    /// The reader has left.
    pub(super) fn leave(&self, place: usize) {
        let waker = {
            let mut places = self.0.lock();
            places.free.push(place);
            places.wakers.get_mut(place).and_then(Option::take)
        };
        drop(waker);
    }

    /// The reader waits.
    pub(super) fn wait(&self, place: usize, waker: &Waker) {
        let old = {
            let mut places = self.0.lock();
            let Some(known) = places.wakers.get_mut(place) else { return };
            if known.as_ref().is_some_and(|k| k.will_wake(waker)) {
                return;
            }
            known.replace(waker.clone())
        };
        // Without the lock: the last waker of a task may take a reader along.
        drop(old);
    }

    /// Wakes all who wait, but not one who is at work and looks for itself.
    pub(super) fn ring(&self, but: Option<usize>) {
        // Woken without the lock: a waker may run anything.
        let woken: Vec<Waker> = {
            let mut places = self.0.lock();
            let all = places.wakers.iter_mut().enumerate();
            all.filter(|(place, _)| Some(*place) != but).filter_map(|(_, w)| w.take()).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring(None);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring(None);
    }
}
