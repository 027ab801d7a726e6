//! Answers that a later question goes on from (`store`, `previous_response_id`), for every
//! provider: they are kept here, under whoever owns the key, and put before the next question.
//!
//! A provider that keeps answers itself, and made the one that is named, is asked as it is: the
//! words of its own memory (sealed thoughts, its own tools) are nothing that we could say again.
//! Every other call goes upstream with the whole conversation in it, so that it can be answered by
//! any provider, and by another one than before. An id that nobody has left here is the provider's
//! to know; one that somebody else has left is nobody's.

mod keeping;
mod view;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use llm_core::Str;
use llm_core::call::{Operation, Peek};
use llm_core::dialect::DialectId;
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::store::StoreError;
use llm_store::deposits::{Draft, Entry, Found, Kind as Deposit, Owner};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::body::{Body, Passing, gathered};
use super::controls::asides::without;
use super::depot::Depot;
use super::house::House;
use super::tongue::Spoken;
use keeping::Keeping;

pub(crate) use view::ROUTES;

/// One question and its answer: pictures in it are base64.
const TURN_BYTES_MAX: usize = 8 << 20;
/// A conversation that is put before a question.
const HISTORY_BYTES_MAX: usize = 16 << 20;
/// Says that an answer that was to be kept is not: it is too large, or the store is away.
const STORED: HeaderName = HeaderName::from_static("x-gw-stored");

/// A question whose answer is to be kept.
#[derive(Debug)]
pub(crate) struct Turn {
    owner: Owner,
    /// What was asked, as a list of items.
    input: String,
    previous: Option<Str>,
    /// What it goes on from, the oldest first.
    chain: Vec<Entry>,
    /// Whether the provider was told the conversation, and so does not know what it goes on from.
    told: bool,
    keep: bool,
}

/// What is said of a deposit: where the answer begins, and whether its provider keeps it as well.
#[derive(Debug, Deserialize, Serialize)]
struct Head {
    input: usize,
    native: bool,
}

#[derive(Deserialize)]
struct Question<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    input: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    store: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    background: Option<&'a RawValue>,
}

/// A member that is there, whatever it says: `null` has a place as well.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// Whether a call is one of those whose answers are kept.
pub(crate) fn concern(spoken: &Spoken) -> bool {
    let asked = (spoken.dialect.id(), spoken.route.operation);
    asked == (DialectId::OpenaiResponses, Operation::Chat)
}

/// Looks at a question before it goes to a model; one that goes on from an answer of ours gets the
/// conversation put before it. `None` where nothing is to be kept and nothing to be said.
pub(crate) async fn begin(
    house: &House,
    spoken: &Spoken,
    bytes: &mut Bytes,
    peek: &mut Peek,
    grant: &Grant,
) -> Result<Option<Turn>, Error> {
    let Some(depot) = &house.depot else { return Ok(None) };
    let body = bytes.clone();
    let question: Question<'_> = serde_json::from_slice(&body).map_err(|error| {
        Error::new(Kind::BadRequest, format!("the request cannot be read: {error}"))
    })?;
    let says =
        |field: Option<&RawValue>| field.is_some_and(|f| !["null", "false"].contains(&f.get()));
    // The provider's own memory, and its own queue.
    if says(question.conversation) || says(question.background) {
        return Ok(None);
    }
    let keep = question.store.is_none_or(|store| store.get() != "false");
    let mut turn = Turn {
        owner: Owner::of(&grant.principal),
        input: items(question.input)?,
        previous: None,
        chain: Vec::new(),
        told: false,
        keep,
    };
    if let Some(json) = question.previous_response_id.filter(|id| id.get() != "null") {
        let id: String = serde_json::from_str(json.get()).map_err(|_| unknown("that is no id"))?;
        let found = depot.deposits.find(&turn.owner, &id).await.map_err(unavailable)?;
        match found {
            // Made at the provider, before us or beside us.
            Found::Unknown => return Ok(turn.keep.then_some(turn)),
            Found::Closed => return Err(unknown(&id)),
            Found::There(last) => turn.follow(house, depot, peek, &last).await?,
        }
        turn.previous = Some(Str::from(id));
        if turn.told {
            let history = turn.history(depot).await?;
            *bytes = told(bytes, peek, &question, json, &history);
            *peek = spoken.dialect.peek(&spoken.route, bytes)?;
        }
    }
    Ok((turn.keep || turn.told).then_some(turn))
}

impl Turn {
    /// Goes on from an answer of ours.
    async fn follow(
        &mut self,
        house: &House,
        depot: &Depot,
        peek: &Peek,
        last: &Entry,
    ) -> Result<(), Error> {
        let chain = depot.deposits.chain(&self.owner, last).await.map_err(unavailable)?;
        self.chain = chain.ok_or_else(|| unknown(&last.id))?;
        let native = |entry: &Entry| read_head(entry).is_some_and(|head| head.native);
        let model = house.gateway.snapshot().resolve(&peek.model.value)?;
        let known = self.chain.iter().all(native)
            && model.speaks(DialectId::OpenaiResponses, Operation::Chat);
        self.told = !known;
        Ok(())
    }

    /// All items of the conversation so far, one behind the other.
    async fn history(&self, depot: &Depot) -> Result<String, Error> {
        let size = self.chain.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
        if size > HISTORY_BYTES_MAX as u64 {
            let text = "the conversation is too long to go on from: send it without its beginning";
            return Err(Error::new(Kind::ContextOverflow, text).in_field("previous_response_id"));
        }
        let mut history = String::new();
        for entry in &self.chain {
            let kept = kept(depot, &self.owner, entry).await?.ok_or_else(|| unknown(&entry.id))?;
            let output = output(&kept.answer).unwrap_or("[]");
            for list in [kept.input.as_str(), output] {
                let inner = list.trim().strip_prefix('[').and_then(|l| l.strip_suffix(']'));
                let inner = inner.unwrap_or_default().trim();
                if !inner.is_empty() {
                    history.push_str(inner);
                    history.push(',');
                }
            }
        }
        history.pop();
        Ok(history)
    }

    /// Keeps the answer as it passes.
    pub(crate) async fn keep(
        self,
        house: &House,
        answer: impl Stream<Item = Passing> + Send + Unpin + 'static,
        stream: bool,
        native: bool,
        headers: &mut HeaderMap,
    ) -> Body {
        let Some(depot) = house.depot.clone() else { return Body::passing(answer) };
        if stream {
            return Body::Pieces(Box::pin(Keeping::new(depot, self, answer, native)));
        }
        let answer = self.again(&gathered(answer).await);
        let wanted = self.keep;
        if wanted && !self.deposit(&depot, &answer, native).await {
            headers.insert(STORED, HeaderValue::from_static("0"));
        }
        Body::from(answer)
    }

    /// The answer with the name of what it goes on from, which the provider was not told.
    fn again(&self, answer: &Bytes) -> Bytes {
        let (true, Some(previous)) = (self.told, &self.previous) else { return answer.clone() };
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow, default, deserialize_with = "present")]
            previous_response_id: Option<&'a RawValue>,
        }
        let name = serde_json::Value::from(&**previous).to_string();
        let mut said = answer.to_vec();
        match serde_json::from_slice::<Answer<'_>>(answer).map(|read| read.previous_response_id) {
            Err(_) => return answer.clone(),
            Ok(Some(place)) => {
                let start = place.get().as_ptr().addr().saturating_sub(answer.as_ptr().addr());
                said.splice(start..start + place.get().len(), name.into_bytes());
            }
            Ok(None) => {
                let start = said.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
                let member = format!("\"previous_response_id\":{name},");
                said.splice(start..start, member.into_bytes());
            }
        }
        said.into()
    }

    /// Whether it is kept.
    async fn deposit(self, depot: &Depot, answer: &Bytes, native: bool) -> bool {
        let Some(id) = id(answer) else { return false };
        if self.input.len() + answer.len() > TURN_BYTES_MAX {
            return false;
        }
        let span = depot.rules.responses.keep;
        let Ok(head) = serde_json::to_string(&Head { input: self.input.len(), native }) else {
            return false;
        };
        let mut body = self.input.into_bytes();
        body.extend_from_slice(answer);
        let draft = Draft {
            owner: self.owner,
            id,
            kind: Deposit::Response,
            head: head.into(),
            previous: self.previous,
            keep: Some(span),
            body: body.into(),
        };
        let kept = async {
            let new = depot.deposits.put(draft).await?;
            if !self.chain.is_empty() {
                depot.deposits.renew(&self.chain, span).await?;
            }
            Ok::<_, StoreError>(new)
        };
        // The answer is paid for and was given: it is not withheld over this.
        kept.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "an answer was not kept");
            false
        })
    }
}

/// A question and its answer, as they were kept.
#[derive(Debug)]
struct Kept {
    input: String,
    answer: String,
}

async fn kept(depot: &Depot, owner: &Owner, entry: &Entry) -> Result<Option<Kept>, Error> {
    let bytes = depot.deposits.bytes(owner, entry).await.map_err(unavailable)?;
    let (Some(bytes), Some(head)) = (bytes, read_head(entry)) else { return Ok(None) };
    let broken = || Error::new(Kind::Internal, "an answer that was kept cannot be read");
    let (input, answer) = bytes.split_at_checked(head.input).ok_or_else(broken)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| broken());
    Ok(Some(Kept { input: text(input)?, answer: text(answer)? }))
}

fn read_head(entry: &Entry) -> Option<Head> {
    serde_json::from_str(&entry.head).ok()
}

fn id(answer: &[u8]) -> Option<Str> {
    #[derive(Deserialize)]
    struct Answer {
        id: String,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    (!answer.id.is_empty()).then(|| answer.id.into())
}

fn output(answer: &str) -> Option<&str> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        output: &'a RawValue,
    }
    Some(serde_json::from_str::<Answer<'_>>(answer).ok()?.output.get())
}

/// What was asked, as a list of items.
fn items(input: Option<&RawValue>) -> Result<String, Error> {
    let Some(input) = input.map(RawValue::get).filter(|input| *input != "null") else {
        return Ok("[]".to_owned());
    };
    if input.starts_with('[') {
        return Ok(input.to_owned());
    }
    let text: String = serde_json::from_str(input).map_err(|_| {
        Error::new(Kind::BadRequest, "input must be a string or a list").in_field("input")
    })?;
    let content = json!([{ "type": "input_text", "text": text }]);
    Ok(json!([{ "type": "message", "role": "user", "content": content }]).to_string())
}

/// The question with the conversation in front of it, and without the name of its last answer.
fn told(
    bytes: &Bytes,
    peek: &Peek,
    question: &Question<'_>,
    previous: &RawValue,
    history: &str,
) -> Bytes {
    // Places in the body that the question was read from, which has the same bytes.
    let span = |field: &RawValue, from: &Bytes| {
        let start = field.get().as_ptr().addr().saturating_sub(from.as_ptr().addr());
        start..start + field.get().len()
    };
    let gone = span(previous, bytes);
    let own = items(question.input).unwrap_or_default();
    let own = own.trim().trim_start_matches('[').trim_start();
    let gap = if history.is_empty() || own.starts_with(']') { "" } else { "," };
    let input = format!("[{history}{gap}{own}");
    let put = |body: Bytes| {
        let mut body = body.to_vec();
        match question.input {
            Some(field) => _ = body.splice(span(field, bytes), input.bytes()),
            None => {
                let member = format!("\"input\":{input},");
                let at = peek.members_start;
                body.splice(at..at, member.into_bytes());
            }
        }
        Bytes::from(body)
    };
    // The later place first, so that the earlier one stays where it is.
    match question.input.map(|field| span(field, bytes)) {
        Some(place) if place.start > gone.start => without(&put(bytes.clone()), vec![gone], None),
        Some(_) | None => put(without(bytes, vec![gone], None)),
    }
}

fn unknown(id: &str) -> Error {
    let text = format!("there is no response {id:?} to go on from");
    Error::new(Kind::BadRequest, text).in_field("previous_response_id")
}

/// Nobody could say.
fn unavailable(error: StoreError) -> Error {
    Error::new(Kind::Busy, "the store is not available").because(error)
}
