//! Whether and how long to think.
//!
//! Two generations of models understand two things. The older take a budget of tokens
//! (`thinking: {type: enabled, budget_tokens}`) and, while they think, neither a temperature nor a
//! forced tool. The newer think as they see fit (`adaptive`), are steered by an effort, and refuse
//! both a budget and all sampling parameters: so `Capability::sampling` tells which a model is.

use llm_core::Str;
use llm_core::dialect::SendCx;
use llm_core::extra::Losses;
use llm_core::prompt::{PartKind, ReasoningSpec, Request, Role, ToolChoice};
use llm_core::raw::RawNumber;

use crate::anthropic::nested::{Left, restore, take_kind};
use crate::anthropic::{ID, note};
use crate::json::{Bad, Object, ObjectWriter};

/// The smallest budget the API takes.
const BUDGET_MIN: u64 = 1024;
/// Budgets for efforts. The steps follow what other gateways settled on; the largest is as much
/// as the documentation advises without batching.
const BUDGETS: [(&str, u64); 6] = [
    ("minimal", BUDGET_MIN),
    ("low", 2048),
    ("medium", 8192),
    ("high", 16_384),
    ("xhigh", 32_768),
    ("max", 32_768),
];
const BUDGET_USUAL: u64 = 8192;

/// `thinking`. A type we do not know stays among the rest.
pub(super) fn decode(
    o: &mut Object<'_>,
    left: &mut Left,
    bits: &mut u32,
) -> Result<Option<ReasoningSpec>, Bad> {
    let kinds = ["enabled", "disabled", "adaptive"];
    let Some((kind, mut inner)) = take_kind(o, "thinking", &kinds)? else { return Ok(None) };
    if kind == "adaptive" {
        *bits |= note::ADAPTIVE;
    }
    let shown = inner.see("display").and_then(|f| f.cow().ok().map(|d| d.into_owned()));
    let visible = match shown.as_deref() {
        Some("summarized") => Some(true),
        Some("omitted") => Some(false),
        _ => None,
    };
    if visible.is_some() {
        inner.take("display")?;
    }
    let budget = inner.number("budget_tokens")?;
    left.keep("thinking", inner);
    let enabled = Some(kind != "disabled");
    Ok(Some(ReasoningSpec { enabled, budget, visible, ..ReasoningSpec::default() }))
}

/// What is asked of the model.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub thinking: Thinking,
    pub effort: Option<Str>,
    /// `display`.
    visible: Option<bool>,
}

/// `thinking`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Thinking {
    /// Nothing is said: the model's own habit.
    #[default]
    Unsaid,
    /// `disabled`
    Off,
    /// `enabled`, with a budget; without one only when the caller left it out.
    Budget(Option<RawNumber>),
    /// `adaptive`
    Adaptive,
}

impl Plan {
    /// Tokens that the thoughts may take of `max_tokens`.
    pub(super) fn budget(&self) -> u64 {
        match &self.thinking {
            Thinking::Budget(Some(budget)) => budget.as_u64().unwrap_or(0),
            Thinking::Budget(None) | Thinking::Unsaid | Thinking::Off | Thinking::Adaptive => 0,
        }
    }

    /// Whether the model thinks within a budget, and so refuses some other parameters.
    pub(super) fn is_budgeted(&self) -> bool {
        matches!(self.thinking, Thinking::Budget(_))
    }

    /// For `request`, of whose answer at most `tokens_max` tokens are wanted.
    pub(super) fn of(
        request: &Request,
        tokens_max: Option<u64>,
        cx: &SendCx<'_>,
        losses: &mut Losses,
    ) -> Self {
        let Some(spec) = &request.reasoning else { return Self::default() };
        if request.extra.origin() == Some(ID) {
            return Self::own(request, spec, cx, losses);
        }
        if is_off(spec) {
            let thinking = if cx.capability.reasoning { Thinking::Off } else { Thinking::Unsaid };
            return Self { thinking, ..Self::default() };
        }
        if !cx.capability.reasoning {
            losses.dropped("reasoning");
            return Self::default();
        }
        let summary = spec.summary.as_deref();
        if summary.is_some_and(|s| s != "auto") {
            losses.dropped("reasoning.summary");
        }
        let visible = spec.visible.or(summary.map(|_| true));
        if cx.capability.sampling {
            let thinking = budgeted(request, spec, tokens_max, losses);
            return Self { thinking, effort: None, visible: visible.filter(|v| !v) };
        }
        Self { thinking: Thinking::Adaptive, effort: effort(spec, losses), visible }
    }

    /// As the caller said it in this dialect, unless the model has no budgets any more.
    fn own(request: &Request, spec: &ReasoningSpec, cx: &SendCx<'_>, losses: &mut Losses) -> Self {
        let adaptive = request.extra.notation(ID).has(note::ADAPTIVE);
        let mut effort = spec.effort.clone();
        let thinking = match (spec.enabled, &spec.budget) {
            (None, None) => Thinking::Unsaid,
            (Some(false), _) => Thinking::Off,
            (Some(true), _) if adaptive => Thinking::Adaptive,
            (_, Some(budget)) if !cx.capability.sampling => {
                losses.approximated("reasoning.budget");
                effort.get_or_insert_with(|| Str::from_static(effort_of(budget.as_u64())));
                Thinking::Adaptive
            }
            (_, budget) => Thinking::Budget(budget.clone()),
        };
        Self { thinking, effort, visible: spec.visible }
    }

    /// Writes `thinking`.
    pub(super) fn write(&self, o: &mut ObjectWriter<'_>, request: &Request) {
        let kind = match self.thinking {
            Thinking::Unsaid => return,
            Thinking::Off => "disabled",
            Thinking::Budget(_) => "enabled",
            Thinking::Adaptive => "adaptive",
        };
        let mut inner = o.object("thinking");
        inner.str("type", kind);
        if let Thinking::Budget(budget) = &self.thinking {
            inner.opt_number("budget_tokens", budget.as_ref());
        }
        if let Some(visible) = self.visible {
            inner.str("display", if visible { "summarized" } else { "omitted" });
        }
        restore(&mut inner, &request.extra, "thinking");
    }
}

fn is_off(spec: &ReasoningSpec) -> bool {
    let none = spec.effort.as_deref() == Some("none");
    let zero = spec.budget.as_ref().is_some_and(|b| b.as_f64() == 0.0);
    spec.enabled == Some(false) || none || zero
}

fn budgeted(
    request: &Request,
    spec: &ReasoningSpec,
    tokens_max: Option<u64>,
    losses: &mut Losses,
) -> Thinking {
    let forced = matches!(
        request.tool_choice,
        Some(
            ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Among { required: true, .. }
        )
    );
    // Which tool is called is more to the caller than how long was thought about it.
    if forced || continues_unsigned(request) {
        losses.dropped("reasoning");
        return Thinking::Unsaid;
    }
    // Gemini says -1 for "as long as you like".
    let said = spec.budget.as_ref().and_then(RawNumber::as_u64);
    let wanted = said.unwrap_or_else(|| {
        let effort = spec.effort.as_deref().unwrap_or_default();
        BUDGETS.iter().find(|(name, _)| *name == effort).map_or(BUDGET_USUAL, |(_, n)| *n)
    });
    // The thoughts are part of `max_tokens`, and something must be left for the answer: a fifth of
    // it where the budget is our own guess, and one token where the caller has said it.
    let room = tokens_max.map_or(u64::MAX, |max| max.saturating_sub(1));
    let share = tokens_max.map_or(u64::MAX, |max| max / 5 * 4);
    let most = if said.is_some() { room } else { room.min(share.max(BUDGET_MIN)) };
    if most < BUDGET_MIN {
        losses.dropped("reasoning");
        return Thinking::Unsaid;
    }
    let budget = wanted.clamp(BUDGET_MIN, most);
    if said.is_none() && spec.effort.is_some() {
        losses.approximated("reasoning.effort");
    } else if said != Some(budget) && spec.budget.is_some() {
        losses.approximated("reasoning.budget");
    }
    Thinking::Budget(Some(budget.into()))
}

/// Whether the answer goes on after tool calls whose thoughts are not signed by Anthropic: with
/// thinking on, such a turn would have to begin with them.
fn continues_unsigned(request: &Request) -> bool {
    let is_result = |kind: &PartKind| matches!(kind, PartKind::ToolResult(_));
    let mut behind = request.messages.iter().rev();
    let assistant = behind.find(|m| match m.role {
        Role::Assistant => true,
        Role::User | Role::Tool => !m.parts.iter().any(|p| is_result(&p.kind)),
        Role::System | Role::Developer => false,
    });
    assistant.filter(|m| m.role == Role::Assistant).is_some_and(|m| {
        let calls = m.parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
        let signed = m.parts.iter().any(|p| p.state.as_ref().is_some_and(|s| s.origin == ID));
        calls && !signed
    })
}

/// An effort of the API's own.
fn effort(spec: &ReasoningSpec, losses: &mut Losses) -> Option<Str> {
    const OWN: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];
    match (&spec.effort, &spec.budget) {
        (Some(effort), _) if OWN.contains(&&**effort) => Some(effort.clone()),
        (Some(effort), _) => {
            losses.approximated("reasoning.effort");
            Some(Str::from_static(if effort == "minimal" { "low" } else { "high" }))
        }
        (None, Some(budget)) => {
            losses.approximated("reasoning.budget");
            budget.as_u64().map(|n| Str::from_static(effort_of(Some(n))))
        }
        (None, None) => None,
    }
}

/// The effort that comes near a budget.
fn effort_of(budget: Option<u64>) -> &'static str {
    match budget {
        Some(0..4096) => "low",
        Some(4096..12_288) => "medium",
        Some(12_288..) | None => "high",
    }
}
