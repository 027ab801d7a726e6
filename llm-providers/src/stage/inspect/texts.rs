//! The texts of a question, each with its place in it.

use llm_core::Str;
use llm_core::error::Error;
use llm_core::prompt::{EmbedInput, Message, Part, PartKind, Prompt, Request};
use llm_core::raw::Raw;

/// One text.
pub(super) struct Text<'a> {
    place: &'a dyn Fn() -> String,
    slot: Slot<'a>,
}

/// Where it stands.
enum Slot<'a> {
    Plain(&'a mut Str),
    /// JSON, in which a mask may only stand where it leaves JSON.
    Arguments(&'a mut Str),
    Json(&'a mut Raw),
}

impl Text<'_> {
    pub(super) fn read(&self) -> &str {
        match &self.slot {
            Slot::Plain(text) | Slot::Arguments(text) => text,
            Slot::Json(raw) => raw.get(),
        }
    }

    /// Puts another in its place; whether that was possible.
    pub(super) fn write(&mut self, left: String) -> bool {
        match &mut self.slot {
            Slot::Plain(text) => **text = left.into(),
            Slot::Arguments(text) => match Raw::parse(left) {
                Ok(raw) => **text = raw.text().clone(),
                Err(_) => return false,
            },
            Slot::Json(raw) => match Raw::parse(left) {
                Ok(masked) => **raw = masked,
                Err(_) => return false,
            },
        }
        true
    }

    pub(super) fn place(&self) -> Str {
        (self.place)().into()
    }
}

type See<'f> = dyn FnMut(&mut Text<'_>) -> Result<(), Error> + 'f;

/// Shows all texts of a question, until one is refused.
pub(super) fn each(prompt: &mut Prompt, see: &mut See<'_>) -> Result<(), Error> {
    match prompt {
        Prompt::Chat(request) | Prompt::CountTokens(request) => chat(request, see),
        Prompt::Embed(request) => {
            for (n, input) in request.input.iter_mut().enumerate() {
                match input {
                    EmbedInput::Text(text) => plain(text, &|| format!("input.{n}"), see)?,
                    EmbedInput::Parts(all) => parts(all, &|| format!("input.{n}"), see)?,
                    EmbedInput::Tokens(_) => {}
                }
            }
            Ok(())
        }
        Prompt::Rerank(request) => {
            plain(&mut request.query, &|| "query".to_owned(), see)?;
            for (n, document) in request.documents.iter_mut().enumerate() {
                let place = || format!("documents.{n}");
                see(&mut Text { place: &place, slot: Slot::Json(document) })?;
            }
            Ok(())
        }
        Prompt::Transcribe(request) => match &mut request.prompt {
            Some(text) => plain(text, &|| "prompt".to_owned(), see),
            None => Ok(()),
        },
        Prompt::Image(request) => plain(&mut request.prompt, &|| "prompt".to_owned(), see),
        Prompt::Moderate(_) | Prompt::ListModels(_) => Ok(()),
    }
}

fn chat(request: &mut Request, see: &mut See<'_>) -> Result<(), Error> {
    for (n, message) in request.system.iter_mut().enumerate() {
        turn(message, &|| format!("system.{n}"), see)?;
    }
    for (n, message) in request.messages.iter_mut().enumerate() {
        turn(message, &|| format!("messages.{n}"), see)?;
    }
    Ok(())
}

fn turn(message: &mut Message, place: &dyn Fn() -> String, see: &mut See<'_>) -> Result<(), Error> {
    parts(&mut message.parts, place, see)
}

fn parts(parts: &mut [Part], place: &dyn Fn() -> String, see: &mut See<'_>) -> Result<(), Error> {
    for (n, part) in parts.iter_mut().enumerate() {
        let place = || format!("{}.content.{n}", place());
        match &mut part.kind {
            PartKind::Text(text) | PartKind::Refusal(text) => plain(&mut text.text, &place, see)?,
            PartKind::ToolCall(call) => {
                let slot = Slot::Arguments(&mut call.arguments);
                see(&mut Text { place: &place, slot })?;
            }
            PartKind::ToolResult(result) => self::parts(&mut result.content, &place, see)?,
            PartKind::Opaque(opaque) => {
                see(&mut Text { place: &place, slot: Slot::Json(&mut opaque.value) })?;
            }
            PartKind::Reasoning(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::File(_) => {}
        }
    }
    Ok(())
}

fn plain(text: &mut Str, place: &dyn Fn() -> String, see: &mut See<'_>) -> Result<(), Error> {
    see(&mut Text { place, slot: Slot::Plain(text) })
}
