//! Which models there are.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{ModelInfo, Models};
use llm_core::dialect::{Corrupt, RenderCx, Rendered};
use llm_core::extra::Losses;

use super::notation::ME;
use super::reply::{take_str, take_u64};
use crate::json::{Bad, Field, JsonKind, Object, ObjectWriter, object, write};

/// The answer named no owner.
const NO_OBJECT: u32 = 1;

/// Reads a list, or one model.
pub(super) fn read(body: &Bytes) -> Result<Models, Corrupt> {
    let text = object::text(body)?;
    let root = Field::root(&text)?;
    // Together answers with a bare list.
    if root.kind() == JsonKind::Array {
        let models = root.array()?.into_iter().map(model).collect::<Result<_, _>>()?;
        return Ok(Models { models, ..Models::default() });
    }
    let mut o = root.object()?;
    let Some(data) = o.take_if("data", JsonKind::Array) else {
        return Ok(Models { models: vec![model(root)?], single: true, ..Models::default() });
    };
    let models = data.array()?.into_iter().map(model).collect::<Result<_, _>>()?;
    let list = o.see("object").is_some_and(|f| f.text() == "\"list\"");
    if list {
        o.take("object")?;
    }
    let extra = o.rest(ME).noted(if list { 0 } else { NO_OBJECT });
    Ok(Models { models, single: false, extra })
}

fn model(field: Field<'_>) -> Result<ModelInfo, Bad> {
    let mut o: Object<'_> = field.object()?;
    let id = take_str(&mut o, "id").or_else(|| take_str(&mut o, "name"));
    let Some(id) = id else { return Err(o.missing("id")) };
    let word = o.see("object").is_some_and(|f| f.text() == "\"model\"");
    if word {
        o.take("object")?;
    }
    Ok(ModelInfo {
        id,
        created: take_u64(&mut o, "created"),
        owner: take_str(&mut o, "owned_by"),
        title: None,
        extra: o.rest(ME).noted(if word { 0 } else { NO_OBJECT }),
    })
}

/// Writes a list, or one model.
pub(super) fn render(models: &Models, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        if let (true, [only]) = (models.single, models.models.as_slice()) {
            one(o, only, cx, &mut losses, "");
            return;
        }
        if !models.extra.notation(ME).has(NO_OBJECT) {
            o.str("object", "list");
        }
        let mut data = o.array("data");
        for (at, model) in models.models.iter().enumerate() {
            one(&mut data.object(), model, cx, &mut losses, &format!("models.{at}"));
        }
        drop(data);
        o.extra(&models.extra, ME);
        models.extra.lose(ME, "", &mut losses);
    });
    Rendered::json(body.freeze(), losses)
}

fn one(
    o: &mut ObjectWriter<'_>,
    model: &ModelInfo,
    cx: &RenderCx,
    losses: &mut Losses,
    place: &str,
) {
    let own = model.extra.origin() == Some(ME);
    o.str("id", &model.id);
    if !model.extra.notation(ME).has(NO_OBJECT) {
        o.str("object", "model");
    }
    // Official clients require both; hosts leave them out.
    match model.created {
        Some(created) => _ = o.u64("created", created),
        None if !own => _ = o.u64("created", cx.created),
        None => {}
    }
    match &model.owner {
        Some(owner) => _ = o.str("owned_by", owner),
        None if !own => _ = o.str("owned_by", UNKNOWN_OWNER),
        None => {}
    }
    if !own {
        o.opt_str("name", model.title.as_ref());
    }
    o.extra(&model.extra, ME);
    model.extra.lose(ME, place, losses);
}

const UNKNOWN_OWNER: &str = "system";

/// The name that stands in a path, unescaped: `org%2Fmodel`, or `org/model` as it is.
pub(super) fn name_in_path(text: &str) -> Option<Str> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok().filter(|name| !name.is_empty()).map(Str::from)
}

/// A name as it stands in a path. Slashes stay: hosts name models `org/model` and mean the path.
pub(super) fn path_of(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(half), 16).map(|c| c.to_ascii_uppercase()));
            }
        }
    }
    out
}
