//! Documents in order, as Jina and the compatible hosts write it: OpenAI has no such call.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{Ranked, Ranking};
use llm_core::dialect::{BadRequest, Corrupt, Encoded, RenderCx, Rendered, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::RerankRequest;

use super::notation::ME;
use super::reply::take_str;
use super::usage;
use crate::json::{JsonKind, Object, object, write};

/// Reads a request.
pub(super) fn decode(body: &Bytes, model: Option<&Str>) -> Result<RerankRequest, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    Ok(RerankRequest {
        model: super::model_of(&mut o, model)?,
        query: o.need_str("query")?,
        documents: o.need("documents")?.array()?.into_iter().map(|f| f.raw()).collect(),
        top_n: o.u32("top_n")?,
        extra: o.rest(ME),
    })
}

/// Writes a request.
pub(super) fn encode(request: &RerankRequest, cx: &SendCx<'_>) -> Encoded {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        o.str("model", cx.model).str("query", &request.query);
        let mut array = o.array("documents");
        request.documents.iter().for_each(|d| array.raw(d));
        drop(array);
        o.opt_u64("top_n", request.top_n.map(u64::from));
        o.extra(&request.extra, ME);
        request.extra.lose(ME, "", &mut losses);
    });
    Encoded::json(body.freeze(), losses)
}

/// Reads an answer.
pub(super) fn read(body: &Bytes) -> Result<Ranking, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut results = Vec::new();
    // Voyage says `data`.
    let name = if o.see("results").is_some() { "results" } else { "data" };
    for item in o.take(name)?.ok_or_else(|| o.missing("results"))?.array()? {
        let mut row = item.object()?;
        let index = row.need("index")?.u32()?;
        // Text Embeddings Inference says `score`.
        let score = match row.number("relevance_score")? {
            Some(score) => score,
            None => row.need("score")?.number()?,
        };
        results.push(Ranked { index, score, extra: row.rest(ME) });
    }
    Ok(Ranking {
        id: take_str(&mut o, "id"),
        model: take_str(&mut o, "model"),
        results,
        usage: o.take_if("usage", JsonKind::Object).and_then(usage::read_total),
        extra: o.rest(ME),
    })
}

/// Writes an answer.
pub(super) fn render(answer: &Ranking, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        o.opt_str("id", answer.id.as_ref());
        if let Some(model) = cx.model.as_ref().or(answer.model.as_ref()) {
            o.str("model", model);
        }
        let mut array = o.array("results");
        for (at, ranked) in answer.results.iter().enumerate() {
            let mut row = array.object();
            row.u64("index", u64::from(ranked.index)).number("relevance_score", &ranked.score);
            row.extra(&ranked.extra, ME);
            ranked.extra.lose(ME, format_args!("results.{at}"), &mut losses);
        }
        drop(array);
        if let Some(report) = &answer.usage {
            usage::write_total(&mut o.object("usage"), report);
        }
        o.extra(&answer.extra, ME);
        answer.extra.lose(ME, "", &mut losses);
    });
    Rendered::json(body.freeze(), losses)
}
