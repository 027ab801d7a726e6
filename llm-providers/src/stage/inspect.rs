//! Optional content rules, on words. Without any, this stage is not in the way.

use llm_core::error::Error;

use super::reserve::Funded;
use super::{Next, Stage};
use crate::reply::Reply;

/// The stage.
#[derive(Debug)]
pub struct InspectStage;

impl Stage for InspectStage {
    type In = Funded;
    type Out = Funded;

    async fn run<N: Next<Funded>>(&self, funded: Funded, next: &N) -> Result<Reply, Error> {
        next.run(funded).await
    }
}
