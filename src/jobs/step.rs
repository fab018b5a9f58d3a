//! What an attempt did, for display only: no restart depends on steps.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

/// The steps of an attempt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// A worker took the job.
    Claim,
    /// The estimate fits under the caps.
    Reserve,
    /// The request was sent and answered.
    Submit,
    /// The provider works on it.
    Generate,
    /// The image was fetched and checked.
    Download,
    /// The image is in the bucket.
    Store,
    /// The cost is in the books.
    Settle,
}

impl StepName {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Claim, Self::Reserve, Self::Submit, Self::Generate, Self::Download, Self::Store, Self::Settle];

    /// The name in `--json` and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Reserve => "reserve",
            Self::Submit => "submit",
            Self::Generate => "generate",
            Self::Download => "download",
            Self::Store => "store",
            Self::Settle => "settle",
        }
    }
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Begun.
    Running,
    /// Ended well.
    Done,
    /// Ended badly.
    Failed,
}

impl StepState {
    /// The name in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One step of an attempt. A step that has not begun is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// Where it is.
    pub state: StepState,
    /// How often it was begun.
    pub tries: u32,
    /// When it was first begun.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// One clean line: the error, or why it was tried again.
    pub note: Option<String>,
}

impl Step {
    /// How long it took, or has taken so far.
    pub fn duration(&self, now: DateTime<Utc>) -> Duration {
        (self.ended_at.unwrap_or(now) - self.started_at).max(Duration::zero())
    }
}
