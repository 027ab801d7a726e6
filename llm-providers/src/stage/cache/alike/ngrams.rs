//! Similarity of spelling, without a model.

use llm_core::error::Error;
use llm_core::seam::BoxFuture;

use super::Embedder;

/// Counts a text's runs of three characters. It is lexical: texts of the same spelling are similar,
/// and texts of the same meaning are not. `Do it.` and `Do not do it.` are close; set the threshold
/// high, or bring a model's vectors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ngrams;

/// Long enough that two runs seldom share a place.
const LENGTH: usize = 1_024;
const RUN: usize = 3;

impl Embedder for Ngrams {
    fn embed<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>> {
        let mut vector = vec![0.0; LENGTH];
        let spaced = text.split_whitespace().flat_map(|word| word.chars().chain([' ']));
        let chars: Vec<char> =
            [' '].into_iter().chain(spaced.flat_map(char::to_lowercase)).collect();
        for run in chars.windows(RUN.min(chars.len())) {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            for c in run {
                hash = (hash ^ u64::from(u32::from(*c))).wrapping_mul(0x0000_0100_0000_01b3);
            }
            // The upper half: the lower bits of such a hash are poor.
            let at = usize::try_from(hash >> 40).unwrap_or(0) % LENGTH;
            vector[at] += 1.0;
        }
        Box::pin(async { Ok(vector) })
    }
}
