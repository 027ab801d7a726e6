//! Where in a body a value stands, found only when somebody must be told.

/// One step on the way down.
enum Step<'a> {
    Index(usize),
    /// The key as written, quotes off.
    Key(&'a str),
}

/// The path of the value that begins at `offset`: `messages.2.content.0`. Keeping paths while
/// reading would cost every good request for the sake of the bad ones.
pub fn path_of(body: &str, offset: usize) -> String {
    let bytes = body.as_bytes();
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut at = 0;
    // Whether the next string is a key.
    let mut key_next = false;
    while at < offset.min(bytes.len()) {
        match bytes[at] {
            b'{' => {
                steps.push(Step::Key(""));
                key_next = true;
            }
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => {
                steps.pop();
            }
            b',' => match steps.last_mut() {
                Some(Step::Index(n)) => *n += 1,
                Some(Step::Key(_)) => key_next = true,
                None => {}
            },
            b'"' => {
                let end = string_end(bytes, at);
                if key_next {
                    let text = body.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
                    if let Some(step) = steps.last_mut() {
                        *step = Step::Key(text);
                    }
                    key_next = false;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for step in &steps {
        if !path.is_empty() {
            path.push('.');
        }
        match step {
            Step::Index(n) => path.push_str(&n.to_string()),
            Step::Key(key) => push_key(&mut path, key),
        }
    }
    path
}

/// Adds a key that somebody else chose to a path: whole when it is short, as all keys that mean
/// something are, and its beginning otherwise. A path goes into messages and headers, and one is
/// spelled for each thing that is wrong.
pub(crate) fn push_key(path: &mut String, key: &str) {
    match key.get(..key.floor_char_boundary(KEY_BYTES_MAX)) {
        Some(short) if short.len() < key.len() => path.extend([short, "…"]),
        _ => path.push_str(key),
    }
}

/// What a path shows of one key.
const KEY_BYTES_MAX: usize = 128;

/// One past the closing quote of the string that opens at `start`.
pub(super) fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}
