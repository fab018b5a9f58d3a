//! Known names that resemble an unknown one.

/// The names that are closest to `wrong`, at most three, the closest first; empty where none is close.
pub fn suggest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wrong = wrong.chars().take(80).collect::<String>().to_lowercase();
    let limit = (wrong.chars().count() / 3).clamp(2, 5);
    let mut close: Vec<(usize, &str)> = names
        .map(|name| (strsim::osa_distance(&wrong, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    close.sort_by_key(|(distance, _)| *distance);
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_close_names_are_suggested() {
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
