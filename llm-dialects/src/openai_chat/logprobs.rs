//! How sure the model was of each token, both ways.

use llm_core::Str;
use llm_core::prompt::TokenLogprob;

use crate::json::{ArrayWriter, Bad, Field, JsonKind, ObjectWriter};

/// Reads one list of tokens.
pub(super) fn read(field: Field<'_>) -> Result<Vec<TokenLogprob>, Bad> {
    field.array()?.into_iter().map(token).collect()
}

fn token(field: Field<'_>) -> Result<TokenLogprob, Bad> {
    let mut o = field.object()?;
    let bytes = match o.take_if("bytes", JsonKind::Array) {
        Some(bytes) => Some(bytes.parse()?),
        None => None,
    };
    let mut top = Vec::new();
    // One level: what else might have come has no alternatives of its own.
    for item in o.array("top_logprobs")? {
        let mut o = item.object()?;
        let bytes = o.take_if("bytes", JsonKind::Array).map(|b| b.parse()).transpose()?;
        top.push(TokenLogprob {
            token: o.str("token")?.unwrap_or_default(),
            logprob: o.need("logprob")?.number()?,
            bytes,
            top: Vec::new(),
        });
    }
    let token = o.str("token")?.unwrap_or_default();
    Ok(TokenLogprob { token, logprob: o.need("logprob")?.number()?, bytes, top })
}

/// Writes one list of tokens.
pub(super) fn write(o: &mut ObjectWriter<'_>, name: &'static str, tokens: &[TokenLogprob]) {
    let mut array = o.array(name);
    for token in tokens {
        let mut o = members(&mut array, token);
        let mut top = o.array("top_logprobs");
        token.top.iter().for_each(|t| _ = members(&mut top, t));
    }
}

fn members<'w>(array: &'w mut ArrayWriter<'_>, token: &TokenLogprob) -> ObjectWriter<'w> {
    let mut o = array.object();
    o.str("token", &token.token).number("logprob", &token.logprob);
    match &token.bytes {
        Some(bytes) => {
            let mut list = o.array("bytes");
            bytes.iter().for_each(|b| list.u64(u64::from(*b)));
        }
        None => _ = o.null("bytes"),
    }
    o
}

/// Reads `choice.logprobs` as it comes with a piece of a stream: tokens of the text, and of the
/// refusal.
pub(super) fn read_choice(text: &Str) -> Result<[Vec<TokenLogprob>; 2], Bad> {
    let field = Field::root(text)?;
    if field.kind() != JsonKind::Object {
        return Ok([Vec::new(), Vec::new()]);
    }
    let mut o = field.object()?;
    let mut list = |name| match o.take_if(name, JsonKind::Array) {
        Some(field) => read(field),
        None => Ok(Vec::new()),
    };
    Ok([list("content")?, list("refusal")?])
}
