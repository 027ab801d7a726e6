//! The terms of a text: what it is found by.
//!
//! Words of scripts that have spaces are terms as they are; Korean, Chinese and Japanese ones, whose
//! words change their ends or have no spaces between them, are cut into pairs of letters, so that
//! 서울에서 is found by 서울. Everything is one notation first, and in small letters.
//!
//! What is kept of a term is a number that only its person's key makes ([`Person::blind`]): whoever
//! reads the index learns neither the words nor whether two people use the same.
//!
//! [`Person::blind`]: crate::people::Person::blind

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

/// Letters of a term: what is longer is nobody's word, and found by its beginning.
const LETTERS_MAX: usize = 40;
/// Terms of one text: beyond it nothing new is said of it.
pub const TERMS_MAX: usize = 20_000;

/// The terms of a text, and how often each stands in it.
pub fn terms(text: &str) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    let mut add = |term: &str| {
        if found.len() < TERMS_MAX || found.contains_key(term) {
            *found.entry(term.to_owned()).or_insert(0) += 1;
        }
    };
    let mut run: Vec<char> = Vec::new();
    let mut paired = false;
    let lower = text.nfkc().flat_map(char::to_lowercase);
    for letter in lower.chain(std::iter::once(' ')) {
        let pairs = is_paired(letter);
        if !letter.is_alphanumeric() || pairs != paired {
            cut(&run, paired, &mut add);
            run.clear();
        }
        paired = pairs;
        if letter.is_alphanumeric() {
            run.push(letter);
        }
    }
    found
}

fn cut(run: &[char], paired: bool, add: &mut impl FnMut(&str)) {
    if paired && run.len() > 1 {
        run.windows(2).for_each(|pair| add(&pair.iter().collect::<String>()));
    } else if !run.is_empty() {
        add(&run.iter().take(LETTERS_MAX).collect::<String>());
    }
}

/// Hangul, kana and Han characters.
fn is_paired(letter: char) -> bool {
    matches!(u32::from(letter),
        0x1100..=0x11ff | 0x3040..=0x30ff | 0x3130..=0x318f | 0x31f0..=0x31ff | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff | 0xac00..=0xd7ff | 0xf900..=0xfaff | 0x20000..=0x323af)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn are(text: &str, expected: &[(&str, u32)]) {
        let found = terms(text);
        let expected = expected.iter().map(|(term, count)| ((*term).to_owned(), *count));
        assert_eq!(found, expected.collect(), "{text}");
    }

    #[test]
    fn words_are_terms_and_korean_is_cut_into_pairs() {
        are("", &[]);
        are("Two words, two", &[("two", 2), ("words", 1)]);
        are("서울에서 만나요", &[("나요", 1), ("만나", 1), ("서울", 1), ("에서", 1), ("울에", 1)]);
        are("집", &[("집", 1)]);
        are("GPT모델3", &[("3", 1), ("gpt", 1), ("모델", 1)]);
    }

    #[test]
    fn notations_of_one_word_are_one() {
        // As some systems write it: each letter of a syllable by itself.
        let apart: String = "서울".nfd().collect();
        assert_ne!(apart, "서울");
        assert_eq!(terms(&apart), terms("서울"));
        assert_eq!(terms("ＦＵＬＬ"), terms("full"));
    }

    #[test]
    fn what_is_no_word_is_bounded() {
        assert_eq!(terms(&"x".repeat(1_000)).keys().next().map(String::len), Some(LETTERS_MAX));
        let many: String = (0..30_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(terms(&many).len(), TERMS_MAX);
    }
}
