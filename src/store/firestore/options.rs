//! Owns what a Firestore store has to be told. Must not read the environment: whoever resolves the configuration does.

use std::path::PathBuf;

/// Where the shared documents are, and what those that carry nothing of ours mean.
#[derive(Debug, Clone)]
pub struct FirestoreOptions {
    /// The Google Cloud project; `GOOGLE_CLOUD_PROJECT`.
    pub project: String,
    /// The database in it; `(default)` almost everywhere.
    pub database: String,
    /// `host:port` of an emulator, as `FIRESTORE_EMULATOR_HOST` names it; `None` is Google's own service.
    pub emulator_host: Option<String>,
    /// A service account's key file for Google's own service; `None` is the application default credentials.
    pub key_file: Option<PathBuf>,
    /// The model of a document that names none.
    pub default_model: String,
    /// Whether documents that carry nothing of ours are run by the simulator: true where the configured provider is it.
    pub simulated: bool,
}

impl FirestoreOptions {
    /// Google's own service, the default database, documents of the real API.
    pub fn new(project: impl Into<String>, default_model: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            database: "(default)".to_owned(),
            emulator_host: None,
            key_file: None,
            default_model: default_model.into(),
            simulated: false,
        }
    }
}
