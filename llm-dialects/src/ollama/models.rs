//! Which models there are: `/api/tags`, and `/api/show` for one of them, whose answer does not
//! repeat the name it was asked for.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{ModelInfo, Models};
use llm_core::dialect::{BadRequest, Corrupt, Encoded, RenderCx, Rendered, Route, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::ModelsRequest;

use super::time;
use super::wire::{ID, note};
use crate::json::{Bad, Field, Object, ObjectWriter, object, write};

/// Reads a question: a body names the one model asked for.
pub(super) fn decode(route: &Route, body: &Bytes) -> Result<ModelsRequest, BadRequest> {
    if body.is_empty() {
        return Ok(ModelsRequest { model: route.model.clone() });
    }
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    // Older clients say `name`.
    let model = o.str("model")?;
    Ok(ModelsRequest { model: if model.is_some() { model } else { o.str("name")? } })
}

/// Writes a question.
pub(super) fn encode(request: &ModelsRequest, cx: &SendCx<'_>) -> Encoded {
    let body = match &request.model {
        None => Bytes::new(),
        Some(model) => {
            let model = if cx.model.is_empty() { model } else { cx.model };
            write::object(|o| {
                o.str("model", model);
            })
            .freeze()
        }
    };
    Encoded::json(body, Losses::default())
}

/// Reads an answer.
pub(super) fn decode_answer(body: &Bytes) -> Result<Models, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let Some(list) = o.take("models")? else {
        let created = modified(&o);
        let model = ModelInfo { created, extra: o.rest(ID), ..ModelInfo::default() };
        return Ok(Models { models: vec![model], single: true, ..Models::default() });
    };
    let models = list.array()?.into_iter().map(entry).collect::<Result<_, Bad>>()?;
    Ok(Models { models, single: false, extra: o.rest(ID) })
}

fn modified(o: &Object<'_>) -> Option<u64> {
    o.see("modified_at").and_then(|f| f.str().ok()).and_then(|t| time::seconds(&t))
}

fn entry(field: Field<'_>) -> Result<ModelInfo, Bad> {
    let mut o = field.object()?;
    let mut bits = 0;
    let id = match o.str("name")? {
        Some(name) => name,
        None => {
            bits |= note::NAME_UNSAID;
            o.need_str("model")?
        }
    };
    let created = modified(&o);
    Ok(ModelInfo { id, created, owner: None, title: None, extra: o.rest(ID).noted(bits) })
}

/// Writes an answer.
pub(super) fn encode_answer(answer: &Models, _cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    answer.extra.lose(ID, "", &mut losses);
    let body = write::object(|o| {
        if answer.single {
            if let Some(model) = answer.models.first() {
                write_model(o, model, true, 0, &mut losses);
            }
        } else {
            let mut list = o.array("models");
            for (at, model) in answer.models.iter().enumerate() {
                write_model(&mut list.object(), model, false, at, &mut losses);
            }
        }
        o.extra(&answer.extra, ID);
    });
    Rendered::json(body.freeze(), losses)
}

fn write_model(
    o: &mut ObjectWriter<'_>,
    model: &ModelInfo,
    single: bool,
    at: usize,
    losses: &mut Losses,
) {
    if model.extra.origin() == Some(ID) {
        if !single {
            let unsaid = model.extra.notation(ID).has(note::NAME_UNSAID);
            o.str(if unsaid { "model" } else { "name" }, &model.id);
        }
        o.extra(&model.extra, ID);
        return;
    }
    if !single {
        o.str("name", &model.id).str("model", &model.id);
    }
    if let Some(created) = model.created {
        o.str("modified_at", &time::text(created));
    }
    // Clients read these without asking whether they are there.
    if !single {
        o.u64("size", 0).str("digest", "");
    }
    let mut details = o.object("details");
    details.str("format", "").str("family", model.owner.as_deref().unwrap_or_default());
    drop(details);
    if single {
        // What it is made of is the provider's affair; that it can talk is what clients look for.
        o.object("model_info");
        o.array("capabilities").str("completion");
    }
    if model.title.is_some() {
        losses.dropped(Str::from(format!("models.{at}.title")));
    }
    if !model.extra.is_empty() {
        model.extra.lose(ID, format_args!("models.{at}"), losses);
    }
}
