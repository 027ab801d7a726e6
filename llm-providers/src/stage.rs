//! What a stage is, and how stages stand on each other.
//!
//! A call is one value that grows more permitted as it travels, and each [`Stage`] is the only
//! maker of what the next one takes:
//!
//! ```text
//! Call ─record─▶ Opened ─admit─▶ Admitted ─reserve─▶ Funded ─inspect─▶ Funded ─cache─▶ Funded
//!      ─route─▶ Attempt ─gate─▶ Armed ─send─▶ http
//! ```
//!
//! So they stack in one order only, and any other does not compile. Here the stage that sets money
//! aside is left out:
//!
//! ```compile_fail,E0277
//! use llm_providers::stage::{Next, Staged, admit::AdmitStage, cache::CacheStage};
//! use llm_core::{call::Call, error::Error};
//! use llm_providers::stage::record::Opened;
//!
//! fn stack<N: Next<llm_providers::stage::reserve::Funded>>(admit: AdmitStage, cache: CacheStage, rest: N) {
//!     fn takes_opened<S: Next<Opened>>(_: S) {}
//!     takes_opened(Staged::new(admit, Staged::new(cache, rest)));
//! }
//! ```
//!
//! Deliberately absent: back-pressure through `poll_ready`. Whoever must wait waits inside `run`
//! of the admit stage, where the queue has an owner, a bound and a deadline.

pub mod admit;
pub mod cache;
pub mod gate;
pub mod inspect;
pub mod record;
pub mod reserve;
pub mod route;
pub mod send;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use llm_core::error::Error;
use llm_core::seam::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use crate::reply::Reply;

/// One step of a call: takes what the stage above made, and hands the next stage what only it can
/// make.
pub trait Stage: Send + Sync + 'static {
    /// What it takes.
    type In: Send + 'static;
    /// What it makes.
    type Out: Send + 'static;

    /// Does its part, and calls `next` as often as it needs to.
    fn run<N: Next<Self::Out>>(
        &self,
        input: Self::In,
        next: &N,
    ) -> impl Future<Output = Result<Reply, Error>> + Send;
}

/// Whatever can answer a `T`. May be asked more than once, and by several at once.
pub trait Next<T>: Clone + Send + Sync + 'static {
    /// Answers.
    fn run(&self, input: T) -> impl Future<Output = Result<Reply, Error>> + Send;
}

/// A stage and everything below it. Statically composed: the whole stack is one future.
#[derive(Debug)]
pub struct Staged<St, N> {
    stage: Arc<St>,
    next: N,
}

impl<St, N> Staged<St, N> {
    /// Puts a stage on top.
    pub fn new(stage: St, next: N) -> Self {
        Self { stage: Arc::new(stage), next }
    }
}

impl<St, N: Clone> Clone for Staged<St, N> {
    fn clone(&self) -> Self {
        Self { stage: Arc::clone(&self.stage), next: self.next.clone() }
    }
}

impl<St: Stage, N: Next<St::Out>> Next<St::In> for Staged<St, N> {
    fn run(&self, input: St::In) -> impl Future<Output = Result<Reply, Error>> + Send {
        self.stage.run(input, &self.next)
    }
}

/// The same as a tower service, so that foreign layers can stand on top of it.
impl<St, N> Service<St::In> for Staged<St, N>
where
    St: Stage,
    N: Next<St::Out>,
{
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, input: St::In) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.run(input).await })
    }
}

/// A stage as a tower layer.
#[derive(Debug)]
pub struct StageLayer<St>(Arc<St>);

impl<St> StageLayer<St> {
    /// Wraps a stage.
    pub fn new(stage: St) -> Self {
        Self(Arc::new(stage))
    }
}

impl<St, N> Layer<N> for StageLayer<St> {
    type Service = Staged<St, N>;

    fn layer(&self, next: N) -> Self::Service {
        Staged { stage: Arc::clone(&self.0), next }
    }
}

/// A foreign tower service where a stage could stand. A newtype, since a blanket implementation
/// would overlap with that of [`Staged`].
#[derive(Clone, Debug)]
pub struct Tower<S>(pub S);

impl<S, T> Next<T> for Tower<S>
where
    T: Send + 'static,
    S: Service<T, Response = Reply, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    async fn run(&self, input: T) -> Result<Reply, Error> {
        self.0.clone().oneshot(input).await
    }
}

/// The first of two futures; the other is dropped. The second is not begun where the first is there:
/// most answers are, and a timer for each would cost more than a look.
pub(crate) async fn race<A, B>(a: A, b: impl FnOnce() -> B) -> Either<A::Output, B::Output>
where
    A: Future,
    B: Future + Unpin,
{
    let mut a = std::pin::pin!(a);
    let (mut begin, mut begun) = (Some(b), None);
    std::future::poll_fn(|cx: &mut Context<'_>| {
        // The first is asked first, so that an answer wins over a timer that is due as well.
        if let Poll::Ready(a) = Pin::as_mut(&mut a).poll(cx) {
            return Poll::Ready(Either::First(a));
        }
        if let Some(begin) = begin.take() {
            begun = Some(begin());
        }
        let Some(second) = &mut begun else { return Poll::Pending };
        Pin::new(second).poll(cx).map(Either::Second)
    })
    .await
}

/// Which of two came first.
pub(crate) enum Either<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}
