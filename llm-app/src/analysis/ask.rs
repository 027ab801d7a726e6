//! One part, asked until what is answered holds, or until it has been tried often enough.

use std::sync::Arc;

use llm_core::error::{Error, Kind};
use llm_core::money::Unit as _;
use llm_core::principal::Grant;
use llm_core::prompt::Request;
use llm_core::raw::RawNumber;
use serde::{Deserialize, Serialize};

use super::Analysis;
use super::check::Reasons;
use crate::NotDone;

/// How often a part is asked: what a model gets wrong three times it does not get right.
const TRIES_MAX: u32 = 3;

/// An answer that holds, and what it took.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Held<T> {
    pub(super) answer: T,
    /// Answers before it that were refused.
    pub(super) refused: u32,
    /// What all of them cost, in nano-dollars.
    pub(super) cost: i64,
}

impl Analysis {
    /// Asks, and asks again with the reasons while an answer does not hold.
    pub(super) async fn held<T>(
        &self,
        grant: &Arc<Grant>,
        mut request: Request,
        check: impl Fn(&str) -> Result<T, Reasons> + Send,
    ) -> Result<Held<T>, NotDone> {
        let tokens = self.feature.tokens(None).map(|tokens| tokens.to_string());
        request.output.tokens_max = tokens.and_then(RawNumber::parse);
        let asking = self.ground.asking(&self.feature, grant);
        let (mut refused, mut cost) = (0, 0_i64);
        loop {
            let answered = Box::pin(asking.answered(request.clone())).await?;
            let paid = answered.receipt.map_or(0, |receipt| receipt.posted.pieces());
            cost = cost.saturating_add(paid);
            match check(&answered.completion.text(0)) {
                Ok(answer) => return Ok(Held { answer, refused, cost }),
                Err(reasons) => {
                    refused += 1;
                    if refused >= TRIES_MAX {
                        // The reasons may have words of a model in them, and are not passed on.
                        let text = format!(
                            "the model cited what is not there, {refused} times in a row: \
                             nothing of its answers can be shown"
                        );
                        return Err(Error::new(Kind::CorruptReply, text).into());
                    }
                    request = super::words::again(request, &reasons);
                }
            }
        }
    }
}
