//! What calls have in common: who asked for what of whom.

use std::collections::HashMap;
use std::sync::LazyLock;

use llm_core::Str;
use llm_core::error::Kind;
use llm_core::store::{CallRecord, Outcome};

use super::texts::Texts;
use crate::sql::database::{Arg, Record, Session};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Subjects that a process remembers. Beyond it all are looked up anew: that is a matter of keys
/// times models, and whoever has more has time.
const KNOWN_MAX: usize = 65_536;
/// Bytes of a name. Callers choose some of them.
const NAME_BYTES_MAX: usize = 256;

/// The columns, in the order of [`Subject::read`].
pub(super) const COLUMNS: &str = "s.tenant, s.key, s.person, s.team, s.feature, s.operation, \
     s.model, s.provider, s.target, s.cached";

static FIND: LazyLock<Texts> = LazyLock::new(|| {
    let head = format!(
        "SELECT {COLUMNS}, s.id FROM request_subject s WHERE (s.tenant, s.key, s.person, s.team, \
         s.feature, s.operation, s.model, s.target, s.cached, s.provider) IN (VALUES "
    );
    Texts::new(&head, ARGS, ")")
});
static MAKE: LazyLock<Texts> = LazyLock::new(|| {
    let head = "INSERT INTO request_subject (tenant, key, person, team, feature, operation, \
         model, target, cached, provider) VALUES ";
    Texts::new(head, ARGS, " ON CONFLICT DO NOTHING")
});
/// Columns that name a subject.
const ARGS: usize = 10;

/// Who asked for what of whom. An empty name is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Whose data it is.
    pub tenant: Str,
    /// The key's public id, or a pseudonym.
    pub key: Str,
    /// The person or service the key belongs to, or a pseudonym.
    pub user: Str,
    /// The team.
    pub team: Str,
    /// The purpose.
    pub feature: Str,
    /// What was asked for.
    pub operation: Str,
    /// The model as the caller named it; empty where it is none of ours.
    pub model: Str,
    /// Who answered: the first half of the target.
    pub provider: Str,
    /// Who answered, as `provider/model`; empty when nobody was asked.
    pub target: Str,
    /// Whether a cache answered.
    pub cached: bool,
}

/// Which subjects: all that are named have to be so. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Of {
    /// Whose data it is.
    pub tenant: Option<Str>,
    /// The key.
    pub key: Option<Str>,
    /// The person or service.
    pub user: Option<Str>,
    /// The team.
    pub team: Option<Str>,
    /// The purpose.
    pub feature: Option<Str>,
    /// The model.
    pub model: Option<Str>,
    /// The provider.
    pub provider: Option<Str>,
    /// The target.
    pub target: Option<Str>,
    /// Whether a cache answered.
    pub cached: Option<bool>,
}

impl Of {
    pub(super) fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// A statement that grows condition by condition.
pub(super) struct Text<'a> {
    pub(super) text: String,
    pub(super) args: Vec<Arg<'a>>,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), args: Vec::new() }
    }

    pub(super) fn add(&mut self, words: &str) {
        self.text.push_str(words);
    }

    /// Words, and a value behind them.
    pub(super) fn with(&mut self, words: &str, arg: impl Into<Arg<'a>>) {
        self.args.push(arg.into());
        self.text.push_str(words);
        self.text.push('$');
        self.text.push_str(&self.args.len().to_string());
    }

    /// Conditions on the columns of a subject called `s`.
    pub(super) fn of(&mut self, of: &'a Of) {
        let names = [
            (" AND s.tenant = ", &of.tenant),
            (" AND s.key = ", &of.key),
            (" AND s.person = ", &of.user),
            (" AND s.team = ", &of.team),
            (" AND s.feature = ", &of.feature),
            (" AND s.model = ", &of.model),
            (" AND s.provider = ", &of.provider),
            (" AND s.target = ", &of.target),
        ];
        for (words, name) in names {
            if let Some(name) = name {
                self.with(words, &**name);
            }
        }
        if let Some(cached) = of.cached {
            self.with(" AND s.cached = ", i64::from(cached));
        }
    }
}

impl Subject {
    fn new(record: &CallRecord) -> Self {
        let who = &*record.principal;
        let target = record.target.as_ref().map_or_else(Str::default, |t| clean(&t.0));
        let provider = target.split_once('/').map_or("", |(provider, _)| provider);
        Self {
            provider: Str::from(provider),
            tenant: clean(&who.tenant.0),
            key: clean(&who.key.0),
            user: who.user.as_ref().map_or_else(Str::default, |user| clean(&user.0)),
            team: who.team.as_ref().map_or_else(Str::default, |team| clean(&team.0)),
            feature: clean(&record.feature.0),
            operation: Str::from_static(record.operation.name()),
            model: if is_ours(record) { clean(&record.model) } else { Str::default() },
            target,
            cached: record.cached,
        }
    }

    fn args(&self) -> [Arg<'_>; ARGS] {
        [
            Arg::Text(Some(&self.tenant)),
            Arg::Text(Some(&self.key)),
            Arg::Text(Some(&self.user)),
            Arg::Text(Some(&self.team)),
            Arg::Text(Some(&self.feature)),
            Arg::Text(Some(&self.operation)),
            Arg::Text(Some(&self.model)),
            Arg::Text(Some(&self.target)),
            Arg::Int(Some(i64::from(self.cached))),
            Arg::Text(Some(&self.provider)),
        ]
    }

    /// From [`COLUMNS`], the first of which is at a place.
    pub(super) fn read(row: &Record, at: usize) -> Result<Self, Failure> {
        let name = |place: usize| row.text(at + place).map(Str::from);
        Ok(Self {
            tenant: name(0)?,
            key: name(1)?,
            user: name(2)?,
            team: name(3)?,
            feature: name(4)?,
            operation: name(5)?,
            model: name(6)?,
            provider: name(7)?,
            target: name(8)?,
            cached: row.int(at + 9)? != 0,
        })
    }
}

/// Their numbers, made if need be. All that are not known are asked for together: a server is far
/// away, and the first batch of a process knows none.
pub(super) async fn numbers(
    session: &mut Session<'_>,
    subjects: &[Subject],
    known: &[Option<i64>],
) -> Result<Vec<i64>, Failure> {
    let known = |at: usize| known.get(at).copied().flatten();
    let unknown = subjects.iter().enumerate().filter(|(at, _)| known(*at).is_none());
    // In one order for all who write: two that make the same must not wait for each other.
    let mut unknown: Vec<&Subject> = unknown.map(|(_, subject)| subject).collect();
    unknown.sort_unstable();
    let args: Vec<Arg<'_>> = unknown.iter().flat_map(|subject| subject.args()).collect();
    let mut found = found(session, &args).await?;
    let missing = unknown.iter().filter(|subject| !found.contains_key(**subject));
    let missing: Vec<Arg<'_>> = missing.flat_map(|subject| subject.args()).collect();
    if !missing.is_empty() {
        MAKE.run(session, &missing).await?;
        found.extend(self::found(session, &missing).await?);
    }
    let number = |(at, subject)| {
        let number = known(at).or_else(|| found.get(subject).copied());
        Ok(number.ok_or_else(|| odd("subject"))?)
    };
    subjects.iter().enumerate().map(number).collect()
}

async fn found(
    session: &mut Session<'_>,
    args: &[Arg<'_>],
) -> Result<HashMap<Subject, i64>, Failure> {
    let found = FIND.all(session, args).await?;
    found.iter().map(|row| Ok((Subject::read(row, 0)?, row.int(ARGS)?))).collect()
}

/// Whether the model is one of ours. Names of others are the caller's invention: they stay on the
/// row, and never become a subject of their own.
pub(super) fn is_ours(record: &CallRecord) -> bool {
    record.target.is_some() || record.outcome != Outcome::Failed(Kind::UnknownModel)
}

/// A name that any database takes: no longer than it may be, and without the one character that
/// Postgres has no place for.
pub(super) fn clean(name: &Str) -> Str {
    if name.len() <= NAME_BYTES_MAX && !name.bytes().any(|byte| byte == 0) {
        return name.clone();
    }
    let mut end = NAME_BYTES_MAX.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    Str::from(name.get(..end).unwrap_or_default().replace('\0', "\u{fffd}"))
}

/// The subjects of a batch, each once.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) list: Vec<Subject>,
    places: HashMap<Subject, usize>,
}

impl Batch {
    /// Its place in the list.
    pub(super) fn place(&mut self, record: &CallRecord) -> usize {
        let subject = Subject::new(record);
        if let Some(place) = self.places.get(&subject) {
            return *place;
        }
        let place = self.list.len();
        self.list.push(subject.clone());
        self.places.insert(subject, place);
        place
    }
}

/// Numbers of subjects, as they were at some count of erasures.
#[derive(Debug, Default)]
pub(super) struct Known {
    numbers: HashMap<Subject, i64>,
    erasures: i64,
}

impl Known {
    /// The numbers that are known, and as of when.
    pub(super) fn find(&self, subjects: &[Subject]) -> (Vec<Option<i64>>, i64) {
        let numbers = subjects.iter().map(|subject| self.numbers.get(subject).copied());
        (numbers.collect(), self.erasures)
    }

    /// These are committed.
    pub(super) fn learn(&mut self, subjects: &[Subject], numbers: &[i64], erasures: i64) {
        if erasures < self.erasures {
            return;
        }
        if erasures > self.erasures || self.numbers.len() + subjects.len() > KNOWN_MAX {
            self.numbers.clear();
        }
        self.erasures = erasures;
        for (subject, number) in subjects.iter().zip(numbers) {
            if !self.numbers.contains_key(subject) {
                self.numbers.insert(subject.clone(), *number);
            }
        }
    }
}
