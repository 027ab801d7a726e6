//! Which models there are.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{ModelInfo, Models};
use llm_core::dialect::{Corrupt, Rendered};
use llm_core::extra::Losses;

use super::names::bare;
use super::notation::{ME, rest};
use super::route::prefixed;
use crate::json::{Bad, JsonKind, Object, ObjectWriter, object, write};

/// The name had no collection.
const BARE: u32 = 1;

/// Reads a page of the list, or one model.
pub(super) fn decode_answer(body: &Bytes) -> Result<Models, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    if o.see("name").is_some() {
        return Ok(Models { models: vec![read(o)?], single: true, ..Models::default() });
    }
    let mut models = Vec::new();
    // A project without models has a list without members.
    for field in o.array("models")? {
        models.push(read(field.object()?)?);
    }
    Ok(Models { models, single: false, extra: rest(o, 0) })
}

fn read(mut o: Object<'_>) -> Result<ModelInfo, Bad> {
    let name = o.need_str("name")?;
    let id: Str = bare(&name).to_owned().into();
    let bits = if id.len() == name.len() { BARE } else { 0 };
    let title = o.take_if("displayName", JsonKind::String).and_then(|f| f.str().ok());
    Ok(ModelInfo { id, created: None, owner: None, title, extra: rest(o, bits) })
}

/// Writes a page of the list, or one model.
pub(super) fn encode_answer(models: &Models) -> Rendered {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        if models.single
            && let Some(one) = models.models.first()
        {
            return write_model(o, one, &mut losses);
        }
        let mut list = o.array("models");
        for model in &models.models {
            write_model(&mut list.object(), model, &mut losses);
        }
        drop(list);
        o.extra(&models.extra, ME);
    });
    models.extra.lose(ME, "", &mut losses);
    Rendered::json(body, losses)
}

fn write_model(o: &mut ObjectWriter<'_>, model: &ModelInfo, losses: &mut Losses) {
    if model.extra.notation(ME).has(BARE) {
        o.str("name", &model.id);
    } else {
        o.str("name", &prefixed(&model.id));
    }
    o.opt_str("displayName", model.title.as_ref());
    if model.extra.origin() != Some(ME) {
        // Clients choose by method; what a gateway lists can at least be talked to.
        let mut methods = o.array("supportedGenerationMethods");
        ["generateContent", "countTokens"].iter().for_each(|m| methods.str(m));
        drop(methods);
        model.extra.lose(ME, "models", losses);
    }
    o.extra(&model.extra, ME);
}
