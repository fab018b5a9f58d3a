//! Removes known secrets from log lines: the last line of defence against a key that is logged by mistake.

use secrecy::{ExposeSecret, SecretString};

/// Replaces secrets wherever they occur.
#[derive(Debug, Clone)]
pub struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// A redactor of these secrets.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        Self { secrets: secrets.into_iter().filter(|secret| !secret.expose_secret().is_empty()).collect() }
    }

    /// The text without any of the secrets.
    pub fn redact(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| {
            let secret = secret.expose_secret();
            if text.contains(secret) { text.replace(secret, "[hidden]") } else { text }
        })
    }
}
