//! Limits.

use llm_core::error::Error;

use super::record::Opened;
use super::{Next, Stage};
use crate::reply::Reply;

/// A call that may go on.
#[derive(Debug)]
pub struct Admitted {
    opened: Opened,
}

impl Admitted {
    pub(crate) fn into_opened(self) -> Opened {
        self.opened
    }
}

/// The stage.
#[derive(Debug)]
pub struct AdmitStage;

impl Stage for AdmitStage {
    type In = Opened;
    type Out = Admitted;

    async fn run<N: Next<Admitted>>(&self, opened: Opened, next: &N) -> Result<Reply, Error> {
        next.run(Admitted { opened }).await
    }
}
