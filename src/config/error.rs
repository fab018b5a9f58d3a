//! Owns what can be wrong with the configuration. Must not contain a secret's value, nor a line of a file that may hold one.

use std::path::PathBuf;

use super::{Key, Origin};

/// What is wrong with the configuration, in one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read, or not as what it is.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// One line.
        why: String,
    },
    /// A key that no setting has.
    #[error("{}: '{key}' is not a setting{}", path.display(), suggestion(nearest.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// As it stands there.
        key: String,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// A context that no file describes.
    #[error("there is no context '{name}'; {}", known_contexts(known))]
    UnknownContext {
        /// As it was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A value that a setting cannot have.
    #[error("{}: {why} (from {origin})", key.name())]
    Value {
        /// Which setting.
        key: Key,
        /// One line, without the value where it is secret.
        why: String,
        /// Who said so.
        origin: Origin,
    },
    /// The platform names no place for the data, and nobody else does.
    #[error("no data directory is known here: set DARKROOM_DATA_DIR or --data-dir")]
    NoDataDir,
    /// The real API was chosen, and there is no key for it.
    #[error(
        "provider is bfl, but there is no key: set BFL_API_KEY in the environment or in .env, or use DARKROOM_PROVIDER=simulator"
    )]
    MissingKey,
    /// An adapter was chosen, and a name that it needs is not set.
    #[error("{} needs a name that is not set: set {} in the environment or in .env, or use {}={instead}",
        adapter(*key), missing.variable(), key.variable())]
    MissingName {
        /// The setting that chose the adapter.
        key: Key,
        /// The setting that is missing.
        missing: Key,
        /// What needs no such name.
        instead: &'static str,
    },
    /// An adapter or an engine that this build was made without.
    #[error("{}: '{value}' was left out of this build: build it with --features {value}, or use {}={instead} (was from {origin})",
        key.name(), key.variable())]
    LeftOut {
        /// Which setting.
        key: Key,
        /// What was chosen; the feature has the same name.
        value: String,
        /// Who said so.
        origin: Origin,
        /// What there is.
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
        "no darkroom.toml has a [context.NAME] table".to_owned()
    } else {
        format!("known: {}", known.join(", "))
    }
}
