//! Settings of Google's services, under the names of Google's clients and of the data contract.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use crate::text::sanitize_line;

/// Settings of Google's services; used only where one of them is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GoogleSettings {
    /// `GOOGLE_CLOUD_PROJECT`.
    pub project: Option<String>,
    /// `DARKROOM_FIRESTORE_DATABASE`; `(default)` almost everywhere.
    pub database: String,
    /// `GOOGLE_APPLICATION_CREDENTIALS`.
    pub credentials: Option<PathBuf>,
    /// Whether the credentials are set in the process environment, where Google's clients find them whatever their kind. From a
    /// file only a service account's key is accepted.
    pub credentials_in_environment: bool,
    /// `FIRESTORE_EMULATOR_HOST`, `host:port`.
    pub firestore_emulator: Option<String>,
    /// `STORAGE_EMULATOR_HOST`, `host:port`, with or without a scheme.
    pub storage_emulator: Option<String>,
    /// `FIREBASE_STORAGE_BUCKET`.
    pub bucket: Option<String>,
    /// `DARKROOM_BUCKET_URL`.
    pub bucket_url: BucketUrl,
}

impl GoogleSettings {
    /// The key file that must be passed to Google's clients, because they would not find it themselves.
    pub fn key_file(&self) -> Option<&PathBuf> {
        self.credentials.as_ref().filter(|_| !self.credentials_in_environment)
    }
}

/// The URL of an image in Cloud Storage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BucketUrl {
    /// The object's own URL; the object is made public where the bucket allows that.
    #[default]
    Public,
    /// A signed URL.
    Signed,
    /// A base URL, such as a content delivery network.
    Base(Url),
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => formatter.write_str("public"),
            Self::Signed => formatter.write_str("signed"),
            Self::Base(url) => url.fmt(formatter),
        }
    }
}

impl FromStr for BucketUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "public" => Ok(Self::Public),
            "signed" => Ok(Self::Signed),
            other => match Url::parse(other) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => Ok(Self::Base(url)),
                _ => Err(format!("'{}' must be public, signed or an https URL", sanitize_line(text, 80))),
            },
        }
    }
}

/// The project that a service account file names. An unusable file is reported where the credentials are used.
pub(super) fn project_of(path: &Path) -> Option<String> {
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    single_word(file.get("project_id")?.as_str()?).ok()
}

/// The name of a project's first database.
pub(super) const DEFAULT_DATABASE: &str = "(default)";

/// A database's name: `(default)`, or 4 to 63 lower-case letters, digits and hyphens.
pub(super) fn database(text: &str) -> Result<String, String> {
    let text = text.trim();
    let named = (4..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if named || text == DEFAULT_DATABASE {
        return Ok(text.to_owned());
    }
    let shown = sanitize_line(text, 80);
    Err(format!(
        "'{shown}' is not a valid database name: use (default), or 4 to 63 lower-case letters, digits and hyphens"
    ))
}

/// One word: a project or a bucket.
pub(super) fn single_word(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("'{}' must be one word without spaces", sanitize_line(text, 80)));
    }
    Ok(text.to_owned())
}
