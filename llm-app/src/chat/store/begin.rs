//! How a reply begins: what is asked and a place for the answer, in one transaction.

use bytes::Bytes;
use llm_core::Str;
use llm_store::deposits::Owner;
use llm_store::sql::{Arg, Failure, Session, Task};

use super::super::words::{Role, State};
use super::conversations::LIVES;
use super::messages::AGAIN;
use super::{LIVES_MICROS, maybe_id};
use crate::id::Id;

/// Terms that are written in one statement.
const TERMS_AT_ONCE: usize = 200;

/// What somebody says.
#[derive(Clone, Debug)]
pub(in crate::chat) struct Draft {
    pub(in crate::chat) id: Id,
    pub(in crate::chat) body: Bytes,
    pub(in crate::chat) terms: Vec<i64>,
    /// The key it is posted under, and what it says, as numbers.
    pub(in crate::chat) again: Option<(i64, i64)>,
}

/// Begins a reply.
pub(in crate::chat) struct Begin {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) conversation: Id,
    /// What it goes on from.
    pub(in crate::chat) parent: Option<Id>,
    /// What is said first; `None` answers again what was said before.
    pub(in crate::chat) draft: Option<Draft>,
    pub(in crate::chat) reply: Id,
    pub(in crate::chat) model: Str,
    /// An empty text, sealed.
    pub(in crate::chat) body: Bytes,
    pub(in crate::chat) most: i64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chat) enum Begun {
    /// It has begun at this instant, in microseconds. Which end the branch had before.
    Here(Option<Id>, i64),
    /// There is no such conversation.
    Gone,
    /// Something was posted under this key before.
    Known,
    /// Another reply is in progress.
    Busy,
    /// It has as many messages as there may be.
    Full,
}

const MADE: &str = "SELECT created FROM chat_message WHERE owner = $1 AND conversation = $2 \
     AND id = $3";
const PENDING: &str = "SELECT 1 FROM chat_message WHERE owner = $1 AND conversation = $2 \
     AND state = 'pending' AND until > $3 LIMIT 1";
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM chat_message WHERE owner = $1 \
     AND conversation = $2 LIMIT $3) c";
const ADD: &str = "INSERT INTO chat_message (owner, conversation, id, parent, role, state, created, \
     until, model, again, print, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const TOUCH: &str = "UPDATE conversation SET touched = $3, leaf = $4 WHERE owner = $1 AND id = $2";

impl Task for Begin {
    type Out = Begun;

    async fn run(&self, session: &mut Session<'_>) -> Result<Begun, Failure> {
        let (owner, now) = (self.owner.as_str(), session.now());
        let (conversation, reply) = (self.conversation.bytes(), self.reply.bytes());
        let find = format!(
            "SELECT leaf FROM conversation WHERE {LIVES} AND owner = $2 AND id = $3{}",
            session.locking()
        );
        let place = [now.into(), owner.into(), (&conversation[..]).into()];
        let Some(row) = session.one(find, &place).await? else { return Ok(Begun::Gone) };
        let before = maybe_id(&row, 0)?;
        let here: [Arg<'_>; 2] = [owner.into(), (&conversation[..]).into()];
        // Done again when nobody knew whether it was done.
        if let Some(row) = session.one(MADE, &[here[0], here[1], (&reply[..]).into()]).await? {
            return Ok(Begun::Here(self.parent, row.int(0)?));
        }
        if let Some((again, _)) = self.draft.as_ref().and_then(|draft| draft.again)
            && session.one(AGAIN, &[here[0], here[1], again.into()]).await?.is_some()
        {
            return Ok(Begun::Known);
        }
        if session.one(PENDING, &[here[0], here[1], now.into()]).await?.is_some() {
            return Ok(Begun::Busy);
        }
        let count = session.one(COUNT, &[here[0], here[1], self.most.into()]).await?;
        if count.map_or(Ok(0), |row| row.int(0))? + 2 > self.most {
            return Ok(Begun::Full);
        }
        let mut parent = self.parent.map(Id::bytes);
        if let Some(draft) = &self.draft {
            let id = draft.id.bytes();
            let (again, print) = draft.again.unzip();
            let args = [
                here[0],
                here[1],
                (&id[..]).into(),
                parent.as_ref().map(|id| &id[..]).into(),
                Role::User.word().into(),
                State::Done.word().into(),
                now.into(),
                None::<i64>.into(),
                None::<&str>.into(),
                again.into(),
                print.into(),
                (&draft.body[..]).into(),
            ];
            session.run(ADD, &args).await?;
            found(session, &here, draft.id, &draft.terms).await?;
            parent = Some(id);
        }
        let args = [
            here[0],
            here[1],
            (&reply[..]).into(),
            parent.as_ref().map(|id| &id[..]).into(),
            Role::Assistant.word().into(),
            State::Pending.word().into(),
            now.into(),
            now.saturating_add(LIVES_MICROS).into(),
            (&*self.model).into(),
            None::<i64>.into(),
            None::<i64>.into(),
            (&self.body[..]).into(),
        ];
        session.run(ADD, &args).await?;
        session.run(TOUCH, &[here[0], here[1], now.into(), (&reply[..]).into()]).await?;
        Ok(Begun::Here(before, now))
    }
}

/// Writes down what a message is found by.
pub(super) async fn found(
    session: &mut Session<'_>,
    here: &[Arg<'_>; 2],
    message: Id,
    terms: &[i64],
) -> Result<(), Failure> {
    let message = message.bytes();
    for some in terms.chunks(TERMS_AT_ONCE) {
        let rows: Vec<String> =
            (0..some.len()).map(|at| format!("($1, ${}, $3, $2)", at + 4)).collect();
        let text = format!(
            "INSERT INTO chat_term (owner, term, message, conversation) VALUES {} \
             ON CONFLICT DO NOTHING",
            rows.join(", ")
        );
        let mut args = vec![here[0], here[1], (&message[..]).into()];
        args.extend(some.iter().map(|term| Arg::from(*term)));
        session.run(text, &args).await?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) const ASKED: [&str; 7] = [MADE, PENDING, COUNT, TOUCH, REMOVE, UNFIND, BACK];

/// A reply that never began: nothing is left of it, and of what was said for it.
pub(in crate::chat) struct TakeBack {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) conversation: Id,
    pub(in crate::chat) draft: Option<Id>,
    pub(in crate::chat) reply: Id,
    /// Where the branch ended before.
    pub(in crate::chat) leaf: Option<Id>,
}

const REMOVE: &str = "DELETE FROM chat_message WHERE owner = $1 AND conversation = $2 AND id = $3";
const UNFIND: &str =
    "DELETE FROM chat_term WHERE owner = $1 AND conversation = $2 AND message = $3";
const BACK: &str = "UPDATE conversation SET leaf = $3 WHERE owner = $1 AND id = $2 AND leaf = $4";

impl Task for TakeBack {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let conversation = self.conversation.bytes();
        let here: [Arg<'_>; 2] = [self.owner.as_str().into(), (&conversation[..]).into()];
        for id in [Some(self.reply), self.draft].into_iter().flatten() {
            let id = id.bytes();
            session.run(UNFIND, &[here[0], here[1], (&id[..]).into()]).await?;
            session.run(REMOVE, &[here[0], here[1], (&id[..]).into()]).await?;
        }
        let (reply, leaf) = (self.reply.bytes(), self.leaf.map(Id::bytes));
        let leaf = leaf.as_ref().map(|id| &id[..]).into();
        session.run(BACK, &[here[0], here[1], leaf, (&reply[..]).into()]).await?;
        Ok(())
    }
}
