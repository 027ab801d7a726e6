//! Writes a request.

use llm_core::dialect::{Encoded, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::Request;

use super::decode::OUTER;
use super::message::SYSTEM;
use super::{
    CONFIG, LONE_CONTENT, MODEL_IN_BODY, MODEL_PREFIXED, NO_CONTENTS, TOOL_CONFIG, WRAPPED,
};
use super::{config, messages, tools};
use crate::gemini::names;
use crate::gemini::notation::{ME, restore, restore_remainder};
use crate::gemini::part::write::{StateFor, Writing};
use crate::gemini::route::prefixed;
use crate::json::{ObjectWriter, write};

/// Writes a `generateContent`.
pub(in crate::gemini) fn chat(r: &Request, cx: &SendCx<'_>) -> Encoded {
    let mut losses = Losses::default();
    let body = write::object(|o| members(o, r, cx, false, &mut losses));
    Encoded::json(body, losses)
}

/// Writes a `countTokens`. Contents may stand alone; whatever else counts must stand in a whole
/// request, which names its model.
pub(in crate::gemini) fn count(r: &Request, cx: &SendCx<'_>) -> Encoded {
    let mut losses = Losses::default();
    let own = r.extra.origin() == Some(ME);
    let plain = r.system.is_empty() && r.tools.is_empty();
    let wrapped = if own { r.extra.notation(ME).has(WRAPPED) } else { !plain };
    let body = write::object(|o| {
        if wrapped {
            members(&mut o.object("generateContentRequest"), r, cx, !own, &mut losses);
            restore_remainder(o, &r.extra, OUTER);
        } else {
            members(o, r, cx, false, &mut losses);
        }
    });
    Encoded::json(body, losses)
}

fn members(
    o: &mut ObjectWriter<'_>,
    r: &Request,
    cx: &SendCx<'_>,
    named: bool,
    losses: &mut Losses,
) {
    let bits = r.extra.notation(ME);
    if named || bits.has(MODEL_IN_BODY | MODEL_PREFIXED) {
        o.str("model", &prefixed(names::bare(cx.model)));
    } else if bits.has(MODEL_IN_BODY) {
        o.str("model", names::bare(cx.model));
    }
    let mut w = Writing::new(StateFor::Upstream);
    w.media_inside = names::is_third_generation(cx.model);
    let contents = messages::Contents::of(r);
    // What was null in the caller's request stays so, unless there is something to say by now.
    let mut written: Vec<&str> = vec![OUTER];
    if contents.write_system(o, &mut w) {
        written.extend([SYSTEM.camel, SYSTEM.snake]);
    }
    let absent = r.extra.get_from(ME, "contents").is_some() || bits.has(NO_CONTENTS);
    if !(contents.is_empty() && absent) {
        contents.write(o, bits.has(LONE_CONTENT), cx.model, &mut w);
        written.push("contents");
    }
    *losses = w.losses;
    if tools::write(o, r, losses) {
        written.push("tools");
    }
    if tools::write_choice(o, r) {
        written.extend([TOOL_CONFIG.camel, TOOL_CONFIG.snake]);
    } else if r.tool_choice.is_some() && !r.tools.is_empty() {
        losses.dropped("tool_choice");
    }
    if config::write(o, r, cx.model, cx.capability, losses) {
        written.extend([CONFIG.camel, CONFIG.snake]);
    }
    if r.parallel_tools == Some(false) {
        losses.dropped("parallel_tools");
    }
    if r.user.is_some() {
        losses.dropped("user");
    }
    restore(o, &r.extra, &written);
    r.extra.lose(ME, "", losses);
}
