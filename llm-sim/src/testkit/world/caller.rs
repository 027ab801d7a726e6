//! One caller: asks, reads, perhaps leaves, and judges what came.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use llm_core::answer::Answer;
use llm_core::call::{Call, CallId, Controls, Deadline, Operation, Payload};
use llm_core::catalog::Catalog;
use llm_core::completion::{Completion, collect};
use llm_core::dialect::{DialectId, RenderCx};
use llm_core::error::{Error, Kind};
use llm_core::event::Event;
use llm_core::fault::FaultClass;
use llm_core::money::{Money, cost};
use llm_core::principal::{FeatureId, Priority};
use llm_core::prompt::{Message, OutputSpec, Prompt, Request, Role};
use llm_core::raw::RawNumber;
use llm_core::seam::Clock;
use llm_core::store::Outcome;
use llm_providers::edge::{Render, render};
use llm_providers::reply::Reply;

use super::load::{Leaves, Plan};
use super::planted::Planted;
use super::setting::{KEY, World};
use super::wire::{MARK, SHARED_MARK};
use crate::testkit::client::Client;

/// What a caller received.
#[derive(Default)]
struct Heard {
    chunks: Vec<Bytes>,
    content_type: String,
    target: String,
    error: Option<Error>,
    left: bool,
}

/// Makes one call and judges it.
pub(super) async fn call(world: &World, plan: Plan) {
    let began = world.clock.elapsed();
    let asking = Box::pin(ask(world, &plan));
    let heard = match plan.leaves {
        Leaves::After(wait) => {
            let wait = Box::pin(world.clock.advance(wait));
            match select(asking, wait).await {
                Either::Left((heard, _)) => heard,
                Either::Right(_) => Heard { left: true, ..Heard::default() },
            }
        }
        Leaves::Never | Leaves::Pieces(_) => asking.await,
    };
    let took = world.clock.elapsed() - began;
    if took > plan.within + Duration::from_millis(250) {
        world.audit.violation(format!("call {} took {took:?}", plan.number));
    }
    judge(world, &plan, &heard);
}

fn question(world: &World, plan: &Plan) -> Prompt {
    // What another caller asked for, for an auditor that should notice.
    let text = if world.errs(Planted::MixesAnswers) { "someone else's" } else { &plan.text };
    let said = match plan.shared {
        Some(question) => format!("{SHARED_MARK}{question} please reply with exactly: {text}"),
        None => format!("{MARK}{} please reply with exactly: {text}", plan.number),
    };
    Prompt::Chat(Request {
        model: plan.model.into(),
        messages: vec![Message::text(Role::User, said)],
        output: OutputSpec { tokens_max: RawNumber::parse("400"), ..OutputSpec::default() },
        stream: plan.stream,
        ..Request::default()
    })
}

async fn ask(world: &World, plan: &Plan) -> Heard {
    let dialect = plan.dialect.unwrap_or(DialectId::OpenaiChat);
    let Some(client) = Client::of(dialect) else { return Heard::default() };
    let prompt = question(world, plan);
    let clock: Arc<dyn Clock> = Arc::new(world.clock);
    let Some(asked) = client.ask(&prompt, plan.model, plan.stream) else {
        return Heard::default();
    };
    let caller = client.served_by();
    let peek = match caller.peek(&asked.route, &asked.body) {
        Ok(peek) => peek,
        Err(bad) => return Heard { error: Some(bad.into()), ..Heard::default() },
    };
    let cx = RenderCx {
        id: "call".into(),
        include_usage: peek.wants_usage_frame,
        framing: asked.route.framing,
        ..RenderCx::default()
    };
    let payload = match plan.dialect {
        Some(_) => Payload::raw(asked.body, Some(asked.content_type), asked.route),
        None => Payload::Typed(Arc::new(prompt)),
    };
    let call = Call {
        id: CallId::new(0, u128::from(plan.number)),
        operation: Operation::Chat,
        dialect,
        payload,
        peek,
        grant: Arc::clone(&world.keys[plan.key]),
        feature: FeatureId::default(),
        priority: Priority::default(),
        deadline: Deadline(clock.now() + plan.within),
        controls: Controls::default(),
        headers: http::HeaderMap::new(),
    };
    if world.errs(Planted::Hangs) {
        world.clock.advance(plan.within * 2).await;
    }
    match world.gateway.send(call).await {
        Err(error) => Heard { error: Some(error), ..Heard::default() },
        Ok(reply) => {
            world.audit.committed(plan.number, plan.model == "lasting" && plan.stream);
            let how = Render { caller, cx, stream: plan.stream, clock };
            read(world, plan, reply, how).await
        }
    }
}

async fn read(world: &World, plan: &Plan, reply: Reply, how: Render) -> Heard {
    let mut heard = Heard { target: reply.head.target.0.to_string(), ..Heard::default() };
    if world.errs(Planted::LeaksBody) {
        std::mem::forget(reply);
        heard.left = true;
        return heard;
    }
    let mut rendered = match render(reply, how).await {
        Ok(rendered) => rendered,
        Err(error) => {
            heard.error = Some(error);
            return heard;
        }
    };
    heard.content_type = rendered.content_type.to_string();
    while let Some(Ok(chunk)) = rendered.body.next().await {
        if plan.leaves == Leaves::Pieces(heard.chunks.len()) {
            heard.left = true;
            return heard;
        }
        let middle = plan.stream && heard.chunks.len() > 2;
        if middle && world.errs(Planted::DropsPiece) {
            continue;
        }
        if middle && world.errs(Planted::DoublesPiece) {
            heard.chunks.push(chunk.clone());
        }
        if middle && world.errs(Planted::CutsSilently) {
            break;
        }
        heard.chunks.push(chunk);
    }
    if world.errs(Planted::ShowsKey) {
        heard.chunks.push(Bytes::from_static(KEY.as_bytes()));
    }
    heard
}

fn judge(world: &World, plan: &Plan, heard: &Heard) {
    let bytes = heard.chunks.concat();
    let n = plan.number;
    if memchr::memmem::find(&bytes, KEY.as_bytes()).is_some()
        || heard.error.as_ref().is_some_and(|e| format!("{e} {e:?}").contains(KEY))
    {
        world.audit.violation(format!("call {n}: a provider's key got out"));
    }
    let outcome = match (&heard.error, heard.left) {
        (_, true) => Outcome::Left,
        (Some(error), false) => Outcome::Failed(error.kind()),
        (None, false) => answered(world, plan, heard, &bytes),
    };
    world.audit.tally(|report| match outcome {
        Outcome::Done => report.answered += 1,
        Outcome::Left => report.left += 1,
        Outcome::Failed(_) if heard.chunks.is_empty() => report.refused += 1,
        Outcome::Failed(_) => report.broken += 1,
    });
    world.audit.ended(n, outcome, &bytes);
}

/// What came of an answer that was read to its end.
fn answered(world: &World, plan: &Plan, heard: &Heard, bytes: &[u8]) -> Outcome {
    let n = plan.number;
    match completion(plan, heard, bytes) {
        Err(why) => {
            world.audit.violation(format!("call {n} ({:?}): {why}", plan.dialect));
            Outcome::Failed(Kind::Internal)
        }
        Ok(completion) => {
            let text = completion.text(0);
            if let Some(failure) = &completion.failure {
                if !plan.text.starts_with(text.trim_end()) && !plan.text.starts_with(&text) {
                    world.audit.violation(format!("call {n}: {text:?} of {:?}", plan.text));
                }
                return Outcome::Failed(failure.kind());
            }
            if text != plan.text {
                let wanted = &plan.text;
                world.audit.violation(format!("call {n}: {text:?} instead of {wanted:?}"));
            }
            paid(world, plan, heard, &completion);
            Outcome::Done
        }
    }
}

/// Whether a whole answer was charged to the nano-dollar.
fn paid(world: &World, plan: &Plan, heard: &Heard, completion: &Completion) {
    let n = plan.number;
    let Some(settlement) = world.audit.settlement(n) else {
        world.audit.violation(format!("call {n} is answered, and not settled"));
        return;
    };
    let entry = heard.target.split_once('/').and_then(|(v, m)| Catalog::builtin().lookup(v, m));
    let price = entry.and_then(|e| e.price.as_ref());
    let Some(price) = price else {
        world.audit.violation(format!("call {n}: nobody knows what {} costs", heard.target));
        return;
    };
    // Where the provider lied or was silent, our own count stands; the caller's copy has what the
    // provider said.
    let reported = completion.usage.as_ref().map(|u| cost(&u.usage, price)).filter(|c| c.0 > 0);
    let known = settlement.source == llm_core::usage::UsageSource::Reported;
    let from_cache = plan.shared.is_some() && settlement.tenant == Money(0);
    // A resumed answer was bought in two halves, and says only what the second one used.
    let halves = plan.model == "lasting";
    if known && !from_cache && !halves && reported.is_some_and(|c| c != settlement.tenant) {
        let charged = settlement.tenant;
        world.audit.violation(format!("call {n}: {charged} charged for {reported:?}"));
    }
    // Who is answered from a recording pays what that costs, which here is nothing.
    if plan.shared.is_none() && !price.is_free() && settlement.tenant == Money(0) {
        world.audit.violation(format!("call {n} is answered for nothing"));
    }
}

/// What a client of the caller's dialect makes of the bytes.
fn completion(plan: &Plan, heard: &Heard, bytes: &[u8]) -> Result<Completion, String> {
    let dialect = plan.dialect.unwrap_or(DialectId::OpenaiChat);
    let client = Client::of(dialect).ok_or("no client")?;
    if !plan.stream {
        let bytes = Bytes::copy_from_slice(bytes);
        let answer = client.read_whole(Operation::Chat, &bytes, &heard.content_type)?;
        let Answer::Chat(completion) = answer else { return Err("no chat".to_owned()) };
        return if completion.ended { Ok(completion) } else { Err("half an answer".to_owned()) };
    }
    let framing = client.framing(&heard.content_type).ok_or("no stream")?;
    let (events, lawful) = client.read_stream(framing, &heard.chunks);
    lawful.map_err(|e| format!("{e:?}"))?;
    let completion = collect(&events);
    match events.last() {
        Some(Event::End) => Ok(completion),
        Some(Event::Failure(error)) => {
            let cut = error.fault().is_some_and(|f| f.class == FaultClass::Truncated);
            if cut { Err("a stream was cut silently".to_owned()) } else { Ok(completion) }
        }
        other => Err(format!("a stream ends in {other:?}")),
    }
}
