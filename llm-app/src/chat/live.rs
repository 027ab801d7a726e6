//! Replies in progress in this process, and those who follow them.
//!
//! A reply is written by a task of its own: whoever follows may leave and come back. What is
//! remembered of it is its text, which is bounded, and how it ended. Deliberately absent: replies of
//! other processes, which are followed through the database.

use std::collections::HashMap;
use std::sync::Arc;

use llm_core::error::{Error, Kind};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::mark::Mark;
use super::words::Message;
use crate::NotDone;
use crate::id::Id;

/// Replies in progress: what ends up in memory is this many texts.
pub(super) const LIVE_MAX: usize = 20_000;
/// Bytes of a reply. No feature wants more, and what a provider sends beyond it is not read.
pub(super) const TEXT_BYTES_MAX: usize = 512 << 10;

/// All of them, by their conversation: each has one at a time.
#[derive(Clone, Default)]
pub(super) struct Live(Arc<Mutex<HashMap<Id, Arc<Turn>>>>);

/// One of them.
pub(super) struct Turn {
    /// The reply.
    pub(super) reply: Id,
    /// What it answers.
    pub(super) asked: Option<Id>,
    /// The key it was posted under, and what was said.
    pub(super) again: Option<(i64, i64)>,
    said: watch::Sender<Said>,
    stop: watch::Sender<Option<Why>>,
}

/// Why a reply is to end before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The person wants no more.
    Stopped,
    /// The process ends.
    Closing,
}

/// What there is of a reply.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Whether the model has begun, and it is kept.
    pub(super) begun: bool,
    pub(super) text: String,
    pub(super) ended: Option<Result<Box<Message>, NotDone>>,
}

/// A place among them, which is given back when it is dropped.
pub(super) struct Seat {
    live: Live,
    conversation: Id,
    turn: Arc<Turn>,
}

impl Live {
    /// Takes the place of a conversation. `Err` has who is there already.
    pub(super) fn take(&self, conversation: Id, turn: Turn) -> Result<Seat, Occupied> {
        let mut all = self.0.lock();
        if let Some(known) = all.get(&conversation) {
            return Err(Occupied::By(Arc::clone(known)));
        }
        if all.len() >= LIVE_MAX {
            return Err(Occupied::Full);
        }
        let turn = Arc::new(turn);
        all.insert(conversation, Arc::clone(&turn));
        Ok(Seat { live: self.clone(), conversation, turn })
    }

    /// The reply in progress of a conversation.
    pub(super) fn find(&self, conversation: Id) -> Option<Arc<Turn>> {
        self.0.lock().get(&conversation).cloned()
    }

    /// Ends all of them.
    pub(super) fn close(&self) {
        self.0.lock().values().for_each(|turn| turn.stop(Why::Closing));
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Why there is no place.
pub(super) enum Occupied {
    /// This one is in progress.
    By(Arc<Turn>),
    /// There are as many as there may be.
    Full,
}

impl Occupied {
    /// What whoever asked is told.
    pub(super) fn refusal(&self) -> NotDone {
        match self {
            Self::By(_) => NotDone::Contradicts("a reply is in progress: stop it first".into()),
            Self::Full => Error::new(Kind::Busy, "too many replies are in progress").into(),
        }
    }
}

impl Turn {
    pub(super) fn new(reply: Id, asked: Option<Id>, again: Option<(i64, i64)>) -> Self {
        let (said, stop) = (watch::Sender::new(Said::default()), watch::Sender::new(None));
        Self { reply, asked, again, said, stop }
    }

    /// It is to end.
    pub(super) fn stop(&self, why: Why) {
        self.stop.send_if_modified(|known| known.is_none() && known.replace(why).is_none());
    }

    /// Waits until it is to end.
    pub(super) async fn stopped(&self) -> Why {
        let mut stop = self.stop.subscribe();
        loop {
            if let Some(why) = *stop.borrow_and_update() {
                return why;
            }
            if stop.changed().await.is_err() {
                return Why::Closing;
            }
        }
    }

    /// More of it.
    pub(super) fn say(&self, change: impl FnOnce(&mut Said)) {
        self.said.send_modify(change);
    }

    /// What there is of it now.
    pub(super) fn text(&self) -> String {
        self.said.borrow().text.clone()
    }

    pub(super) fn follow(&self) -> watch::Receiver<Said> {
        self.said.subscribe()
    }
}

impl Seat {
    pub(super) fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }

    /// The reply has ended. The place is free before anybody hears of it: whoever does may go on at
    /// once.
    pub(super) fn leave(self, ended: Result<Box<Message>, NotDone>) {
        self.free();
        self.turn.say(|said| said.ended = Some(ended));
    }

    fn free(&self) {
        let mut all = self.live.0.lock();
        // After it was freed the place may be another's.
        if all.get(&self.conversation).is_some_and(|turn| Arc::ptr_eq(turn, &self.turn)) {
            all.remove(&self.conversation);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.free();
        // A task that was ended from outside has not said how: nobody must wait for it.
        self.turn.said.send_if_modified(|said| {
            let left = said.ended.is_none();
            if left {
                let why = Error::new(Kind::BrokenStream, "the reply broke off");
                said.ended = Some(Err(why.into()));
            }
            left
        });
    }
}

/// What somebody who follows is told next.
#[derive(Clone, Debug)]
pub enum Heard {
    /// It begins.
    Start,
    /// More of the text, and the place behind it.
    Delta(Mark, String),
    /// It has ended.
    End(Box<Message>),
    /// It broke off, and nothing of it is kept.
    Failed(NotDone),
}

/// Tells what is new since a place; waits for it.
pub(super) async fn next(said: &mut watch::Receiver<Said>, mark: &mut Mark) -> Option<Heard> {
    loop {
        {
            let said = said.borrow_and_update();
            if let Some(rest) = mark.rest(&said.text).filter(|rest| !rest.is_empty()) {
                let rest = rest.to_owned();
                *mark = mark.behind(&said.text);
                return Some(Heard::Delta(*mark, rest));
            }
            match &said.ended {
                Some(Ok(message)) => return Some(Heard::End(message.clone())),
                Some(Err(why)) => return Some(Heard::Failed(why.clone())),
                None => {}
            }
        }
        said.changed().await.ok()?;
    }
}
