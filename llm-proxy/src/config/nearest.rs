//! What somebody may have meant who wrote a name that is not there.

/// The name that is nearest to a misspelt one, if any is near.
pub(crate) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let word: Vec<char> = word.chars().take(NAME_MAX).collect();
    let far = |name: &&str| distance(&word, &name.chars().take(NAME_MAX).collect::<Vec<_>>());
    let near = names.into_iter().min_by_key(far)?;
    // A third of the letters may be wrong; of a short name, one.
    let most = (near.chars().count() / 3).max(1);
    (far(&near) <= most).then_some(near)
}

/// The sentence for it, to be put behind another.
pub(crate) fn hint<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    nearest(word, names).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

/// Nobody misspells more than this.
const NAME_MAX: usize = 64;

/// Letters to be put in, left out, changed, or swapped with their neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect::<Vec<_>>(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        let [before, last, row] = &mut rows;
        row[0] = i;
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}
