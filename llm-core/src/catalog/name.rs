//! Which names mean the same model.

use super::ModelEntry;

/// The name itself, then what it is a variant of, nearest first.
pub(super) fn variants(model: &str) -> impl Iterator<Item = &str> {
    // Gemini's own lists write `models/gemini-2.5-pro`.
    let model = model.strip_prefix("models/").unwrap_or(model);
    let tuned = fine_tuned(model).unwrap_or(model);
    let living = tuned.strip_suffix("-latest").unwrap_or(tuned);
    [model, tuned, living, undated(living)].into_iter()
}

/// `ft:gpt-4o-2024-08-06:org::id` is priced as `ft:gpt-4o-2024-08-06`.
fn fine_tuned(model: &str) -> Option<&str> {
    let base = model.strip_prefix("ft:")?.split(':').next()?;
    model.get(..3 + base.len())
}

/// Cuts the date of a snapshot: `-2024-08-06`, `-20250929`, and the two or three digits of a
/// revision (`-001`). Four digits may be a date or a version, so they stay.
fn undated(model: &str) -> &str {
    for shape in ["-dddd-dd-dd", "-dddddddd", "-ddd"] {
        let Some(at) = model.len().checked_sub(shape.len()) else { continue };
        let tail = &model.as_bytes()[at..];
        let fits = tail.iter().zip(shape.bytes()).all(|(c, s)| match s {
            b'd' => c.is_ascii_digit(),
            _ => *c == s,
        });
        if fits {
            return &model[..at];
        }
    }
    model
}

/// The entry of the longest pattern that fits: the more it says, the better it knows.
pub(super) fn best_pattern<'a>(
    entries: impl Iterator<Item = &'a ModelEntry>,
    model: &str,
) -> Option<&'a ModelEntry> {
    entries.filter(|e| fits(&e.model, model)).max_by_key(|e| e.model.len())
}

/// Without regard to case: Ollama has none, and `x:120B-Cloud` must not pass for a local model.
fn fits(pattern: &str, model: &str) -> bool {
    let (from_start, pattern) = (!pattern.starts_with('*'), pattern.trim_start_matches('*'));
    let (to_end, pattern) = (!pattern.ends_with('*'), pattern.trim_end_matches('*'));
    let (pattern, model) = (pattern.to_ascii_lowercase(), model.to_ascii_lowercase());
    match (from_start, to_end) {
        (true, true) => false,
        (true, false) => model.starts_with(&pattern),
        (false, true) => model.ends_with(&pattern),
        (false, false) => model.contains(&pattern),
    }
}
