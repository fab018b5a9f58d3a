//! Owns which known name somebody may have meant. Must not decide that they did.

/// The names that are closest to `wrong`, at most three, the closest first; empty where none is close.
pub fn suggest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wrong: Vec<char> = wrong.chars().take(80).collect::<String>().to_lowercase().chars().collect();
    let limit = (wrong.len() / 3).clamp(2, 5);
    let mut close: Vec<(usize, &str)> = names
        .map(|name| (distance(&wrong, &name.chars().collect::<Vec<_>>()), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    close.sort_by_key(|(distance, _)| *distance);
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Insertions, deletions and replacements between two words (Levenshtein).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, one) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(one != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_found_and_far_ones_are_not() {
        let names = ["flux-2-pro", "flux-2-max", "erase-v1", "width"];
        for (wrong, expected) in [
            ("flux-2-por", &["flux-2-pro", "flux-2-max"][..]),
            ("FLUX-2-PRO", &["flux-2-pro", "flux-2-max"]),
            ("wdith", &["width"]),
            ("midjourney", &[]),
            ("", &[]),
        ] {
            let found = suggest(wrong, names.into_iter());
            assert_eq!(found, expected, "{wrong}");
        }
    }
}
