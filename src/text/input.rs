//! Text that is entered here and sent elsewhere: kept as typed, except what steers a terminal or the reading direction.

/// Entered text, and how many of its characters were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnteredText {
    /// The text as it will be sent.
    pub text: String,
    /// Control characters and direction overrides that were left out.
    pub refused: usize,
}

/// Takes several lines: line breaks become `\n`; tabs, joiners, variation selectors and tag characters stay.
pub fn entered_text(raw: &str) -> EnteredText {
    accept(raw, |character| matches!(character, '\n' | '\t').then_some(character))
}

/// Takes one line: a line break or a tab becomes a space, except line breaks at the end.
pub fn entered_line(raw: &str) -> EnteredText {
    let raw = raw.trim_end_matches(['\n', '\r']);
    accept(raw, |character| matches!(character, '\n' | '\t').then_some(' '))
}

fn accept(raw: &str, white: impl Fn(char) -> Option<char>) -> EnteredText {
    let mut text = String::with_capacity(raw.len());
    let mut refused = 0;
    let mut characters = raw.chars().peekable();
    while let Some(mut character) = characters.next() {
        if character == '\r' {
            characters.next_if_eq(&'\n');
            character = '\n';
        }
        match white(character) {
            Some(kept) => text.push(kept),
            None if is_refused(character) => refused += 1,
            None => text.push(character),
        }
    }
    EnteredText { text, refused }
}

/// Control characters, and the characters that reorder the text around them.
fn is_refused(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_and_selectors_are_kept_as_typed() {
        for text in [
            "می\u{200c}خواهم",
            "👩\u{200d}🚀 ❤\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "a\u{ad}b\u{2060}c",
        ] {
            assert_eq!(entered_text(text), EnteredText { text: text.to_owned(), refused: 0 });
            assert_eq!(entered_line(text), EnteredText { text: text.to_owned(), refused: 0 });
        }
    }

    #[test]
    fn controls_and_overrides_are_counted() {
        let raw = "a\u{1b}[2Jb\u{202e}c\u{7}\r\nd\re\tf\0";
        assert_eq!(entered_text(raw), EnteredText { text: "a[2Jbc\nd\ne\tf".to_owned(), refused: 4 });
        assert_eq!(entered_line(raw), EnteredText { text: "a[2Jbc d e f".to_owned(), refused: 4 });
        assert_eq!(entered_line("one line\n").text, "one line");
    }
}
