//! Owns reading a `.env` file as the teams have it. Must not set the process environment, nor show a line of the file: it may
//! hold a key.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::ConfigError;

/// The variables of the file; none where there is no file. Of a variable that stands twice the first counts, as with `dotenvy`.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let error = |why: String| ConfigError::File { path: path.to_owned(), why };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(BTreeMap::new()),
        Err(why) => return Err(error(why.to_string())),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut variables = BTreeMap::new();
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        match entry {
            Ok((name, value)) => {
                variables.entry(name).or_insert(value);
            }
            Err(dotenvy::Error::LineParse(part, _)) => {
                let part = part.lines().next().unwrap_or_default().trim();
                let number = text.lines().position(|line| line.contains(part));
                let place = number.map_or(String::new(), |index| format!("line {} ", index + 1));
                return Err(error(format!("{place}is not NAME=value (values with spaces need quotes)")));
            }
            Err(_) => return Err(error("it cannot be read".to_owned())),
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn quotes_comments_exports_and_bom_are_parsed() {
        let variables = parsed("\u{feff}# a comment\nexport A='x y'\nB=\"z\" # why\nC=\n\nA=second\n").unwrap();
        assert_eq!(variables["A"], "x y");
        assert_eq!(variables["B"], "z");
        assert_eq!(variables["C"], "");
    }

    #[test]
    fn invalid_line_is_numbered_and_never_shown() {
        let message = parsed("A=1\nBFL_API_KEY=very secret key\n").unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn no_file_is_no_variables() {
        assert_eq!(read(Path::new("/nonexistent/.env")).unwrap(), BTreeMap::new());
    }
}
