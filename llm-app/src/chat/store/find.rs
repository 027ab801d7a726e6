//! Messages by what is said in them: by numbers for its terms.

use llm_store::deposits::Owner;
use llm_store::sql::{Arg, Failure, Session, Task};

use super::id;
use crate::id::Id;

/// Rows of a term that are counted to find the rarest; all more frequent ones are alike.
const COUNTED_MAX: i64 = 1_000;
/// Rows of the rarest term that are looked at for one page.
const LOOKED_MAX: i64 = 5_000;

/// Messages that have all of these terms, the newest first.
pub(in crate::chat) struct Search {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) terms: Vec<i64>,
    pub(in crate::chat) before: Option<Id>,
    pub(in crate::chat) most: usize,
}

/// A message that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chat) struct Hit {
    pub(in crate::chat) message: Id,
    pub(in crate::chat) conversation: Id,
}

const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM chat_term WHERE owner = $1 AND term = $2 \
     LIMIT $3) t";

impl Search {
    /// The rarest term is looked through, and each row of it asked for the others.
    pub(super) fn text(others: usize) -> String {
        let others: String = (0..others)
            .map(|at| {
                format!(
                    " AND EXISTS (SELECT 1 FROM chat_term o WHERE o.owner = $1 \
                     AND o.term = ${} AND o.message = t.message)",
                    at + 7
                )
            })
            .collect();
        format!(
            "SELECT t.message, t.conversation FROM (SELECT message, conversation FROM chat_term \
             WHERE owner = $1 AND term = $2 AND message < $3 ORDER BY message DESC LIMIT $4) t \
             JOIN conversation k ON k.owner = $1 AND k.id = t.conversation \
             WHERE (k.expires IS NULL OR k.expires > $5){others} ORDER BY t.message DESC LIMIT $6"
        )
    }
}

impl Task for Search {
    type Out = Vec<Hit>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let owner: Arg<'_> = self.owner.as_str().into();
        let mut counted = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let row = session.one(COUNT, &[owner, (*term).into(), COUNTED_MAX.into()]).await?;
            counted.push((row.map_or(Ok(0), |row| row.int(0))?, *term));
        }
        counted.sort_unstable();
        let Some(((rarest, first), others)) = counted.split_first() else { return Ok(Vec::new()) };
        if *rarest == 0 {
            return Ok(Vec::new());
        }
        let before = self.before.unwrap_or(Id(u128::MAX)).bytes();
        let mut args = vec![
            owner,
            (*first).into(),
            (&before[..]).into(),
            LOOKED_MAX.into(),
            session.now().into(),
            i64::try_from(self.most).unwrap_or(i64::MAX).into(),
        ];
        args.extend(others.iter().map(|(_, term)| Arg::from(*term)));
        let rows = session.all(Self::text(others.len()), &args).await?;
        let hit = |row: &_| Ok(Hit { message: id(row, 0)?, conversation: id(row, 1)? });
        rows.iter().map(hit).collect()
    }
}
