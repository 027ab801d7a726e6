//! Recordings.

use llm_core::error::Error;

use super::reserve::Funded;
use super::{Next, Stage};
use crate::reply::Reply;

/// The stage.
#[derive(Debug)]
pub struct CacheStage;

impl Stage for CacheStage {
    type In = Funded;
    type Out = Funded;

    async fn run<N: Next<Funded>>(&self, funded: Funded, next: &N) -> Result<Reply, Error> {
        next.run(funded).await
    }
}
