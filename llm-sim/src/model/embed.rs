//! Vectors: hashed character n-grams, so that similar texts have similar vectors.

use base64::Engine as _;
use llm_core::answer::{Embeddings, Vector, VectorSet};
use llm_core::dialect::DialectId;
use llm_core::prompt::{EmbedInput, EmbedRequest};

use super::tokens::tokens;
use super::{hash, read_only, text};

/// A vector longer than any real model's is a mistake or an attack.
pub const DIMENSIONS_MAX: u32 = 8_192;
/// Characters of one n-gram.
const GRAM: usize = 3;

pub(crate) fn embed(request: &EmbedRequest, dialect: DialectId) -> Embeddings {
    let size = dimensions(request, dialect);
    let mut read = 0;
    let vectors: Vec<Vec<f64>> = request
        .input
        .iter()
        .map(|input| {
            let text = plain(input);
            read += match input {
                EmbedInput::Tokens(list) => list.len() as u64,
                _ => tokens(&text),
            };
            vector(&text, size)
        })
        .collect();
    let usual = [llm_core::Str::from_static("float")];
    let wanted = if request.encodings.is_empty() { &usual[..] } else { &request.encodings };
    let set = |encoding: &llm_core::Str| VectorSet {
        encoding: encoding.clone(),
        vectors: vectors.iter().map(|v| encode(v, encoding)).collect(),
    };
    let seed = hash::hash(format!("{:?}", request.input).as_bytes());
    Embeddings {
        // Only Cohere names its answers.
        id: (dialect == DialectId::Cohere).then(|| hash::uuid(seed).into()),
        model: Some(request.model.clone()),
        sets: wanted.iter().map(set).collect(),
        usage: Some(read_only(read)),
        extra: llm_core::extra::Extra::default(),
    }
}

/// A unit vector of a text.
pub fn vector(text: &str, size: usize) -> Vec<f64> {
    let mut out = vec![0.0; size.max(1)];
    // Padded, so that the first and last letters of a word weigh as much as those within.
    let padded = format!("  {}  ", text.to_lowercase());
    let chars: Vec<char> = padded.chars().collect();
    for gram in chars.windows(GRAM) {
        let gram: String = gram.iter().collect();
        let h = hash::mix(hash::hash(gram.as_bytes()));
        let at = (h % out.len() as u64) as usize;
        out[at] += if h >> 63 == 0 { 1.0 } else { -1.0 };
    }
    let norm = out.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm == 0.0 {
        // The grams cancelled each other; a unit vector is promised all the same.
        out[0] = 1.0;
        return out;
    }
    // Single precision is what providers compute in; more digits would only be longer.
    out.iter().map(|x| f64::from((x / norm) as f32)).collect()
}

/// How near two texts are, from 0 to 1.
pub(crate) fn likeness(a: &str, b: &str) -> f64 {
    const SIZE: usize = 2_048;
    let (a, b) = (vector(a, SIZE), vector(b, SIZE));
    a.iter().zip(&b).map(|(x, y)| x * y).sum::<f64>().clamp(0.0, 1.0)
}

pub(crate) fn plain(input: &EmbedInput) -> String {
    match input {
        EmbedInput::Text(text) => text.to_string(),
        EmbedInput::Tokens(list) => list.iter().map(|t| format!("<{t}>")).collect(),
        EmbedInput::Parts(parts) => text::words(parts),
    }
}

fn dimensions(request: &EmbedRequest, dialect: DialectId) -> usize {
    let usual = match dialect {
        _ if request.model.contains("3-large") => 3_072,
        DialectId::OpenaiChat => 1_536,
        DialectId::Gemini => 3_072,
        DialectId::Cohere | DialectId::CohereV1 => 1_024,
        _ => 768,
    };
    request.dimensions.unwrap_or(usual).clamp(1, DIMENSIONS_MAX) as usize
}

fn encode(vector: &[f64], encoding: &str) -> Vector {
    let scaled = |low: f64, high: f64, shift: f64| {
        let one = |x: &f64| (x * 127.0 + shift).round().clamp(low, high) as i16;
        Vector::Int(vector.iter().map(one).collect())
    };
    match encoding {
        "base64" => {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
            Vector::Base64(base64::engine::general_purpose::STANDARD.encode(bytes).into())
        }
        "int8" => scaled(-128.0, 127.0, 0.0),
        "uint8" => scaled(0.0, 255.0, 128.0),
        "ubinary" => Vector::Int(packed(vector).map(i16::from).collect()),
        "binary" => Vector::Int(packed(vector).map(|b| i16::from(b) - 128).collect()),
        _ => Vector::Float(vector.to_vec()),
    }
}

/// One bit a number, the first in the highest place.
fn packed(vector: &[f64]) -> impl Iterator<Item = u8> + '_ {
    vector.chunks(8).map(|eight| {
        let bits = eight.iter().enumerate();
        bits.fold(0, |byte, (n, x)| if *x > 0.0 { byte | (0x80 >> n) } else { byte })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_units_and_near_for_near_texts() {
        let v = vector("hello world", 256);
        let norm: f64 = v.iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-5);
        let near = likeness("how to bake bread", "baking bread at home");
        let far = likeness("how to bake bread", "quantum field theory");
        assert!(near > far, "{near} {far}");
        assert!((likeness("same", "same") - 1.0).abs() < 1e-5);
    }
}
