//! Frames that are all the same but for a text: what was found out about one holds for the next.
//!
//! A long answer is hundreds of frames that say nothing but a few letters each. Whoever has looked
//! one through keeps what stands around its text, and of the next one compares that and reads the
//! text. A second text may differ as well, of which nothing is wanted: what a provider adds so that
//! lengths say nothing.
//!
//! Deliberately absent: any other difference, and any guess. What is not alike is looked through.

use std::ops::Range;

use memchr::{memchr2, memmem};

/// Frames with more around their text are no frames of a few letters.
const AROUND_MAX: usize = 1 << 10;

/// What stood around a text.
#[derive(Debug, Default)]
pub(crate) struct Alike {
    /// Without the texts. Empty where nothing is kept.
    around: Vec<u8>,
    /// Where in it the text was.
    text: usize,
    /// Where the one was of which nothing is wanted.
    noise: Option<usize>,
}

impl Alike {
    /// Keeps what stands around a text, which is a place between two quotes. `noise` is a name with
    /// its quotes, of a member behind it.
    pub(crate) fn keep(&mut self, data: &[u8], text: Range<usize>, noise: &[u8]) {
        self.forget();
        let (Some(before), Some(behind)) = (data.get(..text.start), data.get(text.end..)) else {
            return;
        };
        if before.len() + behind.len() > AROUND_MAX {
            return;
        }
        self.text = before.len();
        self.around.extend_from_slice(before);
        match value(behind, noise) {
            None => self.around.extend_from_slice(behind),
            Some(Range { start, end }) => {
                self.noise = Some(before.len() + start);
                self.around.extend_from_slice(&behind[..start]);
                self.around.extend_from_slice(&behind[end..]);
            }
        }
    }

    /// What is kept is of no use any more.
    pub(crate) fn forget(&mut self) {
        self.around.clear();
        self.noise = None;
    }

    /// The text of a frame that is else the same; `None` where it is not, or where the text is empty.
    pub(crate) fn text<'d>(&self, data: &'d [u8]) -> Option<&'d [u8]> {
        let (before, behind) = self.around.split_at_checked(self.text)?;
        if behind.is_empty() {
            return None;
        }
        let rest = data.strip_prefix(before)?;
        let (text, rest) = rest.split_at_checked(quoted(rest)?)?;
        let same = match self.noise {
            None => rest == behind,
            Some(noise) => {
                let (between, behind) = behind.split_at_checked(noise - self.text)?;
                let rest = rest.strip_prefix(between)?;
                rest.get(quoted(rest)?..)? == behind
            }
        };
        (same && !text.is_empty()).then_some(text)
    }
}

/// Where the text behind a name stands, if it is one.
pub(crate) fn value(data: &[u8], name: &[u8]) -> Option<Range<usize>> {
    let end = memmem::find(data, name)? + name.len();
    let rest = data.get(end..)?.strip_prefix(b":\"")?;
    let start = data.len() - rest.len();
    Some(start..start + quoted(rest)?)
}

/// Bytes of a text, from behind its first quote to its last. `None` where that does not come.
pub(super) fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: &[u8] = b"\"noise\"";

    fn of(first: &str) -> Alike {
        let mut alike = Alike::default();
        alike.keep(first.as_bytes(), value(first.as_bytes(), b"\"say\"").unwrap(), NOISE);
        alike
    }

    fn text<'d>(alike: &Alike, data: &'d str) -> Option<&'d str> {
        alike.text(data.as_bytes()).map(|text| str::from_utf8(text).unwrap())
    }

    #[test]
    fn nothing_may_differ_but_the_text() {
        let alike = of(r#"{"id":1,"say":"hi","end":null}"#);
        assert_eq!(text(&alike, r#"{"id":1,"say":"so","end":null}"#), Some("so"));
        let escaped = r#"{"id":1,"say":"\"so\\","end":null}"#;
        assert_eq!(text(&alike, escaped), Some(r#"\"so\\"#));
        for other in [
            r#"{"id":2,"say":"so","end":null}"#,
            r#"{"id":1,"say":"so","end":"stop"}"#,
            r#"{"id":1,"say":"","end":null}"#,
            r#"{"id":1,"say":"so","more":"x","end":null}"#,
            // The quote behind it does not end it.
            r#"{"id":1,"say":"so\","end":null}"#,
            r#"{"id":1,"say":"so\"#,
            r#"{"id":1,"say":"so","end":null}}"#,
            r#"{"id":1,"say":"so"#,
            r#"{"id":1,"#,
            "",
        ] {
            assert_eq!(text(&alike, other), None, "{other}");
        }
    }

    #[test]
    fn a_second_text_may_differ_of_which_nothing_is_wanted() {
        let alike = of(r#"{"say":"hi","noise":"xK","end":1}"#);
        assert_eq!(text(&alike, r#"{"say":"so","noise":"","end":1}"#), Some("so"));
        assert_eq!(text(&alike, r#"{"say":"so","noise":"a\"b","end":1}"#), Some("so"));
        for other in [
            r#"{"say":"so","noise":"x","end":2}"#,
            r#"{"say":"so","noise":1,"end":1}"#,
            r#"{"say":"so","noises":"x","end":1}"#,
            r#"{"say":"so","end":1}"#,
            r#"{"say":"so","noise":"x"#,
        ] {
            assert_eq!(text(&alike, other), None, "{other}");
        }
    }

    #[test]
    fn nothing_is_alike_where_nothing_is_kept() {
        assert_eq!(text(&Alike::default(), ""), None);
        assert_eq!(text(&Alike::default(), "\""), None);
        let mut alike = of(r#"{"say":"hi"}"#);
        alike.forget();
        assert_eq!(text(&alike, r#"{"say":"hi"}"#), None);
        let long = format!(r#"{{"say":"hi","x":"{}"}}"#, "x".repeat(AROUND_MAX));
        assert_eq!(text(&of(&long), &long), None);
    }
}
