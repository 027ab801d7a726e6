//! Chooses, tries, tries elsewhere.

use std::sync::Arc;

use llm_core::error::{Error, Kind};
use llm_core::prompt::Request;

use super::reserve::Funded;
use super::{Next, Stage};
use crate::reply::Reply;
use crate::target::Target;

/// One try at one target.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The call, and the money for it.
    pub funded: Funded,
    /// Who is asked.
    pub target: Arc<Target>,
    /// Which attempt of the call, from 0.
    pub number: u8,
    /// How many targets were left behind before.
    pub fallbacks: u8,
    /// What the caller has of the answer already.
    pub prefix: Option<Arc<Prefix>>,
}

/// What the caller has of a broken answer.
#[derive(Debug)]
pub struct Prefix {
    pub text: String,
}

impl Prefix {
    pub(crate) fn put(&self, _request: &mut Request) {}
}

/// The stage.
#[derive(Debug)]
pub struct RouteStage;

impl Stage for RouteStage {
    type In = Funded;
    type Out = Attempt;

    async fn run<N: Next<Attempt>>(&self, funded: Funded, next: &N) -> Result<Reply, Error> {
        let mut last = None;
        let model = Arc::clone(&funded.opened().model);
        for (i, choice) in model.tiers.iter().flatten().enumerate() {
            if !funded.covers(&choice.target) {
                continue;
            }
            let attempt = Attempt {
                funded: funded.clone(),
                target: Arc::clone(&choice.target),
                number: i as u8,
                fallbacks: i as u8,
                prefix: None,
            };
            match next.run(attempt).await {
                Ok(reply) => return Ok(reply),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::new(Kind::Internal, "no target")))
    }
}
