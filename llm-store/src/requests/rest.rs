//! What few calls have anything to say of, in one text: a column costs its writing, whether or not
//! there is anything in it, and every call writes a row.

use std::fmt::Write as _;

use super::row::{CHARGED, COUNTS, INPUT, OUTPUT};

/// Numbers in the text that are always there: [`Rest`]'s, without what has a column.
const NUMBERS: usize = 14;
const BETWEEN: char = ',';

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) attempts: i64,
    pub(super) stream: i64,
    /// As in a row; what has a column of its own is not written, and read as nothing.
    pub(super) counts: [i64; COUNTS],
    pub(super) unknown: i64,
    pub(super) source: i64,
    pub(super) credits: Option<i64>,
}

/// Whether a count has a column.
const fn apart(at: usize) -> bool {
    matches!(at, INPUT | OUTPUT | CHARGED)
}

impl Rest {
    /// A call of one attempt that was answered whole, and of which there is no more to say.
    const USUAL: Self =
        Self { attempts: 1, stream: 0, counts: [0; COUNTS], unknown: 0, source: 0, credits: None };

    fn is_usual(&self) -> bool {
        let mut counts = self.counts;
        for at in (0..COUNTS).filter(|at| apart(*at)) {
            counts[at] = 0;
        }
        Self { counts, ..self.clone() } == Self::USUAL
    }

    /// As it is written; the usual is not.
    pub(super) fn written(&self) -> Option<String> {
        if self.is_usual() {
            return None;
        }
        let (loss, counts) = self.counts.split_last()?;
        let counts =
            counts.iter().enumerate().filter(|(at, _)| !apart(*at)).map(|(_, count)| count);
        let numbers = [self.attempts, self.stream].into_iter().chain(counts.copied());
        let numbers = numbers.chain([self.unknown, self.source, *loss]);
        let mut text = String::with_capacity(4 * NUMBERS);
        // A String takes whatever is written to it.
        let _ = numbers.into_iter().try_for_each(|number| write!(text, "{number}{BETWEEN}"));
        let _ = self.credits.map(|credits| write!(text, "{credits}"));
        Some(text)
    }

    /// As it was written; `None` where nobody has written so.
    pub(super) fn read(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else { return Some(Self::USUAL) };
        let mut words = text.split(BETWEEN);
        let mut next = || words.next()?.parse::<i64>().ok();
        let (attempts, stream) = (next()?, next()?);
        let mut counts = [0; COUNTS];
        for at in (0..COUNTS - 1).filter(|at| !apart(*at)) {
            counts[at] = next()?;
        }
        let (unknown, source) = (next()?, next()?);
        counts[COUNTS - 1] = next()?;
        let credits = match words.next()? {
            "" => None,
            number => Some(number.parse().ok()?),
        };
        let rest = Self { attempts, stream, counts, unknown, source, credits };
        words.next().is_none().then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_is_not_written() {
        let mut call = Rest::USUAL;
        (call.counts[INPUT], call.counts[OUTPUT], call.counts[CHARGED]) = (200, 100, 12_345);
        assert_eq!(call.written(), None);
        assert_eq!(Rest::read(None), Some(Rest::USUAL));
    }

    #[test]
    fn each_number_comes_back_from_its_own_place() {
        for at in 0..=NUMBERS {
            let mut call = Rest { attempts: 3, ..Rest::USUAL };
            match at {
                0 => call.attempts = 7,
                1 => call.stream = 1,
                2 => call.unknown = 3,
                3 => call.source = 2,
                4 => call.credits = Some(-5),
                // The columns' three are not among them.
                _ => call.counts[[1, 2, 3, 5, 6, 7, 8, 9, 10, 12][at - 5]] = 9,
            }
            let text = call.written().unwrap();
            assert_eq!(text.split(',').count(), NUMBERS + 1, "{text}");
            assert_eq!(Rest::read(Some(&text)), Some(call), "{text}");
        }
    }

    #[test]
    fn what_nobody_has_written_is_not_read() {
        let text = Rest { stream: 1, ..Rest::USUAL }.written().unwrap();
        for wrong in ["", "1", &text[2..], &format!("{text},"), &text.replace('0', "x")] {
            assert_eq!(Rest::read(Some(wrong)), None, "{wrong}");
        }
    }
}
