//! A segment: its name, its head, the walk over its lines, and what is said of damage.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use llm_core::Str;
use llm_core::store::StoreError;

use super::frame;

/// What every segment begins with: word, version, unit, number, where the one before it ends,
/// checksum.
pub(super) const HEADER: usize = 40;
/// No segment is longer, whatever its file says: it is read whole.
pub(super) const SEGMENT_BYTES_MAX: u64 = 256 << 20;
const WORD: &[u8; 8] = b"llmholds";
const VERSION: u32 = 1;
const SUFFIX: &str = ".holds";
/// The least that a disk writes at once: what was lost in a power cut is lost in these.
const SECTOR: usize = 512;

/// The file of a segment. Numbers are padded, so that a listing has them in order.
pub(super) fn file(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}{SUFFIX}"))
}

/// The head of a segment. It says where the one before it ends, so that lines which are missing
/// there are missed.
pub(super) fn header(unit: &str, number: u64, before: u64) -> [u8; HEADER] {
    let mut head = [0; HEADER];
    let name = unit.bytes().chain(std::iter::repeat(0)).take(8);
    let numbers = [number, before].into_iter().flat_map(u64::to_le_bytes);
    let fields = WORD.iter().copied().chain(VERSION.to_le_bytes()).chain(name).chain(numbers);
    head.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    if let Some((fields, sum)) = head.split_last_chunk_mut::<4>() {
        *sum = crc32fast::hash(fields).to_le_bytes();
    }
    head
}

/// Where the segment before this one ends; `None` when this one has no whole head.
pub(super) fn before(bytes: &[u8], unit: &str, number: u64) -> Option<u64> {
    let field = bytes.get(28..)?.first_chunk()?;
    let before = u64::from_le_bytes(*field);
    bytes.starts_with(&header(unit, number, before)).then_some(before)
}

/// The segments of a folder, in order, without gaps.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, StoreError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| unavailable(dir, &e))? {
        let name = entry.map_err(|e| unavailable(dir, &e))?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        let hex = name.filter(|hex| hex.len() == 16);
        numbers.extend(hex.and_then(|hex| u64::from_str_radix(hex, 16).ok()));
    }
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if let [a, b] = *pair
            && b - a > 1
        {
            return Err(corrupt(&file(dir, a + 1), 0, "the segment is missing"));
        }
    }
    Ok(numbers)
}

/// A segment's bytes.
pub(super) fn read(dir: &Path, number: u64) -> Result<Vec<u8>, StoreError> {
    let path = file(dir, number);
    let fail = |e: io::Error| unavailable(&path, &e);
    let file = File::open(&path).map_err(fail)?;
    let len = file.metadata().map_err(fail)?.len();
    if len > SEGMENT_BYTES_MAX {
        return Err(corrupt(&path, SEGMENT_BYTES_MAX, "longer than a segment can be"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    file.take(SEGMENT_BYTES_MAX).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// Visits the lines of a segment with the offsets of their ends, up to the first damage or the end;
/// says where that is. A segment without a whole head is damaged at 0.
pub(super) fn walk(
    bytes: &[u8],
    unit: &str,
    number: u64,
    mut visit: impl FnMut(usize, &[u8]) -> Result<(), StoreError>,
) -> Result<usize, StoreError> {
    if before(bytes, unit, number).is_none() {
        return Ok(0);
    }
    let mut at = HEADER;
    while let Some(body) = frame::body(bytes, number, at) {
        at += frame::HEAD + body.len();
        visit(at, body)?;
    }
    debug_assert!(at <= bytes.len());
    Ok(at)
}

/// Whether damage at an offset of the last segment is what a crash leaves: an end that was cut, or
/// sectors that were never written. Anything else, with whole lines after it, has happened to
/// lines that were acknowledged.
pub(super) fn is_torn(bytes: &[u8], number: u64, damage: usize) -> bool {
    let whole = |at: &usize| frame::body(bytes, number, *at).is_some();
    let after = (damage.max(HEADER)..bytes.len()).find(whole);
    let Some(after) = after else {
        // A head is on the medium before the first line is written.
        return damage > 0 || bytes.len() <= HEADER;
    };
    let first = damage / SECTOR * SECTOR;
    let sectors = bytes.get(first..after.next_multiple_of(SECTOR).min(bytes.len()));
    let mut sectors = sectors.unwrap_or_default().chunks_exact(SECTOR);
    sectors.any(|sector| sector.iter().all(|byte| *byte == 0))
}

/// Nothing but room that was set aside.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

pub(super) fn corrupt(path: &Path, offset: u64, why: &str) -> StoreError {
    StoreError::Corrupt(Str::from(format!("{} at {offset}: {why}", path.display())))
}

pub(super) fn unavailable(path: &Path, error: &io::Error) -> StoreError {
    let words = Str::from(format!("{}: {error}", path.display()));
    if super::disk::is_full(error) {
        StoreError::Full(words)
    } else {
        StoreError::Unavailable(words)
    }
}
