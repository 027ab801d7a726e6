//! Everything about one target before it is asked: breaker, key, slot, pace.

use std::fmt;
use std::sync::Arc;

use llm_core::error::Error;
use llm_core::provider::Credential;

use super::route::Attempt;
use super::{Next, Stage};
use crate::reply::Reply;

#[derive(Debug, Default)]
pub struct Health;

pub struct Keys(pub Vec<Arc<Credential>>);

impl Keys {
    /// A pool.
    pub fn new(keys: Vec<Arc<Credential>>) -> Self {
        Self(keys)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// An attempt with a key in hand.
#[derive(Debug)]
pub struct Armed {
    /// The attempt.
    pub attempt: Attempt,
    /// The key it is made with.
    pub key: Arc<Credential>,
    /// Only this stage makes one.
    _armed: (),
}

/// The stage.
#[derive(Debug)]
pub struct GateStage;

impl Stage for GateStage {
    type In = Attempt;
    type Out = Armed;

    async fn run<N: Next<Armed>>(&self, attempt: Attempt, next: &N) -> Result<Reply, Error> {
        let key = Arc::clone(&attempt.target.vendor.keys.0[0]);
        next.run(Armed { attempt, key, _armed: () }).await
    }
}
