//! The id of a job. Untrusted: documents of other programs contain it, so it never becomes a file name unchanged.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text cannot be a job's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{shown}' is not a job id: {why}")]
pub struct InvalidJobId {
    shown: String,
    why: &'static str,
}

/// A job's id: any document id of the shared collection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// Longest document id that Firestore takes, in bytes (Firestore limits page: 1,500 bytes).
const MAX_BYTES: usize = 1_500;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl JobId {
    /// Takes an id from outside.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidJobId> {
        let id = id.into();
        let why = if id.is_empty() {
            "it is empty"
        } else if id.len() > MAX_BYTES {
            "it is longer than 1,500 bytes"
        } else if id.contains('/') {
            "it contains a slash"
        } else if id == "." || id == ".." {
            "it is a path, not a name"
        } else {
            return Ok(Self(id));
        };
        Err(InvalidJobId { shown: crate::text::sanitize_line(&id, 40), why })
    }

    /// A new id of 20 letters and digits, the form of a Firestore auto id, from that many random bytes.
    pub fn from_random(bytes: [u8; 20]) -> Self {
        Self(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect())
    }

    /// The id as it stands in documents.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first characters, safe to show: enough for a person to distinguish jobs.
    pub fn short(&self) -> String {
        crate::text::sanitize_line(&self.0, 8)
    }
}

impl TryFrom<String> for JobId {
    type Error = InvalidJobId;
    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::text::sanitize_line(&self.0, 128))
    }
}
