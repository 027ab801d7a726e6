//! Documents in the order of how well they answer a query.

use bytes::Bytes;
use llm_core::answer::{Ranked, Ranking};
use llm_core::dialect::{BadRequest, Corrupt, Encoded, RenderCx, Rendered, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::RerankRequest;

use super::usage;
use super::wire::ID;
use crate::json::{Object, object, write};

/// Reads a question.
pub(super) fn decode(body: &Bytes) -> Result<RerankRequest, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let model = o.need_str("model")?;
    let query = o.need_str("query")?;
    let documents = o.need("documents")?.array()?.iter().map(|f| f.raw()).collect();
    let top_n = o.u32("top_n")?;
    Ok(RerankRequest { model, query, documents, top_n, extra: o.rest(ID) })
}

/// Writes a question.
pub(super) fn encode(request: &RerankRequest, cx: &SendCx<'_>) -> Encoded {
    let mut losses = Losses::default();
    request.extra.lose(ID, "", &mut losses);
    let body = write::object(|o| {
        o.str("model", cx.model).str("query", &request.query);
        let mut list = o.array("documents");
        request.documents.iter().for_each(|d| list.raw(d));
        drop(list);
        o.opt_u64("top_n", request.top_n.map(u64::from));
        o.extra(&request.extra, ID);
    });
    Encoded::json(body.freeze(), losses)
}

/// Reads an answer.
pub(super) fn decode_answer(body: &Bytes) -> Result<Ranking, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let id = o.str("id")?;
    let mut results = Vec::new();
    for field in o.need("results")?.array()? {
        let mut o = field.object()?;
        let index = o.need("index")?.u32()?;
        let score = o.need("relevance_score")?.number()?;
        results.push(Ranked { index, score, extra: o.rest(ID) });
    }
    let usage = usage::of_meta(&mut o);
    Ok(Ranking { id, model: None, results, usage, extra: o.rest(ID) })
}

/// Writes an answer.
pub(super) fn encode_answer(answer: &Ranking, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    answer.extra.lose(ID, "", &mut losses);
    let own = answer.extra.origin() == Some(ID);
    let body = write::object(|o| {
        match &answer.id {
            Some(id) => o.str("id", id),
            None if own => o,
            None => o.str("id", &cx.id),
        };
        let mut list = o.array("results");
        for (at, ranked) in answer.results.iter().enumerate() {
            if ranked.extra.origin() != Some(ID) && !ranked.extra.is_empty() {
                ranked.extra.lose(ID, format_args!("results.{at}"), &mut losses);
            }
            let mut one = list.object();
            one.u64("index", u64::from(ranked.index)).number("relevance_score", &ranked.score);
            one.extra(&ranked.extra, ID);
        }
        drop(list);
        usage::write_meta(o, answer.usage.as_ref());
        o.extra(&answer.extra, ID);
    });
    Rendered::json(body.freeze(), losses)
}
