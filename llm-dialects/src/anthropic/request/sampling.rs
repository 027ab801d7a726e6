//! How tokens are drawn.

use llm_core::dialect::SendCx;
use llm_core::extra::Losses;
use llm_core::prompt::Request;
use llm_core::raw::RawNumber;

use super::thinking::Plan;
use crate::anthropic::ID;
use crate::json::ObjectWriter;

/// Writes `temperature`, `top_p` and `top_k`, as far as the model takes them.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    plan: &Plan,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    let s = &request.sampling;
    let own = request.extra.origin() == Some(ID);
    // A model that thinks within a budget takes no temperature but 1, no top_k, and a top_p only
    // near 1; whoever speaks this dialect knows that, the others are spared a refusal.
    let free = own || !plan.is_budgeted();
    let takes = cx.capability.sampling;
    let mut say = |name: &'static str, value: Option<&RawNumber>, path: &str, sayable: bool| {
        let Some(value) = value else { return };
        if takes && sayable {
            o.number(name, value);
        } else {
            losses.dropped(path);
        }
    };
    let one = RawNumber::from(1u64);
    let heat = s.temperature.as_ref();
    // The scale ends at 1 here and at 2 elsewhere.
    let hot = !own && heat.is_some_and(|t| t.as_f64() > 1.0);
    say("temperature", if hot { Some(&one) } else { heat }, "sampling.temperature", free);
    // Newer models refuse the two together; the temperature is what people mean.
    let narrow = own || (heat.is_none() && free);
    say("top_p", s.top_p.as_ref(), "sampling.top_p", narrow);
    say("top_k", s.top_k.as_ref(), "sampling.top_k", free);
    if hot && takes && free {
        losses.approximated("sampling.temperature");
    }
    let absent = [
        (s.frequency_penalty.is_some(), "sampling.frequency_penalty"),
        (s.presence_penalty.is_some(), "sampling.presence_penalty"),
        (s.seed.is_some(), "sampling.seed"),
        (s.logprobs == Some(true), "sampling.logprobs"),
        (s.top_logprobs.is_some(), "sampling.top_logprobs"),
    ];
    absent.iter().filter(|(said, _)| *said).for_each(|(_, path)| losses.dropped(*path));
}
