//! Words into a request for an upstream.

use llm_core::Str;
use llm_core::dialect::{BadRequest, DialectId, Encoded, SendCx};
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::Request;

use super::super::notation::{ME, of_request, own};
use super::{options, speak, tools};
use crate::json::{Object, ObjectWriter, write};

/// Writes a request.
pub(crate) fn encode(request: &Request, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        o.str("model", cx.model);
        speak::write(o, request, cx.capability, &mut losses);
        tools::write(o, request, &mut losses);
        match request.parallel_tools {
            Some(_) if !own(&request.extra) && request.tools.is_empty() => {}
            Some(false) if !own(&request.extra) && !cx.capability.parallel_tools => {}
            said => _ = o.opt_bool("parallel_tool_calls", said),
        }
        options::write_sampling(o, request, cx.capability, &mut losses);
        options::write_output(o, request, cx.capability, &mut losses);
        options::write_reasoning(o, request, cx.capability, &mut losses);
        let notation = request.extra.notation(ME);
        let safety = notation.has(of_request::USER_SAFETY);
        o.opt_str(if safety { "safety_identifier" } else { "user" }, request.user.as_ref());
        if cx.stream || notation.has(of_request::STREAM_SAID) {
            o.bool("stream", cx.stream);
        }
        write_extra(o, request, cx, &mut losses);
    });
    Ok(Encoded::json(body.freeze(), losses))
}

/// Writes what is left, and asks for usage where that is wanted.
fn write_extra(o: &mut ObjectWriter<'_>, request: &Request, cx: &SendCx<'_>, losses: &mut Losses) {
    let extra = &request.extra;
    let ask = cx.stream && cx.usage_frame && cx.capability.stream_options;
    let mut asked = !ask;
    for (name, value) in extra.fields() {
        match &**name {
            // Kept for the parts of inner objects, which are written with those.
            "response_format" if own(extra) && request.output.format.is_some() => {}
            "reasoning" if own(extra) && request.reasoning.is_some() => {}
            "stream_options" if spoken_here(extra) => {
                // Refused where no stream is asked for.
                if cx.stream || request.stream == cx.stream {
                    let inner = Object::root(value.text()).map(|o| o.rest(ME));
                    match inner {
                        Ok(inner) if ask => {
                            asked = true;
                            write_usage_option(o, &inner);
                        }
                        _ if ask => {}
                        _ => _ = o.kept(name, value),
                    }
                }
            }
            _ if own(extra) || kindred(extra.origin(), name) => _ = o.kept(name, value),
            _ if value.is_null() => {}
            _ => losses.dropped(name.clone()),
        }
    }
    if !asked {
        write_usage_option(o, &Extra::new(ME));
    }
}

fn write_usage_option(o: &mut ObjectWriter<'_>, said: &Extra) {
    let mut option = o.object("stream_options");
    option.bool("include_usage", true);
    super::super::notation::others(&mut option, said, &["include_usage"]);
}

/// Whether `stream_options` means here what it meant there.
fn spoken_here(extra: &Extra) -> bool {
    matches!(extra.origin(), Some(DialectId::OpenaiChat | DialectId::OpenaiCompletions))
}

/// Fields that OpenAI's other dialects share with this one, word for word.
fn kindred(origin: Option<DialectId>, name: &str) -> bool {
    const RESPONSES: [&str; 5] = [
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
    ];
    match origin {
        Some(DialectId::OpenaiResponses) => RESPONSES.contains(&name),
        Some(DialectId::OpenaiCompletions) => name == "logit_bias",
        _ => false,
    }
}

/// The longest id of a tool call that OpenAI takes.
const CALL_ID_BYTES_MAX: usize = 40;

/// The id of a call as OpenAI takes it: other dialects' ids may be longer. The same id always
/// becomes the same, so that a result finds its call.
pub(super) fn call_id(id: &Str, own: bool) -> Str {
    if own || id.len() <= CALL_ID_BYTES_MAX {
        return id.clone();
    }
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let head = id.get(..id.floor_char_boundary(CALL_ID_BYTES_MAX - 17)).unwrap_or_default();
    format!("{head}_{hash:016x}").into()
}
