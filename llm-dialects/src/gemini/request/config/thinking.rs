//! `thinkingConfig`: levels since the third generation, budgets before.

use llm_core::Str;
use llm_core::extra::Losses;
use llm_core::prompt::{ReasoningSpec, Request};
use llm_core::raw::RawNumber;

use super::{BUDGET, LEVEL, LEVEL_CAPITALS, THINKING, THOUGHTS, level};
use crate::gemini::names::{is_pro, is_third_generation};
use crate::gemini::notation::{ME, rest};
use crate::json::{Bad, JsonKind, Object, ObjectWriter};

/// Thinking is off.
const OFF: &str = "0";
/// The model decides.
const DYNAMIC: &str = "-1";
/// What the large models of the second generation cannot go below.
const PRO_BUDGET_MIN: u64 = 128;
/// What they take at the most.
const PRO_BUDGET_MAX: u64 = 32_768;
/// What their small siblings take at the most.
const FLASH_BUDGET_MAX: u64 = 24_576;

/// Reads it, unless it holds something unknown: then all of it stays where it is.
pub(super) fn read(c: &mut Object<'_>, bits: &mut u32) -> Result<Option<ReasoningSpec>, Bad> {
    let Some(field) = THINKING.see(c) else { return Ok(None) };
    let mut o = field.object()?;
    let mut noted = 0;
    let mut spec = ReasoningSpec {
        visible: THOUGHTS.take(&mut o, &mut noted)?.map(|f| f.bool()).transpose()?,
        ..ReasoningSpec::default()
    };
    if let Some(budget) = BUDGET.see(&o).filter(|f| f.kind() == JsonKind::Number) {
        BUDGET.take(&mut o, &mut noted)?;
        match budget.text() {
            OFF => spec.enabled = Some(false),
            DYNAMIC => spec.enabled = Some(true),
            _ => spec.budget = Some(budget.number()?),
        }
    }
    if let Some(word) = LEVEL.see(&o)
        && let Some(effort) = level(word, &mut noted)
    {
        LEVEL.take(&mut o, &mut noted)?;
        spec.effort = Some(effort);
    }
    if !rest(o, 0).is_empty() {
        return Ok(None);
    }
    THINKING.take(c, bits)?;
    *bits |= noted;
    Ok(Some(spec))
}

/// Writes it.
pub(super) fn write(
    c: &mut ObjectWriter<'_>,
    spec: &ReasoningSpec,
    r: &Request,
    model: &str,
    losses: &mut Losses,
) {
    let bits = r.extra.notation(ME);
    let asked = if r.extra.origin() == Some(ME) {
        own(spec, bits.has(LEVEL_CAPITALS))
    } else if super::says_nothing(spec) {
        return;
    } else {
        foreign(spec, model, losses)
    };
    // Where thinking is switched on, and not only graded, its callers are used to seeing it; here
    // it would be paid for and kept.
    let foreign = r.extra.origin() != Some(ME);
    let shown = (foreign && spec.enabled == Some(true)).then_some(true);
    let visible = spec.visible.or(spec.summary.as_deref().map(|s| s != "none")).or(shown);
    if asked == Asked::default() && visible.is_none() && r.extra.origin() != Some(ME) {
        return;
    }
    let mut o = c.object(THINKING.spelled(bits));
    o.opt_bool(THOUGHTS.spelled(bits), visible);
    o.opt_number(BUDGET.spelled(bits), asked.budget.as_ref());
    o.opt_str(LEVEL.spelled(bits), asked.level.as_ref());
}

/// What is asked of the model.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    budget: Option<RawNumber>,
    level: Option<Str>,
}

impl Asked {
    fn budget(tokens: impl Into<RawNumber>) -> Self {
        Self { budget: Some(tokens.into()), level: None }
    }

    fn level(word: &'static str) -> Self {
        Self { budget: None, level: Some(Str::from_static(word)) }
    }
}

fn own(spec: &ReasoningSpec, capitals: bool) -> Asked {
    let fixed = spec.enabled.map(|on| if on { DYNAMIC } else { OFF });
    let level = spec
        .effort
        .as_ref()
        .map(|e| if capitals { Str::from(e.to_ascii_uppercase()) } else { e.clone() });
    Asked { budget: spec.budget.clone().or_else(|| fixed.and_then(RawNumber::parse)), level }
}

fn foreign(spec: &ReasoningSpec, model: &str, losses: &mut Losses) -> Asked {
    let off = spec.enabled == Some(false) || spec.effort.as_deref() == Some("none");
    if off {
        return switched_off(model, losses);
    }
    if let Some(budget) = &spec.budget {
        return limited(budget, model, losses);
    }
    match spec.effort.as_deref() {
        None if spec.enabled == Some(true) && !is_third_generation(model) => Asked::budget(-1i64),
        None => Asked::default(),
        Some(effort) if is_third_generation(model) => level_of(effort, model, losses),
        Some(effort) => budget_of(effort, losses),
    }
}

/// The large models, and all of the third generation, cannot stop thinking; they can think little.
fn switched_off(model: &str, losses: &mut Losses) -> Asked {
    match (is_third_generation(model), is_pro(model)) {
        (false, false) => Asked::budget(0u64),
        (false, true) => {
            losses.approximated("reasoning.enabled");
            Asked::budget(PRO_BUDGET_MIN)
        }
        (true, false) => {
            losses.approximated("reasoning.enabled");
            Asked::level("minimal")
        }
        (true, true) => {
            losses.approximated("reasoning.enabled");
            Asked::level("low")
        }
    }
}

fn limited(budget: &RawNumber, model: &str, losses: &mut Losses) -> Asked {
    let large = is_pro(model) || is_third_generation(model);
    let most = if large { PRO_BUDGET_MAX } else { FLASH_BUDGET_MAX };
    match budget.as_u64() {
        Some(tokens) if tokens > most => {
            losses.approximated("reasoning.budget");
            Asked::budget(most)
        }
        _ => Asked { budget: Some(budget.clone()), level: None },
    }
}

fn level_of(effort: &str, model: &str, losses: &mut Losses) -> Asked {
    match effort {
        "low" => Asked::level("low"),
        "medium" => Asked::level("medium"),
        "high" => Asked::level("high"),
        "minimal" if !is_pro(model) => Asked::level("minimal"),
        "minimal" => {
            losses.approximated("reasoning.effort");
            Asked::level("low")
        }
        // Words above `high` exist elsewhere; nobody here is asked to think more.
        _ => {
            losses.approximated("reasoning.effort");
            Asked::level("high")
        }
    }
}

/// The budgets that Google itself takes for OpenAI's efforts.
fn budget_of(effort: &str, losses: &mut Losses) -> Asked {
    losses.approximated("reasoning.effort");
    Asked::budget(match effort {
        "minimal" | "low" => 1_024u64,
        "medium" => 8_192,
        _ => FLASH_BUDGET_MAX,
    })
}
