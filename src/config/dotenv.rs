//! Reads a `.env` file. Values are literal: `$` and `\` have no meaning outside of double quotes. Errors never show a line of the
//! file, because it may hold a key.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::ConfigError;

/// The variables of the file; none where the file does not exist. The first of several lines with the same name counts.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let error = |why: String| ConfigError::File { path: path.to_owned(), why };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(BTreeMap::new()),
        Err(why) => return Err(error(why.to_string())),
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0) {
        return Err(error("the file is UTF-16; save it as UTF-8".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|why| {
        let line = bytes[..why.valid_up_to()].split(|byte| *byte == b'\n').count();
        error(format!("line {line}: not valid UTF-8; save the file as UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    parse(text).map_err(|(line, why)| error(format!("line {line}: {why}")))
}

type LineError = (usize, &'static str);

fn parse(text: &str) -> Result<BTreeMap<String, String>, LineError> {
    let mut variables = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let number = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let line = rest.lines().next().unwrap_or_default();
        let entry = line.trim_start();
        if entry.is_empty() || entry.starts_with('#') {
            rest = after_line(rest);
            continue;
        }
        let entry = entry.strip_prefix("export").filter(|entry| entry.starts_with([' ', '\t'])).unwrap_or(entry);
        let Some((name, value)) = entry.split_once('=') else {
            return Err((number, "expected NAME=value"));
        };
        let name = name.trim();
        if !is_name(name) {
            return Err((number, "the name before '=' must consist of letters, digits and '_'"));
        }
        let after_equals = value;
        let value = value.trim_start();
        let value = if let Some(quote @ ('"' | '\'')) = value.chars().next() {
            // A quoted value may continue on the next lines.
            let start = line.len() - value.len() + 1;
            let (value, length) = quoted(&rest[start..], quote).ok_or((number, "the quote is never closed"))?;
            rest = &rest[start + length..];
            let trailing = rest.lines().next().unwrap_or_default();
            if !trailing.trim().is_empty() && !is_comment(trailing) {
                return Err((number, "unexpected text after the closing quote"));
            }
            value
        } else {
            let value = if is_comment(after_equals) { "" } else { before_comment(value) };
            if value.contains(char::is_whitespace) {
                return Err((number, "a value with spaces needs quotes"));
            }
            value.to_owned()
        };
        variables.entry(name.to_owned()).or_insert(value);
        rest = after_line(rest);
    }
    Ok(variables)
}

fn after_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '.'))
}

/// The value up to `quote`, and the length of what was read. Double quotes know `\"`, `\\` and `\n`; single quotes are literal.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            _ if character == quote => return Some((value, index + 1)),
            '\\' if quote == '"' => match characters.peek().map(|(_, next)| *next) {
                Some(next @ ('"' | '\\' | 'n')) => {
                    value.push(if next == 'n' { '\n' } else { next });
                    characters.next();
                }
                _ => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    None
}

fn is_comment(text: &str) -> bool {
    text.starts_with([' ', '\t']) && text.trim_start().starts_with('#')
}

/// A comment starts with `#` after a space; `a#b` is a value.
fn before_comment(value: &str) -> &str {
    let comment = value.char_indices().find(|(index, _)| is_comment(&value[*index..]));
    comment.map_or(value, |(index, _)| &value[..index]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: impl AsRef<[u8]>) -> Result<BTreeMap<String, String>, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn values_are_literal() {
        let text = "\u{feff}# a comment\nexport A='x y'\nB=\"z\" # why\nC=\n\nA=second\r\nD=$20\nE=a$HOME#b\nF='$x'\n\
                    G=\"${A} \\\" \\\\ C:\\d\"\nH = C:\\new\\dir # x\nI= # nothing\nJ=\"two\nlines\"\nK=1";
        let variables = parsed(text).unwrap();
        for (name, value) in [
            ("A", "x y"),
            ("B", "z"),
            ("C", ""),
            ("D", "$20"),
            ("E", "a$HOME#b"),
            ("F", "$x"),
            ("G", "${A} \" \\ C:\\d"),
            ("H", "C:\\new\\dir"),
            ("I", ""),
            ("J", "two\nlines"),
            ("K", "1"),
        ] {
            assert_eq!(variables[name], value, "{name}");
        }
    }

    #[test]
    fn invalid_line_is_named_and_never_shown() {
        for (text, number, reason) in [
            ("A=1\nBFL_API_KEY=very secret key\n", 2, "needs quotes"),
            ("A=1\n\nsecret\n", 3, "expected NAME=value"),
            ("A='x\ny'\nBFL KEY=secret\n", 3, "the name before '='"),
            ("A=1\nB=\"secret\nC=2\n", 2, "never closed"),
            ("A=\"x\"secret\n", 1, "after the closing quote"),
        ] {
            let message = parsed(text).unwrap_err().to_string();
            assert!(message.contains(&format!("line {number}: ")) && message.contains(reason), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn wrong_encoding_is_named() {
        let utf16 = include_bytes!("../../tests/cases/dotenv/utf16.env");
        assert!(parsed(utf16).unwrap_err().to_string().contains("the file is UTF-16"));
        let message = parsed(b"A=1\nB=\xff\n").unwrap_err().to_string();
        assert!(message.contains("line 2: not valid UTF-8"), "{message}");
    }

    #[test]
    fn missing_file_has_no_variables() {
        assert_eq!(read(Path::new("/nonexistent/.env")).unwrap(), BTreeMap::new());
    }
}
