//! Each request once: what a caller sends an `Idempotency-Key` for.
//!
//! The outermost edge, above the pipeline and above the caller's dialect: what is said again is the
//! bytes that the first one was told, and a stage sees those of an upstream. So it is not a stage,
//! and whoever calls the gateway without it has nothing of it on the way.
//!
//! The actors are [`Once`] (a store of slots, who knows what became of holds, and the calls of this
//! process that have a slot), a [`Run`] (a call that has one) and a [`KeptBody`] (an answer that is
//! written down before its last bytes are given away). A run that is dropped (its caller has left,
//! or nobody wrote its answer down) is not cleaned up: its slot says that it runs, and who asks next
//! is told what became of its hold. The same holds for a process that dies.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::error::{Advice, Error, Kind};
use llm_core::idempotency::{
    Answer, BODY_BYTES_MAX, Claimed, Ending, Fate, Fingerprint, Form, HEADER, IdempotencyStore,
    Kept, Owners, Record, Refused, Slot, claim, finish,
};
use llm_core::ledger::HoldId;
use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::vault::Tenure;
use llm_core::store::{StoreError, Stored};
use parking_lot::Mutex;

use super::RenderedBody;
use crate::stage::record::ReceiptCell;

/// Calls of this process that have a slot: as many as there are connections, and some more.
const LIVE_MAX: usize = 1 << 15;
/// How long an answer's end waits to be written down. A store that takes longer is away, and the
/// caller has paid.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// How often records whose day is over are forgotten, and how many at once.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_MAX: usize = 1_000;

/// Lets each request run once. Cheap to clone: all are one.
#[derive(Clone)]
pub struct Once(Arc<Desk>);

struct Desk {
    store: Arc<dyn IdempotencyStore>,
    owners: Arc<dyn Owners>,
    who: Tenure,
    clock: Arc<dyn Clock>,
    /// Calls that have a slot, or are about to: a call has no hold yet when it gets one.
    live: Mutex<HashSet<HoldId>>,
}

/// What became of a request with a key.
#[derive(Debug)]
pub enum Begun {
    /// It is the first: run it.
    Run(Run),
    /// It was answered, and so is this one.
    Again(Answer),
    /// It is not run.
    Refused(Refused),
}

impl Once {
    /// With records in this store. `who` is this process, as the owners know it.
    pub fn new(
        store: Arc<dyn IdempotencyStore>,
        owners: Arc<dyn Owners>,
        who: Tenure,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Desk { store, owners, who, clock, live: Mutex::default() }))
    }

    /// Begins a request, unless it has been. An error of the store means that nobody may run: who
    /// sends a key would rather not be served than pay twice.
    pub async fn begin(
        &self,
        slot: Slot,
        asked: Fingerprint,
        call: CallId,
    ) -> Result<Begun, Error> {
        let desk = Arc::clone(&self.0);
        let record = Record::running(asked, call, desk.who.clone(), desk.now());
        let run = Run::enter(desk, slot, record)?;
        let (store, mine) = (&*run.desk.store, run.record.clone());
        let claimed = claim(store, &*run.desk, &run.slot, mine, run.desk.now()).await;
        Ok(match claimed.map_err(unavailable)? {
            Claimed::Run(_) => Begun::Run(run),
            Claimed::Replay(answer) => Begun::Again(answer),
            Claimed::Refused(why) => Begun::Refused(why),
        })
    }

    /// Forgets what is over, until it is dropped itself or all of these are.
    pub fn sweep(&self) -> impl Future<Output = ()> + Send + 'static {
        let (weak, clock) = (Arc::downgrade(&self.0), Arc::clone(&self.0.clock));
        async move {
            loop {
                clock.sleep(SWEEP_EVERY).await;
                let Some(desk) = weak.upgrade() else { return };
                desk.swept().await;
            }
        }
    }
}

/// What a caller is told who is refused. The status is [`Refused::status`]: no kind has it.
pub fn refused(why: Refused) -> Error {
    let kind = if why.retry_after().is_some() { Kind::Busy } else { Kind::BadRequest };
    let error = Error::new(kind, why.to_string()).in_field(HEADER);
    match why.retry_after() {
        Some(after) => error.advise(Advice::Again { after: Some(after) }),
        None => error.advise(Advice::Stop),
    }
}

impl Desk {
    fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    async fn swept(&self) {
        loop {
            match self.store.sweep(self.now(), SWEEP_MAX).await {
                Ok(SWEEP_MAX) => {}
                Ok(_) => return,
                Err(error) => return tracing::warn!(%error, "idempotency keys are not swept"),
            }
        }
    }

    /// Writes down how a run ended, if the store takes it in time.
    async fn end(&self, slot: &Slot, record: &Record, ending: Ending) {
        let written = tokio::select! {
            written = finish(&*self.store, slot, record, ending, self.now()) => written,
            () = self.clock.sleep(WRITE_MAX) => {
                Err(StoreError::Unavailable(Str::from_static("not written down in time")))
            }
        };
        if let Err(error) = written {
            tracing::warn!(%error, call = %record.run, "an answer cannot be said again");
        }
    }
}

/// Calls of this process that run are known here; of all others, and of what is over, the ledger
/// knows.
impl Owners for Desk {
    fn fate<'a>(&'a self, owner: &'a Tenure, hold: HoldId) -> Stored<'a, Fate> {
        if *owner == self.who && self.live.lock().contains(&hold) {
            return Box::pin(std::future::ready(Ok(Fate::Alive)));
        }
        self.owners.fate(owner, hold)
    }
}

/// A call that has a slot.
pub struct Run {
    desk: Arc<Desk>,
    slot: Slot,
    record: Record,
}

impl Run {
    fn enter(desk: Arc<Desk>, slot: Slot, record: Record) -> Result<Self, Error> {
        let hold = HoldId::from(record.run);
        {
            let mut live = desk.live.lock();
            if live.len() >= LIVE_MAX {
                return Err(Error::new(Kind::Busy, "too many calls with idempotency keys"));
            }
            live.insert(hold);
        }
        Ok(Self { desk, slot, record })
    }

    /// It ended with an error. One that cost something is said again to whoever asks again; one
    /// that did not is forgotten, and the next try is a first one.
    pub async fn failed(self, answer: Answer) {
        let hold = HoldId::from(self.record.run);
        match self.desk.owners.fate(&self.desk.who, hold).await {
            Ok(Fate::Paid) => self.end(Ending::Failed { answer, charged: true }).await,
            Ok(Fate::NeverHeld | Fate::Voided) => {
                self.end(Ending::Failed { answer, charged: false }).await;
            }
            // Something of it goes on without its caller, or nobody can say yet: whoever asks next
            // is told what has become of the hold by then.
            Ok(Fate::Alive | Fate::Unresolved | Fate::Lost) => {}
            Err(error) => tracing::warn!(%error, "what a failed call cost is not known yet"),
        }
    }

    /// It is answered, and all of the answer is here.
    pub async fn answered(self, answer: Answer) {
        self.end(Ending::Answered(answer)).await;
    }

    /// It is being answered: the body, which is written down as it passes.
    pub fn keep(self, said: Said, body: RenderedBody, receipt: ReceiptCell) -> KeptBody {
        let heard = Some(BytesMut::new());
        KeptBody { body, receipt, said, heard, run: Some(self), last: None, writing: None }
    }

    async fn end(&self, ending: Ending) {
        self.desk.end(&self.slot, &self.record, ending).await;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.desk.live.lock().remove(&HoldId::from(self.record.run));
    }
}

/// How an answer is said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its status.
    pub status: u16,
    /// Its type.
    pub content_type: Str,
    /// Whether it is a stream.
    pub form: Form,
}

/// The bytes of an answer that are written down as they pass. What is paid for is written before
/// the bytes that end it are given away: nobody who has seen the end finds the slot still running.
pub struct KeptBody {
    /// First: a body that is dropped settles, and only then does its call cease to be live.
    body: RenderedBody,
    receipt: ReceiptCell,
    said: Said,
    /// What has passed; `None` when it is too long to keep.
    heard: Option<BytesMut>,
    run: Option<Run>,
    /// What ends the answer.
    last: Option<BytesMut>,
    writing: Option<BoxFuture<'static, ()>>,
}

impl KeptBody {
    /// The next bytes.
    pub async fn next(&mut self) -> Option<Result<Bytes, Infallible>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn hear(&mut self, bytes: &Bytes) {
        let Some(heard) = &mut self.heard else { return };
        if heard.len() + bytes.len() > BODY_BYTES_MAX {
            self.heard = None;
        } else {
            heard.extend_from_slice(bytes);
        }
    }

    /// How it ended, to be written down.
    fn written(&mut self) -> Option<BoxFuture<'static, ()>> {
        let run = self.run.take()?;
        let Said { status, content_type, form } = self.said.clone();
        let money = self.receipt.get().is_some_and(|receipt| receipt.posted.0 > 0);
        let charged = money || self.receipt.credits().is_some_and(|receipt| receipt.posted.0 > 0);
        let ending = if self.body.broke() {
            Ending::Broken { charged }
        } else {
            let heard = self.heard.take().map(BytesMut::freeze);
            Ending::Answered(match heard {
                Some(body) => Answer::new(status, content_type, form, body),
                None => Answer { status, content_type, form, body: Kept::Dropped },
            })
        };
        Some(Box::pin(async move { run.end(ending).await }))
    }
}

impl Stream for KeptBody {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(writing) = &mut this.writing {
                ready!(writing.as_mut().poll(cx));
                this.writing = None;
                let last = this.last.take().filter(|last| !last.is_empty());
                return Poll::Ready(last.map(|last| Ok(last.freeze())));
            }
            let Some(Ok(bytes)) = ready!(Pin::new(&mut this.body).poll_next(cx)) else {
                match this.written() {
                    None => return Poll::Ready(None),
                    Some(writing) => this.writing = Some(writing),
                }
                continue;
            };
            if this.run.is_none() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            this.hear(&bytes);
            // Settled: what comes now is the end, whatever words it takes.
            if this.receipt.get().is_none() && this.last.is_none() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            this.last.get_or_insert_default().extend_from_slice(&bytes);
        }
    }
}

fn unavailable(error: StoreError) -> Error {
    let text = "nobody can say whether this request has been answered before";
    Error::new(Kind::Busy, text).because(error)
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Once({:?})", self.0)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("who", &self.who).finish_non_exhaustive()
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Run").field(&self.record.run).finish()
    }
}

impl fmt::Debug for KeptBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptBody").field("body", &self.body).finish_non_exhaustive()
    }
}
