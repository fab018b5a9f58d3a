//! Owns finding the job that a prefix of its id means. Must not guess between several.

use super::error::CliError;
use crate::jobs::JobId;
use crate::store::Store;
use crate::text::sanitize_line;

/// How many candidates are listed.
const SHOWN: usize = 5;

/// The ids that these texts mean, each once. Errors: a text that means none, or several.
pub async fn jobs(store: &dyn Store, texts: &[String]) -> Result<Vec<JobId>, CliError> {
    let mut ids = Vec::new();
    for text in texts {
        let id = job(store, text).await?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The id that `text` is, or is the beginning of.
pub async fn job(store: &dyn Store, text: &str) -> Result<JobId, CliError> {
    let shown = sanitize_line(text, 60);
    if text.is_empty() {
        return Err(CliError::Usage("an empty text is no job id".to_owned()));
    }
    let found = store.find(text, SHOWN + 1).await?;
    // The whole id of one job may be the beginning of another's.
    if let Some(exact) = found.iter().find(|id| id.as_str() == text) {
        return Ok(exact.clone());
    }
    match found.as_slice() {
        [] => Err(CliError::Failed(format!("no job's id begins with '{shown}'"))),
        [one] => Ok(one.clone()),
        several => {
            let mut candidates: Vec<String> = several.iter().take(SHOWN).map(ToString::to_string).collect();
            if several.len() > SHOWN {
                candidates.push("…".to_owned());
            }
            Err(CliError::Failed(format!("'{shown}' is the beginning of several ids: {}", candidates.join(", "))))
        }
    }
}
