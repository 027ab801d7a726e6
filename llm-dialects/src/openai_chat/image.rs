//! Text to image.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{Images, MadeImage};
use llm_core::dialect::{BadRequest, Corrupt, Encoded, RenderCx, Rendered, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::ImageRequest;

use super::notation::ME;
use super::reply::{take_str, take_u64};
use super::usage;
use crate::json::{JsonKind, Object, object, write};

/// Reads a request.
pub(super) fn decode(body: &Bytes, model: Option<&Str>) -> Result<ImageRequest, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    Ok(ImageRequest {
        model: super::model_of(&mut o, model)?,
        prompt: o.need_str("prompt")?,
        count: o.u32("n")?,
        size: o.str("size")?,
        extra: o.rest(ME),
    })
}

/// Writes a request.
pub(super) fn encode(request: &ImageRequest, cx: &SendCx<'_>) -> Encoded {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        o.str("model", cx.model).str("prompt", &request.prompt);
        o.opt_u64("n", request.count.map(u64::from)).opt_str("size", request.size.as_ref());
        o.extra(&request.extra, ME);
        request.extra.lose(ME, "", &mut losses);
    });
    Encoded::json(body.freeze(), losses)
}

/// Reads an answer.
pub(super) fn read(body: &Bytes) -> Result<Images, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut images = Vec::new();
    for item in o.need("data")?.array()? {
        let mut row = item.object()?;
        images.push(MadeImage {
            base64: take_str(&mut row, "b64_json"),
            url: take_str(&mut row, "url"),
            revised_prompt: take_str(&mut row, "revised_prompt"),
            extra: row.rest(ME),
        });
    }
    let mut report = o.take_if("usage", JsonKind::Object).and_then(usage::read);
    if let Some(report) = &mut report {
        report.usage.images = u32::try_from(images.len()).unwrap_or(u32::MAX);
    }
    let created = take_u64(&mut o, "created");
    Ok(Images { created, images, usage: report, extra: o.rest(ME) })
}

/// Writes an answer.
pub(super) fn render(answer: &Images, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        o.u64("created", answer.created.unwrap_or(cx.created));
        let mut array = o.array("data");
        for (at, image) in answer.images.iter().enumerate() {
            let mut row = array.object();
            row.opt_str("b64_json", image.base64.as_ref()).opt_str("url", image.url.as_ref());
            row.opt_str("revised_prompt", image.revised_prompt.as_ref());
            row.extra(&image.extra, ME);
            image.extra.lose(ME, format_args!("images.{at}"), &mut losses);
        }
        drop(array);
        if let Some(report) = &answer.usage {
            usage::write_tokens(&mut o.object("usage"), report);
        }
        o.extra(&answer.extra, ME);
        answer.extra.lose(ME, "", &mut losses);
    });
    Rendered::json(body.freeze(), losses)
}
