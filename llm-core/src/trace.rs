//! The trace that a call is part of, as everybody writes it: W3C's `traceparent`.
//!
//! A caller may have begun one, and then the call goes on in it; otherwise the call is a trace by
//! itself, under its own id, so that whoever has a request's id has its trace. Spans have ids that
//! follow from the call's, so that what an upstream is told and what is told of the call later say
//! the same, and nothing has to be remembered in between. Deliberately absent: sampling of our own
//! (who began the trace has decided) and baggage.

use crate::Str;
use crate::call::CallId;

/// Bytes of a `traceparent`.
pub const WRITTEN: usize = 55;
/// Bytes of a `tracestate` that are carried on: as many as everybody must carry.
const STATE_BYTES_MAX: usize = 512;

/// A trace that somebody else has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub id: u128,
    /// The span that the call is a part of.
    pub parent: u64,
    /// Whether whoever began it keeps it.
    pub sampled: bool,
    /// What others have noted on the way, as it came.
    pub state: Option<Str>,
}

impl Trace {
    /// Reads what came in a call's head. What is no trace is none: nobody is refused for that.
    pub fn parse(parent: &[u8], state: Option<&str>) -> Option<Self> {
        let (version, rest) = (parent.get(..2)?, parent.get(2..)?);
        // Later versions may say more, behind a dash; `ff` is none.
        let whole = match version {
            b"ff" => return None,
            b"00" => parent.len() == WRITTEN,
            _ => parent.len() == WRITTEN || parent.get(WRITTEN) == Some(&b'-'),
        };
        let dashes = [0, 33, 50].iter().all(|at| rest.get(*at) == Some(&b'-'));
        if !whole || !dashes || number(version).is_none() {
            return None;
        }
        let id = number(rest.get(1..33)?)?;
        let parent = u64::try_from(number(rest.get(34..50)?)?).ok()?;
        let flags = number(rest.get(51..53)?)?;
        let state = state.filter(|state| !state.is_empty() && state.len() <= STATE_BYTES_MAX);
        let trace = Self { id, parent, sampled: flags & 1 == 1, state: state.map(Str::from) };
        (id != 0 && parent != 0).then_some(trace)
    }
}

/// Digits as everybody writes them: small letters only.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// The trace that a call is part of: the one that was begun, or its own.
pub fn of(call: CallId, begun: Option<&Trace>) -> u128 {
    begun.map_or(call.as_u128(), |trace| trace.id)
}

/// The span of a call, at 0, and of each of its attempts behind it: different, and never nothing.
pub fn span(call: CallId, place: usize) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    // The lower half is all entropy.
    let low = call.as_u128() as u64;
    low.wrapping_add((place as u64).wrapping_mul(STEP)).max(1)
}

/// What an upstream is told of an attempt.
pub fn written(call: CallId, begun: Option<&Trace>, place: usize) -> [u8; WRITTEN] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    digits(&mut text[3..35], of(call, begun));
    digits(&mut text[36..52], u128::from(span(call, place)));
    if begun.is_some_and(|trace| !trace.sampled) {
        text[54] = b'0';
    }
    text
}

fn digits(places: &mut [u8], mut number: u128) {
    for place in places.iter_mut().rev() {
        *place = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests;
