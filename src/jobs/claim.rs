//! Which worker may act on a job, until when. Engines decide whether a worker is alive.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One worker process, unlike every other that ever ran.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(String);

impl WorkerId {
    /// An id from its parts: host, process, and random characters that make it unique.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Another backend, which writes no claims.
    pub fn another_backend() -> Self {
        Self("another backend".to_owned())
    }

    /// The id as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::text::sanitize_line(&self.0, 64))
    }
}

/// Which worker may act on the job, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The worker.
    pub worker: WorkerId,
    /// After this instant any worker may claim the job.
    pub until: DateTime<Utc>,
}

impl Claim {
    /// Whether it still holds.
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        now < self.until
    }
}
