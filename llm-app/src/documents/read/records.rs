//! A table in lines, as spreadsheets write it: fields in quotes may have lines of their own.

use llm_core::Str;

use super::Unreadable;

/// Fields of a record: no table of people is wider.
const FIELDS_MAX: usize = 2_000;

/// Pages of so many records, each with the first record, which names the columns. Records stay as
/// they are written.
pub(super) fn pages(text: &str, count: usize) -> Result<Vec<Str>, Unreadable> {
    let mut records = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = record(rest, records.len() + 1)?;
        let (one, after) = rest.split_at(end);
        records.push(one);
        rest = after;
    }
    let Some((names, rows)) = records.split_first() else { return Ok(Vec::new()) };
    if rows.is_empty() {
        return Ok(vec![Str::from(*names)]);
    }
    let page = |rows: &[&str]| {
        let mut page = (*names).to_owned();
        page.extend(rows.iter().copied());
        Str::from(page)
    };
    Ok(rows.chunks(count.max(1)).map(page).collect())
}

/// Where the first record ends, its end of line included.
fn record(text: &str, number: usize) -> Result<usize, Unreadable> {
    let (mut quoted, mut fields) = (false, 1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            // Two of them within quotes are one letter, and leave it quoted.
            b'"' => quoted = !quoted,
            b',' | b';' | b'\t' if !quoted => {
                fields += 1;
                if fields > FIELDS_MAX {
                    return Err(Unreadable::Wide(number));
                }
            }
            b'\n' if !quoted => return Ok(at + 1),
            _ => {}
        }
    }
    if quoted { Err(Unreadable::Record(number)) } else { Ok(text.len()) }
}
