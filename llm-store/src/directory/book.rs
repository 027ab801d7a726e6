//! Lists, a page at a time.

use llm_core::Str;
use llm_core::principal::KeyId;

use super::desk::{Desk, Op, Stop};
use super::shelf::{KeyEntry, Row, keys};
use super::{By, NotDone, SqlDirectory};
use crate::keys::{Action, KeyOwner};
use crate::sql::database::Arg;

/// What fits in one answer.
pub const PAGE_MAX: usize = 200;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask behind for the next one; `None` at the end.
    pub next: Option<Str>,
}

impl<T> Page<T> {
    pub(super) fn new(mut items: Vec<T>, asked: i64, name: impl Fn(&T) -> Str) -> Self {
        // One more was asked for than a page has.
        let most = usize::try_from(asked - 1).unwrap_or(PAGE_MAX);
        let more = items.len() > most;
        items.truncate(most);
        let next = items.last().map(name).filter(|_| more);
        Self { items, next }
    }
}

/// How many rows a page is read from.
pub(super) fn page_size(most: usize) -> i64 {
    let most = most.clamp(1, PAGE_MAX);
    i64::try_from(most + 1).unwrap_or(i64::MAX)
}

/// Whose keys to list: all that belong to an owner, whatever it leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFilter {
    /// The owner.
    pub owner: KeyOwner,
    /// Also those that were replaced.
    pub replaced: bool,
}

impl SqlDirectory {
    /// Keys of an owner by their ids, behind one.
    pub async fn keys(
        &self,
        by: &By,
        filter: KeyFilter,
        after: Option<KeyId>,
        most: usize,
    ) -> Result<Page<KeyEntry>, NotDone> {
        self.ask(List { by: by.clone(), filter, after, most }).await
    }
}

struct List {
    by: By,
    filter: KeyFilter,
    after: Option<KeyId>,
    most: usize,
}

/// The question, by the narrowest owner that is named: each has an index in the order of ids.
pub(super) fn asked(KeyFilter { owner, replaced }: &KeyFilter) -> (String, Vec<Arg<'_>>) {
    let mut text = String::from(keys!("WHERE k.tenant = $1 AND k.id > $2"));
    if !replaced {
        text.push_str(" AND k.replaced_by IS NULL");
    }
    let named = [
        ("org", owner.org.as_ref().map(|id| &*id.0)),
        ("team", owner.team.as_ref().map(|id| &*id.0)),
        ("person", owner.user.as_ref().map(|id| &*id.0)),
    ];
    let mut args = Vec::new();
    for (column, id) in named {
        if let Some(id) = id {
            args.push(Arg::from(id));
            text.push_str(&format!(" AND k.{column} = ${}", args.len() + 3));
        }
    }
    text.push_str(" ORDER BY k.id LIMIT $3");
    (text, args)
}

impl Op for List {
    type Out = Page<KeyEntry>;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Self::Out, Stop> {
        let owner = &self.filter.owner;
        desk.may_look(&self.by, owner, Action::ManageKeys).await?;
        let after = self.after.as_ref().map_or("", |id| &*id.0);
        let most = page_size(self.most);
        let (text, more) = asked(&self.filter);
        let args = [(&*owner.tenant.0).into(), after.into(), most.into()];
        let args: Vec<Arg<'_>> = args.into_iter().chain(more).collect();
        let rows = desk.session.all(text, &args).await?;
        let rows = rows.iter().map(|row| Row::read(row).map(|row| row.entry));
        let items: Vec<KeyEntry> = rows.collect::<Result<_, _>>()?;
        Ok(Page::new(items, most, |entry| entry.record.id.0.clone()))
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests;
