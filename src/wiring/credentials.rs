//! Owns the file that `GOOGLE_APPLICATION_CREDENTIALS` names, looked at before anybody connects: what is wrong with it is said
//! as what it is, and not as a server that does not answer. Must not keep or show what is secret in it.

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

/// Who this program is for Google, as far as that can be told without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The application default credentials: of a login with `gcloud`, or of the machine.
    Default,
    /// What a file says.
    File {
        /// `service_account`, `authorized_user`, …
        kind: String,
        /// A service account's address.
        email: Option<String>,
        /// The project that the account is of.
        project: Option<String>,
    },
}

/// Who this program is. Errors: the file that is named is not there, cannot be read, or is no credentials.
pub fn identity(config: &Config) -> Result<Identity, CredentialsError> {
    let Some(path) = &config.google.credentials else { return Ok(Identity::Default) };
    let wrong = |why: String| CredentialsError { path: path.clone(), why };
    let file = read(path).map_err(wrong)?;
    let text = |name: &str| file.get(name).and_then(Value::as_str).map(|text| sanitize_line(text, 100));
    let kind = text("type").ok_or_else(|| wrong("it names no type; is it a Google credentials file?".to_owned()))?;
    if kind != "service_account" && !config.google.credentials_in_environment {
        return Err(wrong(format!(
            "it is of the type {kind}; only a service account's key is taken from a file's setting: set it in the real environment"
        )));
    }
    for name in ["client_email", "private_key"] {
        if kind == "service_account" && text(name).is_none_or(|text| text.is_empty()) {
            return Err(wrong(format!("it is a service account's key without {name}")));
        }
    }
    Ok(Identity::File { kind, email: text("client_email"), project: text("project_id") })
}

fn read(path: &Path) -> Result<Value, String> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "it is not there".to_owned(),
        _ => error.to_string(),
    })?;
    // The parser's message names a place, never the content.
    let file: Value = serde_json::from_slice(&bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    if file.is_object() { Ok(file) } else { Err("it is no JSON object".to_owned()) }
}
