//! Which models there are.

use bytes::Bytes;
use llm_core::answer::{ModelInfo, Models};
use llm_core::dialect::{Corrupt, Rendered};
use llm_core::extra::Losses;

use super::wire::ID;
use crate::json::{Bad, Field, Object, ObjectWriter, object, write};

/// Reads an answer: a list, or the one model that was asked for.
pub(super) fn decode_answer(body: &Bytes) -> Result<Models, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    match o.take("models")? {
        Some(list) => {
            let models = list.array()?.into_iter().map(model).collect::<Result<_, Bad>>()?;
            Ok(Models { models, single: false, extra: o.rest(ID) })
        }
        None => {
            let models = vec![model(o.field())?];
            Ok(Models { models, single: true, ..Models::default() })
        }
    }
}

fn model(field: Field<'_>) -> Result<ModelInfo, Bad> {
    let mut o = field.object()?;
    let id = o.need_str("name")?;
    Ok(ModelInfo { id, created: None, owner: None, title: None, extra: o.rest(ID) })
}

/// Writes an answer.
pub(super) fn encode_answer(answer: &Models) -> Rendered {
    let mut losses = Losses::default();
    answer.extra.lose(ID, "", &mut losses);
    for (at, model) in answer.models.iter().enumerate() {
        if model.extra.origin() != Some(ID) && !model.extra.is_empty() {
            model.extra.lose(ID, format_args!("models.{at}"), &mut losses);
        }
    }
    let body = write::object(|o| {
        if answer.single {
            answer.models.iter().take(1).for_each(|m| write_model(o, m));
        } else {
            let mut list = o.array("models");
            answer.models.iter().for_each(|m| write_model(&mut list.object(), m));
        }
        o.extra(&answer.extra, ID);
    });
    Rendered::json(body.freeze(), losses)
}

fn write_model(o: &mut ObjectWriter<'_>, model: &ModelInfo) {
    o.str("name", &model.id).extra(&model.extra, ID);
}
