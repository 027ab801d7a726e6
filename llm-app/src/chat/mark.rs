//! Where a client was in a reply, so that it goes on from there: how many bytes of the text it has.
//!
//! The text is all there is to remember: what a client is told is cut where it was before, wherever
//! the pieces of another telling began, and by another process as well. Pure.

use std::fmt;
use std::str::FromStr;

/// A place in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Behind so many bytes of its text.
    At(usize),
    /// Behind its end.
    End,
}

/// A text that names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no id of an event of this message")]
pub struct NotMark;

const END: &str = "end";

impl Mark {
    /// Before everything.
    pub const START: Self = Self::At(0);

    /// What a client at this place has not been told of a text. What it has beyond what is there
    /// was told by somebody who has more of it: nothing is new then. `None` for a place between the
    /// bytes of a letter, where nobody ever was.
    pub fn rest(self, text: &str) -> Option<&str> {
        match self {
            Self::At(at) if at >= text.len() => Some(""),
            Self::At(at) => text.get(at..),
            Self::End => Some(""),
        }
    }

    /// The place behind a text, for who was at this one before.
    pub fn behind(self, text: &str) -> Self {
        match self {
            Self::At(at) => Self::At(at.max(text.len())),
            Self::End => Self::End,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => write!(f, "{at}"),
            Self::End => f.write_str(END),
        }
    }
}

impl FromStr for Mark {
    type Err = NotMark;

    fn from_str(text: &str) -> Result<Self, NotMark> {
        if text == END {
            return Ok(Self::End);
        }
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let at = text.parse().ok().filter(|_| plain);
        at.map(Self::At).ok_or(NotMark)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A reply that grows piece by piece, and a client that is cut off and comes back: it reads
        /// every letter once.
        #[test]
        fn whoever_comes_back_reads_every_letter_once(
            pieces in proptest::collection::vec("\\PC{0,4}", 0..20),
            looks in proptest::collection::vec(any::<bool>(), 0..20),
        ) {
            let (mut text, mut read, mut mark) = (String::new(), String::new(), Mark::START);
            for (piece, looks) in pieces.iter().zip(looks.into_iter().chain([true].repeat(20))) {
                text.push_str(piece);
                if looks {
                    read.push_str(mark.rest(&text).unwrap());
                    // Cut off, and back with the id of the last event.
                    mark = mark.behind(&text).to_string().parse().unwrap();
                }
            }
            read.push_str(mark.rest(&text).unwrap());
            prop_assert_eq!(read, text);
        }

        #[test]
        fn no_place_is_inside_a_letter(text in "\\PC{0,8}", at in 0usize..40) {
            match Mark::At(at).rest(&text) {
                Some(rest) => prop_assert!(text.ends_with(rest)),
                None => prop_assert!(!text.is_char_boundary(at)),
            }
        }
    }

    #[test]
    fn only_places_are_read() {
        assert_eq!("end".parse(), Ok(Mark::End));
        for odd in ["", "-1", "+1", "0x1", "End", "99999999999999999999999"] {
            assert_eq!(odd.parse::<Mark>(), Err(NotMark), "{odd}");
        }
        assert_eq!(Mark::End.rest("x"), Some(""));
    }
}
