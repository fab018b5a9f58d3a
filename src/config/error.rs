//! Errors of the configuration. They contain neither a secret's value nor a line of a file that may hold one.

use std::path::PathBuf;

use super::{Key, Origin};

/// Why the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read or parsed.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// One line.
        why: String,
    },
    /// An unknown key.
    #[error("{}: '{key}' is not a setting{}", path.display(), suggestion(nearest.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key as written.
        key: String,
        /// The closest known key.
        nearest: Option<String>,
    },
    /// An unknown context.
    #[error("unknown context '{name}': {}", known_contexts(known))]
    UnknownContext {
        /// The requested name.
        name: String,
        /// The defined contexts.
        known: Vec<String>,
    },
    /// An invalid value.
    #[error("{}: {why} (from {origin})", key.name())]
    Value {
        /// Which setting.
        key: Key,
        /// One line, without the value where it is secret.
        why: String,
        /// Where the value was set.
        origin: Origin,
    },
    /// Neither the platform nor a setting gives a data directory.
    #[error("no data directory: set DARKROOM_DATA_DIR or --data-dir")]
    NoDataDir,
    /// The real API was chosen without a key.
    #[error(
        "provider is bfl, but no key is set: set BFL_API_KEY in the environment or in .env, or use DARKROOM_PROVIDER=simulator"
    )]
    MissingKey,
    /// A setting that the chosen adapter needs is missing.
    #[error("{} needs a name that is not set: set {} in the environment or in .env, or use {}={instead}",
        adapter(*key), missing.variable(), key.variable())]
    MissingName {
        /// The setting that chose the adapter.
        key: Key,
        /// The setting that is missing.
        missing: Key,
        /// The value of `key` that does not need it.
        instead: &'static str,
    },
    /// An adapter or engine that this build does not contain.
    #[error("{}: '{value}' is not included in this build: build with --features {value}, or use {}={instead} (set by {origin})",
        key.name(), key.variable())]
    FeatureDisabled {
        /// Which setting.
        key: Key,
        /// The chosen value; the feature has the same name.
        value: String,
        /// Where it was set.
        origin: Origin,
        /// The value that is included.
        instead: &'static str,
    },
}

fn adapter(key: Key) -> &'static str {
    if key == Key::Store { "store is firestore, which" } else { "bucket is gcs, which" }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}

fn known_contexts(known: &[String]) -> String {
    if known.is_empty() {
        "darkroom.toml defines no [context.NAME] table".to_owned()
    } else {
        format!("known: {}", known.join(", "))
    }
}
