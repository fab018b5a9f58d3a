//! The submitted prompts, for the history of the form.

use std::io::ErrorKind;
use std::path::Path;

use crate::fs::{parent_dir, write_atomically};
use crate::text::sanitize_line;

/// Prompts that are kept.
const MAX_PROMPTS: usize = 500;

/// Characters that are kept.
const MAX_BYTES: usize = 1_000_000;

/// Puts a prompt at the beginning of a history: each is in it once, the oldest give way.
pub fn remember(history: &mut Vec<String>, prompt: &str) {
    if prompt.trim().is_empty() {
        return;
    }
    history.retain(|old| old != prompt);
    history.insert(0, prompt.to_owned());
    history.truncate(MAX_PROMPTS);
    let mut bytes = 0;
    let fitting = history.iter().take_while(|prompt| {
        bytes += prompt.len();
        bytes <= MAX_BYTES
    });
    let fitting = fitting.count();
    history.truncate(fitting);
}

/// The prompts of a file, newest first; an empty list if the file does not exist.
pub(super) fn load(path: &Path) -> Result<Vec<String>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(problem(path, &error.to_string())),
    };
    serde_json::from_str(&text).map_err(|error| problem(path, &error.to_string()))
}

/// Adds prompts; the last one is the newest.
pub(super) fn add(path: &Path, prompts: &[String]) -> Result<(), String> {
    let failed = |error: std::io::Error| problem(path, &error.to_string());
    // A file that cannot be read is replaced: its prompts are lost already.
    let mut history = load(path).unwrap_or_default();
    for prompt in prompts {
        remember(&mut history, prompt);
    }
    std::fs::create_dir_all(parent_dir(path)).map_err(failed)?;
    let text = serde_json::to_vec(&history).map_err(|error| problem(path, &error.to_string()))?;
    write_atomically(path, &text).map_err(failed)
}

fn problem(path: &Path, why: &str) -> String {
    sanitize_line(&format!("prompt history {}: {why}", path.display()), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_survives_and_two_consoles_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console/prompts.json");
        assert_eq!(load(&path), Ok(Vec::new()));
        add(&path, &["a fox".to_owned()]).unwrap();
        add(&path, &["an owl".to_owned(), "a fox".to_owned()]).unwrap();
        assert_eq!(load(&path).unwrap(), ["a fox", "an owl"]);
        std::fs::write(&path, "{").unwrap();
        assert!(load(&path).unwrap_err().contains("prompts.json"));
        add(&path, &["again".to_owned()]).unwrap();
        assert_eq!(load(&path).unwrap(), ["again"]);
    }

    #[test]
    fn history_is_bounded() {
        let mut history = Vec::new();
        (0..600).for_each(|number| remember(&mut history, &format!("prompt {number}")));
        assert_eq!((history.len(), history[0].as_str()), (MAX_PROMPTS, "prompt 599"));
        (0..30).for_each(|number| remember(&mut history, &number.to_string().repeat(60_000)));
        assert!(history.iter().map(String::len).sum::<usize>() <= MAX_BYTES);
        remember(&mut history, "  ");
        assert!(!history[0].trim().is_empty());
    }
}
