//! OpenAI's own request and answer types, accepted and returned, so that a program that already
//! uses them changes nothing but whom it asks.
//!
//! The types are those of `async-openai`, which is part of this module's public face: its versions
//! follow that crate's. What they cannot hold of an answer (a field that is newer than they are) is
//! lost here and nowhere else; the typed words of [`Asking`] and the bytes of [`Reply`] keep it.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use async_openai::types::chat::{
    CreateChatCompletionRequest, CreateChatCompletionResponse, CreateChatCompletionStreamResponse,
};
use async_openai::types::embeddings::{CreateEmbeddingRequest, CreateEmbeddingResponse};
use async_openai::types::responses::{CreateResponse, Response, ResponseStreamEvent};
use bytes::BytesMut;
use futures_core::Stream;
use futures_util::StreamExt;
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::dialect::{DialectId, Frame, FrameKind, Framing, RenderCx, StreamEncoder};
use llm_core::error::{Error, Kind};
use llm_core::event::Event;
use llm_core::ledger::Receipt;
use llm_dialects::frame::Splitter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::asking::Asking;
use crate::edge::{EventStream, answer};
use crate::reply::{Reply, ReplyHead};

/// Asks in OpenAI's types; [`Asking::openai`] makes one.
#[derive(Clone, Debug)]
pub struct OpenAi<'g>(Asking<'g>);

impl<'g> Asking<'g> {
    /// The same in OpenAI's own types.
    pub fn openai(self) -> OpenAi<'g> {
        OpenAi(self)
    }
}

impl OpenAi<'_> {
    /// A conversation's next turn, whole.
    pub async fn chat(
        &self,
        mut request: CreateChatCompletionRequest,
    ) -> Result<CreateChatCompletionResponse, Error> {
        request.stream = None;
        self.whole(DialectId::OpenaiChat, CHAT, &request).await
    }

    /// A conversation's next turn, chunk by chunk. What goes wrong on the way is the last item.
    pub async fn chat_stream(
        &self,
        mut request: CreateChatCompletionRequest,
    ) -> Result<Chunks<CreateChatCompletionStreamResponse>, Error> {
        request.stream = Some(true);
        let usage = request.stream_options.as_ref().and_then(|o| o.include_usage);
        self.stream(DialectId::OpenaiChat, CHAT, &request, usage == Some(true)).await
    }

    /// A response, whole.
    pub async fn respond(&self, mut request: CreateResponse) -> Result<Response, Error> {
        request.stream = None;
        self.whole(DialectId::OpenaiResponses, RESPONSES, &request).await
    }

    /// A response, event by event. What goes wrong on the way is the last item.
    pub async fn respond_stream(
        &self,
        mut request: CreateResponse,
    ) -> Result<Chunks<ResponseStreamEvent>, Error> {
        request.stream = Some(true);
        self.stream(DialectId::OpenaiResponses, RESPONSES, &request, true).await
    }

    /// Vectors for texts.
    pub async fn embed(
        &self,
        request: CreateEmbeddingRequest,
    ) -> Result<CreateEmbeddingResponse, Error> {
        self.whole(DialectId::OpenaiChat, EMBEDDINGS, &request).await
    }

    async fn whole<A: DeserializeOwned>(
        &self,
        dialect: DialectId,
        path: &str,
        request: &impl Serialize,
    ) -> Result<A, Error> {
        let (id, reply) = self.ask(dialect, path, request).await?;
        let cx = self.cx(id, false);
        let answer = answer(reply).await?;
        let caller = llm_dialects::caller(dialect).ok_or_else(nobody)?;
        let written = caller.encode_answer(&answer, &cx);
        serde_json::from_slice(&written.body).map_err(unread)
    }

    async fn stream<A>(
        &self,
        dialect: DialectId,
        path: &str,
        request: &impl Serialize,
        usage: bool,
    ) -> Result<Chunks<A>, Error> {
        let (id, reply) = self.ask(dialect, path, request).await?;
        let caller = llm_dialects::caller(dialect).ok_or_else(nobody)?;
        Ok(Chunks {
            encoder: caller.stream_encoder(&self.cx(id, usage)),
            events: EventStream::new(reply)?,
            splitter: Splitter::new(Framing::Sse),
            frames: Vec::new(),
            ready: VecDeque::new(),
            over: false,
            of: PhantomData,
        })
    }

    async fn ask(
        &self,
        dialect: DialectId,
        path: &str,
        request: &impl Serialize,
    ) -> Result<(CallId, Reply), Error> {
        let bytes = serde_json::to_vec(request)
            .map_err(|e| Error::new(Kind::BadRequest, format!("the request is no JSON: {e}")))?;
        let json = Some(Str::from_static("application/json"));
        self.0.put_raw(dialect, path, json, bytes.into()).await
    }

    fn cx(&self, id: CallId, usage: bool) -> RenderCx {
        let now = self.0.clock().wall().duration_since(SystemTime::UNIX_EPOCH);
        RenderCx {
            id: Str::from(id.to_string()),
            created: now.unwrap_or_default().as_secs(),
            include_usage: usage,
            ..RenderCx::default()
        }
    }
}

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const EMBEDDINGS: &str = "/v1/embeddings";

fn nobody() -> Error {
    Error::new(Kind::Internal, "nobody writes this dialect")
}

fn unread(error: impl fmt::Display) -> Error {
    let text = format!("the answer cannot be said in these types: {error}");
    Error::new(Kind::CorruptReply, text)
}

/// An answer, piece by piece, in OpenAI's types.
pub struct Chunks<A> {
    events: EventStream,
    encoder: Box<dyn StreamEncoder>,
    splitter: Splitter,
    frames: Vec<Frame>,
    ready: VecDeque<Result<A, Error>>,
    over: bool,
    of: PhantomData<fn() -> A>,
}

impl<A> Chunks<A> {
    /// What is known of the answer beside its pieces.
    pub fn head(&self) -> &ReplyHead {
        self.events.head()
    }

    /// What it cost; there once the last piece has come.
    pub fn receipt(&self) -> Option<Receipt> {
        self.events.receipt()
    }
}

impl<A: DeserializeOwned> Chunks<A> {
    /// One event as the pieces it is in these types, which may be none.
    fn say(&mut self, event: &Event) {
        let mut out = BytesMut::new();
        self.encoder.feed(event, &mut out);
        if self.splitter.feed(&out.freeze(), &mut self.frames).is_err() {
            self.ready.push_back(Err(unread("a piece is larger than any may be")));
        }
        for frame in self.frames.drain(..) {
            if frame.kind == FrameKind::Event && frame.data.as_ref() != b"[DONE]" {
                self.ready.push_back(serde_json::from_slice(&frame.data).map_err(unread));
            }
        }
    }
}

// Nothing in it is pinned; what it gives is moved out whole.
impl<A> Unpin for Chunks<A> {}

impl<A: DeserializeOwned> Stream for Chunks<A> {
    type Item = Result<A, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(chunk) = this.ready.pop_front() {
                this.over |= chunk.is_err();
                return Poll::Ready(Some(chunk));
            }
            if this.over {
                return Poll::Ready(None);
            }
            match ready!(this.events.poll_next_unpin(cx)) {
                Some(Event::Failure(error)) => this.ready.push_back(Err(error)),
                Some(event) => this.say(&event),
                None => this.over = true,
            }
        }
    }
}

impl<A> fmt::Debug for Chunks<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("head", self.head()).finish_non_exhaustive()
    }
}
