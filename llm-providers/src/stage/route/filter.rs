//! Which targets can serve a call at all, and what to say when none can.

use llm_core::Str;
use llm_core::call::{Call, Has};
use llm_core::capability::Capability;
use llm_core::error::{Error, Kind};

use super::plan::{Plan, Stop};
use crate::model::Snapshot;
use crate::stage::reserve::Funded;
use crate::target::Target;

/// What a model lacks for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    Key,
    Price,
    Operation,
    State,
    Scope,
    Window,
    Ability(&'static str),
}

/// A bit of what a call carries, whether a model takes that, and the words for it.
type Ability = (u16, fn(&Capability) -> bool, &'static str);

/// What a call may carry that not every model takes.
const ABILITIES: [Ability; 6] = [
    (Has::TOOLS, |c| c.tools, "tools"),
    (Has::IMAGES, |c| c.image_in, "images"),
    (Has::AUDIO, |c| c.audio_in, "audio"),
    (Has::FILES, |c| c.file_in, "files"),
    (Has::VIDEO, |c| c.video_in, "video"),
    (Has::JSON_SCHEMA, |c| c.json_schema || c.json, "answers that follow a schema"),
];

/// Those of a model's targets that can serve a call.
pub(super) fn plan(funded: &Funded) -> Result<Plan, Error> {
    let opened = funded.opened();
    let (call, model) = (&opened.call, &opened.model);
    let mut lacks: Option<Lack> = None;
    let mut stops = Vec::with_capacity(4);
    for (tier, choices) in (0u8..).zip(&model.tiers) {
        if tier > 0 && call.controls.no_fallback {
            break;
        }
        for choice in choices {
            match lack(funded, &opened.snapshot, &choice.target, tier) {
                None => stops.push(Stop {
                    target: choice.target.clone(),
                    tier,
                    weight: choice.weight,
                    out: false,
                }),
                Some(lack) => lacks = Some(lacks.unwrap_or(lack)),
            }
        }
    }
    let plan = Plan::new(stops);
    if plan.is_empty() { Err(nobody(call, lacks)) } else { Ok(plan) }
}

fn lack(funded: &Funded, snapshot: &Snapshot, target: &Target, tier: u8) -> Option<Lack> {
    let call = &funded.opened().call;
    let Some(way) = target.way(call.operation, call.peek.stream) else {
        return Some(Lack::Operation);
    };
    if call.controls.lacks_key(&target.vendor.name) {
        return Some(Lack::Key);
    }
    if !funded.covers(target) {
        return Some(Lack::Price);
    }
    // An earlier answer lives where it was given, and no other dialect can name it.
    if call.peek.has.all(Has::SERVER_STATE) && way.dialect.id() != call.dialect {
        return Some(Lack::State);
    }
    if tier > 0 && !may_fall_to(call, snapshot, target) {
        return Some(Lack::Scope);
    }
    // The estimate errs by less than a factor of two: what is refused here surely does not fit.
    let window = target.capability.context_tokens_max;
    if window > 0 && call.peek.input_tokens_estimate / 2 > window {
        return Some(Lack::Window);
    }
    let missing = ABILITIES
        .iter()
        .find(|(bit, able, _)| call.peek.has.all(*bit) && !able(&target.capability));
    missing.map(|(_, _, words)| Lack::Ability(words))
}

/// Whether a fallback leads a key to a model that it may not use under that model's own name.
fn may_fall_to(call: &Call, snapshot: &Snapshot, target: &Target) -> bool {
    let named = |name: &str| snapshot.models.contains_key(name) && !call.grant.allows(name);
    !named(&target.id.0) && !named(&target.model)
}

/// No key came with the call for anybody who could answer it, and no other may be used.
pub(in crate::stage) fn keyless(call: &Call) -> Error {
    let model = &call.peek.model.value;
    let text = format!("no key came with this call for any provider of {model:?}");
    Error::new(Kind::Forbidden, text)
}

fn nobody(call: &Call, lack: Option<Lack>) -> Error {
    let model = &call.peek.model.value;
    let (kind, field, text): (_, &str, Str) = match lack {
        Some(Lack::Key) => return keyless(call),
        None | Some(Lack::Operation) => {
            let what = call.operation.name();
            (Kind::Unsupported, "model", format!("{model:?} has no {what}").into())
        }
        Some(Lack::Price) => (
            Kind::Unsupported,
            "model",
            format!("no price is known for {model:?}; whoever runs the gateway must set one")
                .into(),
        ),
        Some(Lack::State) => (
            Kind::Unsupported,
            "previous_response_id",
            format!("{model:?} is not served by an API that keeps earlier answers").into(),
        ),
        Some(Lack::Scope) => {
            (Kind::Forbidden, "model", format!("this key may not use {model:?}").into())
        }
        Some(Lack::Window) => (
            Kind::ContextOverflow,
            "messages",
            format!("the prompt is longer than {model:?} can read").into(),
        ),
        Some(Lack::Ability(what)) => {
            (Kind::Unsupported, "messages", format!("{model:?} does not take {what}").into())
        }
    };
    Error::new(kind, text.to_string()).in_field(Str::from(field))
}
