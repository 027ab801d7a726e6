//! Which passages answer a question best: by their words, by their direction, and by both.
//!
//! Words are weighed as BM25 does it, out of numbers that stand for terms; directions by their angle.
//! The two say nothing to each other in numbers, so that only their *ranks* are added up
//! (reciprocal-rank fusion): whatever is high in one of the lists is high in the sum.

use std::collections::{BTreeMap, HashMap};

/// How soon more of the same word counts for less, and how much a long text is held back.
const SATURATION: f64 = 1.2;
const LENGTH_WEIGHT: f64 = 0.75;
/// What is added to every rank: the first ones do not decide alone.
const RANK_OFFSET: f64 = 60.0;
/// Bytes of a term: its number, and how often.
const TERM_BYTES: usize = 10;

/// The terms of a text, as a store keeps them: their numbers, sorted.
pub fn packed(terms: impl IntoIterator<Item = (i64, u32)>) -> Vec<u8> {
    let sorted: BTreeMap<i64, u32> = terms.into_iter().collect();
    let mut bytes = Vec::with_capacity(sorted.len() * TERM_BYTES);
    for (number, count) in sorted {
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
    }
    bytes
}

/// How often a term stands in a text.
fn count(packed: &[u8], term: i64) -> u32 {
    let (terms, _) = packed.as_chunks::<TERM_BYTES>();
    let number = |one: &[u8; TERM_BYTES]| {
        let [a, b, c, d, e, f, g, h, ..] = *one;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    };
    match terms.binary_search_by_key(&term, number) {
        Ok(at) => {
            terms.get(at).map_or(0, |[.., high, low]| u16::from_be_bytes([*high, *low]).into())
        }
        Err(_) => 0,
    }
}

/// Texts that are looked through one after the other, without being kept.
#[derive(Clone, Debug)]
pub struct Words {
    terms: Vec<i64>,
    /// In how many texts each term stands.
    texts_with: Vec<u64>,
    texts: u64,
    length: u64,
    /// Texts in which any of them stands: its number, its length, and how often each does.
    found: Vec<(usize, u32, Vec<u32>)>,
}

impl Words {
    /// Who looks for these terms.
    pub fn new(terms: impl IntoIterator<Item = i64>) -> Self {
        let terms: Vec<i64> = terms.into_iter().collect();
        let texts_with = vec![0; terms.len()];
        Self { terms, texts_with, texts: 0, length: 0, found: Vec::new() }
    }

    /// Looks at a text.
    pub fn look(&mut self, text: usize, packed: &[u8], length: u32) {
        self.texts += 1;
        self.length += u64::from(length);
        let counts: Vec<u32> = self.terms.iter().map(|term| count(packed, *term)).collect();
        if counts.iter().all(|count| *count == 0) {
            return;
        }
        for (texts, count) in self.texts_with.iter_mut().zip(&counts) {
            *texts += u64::from(*count > 0);
        }
        self.found.push((text, length, counts));
    }

    /// What was found, the best first.
    pub fn ranked(self) -> Vec<usize> {
        let mean = (self.length as f64 / self.texts.max(1) as f64).max(1.0);
        let rarity = |with: u64| {
            let (all, with) = (self.texts as f64, with as f64);
            (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
        };
        let rarities: Vec<f64> = self.texts_with.iter().map(|with| rarity(*with)).collect();
        let weighed = self.found.iter().map(|(text, length, counts)| {
            let held = 1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * f64::from(*length) / mean;
            let one = |(count, rarity): (&u32, &f64)| {
                let count = f64::from(*count);
                rarity * count * (SATURATION + 1.0) / (count + SATURATION * held)
            };
            (*text, counts.iter().zip(&rarities).map(one).sum::<f64>())
        });
        best(weighed.collect())
    }
}

/// Texts by their weights, the heaviest first; of two that are the same, the first one.
pub fn best(mut weighed: Vec<(usize, f64)>) -> Vec<usize> {
    weighed.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    weighed.into_iter().map(|(text, _)| text).collect()
}

/// Several orders as one: each text, and what its ranks come to, the best first.
pub fn fused(orders: &[Vec<usize>]) -> Vec<(usize, f64)> {
    let mut sums: HashMap<usize, f64> = HashMap::new();
    for order in orders {
        for (rank, text) in order.iter().enumerate() {
            *sums.entry(*text).or_default() += 1.0 / (RANK_OFFSET + rank as f64 + 1.0);
        }
    }
    let mut all: Vec<(usize, f64)> = sums.into_iter().collect();
    all.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_come_back(terms in prop::collection::btree_map(any::<i64>(), 1..60_000u32, 0..60)) {
            let bytes = packed(terms.clone());
            for (number, times) in &terms {
                prop_assert_eq!(count(&bytes, *number), *times);
                let next = number.wrapping_add(1);
                prop_assert_eq!(count(&bytes, next), terms.get(&next).copied().unwrap_or(0));
            }
        }

        #[test]
        fn whoever_is_first_everywhere_is_first(others in prop::collection::vec(1..50usize, 0..40)) {
            let mut order: Vec<usize> = others;
            order.sort_unstable();
            order.dedup();
            order.insert(0, 0);
            let fused = fused(&[order.clone(), order.clone()]);
            let fused: Vec<usize> = fused.into_iter().map(|(text, _)| text).collect();
            prop_assert_eq!(fused, order);
        }
    }

    #[test]
    fn rare_words_weigh_more_and_long_texts_less() {
        let mut words = Words::new([1, 2]);
        words.look(0, &packed([(1, 1)]), 10);
        words.look(1, &packed([(1, 1), (2, 1)]), 10);
        words.look(2, &packed([(1, 1)]), 1_000);
        words.look(3, &packed([(7, 9)]), 10);
        assert_eq!(words.ranked(), [1, 0, 2]);
        assert!(Words::new([]).ranked().is_empty());
    }
}
