//! The durable state of a job. A stage exists only where a restart acts differently, so it holds no progress.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Failure, Hold, StoredImage};

/// Where a job durably is, with what only that stage knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was sent.
    Queued {
        /// Why it does not run, if something holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<Hold>,
    },
    /// A submit may have been sent. Written before its first byte leaves.
    Submitting,
    /// Accepted; the attempt has a receipt. From here on everything can be repeated.
    Generating,
    /// The image is in the bucket and the cost in the books.
    Done {
        /// The image.
        image: StoredImage,
    },
    /// A reviewer liked it.
    Approved {
        /// The image.
        image: StoredImage,
    },
    /// It stopped.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// A person stopped it.
    Cancelled,
}

/// A stage without its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Nothing was sent.
    Queued,
    /// A submit may have been sent.
    Submitting,
    /// Accepted.
    Generating,
    /// Stored and booked.
    Done,
    /// Liked.
    Approved,
    /// Stopped by a failure.
    Failed,
    /// Stopped by a person.
    Cancelled,
}

impl Stage {
    /// Queued, held by nothing.
    pub const QUEUED: Self = Self::Queued { hold: None };

    /// Which one.
    pub fn name(&self) -> StageName {
        match self {
            Self::Queued { .. } => StageName::Queued,
            Self::Submitting => StageName::Submitting,
            Self::Generating => StageName::Generating,
            Self::Done { .. } => StageName::Done,
            Self::Approved { .. } => StageName::Approved,
            Self::Failed { .. } => StageName::Failed,
            Self::Cancelled => StageName::Cancelled,
        }
    }
}

impl StageName {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Submitting, Self::Generating, Self::Done, Self::Approved, Self::Failed, Self::Cancelled];

    /// The name in `--json` and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitting => "submitting",
            Self::Generating => "generating",
            Self::Done => "done",
            Self::Approved => "approved",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether a worker has something to do with it, now or later.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Submitting | Self::Generating)
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for StageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|stage| stage.as_str()).collect();
            format!("'{}' is not a status; one of: {}", crate::text::sanitize_line(text, 40), names.join(", "))
        })
    }
}
