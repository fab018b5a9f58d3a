//! Owns what travels through Temporal's history: ids, addresses and words, never an image. Older forms must stay readable: new
//! fields have a default.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::costs::{Credits, Usd};
use crate::jobs::JobId;

/// The version of [`Order`] that this program writes.
pub const VERSION: u32 = 1;

/// What a workflow is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The version of the program's side that started it.
    pub version: u32,
    /// The job.
    pub job: JobId,
    /// Whether it is the simulator's.
    pub simulated: bool,
    /// After this many seconds without a word from a worker its activity is given to another.
    pub heartbeat_seconds: u64,
    /// A mark of the store that holds the document; empty is not known.
    #[serde(default)]
    pub store: String,
}

/// What `submit`, `wait` and `cancel` are started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The job.
    pub job: JobId,
    /// Whether it is the simulator's: a worker of the other kind leaves it alone.
    pub simulated: bool,
    /// A mark of the store that holds the document: a worker on another one leaves it alone.
    #[serde(default)]
    pub store: String,
}

/// What `store` is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pickup {
    /// The job.
    pub job: JobId,
    /// Whether it is the simulator's.
    pub simulated: bool,
    /// A mark of the store that holds the document.
    #[serde(default)]
    pub store: String,
    /// The attempt whose image it is.
    pub attempt: u32,
    /// Where the image is, for the few minutes that its link lasts.
    pub sample: String,
    /// What was really charged, where the finished ticket named it.
    #[serde(default)]
    pub charged: Option<Credits>,
}

/// What an activity came to: the job as its document says, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The stage in words, or `gone` where there is no such document.
    pub status: String,
    /// The current attempt.
    pub attempt: u32,
    /// The model.
    pub model: String,
    /// What follows.
    pub next: Next,
    /// The provider's ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What all attempts cost together, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    /// Why it is held, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the image is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The steps of the attempt, a line each.
    #[serde(default)]
    pub steps: Vec<String>,
}

/// What follows on an activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum Next {
    /// Look at the document, and order where it is queued.
    Submit,
    /// Look at the ticket until it is finished.
    Wait,
    /// Fetch the image and keep it.
    Store {
        /// Where it is.
        sample: String,
        /// What was really charged, where the finished ticket named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        charged: Option<Credits>,
    },
    /// Nothing before that time, unless somebody wakes the workflow.
    Rest {
        /// When to look again.
        until: DateTime<Utc>,
    },
    /// Nothing: the workflow ends.
    None,
}

/// What a wait tells with its heartbeats, for whoever goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The ticket.
    #[serde(default)]
    pub ticket: String,
    /// How often it was looked at.
    #[serde(default)]
    pub looks: u32,
    /// How many looks in a row failed.
    #[serde(default)]
    pub failures: u32,
    /// How many of them did not find it.
    #[serde(default)]
    pub not_found: u32,
    /// The provider's last word.
    #[serde(default)]
    pub status: String,
}

/// What the query `steps` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What the workflow does now: `submit`, `wait`, `store`, `cancel`, `rest until …`, `ended`.
    pub doing: String,
    /// The last report.
    pub report: Option<Report>,
}
