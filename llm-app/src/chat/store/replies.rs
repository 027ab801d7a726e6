//! A reply in progress, and its end.

use bytes::Bytes;
use llm_core::Str;
use llm_core::money::Money;
use llm_store::deposits::Owner;
use llm_store::sql::{Arg, Failure, Session, Task};

use super::super::words::State;
use super::LIVES_MICROS;
use super::begin::found;
use crate::id::Id;

/// It goes on: what there is of it is kept, in case that nothing more comes.
pub(in crate::chat) struct Beat {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) conversation: Id,
    pub(in crate::chat) reply: Id,
    /// `None` where nothing is new.
    pub(in crate::chat) body: Option<Bytes>,
}

/// Whether it is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chat) enum Beaten {
    /// Yes.
    GoOn,
    /// Somebody has stopped it, maybe at another replica, or deleted it.
    Stop,
}

const BEAT: &str = "UPDATE chat_message SET until = $4, body = COALESCE($5, body) WHERE owner = $1 \
     AND conversation = $2 AND id = $3 AND state = 'pending'";
const STOPPED: &str = "SELECT stop FROM chat_message WHERE owner = $1 AND conversation = $2 \
     AND id = $3 AND state = 'pending'";

impl Task for Beat {
    type Out = Beaten;

    async fn run(&self, session: &mut Session<'_>) -> Result<Beaten, Failure> {
        let (conversation, reply) = (self.conversation.bytes(), self.reply.bytes());
        let until = session.now().saturating_add(LIVES_MICROS);
        let args = [
            self.owner.as_str().into(),
            (&conversation[..]).into(),
            (&reply[..]).into(),
            until.into(),
            self.body.as_deref().into(),
        ];
        session.run(BEAT, &args).await?;
        let row = session.one(STOPPED, &args[..3]).await?;
        let stop = row.map_or(Ok(1), |row| row.int(0))?;
        Ok(if stop == 0 { Beaten::GoOn } else { Beaten::Stop })
    }
}

/// It has ended.
pub(in crate::chat) struct End {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) conversation: Id,
    pub(in crate::chat) reply: Id,
    pub(in crate::chat) state: State,
    pub(in crate::chat) body: Bytes,
    pub(in crate::chat) finish: Option<Str>,
    pub(in crate::chat) fault: Option<Str>,
    pub(in crate::chat) tokens: Option<(u64, u64)>,
    pub(in crate::chat) cost: Option<Money>,
    pub(in crate::chat) terms: Vec<i64>,
}

const END: &str = "UPDATE chat_message SET state = $4, ended = $5, until = NULL, body = $6, \
     finish = $7, fault = $8, input = $9, output = $10, cost = $11 \
     WHERE owner = $1 AND conversation = $2 AND id = $3 AND state = 'pending'";

impl Task for End {
    /// When it ended, in microseconds; `None` where it is gone.
    type Out = Option<i64>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (conversation, reply) = (self.conversation.bytes(), self.reply.bytes());
        let now = session.now();
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let here: [Arg<'_>; 2] = [self.owner.as_str().into(), (&conversation[..]).into()];
        let args = [
            here[0],
            here[1],
            (&reply[..]).into(),
            self.state.word().into(),
            now.into(),
            (&self.body[..]).into(),
            self.finish.as_deref().into(),
            self.fault.as_deref().into(),
            self.tokens.map(|(read, _)| count(read)).into(),
            self.tokens.map(|(_, written)| count(written)).into(),
            self.cost.map(|cost| cost.0).into(),
        ];
        if session.run(END, &args).await? == 0 {
            return Ok(None);
        }
        found(session, &here, self.reply, &self.terms).await?;
        Ok(Some(now))
    }
}

#[cfg(test)]
pub(super) const ASKED: [&str; 4] = [BEAT, STOPPED, END, STOP];

/// Somebody wants it to end: whoever writes it sees that with its next beat.
pub(in crate::chat) struct Stop {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) conversation: Id,
    pub(in crate::chat) reply: Id,
}

const STOP: &str = "UPDATE chat_message SET stop = 1 WHERE owner = $1 AND conversation = $2 \
     AND id = $3 AND state = 'pending'";

impl Task for Stop {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let (conversation, reply) = (self.conversation.bytes(), self.reply.bytes());
        let args = [self.owner.as_str().into(), (&conversation[..]).into(), (&reply[..]).into()];
        session.run(STOP, &args).await.map(drop)
    }
}
