//! Owns the settings of Google's services under the names that Google and the teams gave them. Must not know a client.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use crate::text::sanitize_line;

/// Everything about Google's services that can be configured; used only where one of them is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GoogleSettings {
    /// `GOOGLE_CLOUD_PROJECT`.
    pub project: Option<String>,
    /// `DARKROOM_FIRESTORE_DATABASE`; `(default)` almost everywhere.
    pub database: String,
    /// `GOOGLE_APPLICATION_CREDENTIALS`.
    pub credentials: Option<PathBuf>,
    /// Whether the credentials stand in the real environment, where Google's clients find them by themselves, whatever their
    /// kind; one from a file must be a service account's.
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
    /// The key file that Google's clients must be told of, because they would not find it by themselves.
    pub fn key_file(&self) -> Option<&PathBuf> {
        self.credentials.as_ref().filter(|_| !self.credentials_in_environment)
    }
}

/// What URL an image in Cloud Storage gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BucketUrl {
    /// The object's own; it is made public where the bucket's rules allow that.
    #[default]
    Public,
    /// A signed one.
    Signed,
    /// Behind a base URL of one's own.
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
                _ => Err(format!("'{}' is neither public, signed, nor an https URL", sanitize_line(text, 80))),
            },
        }
    }
}

/// The name that a project's first database has.
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
    Err(format!("'{shown}' is no database: (default), or 4 to 63 lower-case letters, digits and hyphens"))
}

/// One word: a project, a bucket, a host with its port.
pub(super) fn word(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("'{}' is not one word", sanitize_line(text, 80)));
    }
    Ok(text.to_owned())
}
