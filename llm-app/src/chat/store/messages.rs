//! Messages, read.

use llm_store::deposits::Owner;
use llm_store::sql::{Arg, Failure, Session, Task};

use super::super::tree::Node;
use super::super::words::Role;
use super::{Line, MESSAGE, id, maybe_id, odd};
use crate::id::Id;

/// Messages of one page, and of one look at what was said before.
pub(in crate::chat) const SOME_MAX: usize = 100;

/// The tree of a conversation: its messages without their texts.
pub(in crate::chat) struct Nodes {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) conversation: Id,
    pub(in crate::chat) most: usize,
}

/// A message of the tree, and who says it.
#[derive(Clone, Copy, Debug)]
pub(in crate::chat) struct Spoken {
    pub(in crate::chat) node: Node,
    pub(in crate::chat) role: Role,
}

pub(super) const NODES: &str = "SELECT id, parent, role FROM chat_message \
     WHERE owner = $1 AND conversation = $2 ORDER BY id LIMIT $3";

impl Task for Nodes {
    type Out = Vec<Spoken>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        let conversation = self.conversation.bytes();
        let args = [self.owner.as_str().into(), (&conversation[..]).into(), most.into()];
        let rows = session.all(NODES, &args).await?;
        let spoken = |row: &_| -> Result<Spoken, Failure> {
            let node = Node { id: id(row, 0)?, parent: maybe_id(row, 1)? };
            let role = Role::parse(&row.text(2)?).ok_or_else(|| odd("role"))?;
            Ok(Spoken { node, role })
        };
        rows.iter().map(spoken).collect()
    }
}

/// Some messages of a conversation, in no order: those of these names that are there.
pub(in crate::chat) struct Look {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) conversation: Id,
    pub(in crate::chat) ids: Vec<Id>,
}

impl Look {
    pub(super) fn text(ids: usize) -> String {
        let names: Vec<String> = (0..ids).map(|at| format!("${}", at + 3)).collect();
        let names = names.join(", ");
        format!(
            "SELECT {MESSAGE} FROM chat_message WHERE owner = $1 AND conversation = $2 \
             AND id IN ({names})"
        )
    }
}

impl Task for Look {
    type Out = Vec<Line>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let now = session.now();
        let conversation = self.conversation.bytes();
        let mut lines = Vec::with_capacity(self.ids.len());
        for some in self.ids.chunks(SOME_MAX) {
            let ids: Vec<[u8; 16]> = some.iter().map(|id| id.bytes()).collect();
            let mut args: Vec<Arg<'_>> =
                vec![self.owner.as_str().into(), (&conversation[..]).into()];
            args.extend(ids.iter().map(|id| Arg::from(&id[..])));
            for row in session.all(Self::text(ids.len()), &args).await? {
                lines.push(Line::read(&row, now)?);
            }
        }
        Ok(lines)
    }
}

/// What was posted under a key: the message, and the number of what it said.
pub(in crate::chat) struct Again {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) conversation: Id,
    pub(in crate::chat) again: i64,
}

pub(super) const AGAIN: &str = "SELECT id, print FROM chat_message \
     WHERE owner = $1 AND conversation = $2 AND again = $3";

impl Task for Again {
    type Out = Option<(Id, i64)>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let conversation = self.conversation.bytes();
        let args = [self.owner.as_str().into(), (&conversation[..]).into(), self.again.into()];
        let row = session.one(AGAIN, &args).await?;
        row.map(|row| Ok((id(&row, 0)?, row.int(1)?))).transpose()
    }
}
