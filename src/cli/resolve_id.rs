//! Resolves a prefix of a job id. A prefix of several ids is an error.

use super::error::CliError;
use crate::jobs::JobId;
use crate::store::Store;
use crate::text::sanitize_line;

/// Candidates that an error lists.
const MAX_CANDIDATES: usize = 5;

/// Resolves each text to one id; duplicates are dropped.
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

/// Resolves `text`: a whole id, or the prefix of exactly one.
pub async fn job(store: &dyn Store, text: &str) -> Result<JobId, CliError> {
    let shown = sanitize_line(text, 60);
    if text.is_empty() {
        return Err(CliError::Usage("a job id must not be empty".to_owned()));
    }
    let found = store.find(text, MAX_CANDIDATES + 1).await?;
    // The whole id of one job may be a prefix of another's.
    if let Some(exact) = found.iter().find(|id| id.as_str() == text) {
        return Ok(exact.clone());
    }
    match found.as_slice() {
        [] => Err(CliError::Failed(format!("no job id starts with '{shown}'"))),
        [one] => Ok(one.clone()),
        several => {
            let mut candidates: Vec<String> = several.iter().take(MAX_CANDIDATES).map(ToString::to_string).collect();
            if several.len() > MAX_CANDIDATES {
                candidates.push("…".to_owned());
            }
            Err(CliError::Failed(format!("'{shown}' is a prefix of several ids: {}", candidates.join(", "))))
        }
    }
}
