//! Sanitizes untrusted text before it reaches a screen, a log or a table. Stored text is never changed.

/// One line without control characters, direction overrides or zero-width marks, at most `max` characters.
///
/// Line breaks and tabs become one space; what is cut ends in `…`.
pub fn sanitize_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max * 4));
    let mut count = 0;
    let mut gap = false;
    for character in text.chars() {
        let character = match character {
            '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            hidden if is_hidden(hidden) => continue,
            other => other,
        };
        if character == ' ' && gap {
            continue;
        }
        gap = character == ' ';
        if count == max {
            line.pop();
            line.push('…');
            break;
        }
        line.push(character);
        count += 1;
    }
    line.trim().to_owned()
}

/// Part of a line that is edited: the same without a limit, and spaces and joined emoji stay as they are.
pub fn sanitize_edited(text: &str) -> String {
    let shown = text.chars().filter_map(|character| match character {
        '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        hidden if is_hidden(hidden) && hidden != '\u{200d}' => None,
        other => Some(other),
    });
    shown.collect()
}

/// Many lines without control characters, direction overrides or zero-width marks; line breaks stay, tabs become spaces.
pub fn sanitize_text(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .filter_map(|character| match character {
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
            '\t' => Some(' '),
            hidden if is_hidden(hidden) => None,
            other => Some(other),
        })
        .collect()
}

/// Whether a spreadsheet may run a cell that begins with this character as a formula: the signs, also those of East Asian keyboards, and
/// whatever a spreadsheet drops before it reads the next character.
pub fn is_formula_start(character: char) -> bool {
    is_hidden(character) || matches!(character, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

/// Characters that take no cell of their own but steer the terminal or the reader.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_removed() {
        let hostile = "a\u{1b}[2Jb\u{202e}c\u{7}\u{9b}31md\r\ne\tf\u{200b}g\0h";
        assert_eq!(sanitize_line(hostile, 100), "a[2Jbc31md e fgh");
        assert_eq!(sanitize_text(hostile), "a[2Jbc31md\ne fgh");
    }

    #[test]
    fn truncation_ends_in_an_ellipsis() {
        assert_eq!(sanitize_line("abcdef", 4), "abc…");
        assert_eq!(sanitize_line("abcd", 4), "abcd");
    }
}
