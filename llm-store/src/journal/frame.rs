//! One line as bytes: length, checksum, kind and fields, little-endian.
//!
//! ```text
//! len u32 │ crc u32 │ kind u8 │ hold u128 │ fields of the kind
//!         └ over place, len and everything after
//! ```
//!
//! The checksum covers the place (segment and offset), so that a line is whole only where it was
//! written: neither a page that a disk put elsewhere nor a name that spells a line passes for one.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::{AccountId, HoldId, Owner};
use llm_core::quota::WindowId;
use llm_core::usage::UsageSource;

use super::Position;

/// Length and checksum.
pub(super) const HEAD: usize = 8;
/// What a body may have: a path of some accounts with long names. Whatever claims more is not a
/// line, and nothing is allocated for it.
pub(super) const BODY_MAX: usize = 64 << 10;
/// Accounts of a path. From the key to the tenant with a few windows each it is a dozen.
const ACCOUNTS_MAX: usize = 255;
/// A whole line that ends a hold: what the room for it is counted in.
pub(super) const CLOSE_BYTES: u64 = (HEAD + 1 + 16 + 8 + 8 + 1) as u64;

/// A line, about to be written or just read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Line<'a> {
    Open { hold: HoldId, amount: i64, path: Path<'a> },
    Dispatch { hold: HoldId, cost: i64 },
    Watermark { hold: HoldId, cost: i64 },
    Close { hold: HoldId, tenant: i64, operator: i64, source: UsageSource },
    Carry { hold: HoldId, amount: i64, sent: Option<i64>, watermark: Option<i64>, path: Path<'a> },
    Folded { up_to: Position },
}

/// The accounts of a hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'a> {
    Accounts(&'a [AccountId]),
    Bytes(&'a [u8]),
}

const OPEN: u8 = 1;
const DISPATCH: u8 = 2;
const WATERMARK: u8 = 3;
const CLOSE: u8 = 4;
const CARRY: u8 = 5;
const FOLDED: u8 = 6;

/// Writes a line into a buffer, all but its length and checksum ([`seal`]). Gives the checksum of
/// its path; `None` when the line is longer than a line may be.
pub(super) fn encode(line: &Line<'_>, out: &mut Vec<u8>) -> Option<u32> {
    out.clear();
    out.extend_from_slice(&[0; HEAD]);
    let mut terms = 0;
    match *line {
        Line::Open { hold, amount, path } => {
            kind(out, OPEN, hold);
            out.extend_from_slice(&amount.to_le_bytes());
            terms = path.write(out)?;
        }
        Line::Dispatch { hold, cost } => {
            kind(out, DISPATCH, hold);
            out.extend_from_slice(&cost.to_le_bytes());
        }
        Line::Watermark { hold, cost } => {
            kind(out, WATERMARK, hold);
            out.extend_from_slice(&cost.to_le_bytes());
        }
        Line::Close { hold, tenant, operator, source } => {
            kind(out, CLOSE, hold);
            out.extend_from_slice(&tenant.to_le_bytes());
            out.extend_from_slice(&operator.to_le_bytes());
            out.push(source_code(source));
            debug_assert_eq!(out.len() as u64, CLOSE_BYTES);
        }
        Line::Carry { hold, amount, sent, watermark, path } => {
            kind(out, CARRY, hold);
            out.extend_from_slice(&amount.to_le_bytes());
            out.extend_from_slice(&[u8::from(sent.is_some()), u8::from(watermark.is_some())]);
            out.extend_from_slice(&sent.unwrap_or_default().to_le_bytes());
            out.extend_from_slice(&watermark.unwrap_or_default().to_le_bytes());
            terms = path.write(out)?;
        }
        Line::Folded { up_to } => {
            out.push(FOLDED);
            out.extend_from_slice(&up_to.segment.to_le_bytes());
            out.extend_from_slice(&up_to.offset.to_le_bytes());
        }
    }
    (out.len() - HEAD <= BODY_MAX).then_some(terms)
}

/// Fills in length and checksum of a line that will begin at a place.
pub(super) fn seal(frame: &mut [u8], segment: u64, offset: u64) {
    let Some((head, body)) = frame.split_first_chunk_mut::<HEAD>() else { return };
    debug_assert!(!body.is_empty() && body.len() <= BODY_MAX);
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let crc = checksum(segment, offset, len, body).to_le_bytes();
    let ([a, b, c, d], [e, f, g, h]) = (len, crc);
    *head = [a, b, c, d, e, f, g, h];
}

/// The body of the line that begins at an offset of a segment; `None` when no whole one does.
pub(super) fn body(bytes: &[u8], segment: u64, offset: usize) -> Option<&[u8]> {
    let (head, rest) = bytes.get(offset..)?.split_first_chunk::<HEAD>()?;
    let [a, b, c, d, e, f, g, h] = *head;
    let len = [a, b, c, d];
    let count = usize::try_from(u32::from_le_bytes(len)).ok()?;
    if count == 0 || count > BODY_MAX {
        return None;
    }
    let body = rest.get(..count)?;
    let sum = checksum(segment, offset as u64, len, body);
    (sum == u32::from_le_bytes([e, f, g, h])).then_some(body)
}

/// Reads a body whose checksum is right; `None` when it is of a kind that nobody here writes.
pub(super) fn decode(body: &[u8]) -> Option<Line<'_>> {
    let mut from = Reader(body);
    let kind = from.byte()?;
    if kind == FOLDED {
        let up_to = Position { segment: from.u64()?, offset: from.u64()? };
        return from.0.is_empty().then_some(Line::Folded { up_to });
    }
    let hold = HoldId(u128::from_le_bytes(from.take()?));
    let line = match kind {
        OPEN => Line::Open { hold, amount: from.i64()?, path: from.rest() },
        DISPATCH => Line::Dispatch { hold, cost: from.i64()? },
        WATERMARK => Line::Watermark { hold, cost: from.i64()? },
        CLOSE => {
            let (tenant, operator) = (from.i64()?, from.i64()?);
            Line::Close { hold, tenant, operator, source: source_of(from.byte()?)? }
        }
        CARRY => {
            let (amount, running, marked) = (from.i64()?, from.flag()?, from.flag()?);
            let sent = Some(from.i64()?).filter(|_| running);
            let watermark = Some(from.i64()?).filter(|_| marked);
            Line::Carry { hold, amount, sent, watermark, path: from.rest() }
        }
        _ => return None,
    };
    from.0.is_empty().then_some(line)
}

/// What the path of a line that was read is compared by: the checksum that [`encode`] gave.
pub(super) fn terms(line: &Line<'_>) -> u32 {
    match line {
        Line::Open { path: Path::Bytes(bytes), .. }
        | Line::Carry { path: Path::Bytes(bytes), .. } => crc32fast::hash(bytes),
        _ => 0,
    }
}

fn kind(out: &mut Vec<u8>, kind: u8, hold: HoldId) {
    out.push(kind);
    out.extend_from_slice(&hold.0.to_le_bytes());
}

fn checksum(segment: u64, offset: u64, len: [u8; 4], body: &[u8]) -> u32 {
    let mut place = [0; 20];
    let (a, rest) = place.split_at_mut(8);
    let (b, c) = rest.split_at_mut(8);
    a.copy_from_slice(&segment.to_le_bytes());
    b.copy_from_slice(&offset.to_le_bytes());
    c.copy_from_slice(&len);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&place);
    sum.update(body);
    sum.finalize()
}

impl Path<'_> {
    fn write(self, out: &mut Vec<u8>) -> Option<u32> {
        let start = out.len();
        match self {
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Accounts(accounts) => {
                if accounts.len() > ACCOUNTS_MAX {
                    return None;
                }
                out.push(u8::try_from(accounts.len()).ok()?);
                for account in accounts {
                    write_account(account, out)?;
                }
            }
        }
        Some(crc32fast::hash(out.get(start..)?))
    }

    /// The accounts; `None` when these are not accounts.
    pub(super) fn accounts(self) -> Option<Vec<AccountId>> {
        let bytes = match self {
            Self::Accounts(accounts) => return Some(accounts.to_vec()),
            Self::Bytes(bytes) => bytes,
        };
        let mut from = Reader(bytes);
        let count = from.byte()?;
        let mut accounts = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            accounts.push(read_account(&mut from)?);
        }
        from.0.is_empty().then_some(accounts)
    }
}

fn write_account(account: &AccountId, out: &mut Vec<u8>) -> Option<()> {
    let AccountId { owner, name, rule, window } = account;
    out.push(owner_code(*owner));
    for text in [name, rule] {
        // The line is bounded as a whole; this is what the field can say.
        out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.push(u8::from(window.is_some()));
    for instant in window.iter().flat_map(|w| [w.start, w.end]) {
        out.extend_from_slice(&instant.as_second().to_le_bytes());
        out.extend_from_slice(&instant.subsec_nanosecond().to_le_bytes());
    }
    Some(())
}

fn read_account(from: &mut Reader<'_>) -> Option<AccountId> {
    let owner = owner_of(from.byte()?)?;
    let (name, rule) = (from.text()?, from.text()?);
    let window = match from.flag()? {
        true => Some(WindowId { start: from.instant()?, end: from.instant()? }),
        false => None,
    };
    Some(AccountId { owner, name, rule, window })
}

/// What is left of a body.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn text(&mut self) -> Option<Str> {
        let len = usize::from(u16::from_le_bytes(self.take()?));
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(Str::from)
    }

    fn instant(&mut self) -> Option<Timestamp> {
        let (second, nanosecond) = (self.i64()?, i32::from_le_bytes(self.take()?));
        Timestamp::new(second, nanosecond).ok()
    }

    fn rest(&mut self) -> Path<'a> {
        Path::Bytes(std::mem::take(&mut self.0))
    }
}

// Numbers on disk are for good: a new word gets a new one, and none is given twice.

fn owner_code(owner: Owner) -> u8 {
    match owner {
        Owner::Key => 1,
        Owner::User => 2,
        Owner::Feature => 3,
        Owner::Team => 4,
        Owner::Tenant => 5,
        Owner::Operator => 6,
    }
}

fn owner_of(code: u8) -> Option<Owner> {
    let all =
        [Owner::Key, Owner::User, Owner::Feature, Owner::Team, Owner::Tenant, Owner::Operator];
    all.into_iter().find(|owner| owner_code(*owner) == code)
}

fn source_code(source: UsageSource) -> u8 {
    match source {
        UsageSource::Reported => 1,
        UsageSource::Counted => 2,
        UsageSource::Estimated => 3,
    }
}

fn source_of(code: u8) -> Option<UsageSource> {
    let all = [UsageSource::Reported, UsageSource::Counted, UsageSource::Estimated];
    all.into_iter().find(|source| source_code(*source) == code)
}
