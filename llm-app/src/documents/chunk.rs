//! Pages cut into passages: what is embedded, searched and cited.
//!
//! Each letter of a page stands in the *core* of exactly one passage, and a passage never goes over
//! the end of its page, so that its page is known. In front of its core stands the *lead*: the end of
//! the core before it on the same page, so that a sentence that is cut is found by both halves.
//! Cuts are where a paragraph, a line, a sentence or a word ends, in this order, and between letters
//! otherwise: no letter is cut, whatever its length in bytes.

use std::ops::Range;

use llm_core::Str;

/// Letters of a core.
pub const CORE_LETTERS: usize = 1_200;
/// Letters of a lead, at the most.
pub const LEAD_LETTERS: usize = 150;

/// A passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its page, from 1 on.
    pub page: u32,
    /// Its core, in bytes of the page's text.
    pub core: Range<usize>,
    /// Lead and core.
    pub text: Str,
    /// Bytes of the lead.
    pub lead: usize,
}

/// The passages of pages, in their order. Pages without a word have none.
pub fn passages(pages: &[Str]) -> Vec<Passage> {
    let mut found = Vec::new();
    for (number, page) in (1..).zip(pages) {
        if page.trim().is_empty() {
            continue;
        }
        let mut start = 0;
        for core in cut(page, CORE_LETTERS) {
            let end = start + core.len();
            let lead = start - lead_start(page.get(..start).unwrap_or_default());
            let text = Str::from(page.get(start - lead..end).unwrap_or_default());
            found.push(Passage { page: number, core: start..end, text, lead });
            start = end;
        }
    }
    found
}

/// Where the lead in front of a core begins: at a word, where there is one.
fn lead_start(before: &str) -> usize {
    let far = before.char_indices().rev().nth(LEAD_LETTERS - 1);
    let Some((far, _)) = far else { return 0 };
    let lead = before.get(far..).unwrap_or_default();
    lead.find(char::is_whitespace).map_or(far, |at| far + at)
}

/// A text in pieces of so many letters at the most, none of them empty; together they are the text.
pub(super) fn cut(text: &str, letters: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(end(rest, letters.max(1)));
        rest = after;
        Some(piece)
    })
}

/// Where the first piece ends: at the last good place of its second half.
fn end(text: &str, letters: usize) -> usize {
    let Some((most, _)) = text.char_indices().nth(letters) else { return text.len() };
    let head = text.get(..most).unwrap_or(text);
    let least = head.char_indices().nth(letters / 2).map_or(0, |(at, _)| at);
    let ends = |found: Option<usize>| found.filter(|at| *at > least);
    let sentence = |(at, letter): (usize, char)| {
        let after = at + letter.len_utf8();
        let ends = matches!(letter, '.' | '!' | '?' | '…' | '。' | '！' | '？');
        let apart = head.get(after..).is_some_and(|rest| rest.starts_with(char::is_whitespace));
        // With the space behind it, which no next sentence begins with.
        let space = head.get(after..).and_then(|rest| rest.chars().next());
        let space = space.filter(|letter| letter.is_whitespace()).map_or(0, char::len_utf8);
        (ends && (apart || !letter.is_ascii())).then_some(after + space)
    };
    let word =
        |(at, letter): (usize, char)| letter.is_whitespace().then_some(at + letter.len_utf8());
    ends(head.rfind("\n\n").map(|at| at + 2))
        .or_else(|| ends(head.rfind('\n').map(|at| at + 1)))
        .or_else(|| ends(head.char_indices().rev().find_map(sentence)))
        .or_else(|| ends(head.char_indices().rev().find_map(word)))
        .unwrap_or(most)
}

/// How many tokens a text has, about: four letters of scripts that have spaces, one of the others.
pub fn tokens(text: &str) -> usize {
    let plain = text.bytes().filter(u8::is_ascii).count();
    plain.div_ceil(4) + text.chars().filter(|letter| !letter.is_ascii()).count()
}

#[cfg(test)]
mod tests;
