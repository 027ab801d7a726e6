//! A whole answer: read to its end before anyone hears of it.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use llm_core::answer::Answer;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Body, Glance, Observed, UpstreamDialect};
use llm_core::error::{Error, Kind};
use llm_core::fault::{Fault, FaultClass};
use llm_core::seam::{Clock, WireBody};

use super::exchange::Limit;
use super::passing::filtered;
use crate::reply::{Ending, ReplyHead, Source, Step};
use crate::seam::Wait;
use crate::stage::reserve::{Metered, written_in};
use crate::stage::{Either, race};

/// What an answer may hold: pictures come as base64, and vectors by the thousand.
const REPLY_BYTES_MAX: usize = 32 << 20;

/// Reads it, and sees whether it is an answer.
pub(super) async fn read(
    clock: &Arc<dyn Clock>,
    body: WireBody,
    metered: Metered,
    head: &ReplyHead,
    limit: Limit,
    dialect: &'static dyn UpstreamDialect,
) -> Result<Box<dyn Source>, Error> {
    let bytes = match race(all(body), || Wait::until(&**clock, limit.at)).await {
        Either::First(Ok(bytes)) => bytes,
        Either::First(Err(error)) => {
            metered.failed();
            return Err(error);
        }
        Either::Second(()) => {
            metered.failed();
            return Err(limit.error("the provider did not finish its answer in time"));
        }
    };
    let content_type = Some(&*head.content_type);
    match dialect.glance(head.operation, Body { bytes: &bytes, content_type }) {
        Ok(Glance { seen, .. }) if seen.failure.is_some() => {
            metered.refused_saying(&seen);
            let failure = seen.failure.unwrap_or_else(filtered);
            Err(failure)
        }
        Ok(Glance { mut seen, mut answer }) => {
            let refiltered = refiltered(&metered, &seen);
            if answer.is_none() && (refiltered || !metered.is_told(&seen)) {
                let body = Body { bytes: &bytes, content_type };
                answer = dialect.decode_answer(head.operation, body).ok().map(Box::new);
            }
            if refiltered && answer.as_deref().is_some_and(is_empty) {
                metered.withheld(&seen);
                return Err(filtered());
            }
            if !metered.is_told(&seen) {
                seen.written = answer.as_deref().map_or(0, written_in);
            }
            Ok(Box::new(Told { bytes: Some(bytes), answer, seen, metered: Some(metered) }))
        }
        Err(corrupt) => {
            metered.failed();
            Err(Error::upstream(Fault::new(200, FaultClass::Corrupt, corrupt.message)))
        }
    }
}

/// Whether a filter stepped in, and its refusal may be asked elsewhere.
fn refiltered(metered: &Metered, seen: &Observed) -> bool {
    let policy = &metered.funded().opened().model.policy;
    policy.refiltered && seen.finish == Some(FinishReason::ContentFilter)
}

/// Whether an answer says nothing at all.
fn is_empty(answer: &Answer) -> bool {
    match answer {
        Answer::Chat(completion) => completion.candidates.iter().all(|c| c.parts.is_empty()),
        _ => false,
    }
}

async fn all(mut body: WireBody) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            Error::new(Kind::BrokenStream, "the provider broke off in its answer").because(error)
        })?;
        if first.len() + rest.len() + chunk.len() > REPLY_BYTES_MAX {
            return Err(Error::new(Kind::CorruptReply, "the provider's answer is too large"));
        }
        // Most answers come in one piece, which then is the answer.
        if first.is_empty() && rest.is_empty() {
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.reserve(first.len() + chunk.len());
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&chunk);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// An answer that is all there.
struct Told {
    bytes: Option<Bytes>,
    answer: Option<Box<Answer>>,
    seen: Observed,
    metered: Option<Metered>,
}

impl Told {
    fn settle(&mut self) {
        // It came whole, whoever is there to read it.
        if let Some(metered) = self.metered.take() {
            metered.ended(&Ending::Complete, &self.seen, false);
        }
    }
}

impl Source for Told {
    fn poll_step(&mut self, _: &mut Context<'_>) -> Poll<Step> {
        self.settle();
        // Whoever takes the bytes has no use for it.
        self.answer = None;
        Poll::Ready(Step::Last(self.bytes.take().unwrap_or_default()))
    }

    fn observed(&self) -> &Observed {
        &self.seen
    }

    fn answer(&mut self) -> Option<Box<Answer>> {
        let answer = self.answer.take()?;
        self.settle();
        self.bytes = None;
        Some(answer)
    }

    fn leave(&mut self) -> Ending {
        self.settle();
        Ending::Complete
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.settle();
    }
}
