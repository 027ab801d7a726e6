//! What those for whom jobs are done see of them, and what the operator does.

use std::fmt::Write as _;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::{KeyId, Principal, TenantId, UserId};

use super::job::{Job, JobId, NotDone, State};
use super::lease::steps;
use super::rows::{COLUMNS, Row, at, blob, look, number, percent};
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Jobs of one page.
pub const PAGE_MAX: usize = 100;
/// Kinds, each with its states, that are counted.
const COUNTS_MAX: usize = 1_000;

/// Whose jobs somebody may see. A job of somebody else's is one that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whose {
    /// Of this tenant; `None` is of all.
    pub tenant: Option<TenantId>,
    /// Of this user; `None` is of all.
    pub user: Option<UserId>,
    /// Asked for with this key, which is nobody's in particular; `None` is with any.
    pub key: Option<KeyId>,
}

impl Whose {
    /// The operator's, and the workers': everybody's.
    pub fn all() -> Self {
        Self::default()
    }

    /// A tenant's.
    pub fn tenant(tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), user: None, key: None }
    }

    /// A caller's: the user's that a key belongs to, and the key's own where it is nobody's.
    pub fn of(principal: &Principal) -> Self {
        let Principal { tenant, user, key, .. } = principal;
        let key = if user.is_none() { Some(key.clone()) } else { None };
        Self { tenant: Some(tenant.clone()), user: user.clone(), key }
    }

    pub(super) fn owns(&self, row: &Row) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant)
            && (self.user.is_none() || self.user == row.user)
            && (self.key.is_none() || self.key == row.key && row.user.is_none())
    }
}

/// The row of a job that somebody may see.
pub(super) async fn owned(
    session: &mut Session<'_>,
    id: JobId,
    whose: &Whose,
) -> Result<Option<Row>, Failure> {
    Ok(look(session, id).await?.filter(|row| whose.owns(row)))
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: Str,
    /// How much of it is done, in percent: never less than it was.
    pub percent: u8,
}

pub(super) struct See {
    pub(super) id: JobId,
    pub(super) whose: Whose,
}

impl Task for See {
    type Out = Result<(Job, Vec<Step>), NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let Some(row) = owned(session, self.id, &self.whose).await? else {
            return Ok(Err(NotDone::Absent));
        };
        let steps = steps(session, self.id).await?.into_iter();
        let steps = steps.map(|(name, done)| Ok(Step { name, percent: percent(done)? }));
        Ok(Ok((row.job()?, steps.collect::<Result<_, Failure>>()?)))
    }
}

/// Which jobs to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose.
    pub whose: Whose,
    /// In this state.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<Str>,
}

/// Some jobs, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What to ask on with; `None` is the end.
    pub next: Option<JobId>,
}

pub(super) struct List {
    pub(super) filter: Filter,
    pub(super) before: Option<JobId>,
    pub(super) max: usize,
}

/// The question. Of a kind each state is asked for: the index of kinds has the states before the ids,
/// so that a kind and a state that hardly any job has both of are found at once, too.
fn asked<'a>(
    filter: &'a Filter,
    before: Option<&'a [u8; 16]>,
    most: usize,
) -> (String, Vec<Arg<'a>>) {
    let Whose { tenant, user, key } = &filter.whose;
    let whole = [
        ("id <", before.map(|id| blob(id))),
        ("tenant =", tenant.as_ref().map(|tenant| (&tenant.0[..]).into())),
        ("person =", user.as_ref().map(|user| (&user.0[..]).into())),
        ("person IS NULL AND virtual_key =", key.as_ref().map(|key| (&key.0[..]).into())),
        ("kind =", filter.kind.as_ref().map(|kind| (&kind[..]).into())),
    ];
    let states: Vec<Option<State>> = match (&filter.kind, filter.state) {
        (Some(_), None) => State::ALL.into_iter().map(Some).collect(),
        (Some(_) | None, state) => vec![state],
    };
    let (mut text, mut args) = (String::new(), Vec::<Arg<'_>>::new());
    let mut with = |text: &mut String, words: &str, arg: Arg<'a>| {
        args.push(arg);
        // Writing to a string does not fail.
        let _ = write!(text, "{words} ${}", args.len());
    };
    for (at, state) in states.iter().enumerate() {
        text.push_str(if at == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        let _ = write!(text, "SELECT {COLUMNS} FROM job WHERE 0 = 0");
        for (clause, arg) in whole {
            if let Some(arg) = arg {
                with(&mut text, &format!(" AND {clause}"), arg);
            }
        }
        if let Some(state) = state {
            with(&mut text, " AND state =", state.as_str().into());
        }
        with(&mut text, " ORDER BY id DESC LIMIT", number(most).into());
        let _ = write!(text, ") t{at}");
    }
    with(&mut text, " ORDER BY id DESC LIMIT", number(most).into());
    (text, args)
}

impl Task for List {
    type Out = Page;

    async fn run(&self, session: &mut Session<'_>) -> Result<Page, Failure> {
        let before = self.before.map(|id| id.0.to_be_bytes());
        let max = self.max.clamp(1, PAGE_MAX);
        let (text, args) = asked(&self.filter, before.as_ref(), max + 1);
        let rows = session.all(text, &args).await?;
        let jobs = rows.iter().take(max).map(|row| Row::read(row)?.job());
        let jobs = jobs.collect::<Result<Vec<_>, Failure>>()?;
        let next = jobs.last().filter(|_| rows.len() > max).map(|job| job.id);
        Ok(Page { jobs, next })
    }
}

/// How many jobs of a kind are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The kind.
    pub kind: Str,
    /// The state.
    pub state: State,
    /// How many.
    pub jobs: u64,
    /// When the oldest of them was made.
    pub oldest_at: Timestamp,
}

/// How the queue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// By kind and state.
    pub counts: Vec<Count>,
    /// Jobs that have ended and whose hold is not settled yet.
    pub owed: u64,
}

pub(super) struct Counting;

const COUNT: &str = "SELECT kind, state, count(*), min(created) FROM job GROUP BY kind, state \
     ORDER BY kind, state LIMIT $1";
const OWED: &str = "SELECT count(*) FROM job WHERE owes IS NOT NULL";

impl Task for Counting {
    type Out = Stats;

    async fn run(&self, session: &mut Session<'_>) -> Result<Stats, Failure> {
        let rows = session.all(COUNT, &[number(COUNTS_MAX).into()]).await?;
        let counts = rows.iter().map(|row| {
            let state = State::parse(&row.text(1)?).ok_or_else(|| odd("state"))?;
            let (jobs, oldest_at) = (row.int(2)?.unsigned_abs(), at(row.int(3)?)?);
            Ok(Count { kind: row.text(0)?.into(), state, jobs, oldest_at })
        });
        let counts = counts.collect::<Result<_, Failure>>()?;
        let owed = session.one(OWED, &[]).await?.map_or(Ok(0), |row| row.int(0))?;
        Ok(Stats { counts, owed: owed.unsigned_abs() })
    }
}
