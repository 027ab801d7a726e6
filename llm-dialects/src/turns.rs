//! The messages of a request, each with the place that a loss in it is reported under.

use std::fmt;

use llm_core::prompt::{Message, Request};

/// Where a message stands: `system.0`, `messages.3`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    list: &'static str,
    at: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.list, self.at)
    }
}

impl Place {
    /// Where a part of it stands.
    pub(crate) fn part(self, at: usize) -> String {
        format!("{self}.parts.{at}")
    }
}

/// The instructions in front, then the conversation.
pub(crate) fn all(request: &Request) -> impl Iterator<Item = (Place, &Message)> {
    let placed = |list| move |(at, m)| (Place { list, at }, m);
    let system = request.system.iter().enumerate().map(placed("system"));
    system.chain(request.messages.iter().enumerate().map(placed("messages")))
}
