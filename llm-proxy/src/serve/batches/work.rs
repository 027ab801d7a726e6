//! Carries a batch out: line by line, a few beside each other, behind what was done before.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::seam::BoxFuture;
use llm_core::store::{KeyHash, StoreError};
use llm_store::deposits::{BatchEnd, Draft, Entry, Kind, LineState, Owner, Sent, Tally};
use llm_store::jobs::runner::{Done, Run, Stop, Trouble, Work};
use llm_store::jobs::{JobId, NotDone};
use tokio::task::JoinSet;

use super::line::{Ground, Lines, Wanted, Wrong, read};
use super::{KEEP, Order, WINDOW, view};
use crate::serve::depot::{Depot, Fate};
use crate::serve::files;
use crate::serve::house::House;

/// What became of a call is carried to the store within this after a start.
const FATE_TRIES: u32 = 5;
const FATE_PAUSE: Duration = Duration::from_millis(500);
/// What lines under way may take when a batch is to stop: less than what the worker has.
const PATIENCE: Duration = Duration::from_secs(5);
/// Begun so often without its batch being there, a job was never announced.
const UNSEEN_MAX: u32 = 3;

/// The work of batches.
pub(crate) struct BatchWork {
    /// The house ends with its workers, and not the other way round.
    house: Weak<House>,
}

impl BatchWork {
    /// The kind of its jobs.
    pub(crate) const KIND: &str = "batch";

    pub(crate) fn new(house: Weak<House>) -> Self {
        Self { house }
    }
}

impl Work for BatchWork {
    fn run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(async move {
            let house = self.house.upgrade().ok_or_else(leaving)?;
            let order: Order = serde_json::from_slice(run.input())
                .map_err(|_| Trouble::lasting("the batch cannot be read"))?;
            let depot = house.depot.clone().ok_or_else(leaving)?;
            let attempt = Attempt::begin(house, depot, run, order).await?;
            attempt.go(run).await
        })
    }
}

/// One attempt at a batch.
struct Attempt {
    ground: Arc<Ground>,
    owner: Owner,
    id: String,
    input: Entry,
    /// Lines of earlier attempts.
    begun: HashMap<u32, Sent>,
    ends: jiff::Timestamp,
    width: usize,
    count: u64,
}

/// Why no further line is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    Leaving,
    Cancelled,
    Expired,
}

impl Attempt {
    async fn begin(
        house: Arc<House>,
        depot: Depot,
        run: &Run,
        order: Order,
    ) -> Result<Self, Trouble> {
        let (batch, job) = (run.job().id, run.job());
        let owner = Owner::from(Str::from(order.owner));
        let id = format!("batch_{batch}");
        if depot.deposits.get(&owner, Kind::Batch, &id).await.map_err(passing)?.is_none() {
            let seen = job.attempts < UNSEEN_MAX;
            let text = "the batch is not there";
            return Err(if seen { Trouble::passing(text) } else { Trouble::lasting(text) });
        }
        let input = depot.deposits.get(&owner, Kind::File, &order.file).await.map_err(passing)?;
        let input = input.ok_or_else(|| Trouble::lasting("the input file was deleted"))?;
        let grant = house.keys.grant_of(&KeyHash(order.print)).await.map_err(|error| {
            let lasting = matches!(
                error.kind(),
                llm_core::error::Kind::Unauthenticated | llm_core::error::Kind::Forbidden
            );
            let text = Str::from(error.message());
            if lasting { Trouble::lasting(text) } else { Trouble::passing(text) }
        })?;
        let begun = depot.deposits.lines_begun(batch).await.map_err(passing)?;
        let begun = begun.into_iter().map(|line| (line.number, line)).collect();
        let width = depot.rules.batches.lines;
        let window = jiff::SignedDuration::try_from(WINDOW).unwrap_or_default();
        let ends = job.created_at.checked_add(window).unwrap_or(jiff::Timestamp::MAX);
        let endpoint = Str::from(order.endpoint);
        let ground =
            Arc::new(Ground { house, depot, batch, owner: owner.clone(), grant, endpoint });
        let count = order.lines.max(1);
        Ok(Self { ground, owner, id, input, begun, ends, width, count })
    }

    fn batch(&self) -> JobId {
        self.ground.batch
    }

    async fn go(&self, run: &Run) -> Result<Done, Trouble> {
        // The last attempt may have written everything but its own end.
        let ended = self.ground.depot.deposits.batch_end(self.batch()).await.map_err(passing)?;
        if ended.is_some() {
            return Ok(Done::default());
        }
        let halt = self.lines(run).await?;
        let how = match halt {
            Some(Halt::Leaving) => return Err(leaving()),
            Some(Halt::Cancelled) => BatchEnd::Cancelled,
            Some(Halt::Expired) => BatchEnd::Expired,
            None => BatchEnd::Completed,
        };
        self.write().await.map_err(passing)?;
        let deposits = &self.ground.depot.deposits;
        let tally = deposits.tally(self.batch()).await.map_err(passing)?;
        deposits.end_batch(self.batch(), how, tally).await.map_err(passing)?;
        match how {
            BatchEnd::Cancelled => Err(Trouble::lasting("cancelled")),
            BatchEnd::Completed | BatchEnd::Expired => Ok(Done::default()),
        }
    }

    /// Asks all lines that were not asked before. What is under way when it is to stop is waited
    /// for: it is paid for anyway.
    async fn lines(&self, run: &Run) -> Result<Option<Halt>, Trouble> {
        let ground = &self.ground;
        let bytes_max = usize::try_from(ground.house.bytes_max).unwrap_or(usize::MAX);
        let mut lines = Lines::new(&ground.depot, &self.owner, &self.input, bytes_max);
        let mut names = HashSet::new();
        let mut asking: JoinSet<Result<(), StoreError>> = JoinSet::new();
        let (mut number, mut shown) = (0, 0);
        let mut halt = None;
        while let Some(text) = lines.next().await.map_err(passing)? {
            let this = number;
            number += 1;
            let wanted = self.wanted(&text, &mut names);
            halt = halt.or_else(|| self.halt(run));
            match self.begun.get(&this) {
                Some(sent) if sent.state != LineState::Sent => continue,
                Some(sent) if self.lost(sent).await.map_err(passing)? => {
                    let name = wanted.ok().map(|wanted| wanted.custom_id);
                    let text = "the process ended in the middle of this call, which was charged";
                    let wrong = Wrong { name, code: "interrupted", text: text.to_owned() };
                    self.end(this, &wrong).await?;
                    continue;
                }
                Some(_) | None => {}
            }
            match (wanted, halt) {
                (_, Some(Halt::Leaving | Halt::Cancelled)) => break,
                (Err(wrong), _) => self.end(this, &wrong).await?,
                (Ok(wanted), Some(Halt::Expired)) => self.end(this, &late(wanted)).await?,
                (Ok(wanted), None) => {
                    if asking.len() >= self.width {
                        tokio::select! {
                            one = asking.join_next() => ended(one)?,
                            // This line is not begun: the next attempt finds it so.
                            _ = run.stopped() => {
                                halt = self.halt(run);
                                break;
                            }
                        }
                    }
                    let ground = Arc::clone(ground);
                    asking.spawn(async move { ground.ask(this, wanted).await });
                }
            }
            let percent = self.percent(number);
            if percent > shown {
                shown = percent;
                let _ = run.progress(percent, None).await;
            }
        }
        self.rest(run, &mut asking).await?;
        Ok(halt.or_else(|| self.halt(run).filter(|halt| *halt == Halt::Cancelled)))
    }

    /// Lines under way. When it is to stop they have a moment; those that take longer are left, as
    /// calls are whose callers leave.
    async fn rest(
        &self,
        run: &Run,
        asking: &mut JoinSet<Result<(), StoreError>>,
    ) -> Result<(), Trouble> {
        let clock = &self.ground.house.clock;
        let patience = async {
            run.stopped().await;
            clock.sleep(PATIENCE).await;
        };
        let all = async {
            while let Some(one) = asking.join_next().await {
                ended(Some(one))?;
            }
            Ok(())
        };
        tokio::select! {
            all = all => return all,
            () = patience => {}
        }
        asking.shutdown().await;
        Ok(())
    }

    fn wanted(&self, text: &Bytes, names: &mut HashSet<String>) -> Result<Wanted, Wrong> {
        let wanted = read(text, &self.ground.endpoint)?;
        if !names.insert(wanted.custom_id.clone()) {
            let text = "custom_id stands twice in this file".to_owned();
            let name = Some(wanted.custom_id);
            return Err(Wrong { name, code: "duplicate_custom_id", text });
        }
        Ok(wanted)
    }

    fn halt(&self, run: &Run) -> Option<Halt> {
        match run.stop() {
            Some(Stop::Cancelled) => return Some(Halt::Cancelled),
            Some(Stop::Leaving) => return Some(Halt::Leaving),
            None => {}
        }
        (crate::serve::call::now(&self.ground.house) >= self.ends).then_some(Halt::Expired)
    }

    /// Whether a line that was sent and has no answer is not to be asked again: it was charged, or
    /// by another process, of which nobody here can tell.
    async fn lost(&self, sent: &Sent) -> Result<bool, StoreError> {
        let ground = &self.ground;
        if sent.replica != ground.depot.replica {
            return Ok(true);
        }
        let hold = HoldId(sent.call);
        for _ in 0..FATE_TRIES {
            match Depot::fate(&ground.house, hold).await? {
                Fate::Charged => return Ok(true),
                Fate::Free => return Ok(false),
                Fate::Unknown => ground.house.clock.sleep(FATE_PAUSE).await,
            }
        }
        // Never begun: what had begun is in the journal, and that was read at the start.
        Ok(false)
    }

    async fn end(&self, number: u32, wrong: &Wrong) -> Result<(), Trouble> {
        let line = wrong.written(self.batch(), number);
        self.ground
            .depot
            .deposits
            .line_ended(&self.owner, self.batch(), &line)
            .await
            .map_err(passing)
    }

    fn percent(&self, number: u32) -> u8 {
        // The last hundredth is the files' that are written.
        u8::try_from(u64::from(number).saturating_mul(99) / self.count).unwrap_or(99).min(99)
    }

    /// Writes both files; one that nothing would stand in is not written.
    async fn write(&self) -> Result<(), StoreError> {
        let deposits = &self.ground.depot.deposits;
        let tally: Tally = deposits.tally(self.batch()).await?;
        let files = [
            (true, view::output(&self.id), tally.done),
            (false, view::errors(&self.id), tally.failed),
        ];
        for (done, id, count) in files {
            if count == 0 {
                continue;
            }
            let filename = format!("{}_{}.jsonl", self.id, if done { "output" } else { "error" });
            let head = files::Head { filename, purpose: "batch_output".to_owned() };
            let draft = Draft {
                owner: self.owner.clone(),
                id: id.into(),
                kind: Kind::File,
                head: serde_json::to_string(&head).unwrap_or_default().into(),
                previous: None,
                keep: Some(KEEP),
                body: Bytes::new(),
            };
            let Some(mut writer) = deposits.writer(draft).await? else { continue };
            let mut from = 0;
            loop {
                let some = deposits.lines_ended(&self.owner, self.batch(), from).await?;
                let Some(last) = some.last() else { break };
                from = last.number + 1;
                for line in some.iter().filter(|line| line.done == done) {
                    writer.write(&line.body).await?;
                    writer.write(b"\n").await?;
                }
            }
            writer.finish().await?;
        }
        Ok(())
    }
}

/// A line that was not begun in time.
fn late(wanted: Wanted) -> Wrong {
    let text = "this line was not begun within the batch's window".to_owned();
    Wrong { name: Some(wanted.custom_id), code: "batch_expired", text }
}

/// What came of writing a line down.
fn ended(
    one: Option<Result<Result<(), StoreError>, tokio::task::JoinError>>,
) -> Result<(), Trouble> {
    match one {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(passing(error)),
        Some(Err(_)) => Err(Trouble::passing("a line broke off")),
    }
}

fn passing(error: StoreError) -> Trouble {
    Trouble::from(NotDone::Store(error))
}

fn leaving() -> Trouble {
    Trouble::passing("the process is ending")
}

impl fmt::Debug for BatchWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchWork")
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("id", &self.id).finish_non_exhaustive()
    }
}
