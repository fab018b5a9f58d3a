//! Owns the last line of defence: a key that got into a line by mistake does not get out of it. Must not be relied on.

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
    pub fn clean(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| {
            let secret = secret.expose_secret();
            if text.contains(secret) { text.replace(secret, "[hidden]") } else { text }
        })
    }
}
