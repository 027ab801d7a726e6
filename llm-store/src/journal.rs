//! The journal of holds: what stands between a caller and a charge that is not in SQL yet.
//!
//! The actors are *lines* (a hold was opened, its call sent, so much has come, it has ended),
//! *segments* (numbered files that lines are appended to, one `write(2)` each), the *tail* (the
//! segment under way and the holds that have not ended) and whoever *folds*: a worker elsewhere,
//! which carries lines on into SQL and says how far it is. What is folded goes; holds that are
//! still open are said again before their segment does.
//!
//! ```text
//!  callers ──append──▶ tail ──rotate──▶ closed segments ──folded──▶ deleted
//!                       ▲                                  │
//!                       └────── open holds, carried ───────┘
//! ```
//!
//! Deliberately absent: balances, receipts and time. Whether a hold fits is decided before it comes
//! here, and a hold that has ended is forgotten: who asks again is answered by the ledger. So a
//! line may be there that was told to nobody (the process died before it returned), and nobody may
//! take a line for more than its id allows: each is folded any number of times with one effect.
//!
//! A crash of the process loses nothing that was acknowledged. A power cut loses nothing under
//! [`Durability::Power`]; under [`Durability::Process`] it loses what the system had not written.

mod appender;
mod disk;
mod frame;
mod holds;
mod recover;
mod retire;
mod segment;
mod tail;

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use llm_core::Str;
use llm_core::ledger::{AccountId, HoldId, HoldProof, Settlement};
use llm_core::money::{Money, Unit};
use llm_core::store::{HoldLog, StoreError};

use appender::Appender;
use disk::{Disk, Native};
use frame::{Line, Path};
use segment::{SEGMENT_BYTES_MAX, corrupt};
use tail::Place;

/// When an append returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When the operating system has the line: the process may be killed at any instant.
    #[default]
    Process,
    /// When the medium has it: the power may go at any instant. Callers share one sync.
    Power,
}

/// What a journal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When an append returns.
    pub durability: Durability,
    /// All segments together. Beyond it no hold is opened; those that are may still end.
    pub bytes_max: u64,
    /// When a segment ends and the next begins; a quarter of `bytes_max` at the most, so that one
    /// can go while others are written.
    pub segment_bytes: u64,
    /// Room that is set aside, for the ends of running holds on a full disk. `0` is none.
    pub spare_bytes: u64,
}

impl Default for Settings {
    /// Segments of 16 MiB (a hundred thousand calls, and read in a moment), four of them, and one
    /// to spare.
    fn default() -> Self {
        Self {
            durability: Durability::Process,
            bytes_max: 64 << 20,
            segment_bytes: 16 << 20,
            spare_bytes: 16 << 20,
        }
    }
}

/// Where a line ends. Later lines have later positions; a position says nothing about how many
/// lines lie before it. The default lies before all lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment.
    pub segment: u64,
    /// Bytes of it, up to the line's end.
    pub offset: u64,
}

/// What an opening found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Segments there are.
    pub segments: usize,
    /// Lines in them, without those that the journal writes for itself.
    pub lines: u64,
    /// Bytes that a crash had left behind the last whole line: cut off.
    pub torn_bytes: u64,
    /// How far the lines were said to be in SQL: go on with those after it.
    pub folded: Position,
    /// Holds that have not ended.
    pub holds_open: usize,
}

/// Whether a journal takes lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// All of them.
    #[default]
    Well,
    /// The disk has no room, or does not write: what runs may end, and few holds or none begin.
    Short,
    /// None, whatever becomes of the disk: nobody knows what of it is there. The next opening does.
    Broken,
}

/// A line, about to be written.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a, U: Unit = Money> {
    /// A hold was made.
    Open {
        /// What shows it.
        proof: &'a HoldProof<U>,
        /// The accounts it was made on.
        path: &'a [AccountId],
    },
    /// A call of it is about to be sent, and so much is owed before anything comes.
    Dispatch(HoldId, U),
    /// What has come so far costs this much.
    Watermark(HoldId, U),
    /// It has ended.
    Close(&'a Settlement<U>),
}

/// A line that was read. Plain values: only the rules make proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written<U: Unit = Money> {
    /// A hold was made.
    Open {
        /// The hold.
        hold: HoldId,
        /// How much was set aside.
        amount: U,
        /// The accounts it was made on.
        path: Vec<AccountId>,
    },
    /// A call of it is about to be sent, and so much is owed before anything comes.
    Dispatch(HoldId, U),
    /// What has come so far costs this much.
    Watermark(HoldId, U),
    /// It has ended.
    Close(Settlement<U>),
    /// All that lines which are gone have said about a hold that had not ended. Its opening is in
    /// SQL: a recovery needs this, a folding worker does not.
    Carried {
        /// The hold.
        hold: HoldId,
        /// How much was set aside.
        amount: U,
        /// The accounts it was made on.
        path: Vec<AccountId>,
        /// What was owed for what was sent, before anything came; `None` when nothing was sent.
        sent: Option<U>,
        /// The highest watermark.
        watermark: Option<U>,
    },
    /// Everything up to there is in SQL.
    Folded(Position),
}

/// The journal. One process has it at a time; its callers share it.
pub struct Journal<U: Unit = Money> {
    appender: Appender,
    unit: PhantomData<fn() -> U>,
}

impl<U: Unit> Journal<U> {
    /// Opens the journal of a folder, which is made if it is not there. Refuses one that somebody
    /// else writes, and one that is damaged in any way that a crash does not explain.
    pub fn at(dir: impl Into<PathBuf>, settings: Settings) -> Result<(Self, Replay), StoreError> {
        Self::on(Arc::new(Native), dir.into(), settings)
    }

    /// The same; `None` where somebody else writes it.
    pub fn at_if_free(
        dir: impl Into<PathBuf>,
        settings: Settings,
    ) -> Result<Option<(Self, Replay)>, StoreError> {
        Self::on_if_free(Arc::new(Native), dir.into(), settings)
    }

    fn on(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        settings: Settings,
    ) -> Result<(Self, Replay), StoreError> {
        let words = format!("{}: another process writes this journal", dir.display());
        let taken = || StoreError::Unavailable(Str::from(words));
        Self::on_if_free(disk, dir, settings)?.ok_or_else(taken)
    }

    fn on_if_free(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        mut settings: Settings,
    ) -> Result<Option<(Self, Replay)>, StoreError> {
        // Half of what is read at the most: a segment is passed by one line, and the spare is one.
        let most = SEGMENT_BYTES_MAX / 2;
        settings.segment_bytes = settings.segment_bytes.min(settings.bytes_max / 4).min(most);
        settings.spare_bytes = settings.spare_bytes.min(most);
        let place = Place { dir, disk, settings, unit: U::NAME };
        let opened = Appender::open(place)?;
        Ok(opened.map(|(appender, replay)| (Self { appender, unit: PhantomData }, replay)))
    }

    /// Appends a line, and says where it ends. Opening an open hold again on the same terms writes
    /// nothing; a step of a hold that is not open is [`Violation::UnknownHold`].
    ///
    /// After an error the line may or may not be found by the next opening.
    ///
    /// [`Violation::UnknownHold`]: llm_core::ledger::rules::Violation::UnknownHold
    pub fn append(&self, step: Step<'_, U>) -> Result<Position, StoreError> {
        self.appender.append(&line(step))
    }

    /// Appends many lines, and returns when all are as durable as one would be: what a recovery
    /// decides is written with one sync and not with a hundred thousand. After an error some of
    /// the lines may be there.
    pub fn append_all<'a>(
        &self,
        steps: impl IntoIterator<Item = Step<'a, U>>,
    ) -> Result<Vec<Position>, StoreError> {
        self.appender.append_all(steps.into_iter().map(line))
    }

    /// Reads the lines after a position, in order, up to those that are written by now: after an
    /// opening, and whenever a worker has fallen behind. Nothing is deleted meanwhile, so that a
    /// visitor that called [`Journal::folded`] would wait for itself.
    pub fn replay(
        &self,
        after: Position,
        mut visit: impl FnMut(Position, Written<U>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.appender.replay(after, |at, body| {
            let line = frame::decode(body).and_then(read);
            visit(at, line.ok_or_else(|| self.unknown(at))?)
        })
    }

    /// All lines up to a position are in SQL, durably. Deletes what is needed no more, after
    /// carrying over what still is. The opening of a hold stays until its end is folded. A position beyond the last line is a mistake.
    pub fn folded(&self, up_to: Position) -> Result<(), StoreError> {
        self.appender.folded(up_to)
    }

    /// After a full disk: admits new holds again if there is room. [`Journal::folded`] asks too;
    /// whoever has nothing to fold asks from time to time.
    pub fn make_room(&self) -> Result<(), StoreError> {
        self.appender.make_room()
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.appender.tail.lock().total
    }

    /// Whether it takes lines.
    pub fn condition(&self) -> Condition {
        let tail = self.appender.tail.lock();
        match (&tail.fault, &tail.refusing) {
            (Some(_), _) => Condition::Broken,
            (None, Some(_)) => Condition::Short,
            (None, None) => Condition::Well,
        }
    }

    /// Holds that have not ended.
    pub fn holds_open(&self) -> usize {
        self.appender.tail.lock().tally.holds.len()
    }

    fn unknown(&self, at: Position) -> StoreError {
        let path = segment::file(&self.appender.place.dir, at.segment);
        corrupt(&path, at.offset, "a line of no known kind")
    }
}

fn line<U: Unit>(step: Step<'_, U>) -> Line<'_> {
    match step {
        Step::Open { proof, path } => Line::Open {
            hold: proof.id(),
            amount: proof.amount().pieces(),
            path: Path::Accounts(path),
        },
        Step::Dispatch(hold, cost) => Line::Dispatch { hold, cost: cost.pieces() },
        Step::Watermark(hold, cost) => Line::Watermark { hold, cost: cost.pieces() },
        Step::Close(&Settlement { hold, tenant, operator, source }) => {
            let (tenant, operator) = (tenant.pieces(), operator.pieces());
            Line::Close { hold, tenant, operator, source }
        }
    }
}

fn read<U: Unit>(line: Line<'_>) -> Option<Written<U>> {
    Some(match line {
        Line::Open { hold, amount, path } => {
            Written::Open { hold, amount: U::from_pieces(amount), path: path.accounts()? }
        }
        Line::Dispatch { hold, cost } => Written::Dispatch(hold, U::from_pieces(cost)),
        Line::Watermark { hold, cost } => Written::Watermark(hold, U::from_pieces(cost)),
        Line::Close { hold, tenant, operator, source } => {
            let (tenant, operator) = (U::from_pieces(tenant), U::from_pieces(operator));
            Written::Close(Settlement { hold, tenant, operator, source })
        }
        Line::Carry { hold, amount, sent, watermark, path } => Written::Carried {
            hold,
            amount: U::from_pieces(amount),
            path: path.accounts()?,
            sent: sent.map(U::from_pieces),
            watermark: watermark.map(U::from_pieces),
        },
        Line::Folded { up_to } => Written::Folded(up_to),
    })
}

impl<U: Unit> HoldLog<U> for Journal<U> {
    fn open(&self, proof: &HoldProof<U>, path: &[AccountId]) -> Result<(), StoreError> {
        self.append(Step::Open { proof, path }).map(drop)
    }

    fn watermark(&self, hold: HoldId, cost: U) -> Result<(), StoreError> {
        self.append(Step::Watermark(hold, cost)).map(drop)
    }

    fn close(&self, settlement: &Settlement<U>) -> Result<(), StoreError> {
        self.append(Step::Close(settlement)).map(drop)
    }
}

impl<U: Unit> fmt::Debug for Journal<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("place", &self.appender.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
