//! Writes parts.

use std::collections::HashMap;

use llm_core::Str;
use llm_core::extra::Losses;
use llm_core::prompt::{Media, MediaSource, Opaque, Part, PartKind, Text};

use super::{
    CALL, FILE_DATA, INLINE_DATA, NO_TEXT, NO_THOUGHT, Place, RESPONSE, SIGNATURE, function, media,
};
use crate::gemini::notation::{ME, restore};
use crate::json::{ArrayWriter, Field, ObjectWriter};
use crate::state;

/// Google's own word for a call that another model made: "skip the check". Without it the third
/// generation refuses a conversation in which a call has no signature.
pub(in crate::gemini) const UNSIGNED: &str = "skip_thought_signature_validator";

/// Where provider state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gemini) enum StateFor {
    /// To Google: only Google's own means anything there.
    Upstream,
    /// To a client, which returns it: any state, that of others as a token.
    Client,
}

/// What the writer of parts must know besides a part.
#[derive(Debug)]
pub(in crate::gemini) struct Writing<'a> {
    /// Who reads it.
    pub(in crate::gemini) state: StateFor,
    /// Names of calls by id, for results that do not say theirs.
    pub(in crate::gemini) names: HashMap<&'a str, &'a str>,
    /// Whether a function response may hold media.
    pub(in crate::gemini) media_inside: bool,
    /// What could not be said.
    pub(in crate::gemini) losses: Losses,
}

impl Writing<'_> {
    /// For that reader.
    pub(in crate::gemini) fn new(state: StateFor) -> Self {
        Self { state, names: HashMap::new(), media_inside: true, losses: Losses::default() }
    }
}

/// Writes a part as one element, or as several where a result has media that must stand beside
/// it, or as none where this dialect has no word for it. `unsigned` is for a call that would be
/// refused without a signature.
pub(in crate::gemini) fn write(
    out: &mut ArrayWriter<'_>,
    part: &Part,
    unsigned: bool,
    place: Place,
    w: &mut Writing<'_>,
) {
    let own = part.extra.origin() == Some(ME);
    let signature = signature(part, place, w);
    if part.cache.is_some() {
        w.losses.dropped(place.path("cache"));
    }
    part.extra.lose(ME, place.path(""), &mut w.losses);
    if !can_say(part, own, signature.is_some(), w) {
        if says_something(part) {
            w.losses.dropped(place.path(""));
        }
        return;
    }
    let mut o = out.object();
    write_kind(&mut o, part, own, place, w);
    match signature {
        Some(text) => {
            o.str(SIGNATURE.spelled(part.extra.notation(ME)), &text);
        }
        // A caller of Gemini who left it out gets Gemini's own answer to that.
        None if unsigned && !own => {
            o.str(SIGNATURE.camel, UNSIGNED);
        }
        None => {}
    }
    restore(&mut o, &part.extra, &[remainder(&part.kind)]);
    drop(o);
    beside(out, part, own, place, w);
}

fn write_kind(o: &mut ObjectWriter<'_>, part: &Part, own: bool, place: Place, w: &mut Writing<'_>) {
    let notation = part.extra.notation(ME);
    match &part.kind {
        PartKind::Text(text) => {
            write_text(o, part, text);
            if !own && !text.citations.is_empty() && w.state == StateFor::Upstream {
                w.losses.dropped(place.path("citations"));
            }
        }
        PartKind::Refusal(text) => {
            w.losses.approximated(place.path(""));
            o.str("text", &text.text);
        }
        PartKind::Reasoning(text) => {
            if !(text.is_empty() && notation.has(NO_TEXT)) {
                o.str("text", text);
            }
            o.bool("thought", true);
        }
        PartKind::Image(_) | PartKind::Audio(_) | PartKind::Video(_) | PartKind::File(_) => {
            write_media_member(o, part, place, &mut w.losses);
        }
        PartKind::ToolCall(call) => function::write_call(o, part, call, place, &mut w.losses),
        PartKind::ToolResult(result) => {
            let name = w.names.get(&*result.call_id).copied().unwrap_or_default();
            // What stood inside a response may stand there again, whatever the model.
            let inside = w.media_inside || own;
            let losses = &mut w.losses;
            function::write_response(o, part, result, name, inside, place, losses);
        }
        PartKind::Opaque(opaque) => {
            if !opaque.kind.is_empty() {
                o.under(&opaque.kind).raw(&opaque.value);
            }
        }
    }
}

fn write_text(o: &mut ObjectWriter<'_>, part: &Part, text: &Text) {
    let notation = part.extra.notation(ME);
    if !(text.text.is_empty() && notation.has(NO_TEXT)) {
        o.str("text", &text.text);
    }
    if notation.has(NO_THOUGHT) {
        o.bool("thought", false);
    }
}

/// Writes a picture, sound, film or document with whatever stood beside it.
pub(super) fn write_media(
    o: &mut ObjectWriter<'_>,
    part: &Part,
    place: Place,
    losses: &mut Losses,
) {
    write_media_member(o, part, place, losses);
    restore(o, &part.extra, &[remainder(&part.kind)]);
    part.extra.lose(ME, place.path(""), losses);
}

/// What the remainder of a part's own member is kept under.
fn remainder(kind: &PartKind) -> &'static str {
    let at_home = |m: &Media| matches!(m.source, MediaSource::Url(_) | MediaSource::Id(_));
    match kind {
        PartKind::ToolCall(_) => CALL.camel,
        PartKind::ToolResult(_) => RESPONSE.camel,
        PartKind::Image(m) | PartKind::Video(m) | PartKind::File(m) if at_home(m) => {
            FILE_DATA.camel
        }
        PartKind::Audio(a) if at_home(&a.media) => FILE_DATA.camel,
        PartKind::Image(_) | PartKind::Video(_) | PartKind::File(_) | PartKind::Audio(_) => {
            INLINE_DATA.camel
        }
        PartKind::Text(_) | PartKind::Refusal(_) | PartKind::Reasoning(_) | PartKind::Opaque(_) => {
            ""
        }
    }
}

fn write_media_member(o: &mut ObjectWriter<'_>, part: &Part, place: Place, losses: &mut Losses) {
    match &part.kind {
        PartKind::Image(m) => media::write(o, part, m, "image/png", place, losses),
        PartKind::Video(m) => media::write(o, part, m, "video/mp4", place, losses),
        PartKind::File(m) => media::write(o, part, m, "application/pdf", place, losses),
        PartKind::Audio(audio) => {
            if audio.transcript.is_some() {
                place.lose("transcript", losses);
            }
            media::write(o, part, &audio.media, "audio/wav", place, losses);
        }
        PartKind::Text(_)
        | PartKind::Refusal(_)
        | PartKind::Reasoning(_)
        | PartKind::ToolCall(_)
        | PartKind::ToolResult(_)
        | PartKind::Opaque(_) => {}
    }
}

/// Media of a result that models before the third generation take only beside it.
fn beside(out: &mut ArrayWriter<'_>, part: &Part, own: bool, place: Place, w: &mut Writing<'_>) {
    let PartKind::ToolResult(result) = &part.kind else { return };
    if own || w.media_inside {
        return;
    }
    for (child, media) in function::media_of(result) {
        let place = Place { child: Some(child), ..place };
        w.losses.reordered(place.path(""));
        write_media(&mut out.object(), media, place, &mut w.losses);
    }
}

/// The signature to write, if the part has state that its reader understands.
fn signature(part: &Part, place: Place, w: &mut Writing<'_>) -> Option<String> {
    let state = part.state.as_ref()?;
    if let Some(own) = own_signature(state) {
        return Some(own.into());
    }
    match w.state {
        StateFor::Client => Some(state::token(state)),
        StateFor::Upstream => {
            w.losses.dropped(place.path("state"));
            None
        }
    }
}

/// The text of Google's own signature.
pub(in crate::gemini) fn own_signature(state: &Opaque) -> Option<Str> {
    if state.origin != ME {
        return None;
    }
    Field::root(state.value.text()).ok()?.str().ok()
}

/// Whether this dialect has a word for the part. Parts of another dialect that say nothing are
/// left out, since empty ones are refused.
fn can_say(part: &Part, own: bool, signed: bool, w: &Writing<'_>) -> bool {
    let keep_empty = own || signed;
    match &part.kind {
        PartKind::Text(t) | PartKind::Refusal(t) => keep_empty || !t.text.is_empty(),
        PartKind::Reasoning(t) => keep_empty || !t.is_empty(),
        PartKind::Image(m) | PartKind::Video(m) | PartKind::File(m) => media::can_say(m),
        PartKind::Audio(a) => media::can_say(&a.media),
        PartKind::ToolCall(_) => true,
        // A client of ours never answers calls that a provider ran by itself.
        PartKind::ToolResult(_) => w.state == StateFor::Upstream || own,
        PartKind::Opaque(o) => o.origin == ME,
    }
}

/// Whether leaving the part out loses anything.
fn says_something(part: &Part) -> bool {
    match &part.kind {
        PartKind::Text(t) | PartKind::Refusal(t) => !t.text.is_empty(),
        PartKind::Reasoning(t) => !t.is_empty(),
        PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::File(_)
        | PartKind::ToolCall(_)
        | PartKind::ToolResult(_)
        | PartKind::Opaque(_) => true,
    }
}
