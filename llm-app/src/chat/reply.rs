//! The task that writes a reply: asks, tells those who follow, keeps what there is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::call::CacheUse;
use llm_core::completion::FinishReason;
use llm_core::error::Error;
use llm_core::event::{Delta, Event, PartHead, PartId};
use llm_core::ledger::Receipt;
use llm_core::money::Money;
use llm_core::principal::Grant;
use llm_core::prompt::Request;
use llm_core::store::StoreError;
use llm_providers::edge::EventStream;

use super::live::{Seat, TEXT_BYTES_MAX, Turn, Why};
use super::store::{Beat, Beaten, Begin, Begun, Draft, End, TakeBack, instant};
use super::words::{Message, Role, State};
use super::{Chat, MESSAGES_MAX, numbers, sealed};
use crate::NotDone;
use crate::id::Id;
use crate::people::Person;

/// How often what there is of a reply is kept: what a crash takes is the rest.
const BEAT: Duration = Duration::from_secs(4);
/// How often the end of a reply is written, before it is left as it was kept last.
const END_TRIES: u32 = 3;
const END_AGAIN: Duration = Duration::from_millis(300);
/// Parts of an answer that are shown; no chat has more.
const PARTS_MAX: usize = 64;

/// A reply that is to be written.
pub(super) struct Job {
    pub(super) grant: Arc<Grant>,
    pub(super) person: Person,
    pub(super) conversation: Id,
    /// What it goes on from; with a draft, what that does.
    pub(super) parent: Option<Id>,
    pub(super) draft: Option<Draft>,
    pub(super) reply: Id,
    pub(super) model: Str,
    pub(super) request: Request,
    pub(super) cache: CacheUse,
    /// Whether the conversation has no title.
    pub(super) untitled: bool,
    /// What notes there are.
    pub(super) notes: Option<String>,
    /// What was left out of the question, and of the notes.
    pub(super) unnoted: Vec<Id>,
}

/// How it ended.
#[derive(Default)]
struct Ended {
    failed: Option<Error>,
    stopped: Option<Why>,
    finish: Option<Str>,
    tokens: Option<(u64, u64)>,
    cost: Option<Money>,
    /// Parts whose text is shown.
    shown: Vec<PartId>,
}

impl Chat {
    /// Writes a reply to its end.
    pub(super) async fn write(self, seat: Seat, mut job: Job) {
        // Not held on to: it is most of what a reply in progress would take.
        let request = std::mem::take(&mut job.request);
        let ended = self.written(seat.turn(), &job, request).await;
        let done = ended.as_ref().is_ok_and(|message| message.state == State::Done);
        let reply = ended.as_ref().map(|message| message.text.clone()).unwrap_or_default();
        seat.leave(ended.map(Box::new));
        if done {
            self.note(&job, &reply).await;
        }
    }

    async fn written(&self, turn: &Turn, job: &Job, request: Request) -> Result<Message, NotDone> {
        let mut ended = Ended::default();
        let asking = self.0.ground.asking(&self.0.settings.chat, &job.grant);
        let asking = asking.first_token(self.0.settings.first_token).cache(job.cache);
        let asking = asking.session(job.conversation.to_string());
        let stream = async {
            tokio::select! {
                stream = asking.stream(request) => Some(stream),
                why = turn.stopped() => {
                    ended.stopped = Some(why);
                    None
                }
            }
        };
        // Both at once: keeping what was asked costs the first word no time.
        let (begun, stream) = tokio::join!(self.begun(job), stream);
        let (leaf, created) = begun?;
        let stream = match stream {
            Some(Err(error)) => {
                self.take_back(job, leaf).await;
                return Err(error.into());
            }
            other => other.and_then(Result::ok),
        };
        turn.say(|said| said.begun = true);
        if let Some(stream) = stream {
            let receipt = self.passed(turn, job, stream, &mut ended).await;
            ended.cost = receipt.map(|receipt| receipt.posted);
        }
        Ok(self.ended(turn, job, created, ended).await)
    }

    /// Keeps what was asked, and a place for the answer.
    async fn begun(&self, job: &Job) -> Result<(Option<Id>, Timestamp), NotDone> {
        let begin = Begin {
            owner: job.person.owner().clone(),
            conversation: job.conversation,
            parent: job.parent,
            draft: job.draft.clone(),
            reply: job.reply,
            model: job.model.clone(),
            body: sealed(&job.person, "body", job.reply, "")?,
            most: i64::try_from(MESSAGES_MAX).unwrap_or(i64::MAX),
        };
        match self.0.ground.database.write(begin).await {
            Ok(Begun::Here(leaf, at)) => Ok((leaf, instant(at)?)),
            Ok(Begun::Gone) => Err(NotDone::Unknown("conversation")),
            Ok(Begun::Busy) => {
                Err(NotDone::Contradicts("a reply is in progress: stop it first".into()))
            }
            Ok(Begun::Full) => {
                let text = format!("{MESSAGES_MAX} messages at the most: begin another one");
                Err(NotDone::Contradicts(text.into()))
            }
            // Another replica was first.
            Ok(Begun::Known) => {
                Err(NotDone::Contradicts("the same was posted at the same time".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn take_back(&self, job: &Job, leaf: Option<Id>) {
        let back = TakeBack {
            owner: job.person.owner().clone(),
            conversation: job.conversation,
            draft: job.draft.as_ref().map(|draft| draft.id),
            reply: job.reply,
            leaf,
        };
        if let Err(error) = self.0.ground.database.write(back).await {
            // It is shown as interrupted from its time on.
            tracing::warn!(%error, "a reply that never began was not taken back");
        }
    }

    /// Tells the words as they come, and keeps them now and then.
    async fn passed(
        &self,
        turn: &Turn,
        job: &Job,
        mut stream: EventStream,
        ended: &mut Ended,
    ) -> Option<Receipt> {
        let clock = &self.0.ground.clock;
        let mut stopped = std::pin::pin!(turn.stopped());
        let (mut beat, mut kept) = (clock.sleep(BEAT), 0);
        loop {
            tokio::select! {
                event = stream.next() => match event {
                    None => return stream.receipt(),
                    Some(event) => if !ended.take(turn, event) {
                        return stream.leave();
                    },
                },
                why = &mut stopped => {
                    ended.stopped = Some(why);
                    return stream.leave();
                }
                () = &mut beat => {
                    if self.beat(turn, job, &mut kept).await == Beaten::Stop {
                        ended.stopped = Some(Why::Stopped);
                        return stream.leave();
                    }
                    beat = clock.sleep(BEAT);
                }
            }
        }
    }

    async fn beat(&self, turn: &Turn, job: &Job, kept: &mut usize) -> Beaten {
        let text = turn.text();
        let new = text.len() > *kept;
        let body = if new { sealed(&job.person, "body", job.reply, &text).ok() } else { None };
        let beat = Beat {
            owner: job.person.owner().clone(),
            conversation: job.conversation,
            reply: job.reply,
            body,
        };
        match self.0.ground.database.write(beat).await {
            Ok(beaten) => {
                *kept = text.len();
                beaten
            }
            // It goes on: the person reads it, whether it can be kept now or not.
            Err(error) => {
                tracing::warn!(%error, "a reply in progress was not kept");
                Beaten::GoOn
            }
        }
    }

    /// Keeps the end.
    async fn ended(&self, turn: &Turn, job: &Job, created: Timestamp, ended: Ended) -> Message {
        let text = turn.text();
        let state = match (&ended.failed, ended.stopped) {
            (Some(_), _) => State::Failed,
            (None, Some(Why::Stopped)) => State::Stopped,
            (None, Some(Why::Closing)) => State::Interrupted,
            (None, None) => State::Done,
        };
        let fault = ended.failed.map(|error| Str::from_static(error.kind().name()));
        let Ended { finish, tokens, cost, .. } = ended;
        let first = job.draft.as_ref().map(|draft| draft.id);
        let mut message = Message {
            id: job.reply,
            conversation: job.conversation,
            parent: first.or(job.parent),
            role: Role::Assistant,
            state,
            created,
            ended: Some(self.0.ground.now()),
            model: Some(job.model.clone()),
            finish,
            fault,
            tokens,
            cost,
            text,
        };
        for _ in 0..END_TRIES {
            match self.keep_end(job, &message).await {
                Ok(at) => {
                    message.ended = at.or(message.ended);
                    return message;
                }
                Err(error) => tracing::warn!(%error, "the end of a reply was not kept"),
            }
            self.0.ground.clock.sleep(END_AGAIN).await;
        }
        message
    }

    /// When it was kept; `None` where there is no place for it any more.
    async fn keep_end(
        &self,
        job: &Job,
        message: &Message,
    ) -> Result<Option<Timestamp>, StoreError> {
        let end = End {
            owner: job.person.owner().clone(),
            conversation: job.conversation,
            reply: job.reply,
            state: message.state,
            body: sealed(&job.person, "body", job.reply, &message.text)?,
            finish: message.finish.clone(),
            fault: message.fault.clone(),
            tokens: message.tokens,
            cost: message.cost,
            terms: numbers(&job.person, &message.text),
        };
        self.0.ground.database.write(end).await?.map(instant).transpose()
    }
}

impl Ended {
    /// One event; `false` when no more are wanted.
    fn take(&mut self, turn: &Turn, event: Event) -> bool {
        match event {
            Event::PartStart { part, head: PartHead::Text | PartHead::Refusal }
                if part.candidate == 0 && self.shown.len() < PARTS_MAX =>
            {
                self.shown.push(part);
            }
            Event::PartDelta { part, delta: Delta::Text(text) } if self.shown.contains(&part) => {
                let mut room = true;
                turn.say(|said| {
                    room = said.text.len() + text.len() <= TEXT_BYTES_MAX;
                    if room {
                        said.text.push_str(&text);
                    }
                });
                if !room {
                    self.finish = Some(Str::from_static("length"));
                }
                return room;
            }
            Event::Usage(report) => {
                let usage = &report.usage;
                self.tokens = Some((usage.read_total(), usage.written_total()));
            }
            Event::Finish { candidate: 0, finish } => self.finish = Some(word(finish.reason)),
            Event::Failure(error) => self.failed = Some(error),
            Event::Start(_)
            | Event::PartStart { .. }
            | Event::PartDelta { .. }
            | Event::PartEnd { .. }
            | Event::Finish { .. }
            | Event::Notice(_)
            | Event::Unmodelled(_)
            | Event::End => {}
        }
        true
    }
}

fn word(reason: FinishReason) -> Str {
    Str::from_static(match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Refusal => "refusal",
        FinishReason::Paused => "paused",
        FinishReason::Failed => "failed",
        FinishReason::Other(_) => "other",
    })
}
