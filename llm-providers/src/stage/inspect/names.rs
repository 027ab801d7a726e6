//! Names that stand in a question in place of what may not leave, and what comes back in their place.
//!
//! The same thing has the same name within a call, so that a model can speak of it. Names are in
//! brackets that nobody writes; a model may copy them or not, and whatever it makes of them that is
//! not one of ours stays as it is. A name is never longer than what it stands for, as with masks: a
//! hold that covers the question covers it named.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Things of one call; what comes behind them is masked.
const NAMES_MAX: usize = 1_000;
/// Stands before a name and behind it.
const OPEN: char = '⟦';
const SHUT: char = '⟧';
/// Bytes of a name with its brackets: what is longer is none.
const NAME_BYTES_MAX: usize = 32;

/// What has a name in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// The name of a thing, of a kind; `None` where it can have none: there are too many, it is
    /// shorter than its name, or JSON would have to write it otherwise, and it could stand in any
    /// depth of it.
    pub(super) fn of(&mut self, kind: &str, thing: &str) -> Option<&str> {
        let plain =
            !thing.contains(|c: char| c.is_control() || matches!(c, '"' | '\\' | OPEN | SHUT));
        if let Some(at) = self.0.iter().position(|(_, known)| known == thing) {
            return self.0.get(at).map(|(name, _)| &**name);
        }
        if !plain || self.0.len() >= NAMES_MAX {
            return None;
        }
        let mut name = String::with_capacity(NAME_BYTES_MAX);
        // Writing to a string does not fail.
        let _ = write!(name, "{OPEN}{kind}-{}{SHUT}", self.0.len() + 1);
        if name.len() > thing.len() {
            return None;
        }
        self.0.push((name, thing.to_owned()));
        self.0.last().map(|(name, _)| &**name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn thing(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, thing)| &**thing)
    }

    /// A whole text with the things in place of their names.
    pub(super) fn restored<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !text.contains(OPEN) {
            return Cow::Borrowed(text);
        }
        let (mut held, mut out) = (Held::default(), String::with_capacity(text.len()));
        held.feed(self, text, &mut out);
        held.end(&mut out);
        Cow::Owned(out)
    }
}

/// The end of a text that comes piece by piece, where a name may have begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held(String);

impl Held {
    /// More of the text; what is surely said goes out.
    pub(super) fn feed(&mut self, names: &Names, more: &str, out: &mut String) {
        self.0.push_str(more);
        let mut rest = &*self.0;
        loop {
            let Some(open) = rest.find(OPEN) else {
                out.push_str(rest);
                rest = "";
                break;
            };
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            match rest.find(SHUT).map(|shut| shut + SHUT.len_utf8()) {
                Some(end) => match names.thing(&rest[..end]) {
                    Some(thing) => {
                        out.push_str(thing);
                        rest = &rest[end..];
                    }
                    None => {
                        out.push(OPEN);
                        rest = &rest[OPEN.len_utf8()..];
                    }
                },
                None if rest.len() > NAME_BYTES_MAX => {
                    out.push(OPEN);
                    rest = &rest[OPEN.len_utf8()..];
                }
                None => break,
            }
        }
        let kept = self.0.len() - rest.len();
        self.0.drain(..kept);
    }

    /// The text is at its end.
    pub(super) fn end(&mut self, out: &mut String) {
        out.push_str(&self.0);
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What names become, said plainly.
    fn naive(names: &Names, text: &str) -> String {
        names.0.iter().fold(text.to_owned(), |text, (name, thing)| text.replace(name, thing))
    }

    proptest! {
        #[test]
        fn what_goes_out_under_a_name_comes_back(
            texts in prop::collection::vec("[ a-z가-힣]{0,6}", 1..8),
            things in prop::collection::vec("[0-9@. -]{14,20}", 1..4),
            cuts in prop::collection::vec(1usize..7, 0..60),
            noise in "(⟦|⟧|card|-|1|[a-z]){0,12}",
        ) {
            let mut names = Names::default();
            let (mut asked, mut meant) = (String::new(), String::new());
            for (n, text) in texts.iter().enumerate() {
                let thing = &things[n % things.len()];
                asked.push_str(text);
                asked.push_str(names.of("card", thing).unwrap());
                meant.push_str(text);
                meant.push_str(thing);
            }
            prop_assert_eq!(&*names.restored(&asked), &*meant);
            // Also where it comes in pieces, with brackets that mean nothing behind it.
            let asked = format!("{asked}{noise}");
            let (mut held, mut out) = (Held::default(), String::new());
            let letters: Vec<char> = asked.chars().collect();
            let (mut from, mut cuts) = (0, cuts.into_iter().chain(std::iter::repeat(1)));
            while from < letters.len() {
                let until = (from + cuts.next().unwrap()).min(letters.len());
                let piece: String = letters[from..until].iter().collect();
                held.feed(&names, &piece, &mut out);
                prop_assert!(held.0.len() <= NAME_BYTES_MAX);
                from = until;
            }
            held.end(&mut out);
            prop_assert_eq!(&out, &*names.restored(&asked));
            prop_assert_eq!(out, naive(&names, &asked));
        }
    }

    #[test]
    fn what_json_would_write_otherwise_or_is_short_has_no_name() {
        let mut names = Names::default();
        assert_eq!(names.of("word", "a\"b and so on and on"), None);
        assert_eq!(names.of("word", "a\nb and so on and on"), None);
        assert_eq!(names.of("mail", "x@y.zz"), None, "it is shorter");
        assert_eq!(names.of("card", "4111111111111111"), Some("⟦card-1⟧"));
        assert_eq!(names.of("mail", "kim@example.kr"), Some("⟦mail-2⟧"));
        assert_eq!(names.of("card", "4111111111111111"), Some("⟦card-1⟧"));
        let told = "⟦card-1⟧, ⟦card-3⟧ ⟦mail-2⟧";
        assert_eq!(names.restored(told), "4111111111111111, ⟦card-3⟧ kim@example.kr");
    }
}
