//! Asking a model for an answer of a given form: the form is asked for, what comes is held against
//! it, and once more is asked with the reason where it does not fit. What does not fit then is an
//! error, and nobody's answer.
//!
//! Reasons name fields and never quote: they go into errors, and what is quoted may be somebody's.

use futures_util::StreamExt;
use llm_core::completion::FinishReason;
use llm_core::error::Error;
use llm_core::event::{Delta, Event, PartHead, PartId};
use llm_core::fault::{Fault, FaultClass};
use llm_core::money::{Money, Unit as _};
use llm_core::prompt::{JsonSchema, Message, Request, Role};
use llm_core::provider::TargetId;
use llm_core::raw::Raw;
use llm_providers::asking::Asking;
use serde_json::Value;

/// How often is asked: once, and once more with the reason.
const TRIES_MAX: u32 = 2;
/// Letters of an answer that does not fit which a model is shown again.
const SHOWN_MAX: usize = 4_000;
/// Letters of an answer that are read; what goes on and on is not what was asked for.
const ANSWER_MAX: usize = 400_000;

/// An answer that fits.
#[derive(Clone, Debug)]
pub(super) struct Fitting<T> {
    pub(super) value: T,
    /// How many calls it took.
    pub(super) tries: u32,
    /// What they cost together.
    pub(super) cost: Money,
    /// Who answered.
    pub(super) target: Option<TargetId>,
}

/// What is heard while an answer comes.
pub(super) trait Listen: Send {
    /// More of the answer's text.
    fn text(&mut self, piece: &str) -> impl Future<Output = ()> + Send;
    /// What came so far does not count: the same is asked again.
    fn again(&mut self) -> impl Future<Output = ()> + Send;
}

/// Nobody listens.
impl Listen for () {
    async fn text(&mut self, _: &str) {}
    async fn again(&mut self) {}
}

/// Asks for what `read` can read.
pub(super) async fn fitting<T>(
    asking: &Asking<'_>,
    request: Request,
    schema: (&'static str, &Value),
    read: impl Fn(&Value) -> Result<T, String>,
    listen: &mut impl Listen,
) -> Result<Fitting<T>, Error> {
    let (name, schema) = schema;
    let raw = Raw::of(schema).map_err(|_| odd("no schema"))?;
    let mut request = request.schema(JsonSchema::strict(name, raw));
    let mut cost = Money::ZERO;
    for tries in 1.. {
        let said = answer(asking, request.clone(), listen).await?;
        cost = Money(cost.0.saturating_add(said.cost.0));
        let why = match said.finish {
            Some(FinishReason::Refusal | FinishReason::ContentFilter) => {
                return Err(odd("the model declined to answer"));
            }
            Some(FinishReason::Length) => "it was cut off: be shorter".to_owned(),
            _ => match json(&said.text).and_then(|value| read(&value)) {
                Ok(value) => return Ok(Fitting { value, tries, cost, target: said.target }),
                Err(why) => why,
            },
        };
        if tries >= TRIES_MAX {
            return Err(odd(&format!("the model's answer is not of the form asked for: {why}")));
        }
        listen.again().await;
        let shown: String = said.text.chars().take(SHOWN_MAX).collect();
        if !shown.trim().is_empty() {
            request = request.message(Message::text(Role::Assistant, shown));
        }
        request = request.user(format!(
            "Your answer cannot be used: {why}. Answer again with one JSON object that follows the \
             schema, and with nothing else."
        ));
    }
    Err(odd("nobody was asked"))
}

struct Said {
    text: String,
    finish: Option<FinishReason>,
    cost: Money,
    target: Option<TargetId>,
}

async fn answer(
    asking: &Asking<'_>,
    request: Request,
    listen: &mut impl Listen,
) -> Result<Said, Error> {
    let mut stream = asking.stream(request).await?;
    let target = Some(stream.head().target.clone());
    let (mut text, mut finish, mut spoken) = (String::new(), None, None::<PartId>);
    while let Some(event) = stream.next().await {
        match event {
            // Thoughts grow by text as well, and are no answer.
            Event::PartStart { part, head: PartHead::Text } if part.candidate == 0 => {
                spoken = Some(part);
            }
            Event::PartDelta { part, delta: Delta::Text(piece) } if Some(part) == spoken => {
                if text.len() + piece.len() > ANSWER_MAX {
                    return Err(odd("the model's answer has no end"));
                }
                listen.text(&piece).await;
                text.push_str(&piece);
            }
            Event::Finish { candidate: 0, finish: how } => finish = Some(how.reason),
            Event::Failure(error) => return Err(error),
            _ => {}
        }
    }
    let cost = stream.receipt().map_or(Money::ZERO, |receipt| receipt.posted);
    Ok(Said { text, finish, cost, target })
}

/// The object of an answer, which some models put into a fence.
fn json(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let text = text.strip_prefix("```json").or_else(|| text.strip_prefix("```")).unwrap_or(text);
    let text = text.strip_suffix("```").unwrap_or(text).trim();
    let value: Value = serde_json::from_str(text).map_err(|_| "it is no JSON".to_owned())?;
    if value.is_object() { Ok(value) } else { Err("it is no JSON object".to_owned()) }
}

/// What a model did, and not who asked.
pub(super) fn odd(why: &str) -> Error {
    Error::upstream(Fault::new(200, FaultClass::Corrupt, why.to_owned()))
}

/// A text of an object: not empty, and no longer than that.
pub(super) fn text(object: &Value, name: &str, most: usize) -> Result<String, String> {
    let text = object.get(name).and_then(Value::as_str).map(str::trim);
    let text = text.ok_or_else(|| format!("{name} is no text"))?;
    match text.chars().count() {
        0 => Err(format!("{name} is empty")),
        count if count > most => Err(format!("{name} is longer than {most} characters")),
        _ => Ok(text.to_owned()),
    }
}

/// A list of an object, with no more items than that.
pub(super) fn items<'v>(object: &'v Value, name: &str, most: usize) -> Result<&'v [Value], String> {
    let items = object.get(name).and_then(Value::as_array);
    let items = items.ok_or_else(|| format!("{name} is no list"))?;
    if items.len() > most {
        return Err(format!("{name} has more than {most} items"));
    }
    Ok(items)
}

/// Refuses fields that nobody asked for: an answer with more in it answers something else.
pub(super) fn only(object: &Value, names: &[&str]) -> Result<(), String> {
    let fields = object.as_object().ok_or("an item is no object")?;
    match fields.keys().any(|field| !names.contains(&field.as_str())) {
        true => Err(format!("there are fields beside {}", names.join(", "))),
        false => Ok(()),
    }
}
