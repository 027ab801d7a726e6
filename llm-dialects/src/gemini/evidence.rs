//! Where an answer comes from, and how sure the model was.
//!
//! Google says both of a whole candidate, in bytes of its text. The words hang them on the text:
//! a source with the sentence it supports, without a place, since places in bytes of a text that
//! came in pieces are no places in characters. What Google wrote stays with the finish, for
//! clients of Google.

use llm_core::Str;
use llm_core::extra::Losses;
use llm_core::prompt::{Citation, Part, PartKind, TokenLogprob};

use crate::json::{Field, JsonKind, Object, ObjectWriter};

/// A hostile answer must not become a million citations.
const CITATIONS_MAX: usize = 1024;

/// The sources in `groundingMetadata`.
pub(super) fn grounding(field: Field<'_>) -> Vec<Citation> {
    let Ok(mut o) = field.object() else { return Vec::new() };
    let chunks: Vec<Citation> = list(&mut o, "groundingChunks").map(source).collect();
    let mut out = Vec::new();
    for support in list(&mut o, "groundingSupports") {
        let Ok(mut support) = support.object() else { continue };
        let segment = support.take_if("segment", JsonKind::Object);
        let quote = segment.and_then(|s| text(&mut s.object().ok()?, "text"));
        for index in list(&mut support, "groundingChunkIndices") {
            let at = index.u32().ok().and_then(|n| usize::try_from(n).ok());
            if let Some(chunk) = at.and_then(|n| chunks.get(n))
                && out.len() < CITATIONS_MAX
            {
                out.push(Citation { quote: quote.clone(), ..chunk.clone() });
            }
        }
    }
    if out.is_empty() {
        out = chunks.into_iter().filter(|c| c.url.is_some()).take(CITATIONS_MAX).collect();
    }
    out
}

fn source(field: Field<'_>) -> Citation {
    let inner = field.object().ok().and_then(|o| {
        let found = ["web", "retrievedContext", "maps", "image"].iter().find_map(|n| o.see(n));
        found.and_then(|f| f.object().ok())
    });
    let Some(mut inner) = inner else { return Citation::default() };
    Citation {
        url: text(&mut inner, "uri").or_else(|| text(&mut inner, "sourceUri")),
        title: text(&mut inner, "title"),
        ..Citation::default()
    }
}

/// The sources in `citationMetadata`: of text recited from somewhere.
pub(super) fn recitation(field: Field<'_>) -> Vec<Citation> {
    let Ok(mut o) = field.object() else { return Vec::new() };
    // Vertex writes the second name.
    let name = if o.see("citationSources").is_some() { "citationSources" } else { "citations" };
    let read = |field: Field<'_>| {
        let mut source = field.object().ok()?;
        let url = text(&mut source, "uri");
        Some(Citation { url, title: text(&mut source, "title"), ..Citation::default() })
    };
    list(&mut o, name).filter_map(read).take(CITATIONS_MAX).collect()
}

/// The tokens in `logprobsResult`.
pub(super) fn logprobs(field: Field<'_>) -> Vec<TokenLogprob> {
    let Ok(mut o) = field.object() else { return Vec::new() };
    let tops: Vec<Field<'_>> = list(&mut o, "topCandidates").collect();
    let top = |at: usize| -> Vec<TokenLogprob> {
        let Some(mut o) = tops.get(at).and_then(|f| f.object().ok()) else { return Vec::new() };
        list(&mut o, "candidates").filter_map(token).collect()
    };
    let chosen = list(&mut o, "chosenCandidates").filter_map(token).enumerate();
    chosen.map(|(at, token)| TokenLogprob { top: top(at), ..token }).collect()
}

fn token(field: Field<'_>) -> Option<TokenLogprob> {
    let mut o = field.object().ok()?;
    let logprob = o.take_if("logProbability", JsonKind::Number)?.number().ok()?;
    let token = text(&mut o, "token").unwrap_or_default();
    Some(TokenLogprob { token, logprob, bytes: None, top: Vec::new() })
}

fn list<'a>(o: &mut Object<'a>, name: &str) -> impl Iterator<Item = Field<'a>> + use<'a> {
    let field = o.take_if(name, JsonKind::Array);
    field.and_then(|f| f.array().ok()).unwrap_or_default().into_iter()
}

fn text(o: &mut Object<'_>, name: &str) -> Option<Str> {
    o.take_if(name, JsonKind::String).and_then(|f| f.str().ok())
}

/// Writes what another dialect said of its texts as members of a candidate.
pub(super) fn write(o: &mut ObjectWriter<'_>, parts: &[Part], at: usize, losses: &mut Losses) {
    let texts = || {
        parts.iter().filter_map(|p| match &p.kind {
            PartKind::Text(t) | PartKind::Refusal(t) => Some(t),
            _ => None,
        })
    };
    let citations: Vec<&Citation> = texts().flat_map(|t| &t.citations).collect();
    if !citations.is_empty() {
        // The API has no more than addresses here.
        losses.approximated(format!("candidates.{at}.citations"));
        let mut metadata = o.object("citationMetadata");
        let mut sources = metadata.array("citationSources");
        for citation in citations.into_iter().filter(|c| c.url.is_some()) {
            sources.object().opt_str("uri", citation.url.as_ref());
        }
    }
    let tokens: Vec<&TokenLogprob> = texts().flat_map(|t| &t.logprobs).collect();
    if !tokens.is_empty() {
        write_logprobs(&mut o.object("logprobsResult"), &tokens);
    }
}

/// Writes tokens as `logprobsResult`.
pub(super) fn write_logprobs(o: &mut ObjectWriter<'_>, tokens: &[&TokenLogprob]) {
    let one = |o: &mut ObjectWriter<'_>, t: &TokenLogprob| {
        o.str("token", &t.token).number("logProbability", &t.logprob);
    };
    let mut chosen = o.array("chosenCandidates");
    tokens.iter().for_each(|t| one(&mut chosen.object(), t));
    drop(chosen);
    let mut top = o.array("topCandidates");
    for token in tokens {
        let mut step = top.object();
        let mut list = step.array("candidates");
        token.top.iter().for_each(|t| one(&mut list.object(), t));
    }
}
