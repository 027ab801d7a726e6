//! Lines of a batch: how they stand in its file, what one asks for, and what is written of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::error::{Advice, Error, Kind};
use llm_core::principal::{Grant, Priority};
use llm_core::store::StoreError;
use llm_store::deposits::{Entry, Line, Owner};
use llm_store::jobs::JobId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::serve::body::{Body, gathered};
use crate::serve::call::{self, Asker};
use crate::serve::controls::Asked;
use crate::serve::depot::Depot;
use crate::serve::house::House;
use crate::serve::tongue;

/// How often a line is tried that may be answered later.
const TRIES_MAX: u32 = 6;
/// The wait before the second try where nobody says; twice as long before each further one.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The longest line of a result: it is one row.
const RESULT_BYTES_MAX: usize = llm_store::seal::SECRET_MAX;
/// Bytes of the name that a caller gives a line.
const NAME_BYTES_MAX: usize = 512;

/// A file, line by line, in the memory of a piece and a line.
pub(super) struct Lines<'d> {
    depot: &'d Depot,
    owner: &'d Owner,
    entry: &'d Entry,
    piece: usize,
    held: BytesMut,
    over: bool,
    bytes_max: usize,
}

impl<'d> Lines<'d> {
    pub(super) fn new(
        depot: &'d Depot,
        owner: &'d Owner,
        entry: &'d Entry,
        bytes_max: usize,
    ) -> Self {
        let held = BytesMut::new();
        Self { depot, owner, entry, piece: 0, held, over: false, bytes_max }
    }

    /// The next line that is not blank; of one that is too long, its beginning.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let mut looked = 0;
        loop {
            let found = memchr::memchr(b'\n', self.held.get(looked..).unwrap_or_default());
            let line = match found {
                Some(at) => {
                    let mut line = self.held.split_to(looked + at + 1);
                    line.truncate(line.trim_ascii_end().len());
                    line
                }
                None if self.over && self.held.is_empty() => return Ok(None),
                None if self.over => self.held.split(),
                None => {
                    looked = self.held.len();
                    self.more().await?;
                    continue;
                }
            };
            looked = 0;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line.freeze()));
            }
        }
    }

    async fn more(&mut self) -> Result<(), StoreError> {
        match self.depot.deposits.piece(self.owner, self.entry, self.piece).await? {
            // What is longer than any line is not gathered: its end is looked for.
            Some(piece) if self.held.len() > self.bytes_max => {
                let end = memchr::memchr(b'\n', &piece).unwrap_or(piece.len());
                self.held.extend_from_slice(piece.get(end..).unwrap_or_default());
            }
            Some(piece) => self.held.extend_from_slice(&piece),
            None => self.over = true,
        }
        self.piece += 1;
        Ok(())
    }
}

/// How many lines a file has.
pub(super) async fn count(depot: &Depot, owner: &Owner, entry: &Entry) -> Result<u64, StoreError> {
    let mut lines = Lines::new(depot, owner, entry, usize::MAX);
    let mut count = 0;
    while lines.next().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// What a line asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    pub(super) custom_id: String,
    method: String,
    url: String,
    body: Box<RawValue>,
}

/// Reads a line; why not, otherwise.
pub(super) fn read(text: &[u8], endpoint: &str) -> Result<Wanted, Wrong> {
    let wanted: Wanted = serde_json::from_slice(text).map_err(|error| {
        let text = format!("this line is no request: {error}");
        Wrong { name: None, code: "invalid_json_line", text }
    })?;
    let wrong = |code, text: &str| {
        let name: String = wanted.custom_id.chars().take(NAME_BYTES_MAX).collect();
        Err(Wrong { name: Some(name), code, text: text.to_owned() })
    };
    if wanted.custom_id.is_empty() || wanted.custom_id.len() > NAME_BYTES_MAX {
        return wrong("invalid_custom_id", "custom_id must have from 1 to 512 bytes");
    }
    if wanted.method != "POST" {
        return wrong("invalid_method", "method must be POST");
    }
    if wanted.url != endpoint {
        return wrong("mismatched_endpoint", "url is not the endpoint of the batch");
    }
    Ok(wanted)
}

/// A line that was not asked.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) name: Option<String>,
    pub(super) code: &'static str,
    pub(super) text: String,
}

impl Wrong {
    /// The line of the errors' file.
    pub(super) fn written(&self, batch: JobId, number: u32) -> Line {
        let body = json!({
            "id": id_of(batch, number), "custom_id": self.name, "response": null,
            "error": { "code": self.code, "message": self.text },
        });
        Line { number, done: false, body: Bytes::from(body.to_string()) }
    }
}

fn id_of(batch: JobId, number: u32) -> String {
    format!("batch_req_{batch}_{number}")
}

/// What every line of a batch has in common.
pub(super) struct Ground {
    pub(super) house: Arc<House>,
    pub(super) depot: Depot,
    pub(super) batch: JobId,
    /// Whose batch it is.
    pub(super) owner: Owner,
    pub(super) grant: Arc<Grant>,
    pub(super) endpoint: Str,
}

impl Ground {
    /// Asks a line, and writes down what came of it. Before each call is sent it is written which
    /// one, so that a process that goes on later can tell whether it was paid for.
    pub(super) async fn ask(&self, number: u32, wanted: Wanted) -> Result<(), StoreError> {
        let body = Bytes::copy_from_slice(wanted.body.get().as_bytes());
        let mut tries = 0;
        let line = loop {
            tries += 1;
            let id = call::new_id(&self.house);
            self.depot.deposits.line_sent(self.batch, number, &self.depot.replica, id).await?;
            match self.call(id, body.clone()).await {
                Ok(answer) => break self.answered(number, &wanted, id, (StatusCode::OK, &answer)),
                Err(error) => match again(&error, tries) {
                    Some(wait) => self.house.clock.sleep(wait).await,
                    None => break self.failed(number, &wanted, id, &error),
                },
            }
        };
        self.depot.deposits.line_ended(&self.owner, self.batch, &line).await
    }

    async fn call(&self, id: CallId, body: Bytes) -> Result<Bytes, Error> {
        let headers = HeaderMap::new();
        let spoken = tongue::spoken(&Method::POST, &self.endpoint, &headers);
        let spoken = spoken.ok_or_else(|| Error::new(Kind::Internal, "no such endpoint"))?;
        if spoken.dialect.peek(&spoken.route, &body)?.stream {
            let text = "a line of a batch is not streamed";
            return Err(Error::new(Kind::BadRequest, text).in_field("stream"));
        }
        let asked = Box::new(Asked { priority: Some(Priority::Batch), ..Asked::default() });
        let asker = Asker { id, grant: Arc::clone(&self.grant), asked, once: None };
        let ready = call::ready(&self.house, &headers, body, &spoken, asker)?;
        let response = call::answered(&self.house, ready, spoken).await?;
        Ok(match response.into_body() {
            Body::Whole(bytes) => bytes.unwrap_or_default(),
            Body::Answer(answer) => gathered(answer).await,
            Body::Kept(_) | Body::Pieces(_) => {
                return Err(Error::new(Kind::Internal, "a stream in a batch"));
            }
        })
    }

    fn failed(&self, number: u32, wanted: &Wanted, id: CallId, error: &Error) -> Line {
        let headers = HeaderMap::new();
        let Some(spoken) = tongue::spoken(&Method::POST, &self.endpoint, &headers) else {
            return self.answered(number, wanted, id, (StatusCode::NOT_FOUND, b"null"));
        };
        let cx = llm_core::dialect::RenderCx::default();
        let (head, body) = spoken.dialect.encode_error(error, &cx).into_parts();
        self.answered(number, wanted, id, (head.status, &body))
    }

    fn answered(
        &self,
        number: u32,
        wanted: &Wanted,
        id: CallId,
        (status, body): (StatusCode, &[u8]),
    ) -> Line {
        #[derive(Serialize)]
        struct Written<'a> {
            id: String,
            custom_id: &'a str,
            response: Response<'a>,
            error: Option<()>,
        }
        #[derive(Serialize)]
        struct Response<'a> {
            status_code: u16,
            request_id: String,
            body: &'a RawValue,
        }
        let wrong = |code, text: &str| {
            let name = Some(wanted.custom_id.clone());
            Wrong { name, code, text: text.to_owned() }.written(self.batch, number)
        };
        let Ok(body) = serde_json::from_slice::<&RawValue>(body) else {
            return wrong("invalid_answer", "the answer is no JSON");
        };
        let (status_code, request_id) = (status.as_u16(), id.to_string());
        let (id, custom_id) = (id_of(self.batch, number), &*wanted.custom_id);
        let response = Response { status_code, request_id, body };
        let written = Written { id, custom_id, response, error: None };
        // Lines of a file have no line breaks in them, and an answer may be written in many.
        let written = serde_json::to_vec(&written).map(flat).unwrap_or_default();
        if written.len() > RESULT_BYTES_MAX {
            return wrong("answer_too_large", "the answer is too large for a batch");
        }
        Line { number, done: status.is_success(), body: written.into() }
    }
}

/// Without line breaks, which stand only between members: in a string they are escaped.
fn flat(mut line: Vec<u8>) -> Vec<u8> {
    line.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    line
}

/// How long to wait before a line is asked again; `None` where that is of no use.
fn again(error: &Error, tries: u32) -> Option<Duration> {
    let passes = match error.kind() {
        Kind::RateLimited
        | Kind::Busy
        | Kind::LedgerUnavailable
        | Kind::UpstreamRateLimited
        | Kind::UpstreamOverloaded
        | Kind::UpstreamFailed
        | Kind::ConnectFailed
        | Kind::Timeout => true,
        _not_by_itself => false,
    };
    let doubled = PAUSE.saturating_mul(1 << tries.min(10)).min(PAUSE_MAX) / 2;
    let wait = match error.advice() {
        Advice::Again { after } => after.unwrap_or(doubled).min(PAUSE_MAX),
        Advice::Spent | Advice::OtherKey { .. } | Advice::Elsewhere { .. } => doubled,
        Advice::Stop | Advice::Bigger(_) => return None,
    };
    (passes && tries < TRIES_MAX).then_some(wait)
}
