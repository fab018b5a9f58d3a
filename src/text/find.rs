//! A text within another one, whatever the case of its letters.

/// Where a text begins and ends in a message, whatever the case of its letters.
pub fn find_text(message: &str, text: &str) -> Option<(usize, usize)> {
    let (bytes, wanted) = (message.as_bytes(), text.as_bytes());
    if text.is_ascii() {
        let found = bytes.windows(wanted.len().max(1)).position(|window| window.eq_ignore_ascii_case(wanted));
        return found.map(|start| (start, start + wanted.len()));
    }
    let lower = text.to_lowercase();
    message.char_indices().find_map(|(start, _)| {
        let mut rest = lower.chars();
        let mut expected = rest.next();
        for (offset, character) in message[start..].char_indices() {
            let Some(_) = expected else { return Some((start, start + offset)) };
            for folded in character.to_lowercase() {
                if expected != Some(folded) {
                    return None;
                }
                expected = rest.next();
            }
        }
        expected.is_none().then_some((start, message.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_any_case() {
        assert_eq!(find_text("submit REJECTED", "rejected"), Some((7, 15)));
        assert_eq!(find_text("Größe 4", "GRÖ"), Some((0, 4)));
        assert_eq!(find_text("xxÄ", "ä"), Some((2, 4)));
        assert_eq!(find_text("abc", "abcd"), None);
    }
}
