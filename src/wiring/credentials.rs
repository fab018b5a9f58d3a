//! Checks the file of `GOOGLE_APPLICATION_CREDENTIALS` before any connection, so that its defects are not reported as a server
//! that does not respond. Secrets in the file are neither kept nor shown.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::Config;
use crate::text::sanitize_line;

/// Why the credentials cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the credentials file {} cannot be used: {why} (GOOGLE_APPLICATION_CREDENTIALS)", path.display())]
pub struct CredentialsError {
    path: PathBuf,
    why: String,
}

/// The identity that Google's services see, as far as it is known without a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Application default credentials: of a `gcloud` login, or of the machine.
    Default,
    /// Credentials of a file.
    File {
        /// `service_account`, `authorized_user`, …
        kind: String,
        /// The service account's address.
        email: Option<String>,
        /// The project of the account.
        project: Option<String>,
    },
}

/// Reads the identity. Errors: the file is missing, unreadable, or not a credentials file.
pub fn identity(config: &Config) -> Result<Identity, CredentialsError> {
    let Some(path) = &config.google.credentials else { return Ok(Identity::Default) };
    let wrong = |why: String| CredentialsError { path: path.clone(), why };
    let file = read(path).map_err(wrong)?;
    let text = |name: &str| file.get(name).and_then(Value::as_str).map(|text| sanitize_line(text, 100));
    let kind = text("type").ok_or_else(|| wrong("it has no type: not a Google credentials file".to_owned()))?;
    if kind != "service_account" && !config.google.credentials_in_environment {
        return Err(wrong(format!(
            "it has type {kind}, but only service-account keys may be set in .env or darkroom.toml; export the variable in the environment instead"
        )));
    }
    for name in ["client_email", "private_key"] {
        if kind == "service_account" && text(name).is_none_or(|text| text.is_empty()) {
            return Err(wrong(format!("the service account key has no {name}")));
        }
    }
    Ok(Identity::File { kind, email: text("client_email"), project: text("project_id") })
}

fn read(path: &Path) -> Result<Value, String> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "file not found".to_owned(),
        _ => error.to_string(),
    })?;
    // The parser's message names a position, never the content.
    let file: Value = serde_json::from_slice(&bytes).map_err(|error| format!("not valid JSON: {error}"))?;
    if file.is_object() { Ok(file) } else { Err("not a JSON object".to_owned()) }
}
