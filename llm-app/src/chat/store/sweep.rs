//! What is kept no longer, and whoever is to be forgotten.

use llm_store::deposits::Owner;
use llm_store::sql::{Failure, Session, Task};

/// Messages of one transaction: each may have some hundred terms.
const BATCH_MAX: i64 = 16;

/// One batch of what is gone: whether there was any.
pub(in crate::chat) struct Sweep;

const OLD: &str = "SELECT owner, id FROM conversation WHERE expires <= $1 ORDER BY expires LIMIT 1";
const SOME: &str =
    "SELECT id FROM chat_message WHERE owner = $1 AND conversation = $2 ORDER BY id LIMIT $3";
const TERMS: &str =
    "DELETE FROM chat_term WHERE owner = $1 AND conversation = $2 AND message <= $3";
const MESSAGES: &str =
    "DELETE FROM chat_message WHERE owner = $1 AND conversation = $2 AND id <= $3";
const CONVERSATION: &str = "DELETE FROM conversation WHERE owner = $1 AND id = $2";

impl Task for Sweep {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let text = format!("{OLD}{}", session.taking());
        let Some(row) = session.one(text, &[session.now().into()]).await? else {
            return Ok(false);
        };
        let (owner, conversation) = (row.text(0)?, row.bytes(1)?);
        let here = [(&*owner).into(), (&conversation[..]).into()];
        let rows = session.all(SOME, &[here[0], here[1], BATCH_MAX.into()]).await?;
        match rows.last() {
            None => drop(session.run(CONVERSATION, &here).await?),
            Some(last) => {
                let upto = last.bytes(0)?;
                let args = [here[0], here[1], (&upto[..]).into()];
                session.run(TERMS, &args).await?;
                session.run(MESSAGES, &args).await?;
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
pub(super) const ASKED: [&str; 5] = [OLD, SOME, TERMS, MESSAGES, CONVERSATION];

/// Everything that somebody has said here, at once: it is done once in a life.
pub(in crate::chat) struct Forget(pub(in crate::chat) Owner);

const FORGET: [&str; 3] = [
    "DELETE FROM chat_term WHERE owner = $1",
    "DELETE FROM chat_message WHERE owner = $1",
    "DELETE FROM conversation WHERE owner = $1",
];

impl Task for Forget {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        // Whoever asked is told how many conversations there were, and not how many words.
        let mut conversations = 0;
        for text in FORGET {
            conversations = session.run(text, &[self.0.as_str().into()]).await?;
        }
        Ok(conversations)
    }
}
