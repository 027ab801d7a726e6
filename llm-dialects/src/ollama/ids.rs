//! Ids of tool calls that the wire does not name.
//!
//! Other dialects pair a call with its result by id; Ollama's older servers and clients pair them
//! by order and name. A made id is `call_gw…`, and always the same for the same bytes: within a
//! request it is the number of the call in the conversation, in an answer a number made of the
//! answer's own time besides, so that two answers of one conversation do not name theirs alike.

use llm_core::Str;

/// Makes ids for the calls of one answer.
#[derive(Debug, Default)]
pub(super) struct AnswerIds {
    seed: u64,
    made: usize,
}

impl AnswerIds {
    /// For the answer that was begun at that time, in Ollama's own spelling.
    pub(super) fn new(created_at: &str) -> Self {
        // FNV-1a: an id is no secret, it only has to differ.
        let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
        Self { seed: created_at.bytes().fold(0xcbf2_9ce4_8422_2325, hash), made: 0 }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Str {
        let id = format!("call_gw{:016x}{}", self.seed, self.made);
        self.made += 1;
        id.into()
    }
}

/// Pairs results with calls in a conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    calls: Vec<Open>,
    /// Calls before this one are answered.
    first_open: usize,
}

#[derive(Debug)]
struct Open {
    id: Str,
    name: Str,
    answered: bool,
}

impl Conversation {
    /// An id for the call after the next `ahead` ones.
    pub(super) fn make(&self, ahead: usize) -> Str {
        format!("call_gw{}", self.calls.len() + ahead).into()
    }

    /// A call was made.
    pub(super) fn called(&mut self, id: Str, name: Str) {
        self.calls.push(Open { id, name, answered: false });
    }

    /// A call was answered by its id. Gives the tool's name.
    pub(super) fn answered(&mut self, id: &str) -> Option<Str> {
        let call = self.calls.iter_mut().rev().find(|c| c.id == id)?;
        call.answered = true;
        Some(call.name.clone())
    }

    /// The call that a result without an id answers: the oldest open one, of that tool when the
    /// result names one.
    pub(super) fn pair(&mut self, name: Option<&str>) -> Str {
        while self.calls.get(self.first_open).is_some_and(|c| c.answered) {
            self.first_open += 1;
        }
        let open = self.calls.get_mut(self.first_open..).unwrap_or_default();
        let found = open.iter_mut().find(|c| !c.answered && name.is_none_or(|n| c.name == n));
        match found {
            Some(call) => {
                call.answered = true;
                call.id.clone()
            }
            // A result of nothing: its call was cut off the conversation.
            None => format!("call_gw_before{}", self.calls.len()).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_find_their_calls() {
        let mut c = Conversation::default();
        for name in ["add", "mul", "add"] {
            c.called(c.make(0), name.into());
        }
        assert_eq!(c.pair(Some("mul")), "call_gw1");
        assert_eq!(c.answered("call_gw0").as_deref(), Some("add"));
        assert_eq!(c.pair(None), "call_gw2");
        assert_eq!(c.pair(Some("add")), "call_gw_before3");
        let (mut a, mut b) = (AnswerIds::new("x"), AnswerIds::new("y"));
        assert_ne!(a.next(), b.next());
        assert_ne!(a.next(), AnswerIds::new("x").next());
    }
}
