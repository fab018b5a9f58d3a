//! The settings of a Firestore store, already resolved.

use std::path::PathBuf;

/// Where the shared documents are, and what documents of other programs mean.
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
    /// The model of a document that names none, where the store's settings name none either.
    pub default_model: String,
    /// The configured model of a document that names none: it precedes the store's settings.
    pub configured_model: Option<String>,
    /// Whether documents of other programs are the simulator's: true where it is the configured provider.
    pub simulated: bool,
    /// Whether queued requests of other programs are held: the provider is the simulator, and it may not run them.
    pub hold_external: bool,
    /// Whether writes need a record that darkroom owns the store. Off for tests that write documents of other programs first.
    pub gated: bool,
    /// The user and host that a record of ownership names.
    pub operator: String,
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
            hold_external: false,
            configured_model: None,
            gated: false,
            operator: "unknown".to_owned(),
        }
    }
}
