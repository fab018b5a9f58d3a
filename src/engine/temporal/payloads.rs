//! The payloads in Temporal's histories: ids, URLs and short texts, never an image. Serialized names are a contract, and older
//! payloads must stay readable: a new field has a default.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::costs::{Credits, Usd};
use crate::jobs::JobId;

/// The version of [`WorkflowInput`] that this program writes.
pub const VERSION: u32 = 1;

/// The input of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowInput {
    /// The payload version of the program that started the workflow.
    pub version: u32,
    /// The job.
    pub job: JobId,
    /// Whether it is a simulated job.
    pub simulated: bool,
    /// After this many seconds without a heartbeat, an activity is given to another worker.
    pub heartbeat_seconds: u64,
    /// The fingerprint of the store that holds the document; empty if unknown.
    #[serde(default)]
    pub store: String,
}

/// The input of `submit`, `wait` and `cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobInput {
    /// The job.
    pub job: JobId,
    /// Whether it is a simulated job: a worker of the other kind does not touch it.
    pub simulated: bool,
    /// The fingerprint of the store that holds the document: a worker on another store does not touch it.
    #[serde(default)]
    pub store: String,
}

/// The input of `store`, which only workflows need whose `wait` was performed by an earlier version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreInput {
    /// The job.
    pub job: JobId,
    /// Whether it is a simulated job.
    pub simulated: bool,
    /// The fingerprint of the store that holds the document.
    #[serde(default)]
    pub store: String,
    /// The attempt that produced the image.
    pub attempt: u32,
    /// The result link, which expires after minutes.
    #[serde(rename = "sample")]
    pub link: String,
    /// The settled price, if the finished ticket named it.
    #[serde(default)]
    pub charged: Option<Credits>,
}

/// The result of an activity: the job as its document states it, and the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// The stage, or `gone` if the document does not exist.
    pub status: String,
    /// The current attempt.
    pub attempt: u32,
    /// The model.
    pub model: String,
    /// The next step.
    pub next: NextStep,
    /// The id of the provider's task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What all attempts cost together, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    /// Why the job is held, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The image's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The steps of the attempt, a line each.
    #[serde(default)]
    pub steps: Vec<String>,
}

/// What follows an activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum NextStep {
    /// Read the document, and submit if it is queued.
    Submit,
    /// Poll the ticket until it is final, then store the image.
    #[serde(rename = "wait")]
    Poll,
    /// Download and store the image. Reported by earlier versions, whose `wait` did not store it.
    Store {
        /// The result link.
        #[serde(rename = "sample")]
        link: String,
        /// The settled price, if the finished ticket named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        charged: Option<Credits>,
    },
    /// Nothing before that time, unless the workflow is signalled.
    #[serde(rename = "rest")]
    Defer {
        /// When to read the document again.
        until: DateTime<Utc>,
    },
    /// Nothing: the workflow closes.
    None,
}

/// The heartbeat details of `wait`, for the worker that continues it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The id of the provider's task.
    #[serde(default)]
    pub ticket: String,
    /// Polls in total.
    #[serde(default, rename = "looks")]
    pub polls: u32,
    /// Consecutive failed polls.
    #[serde(default)]
    pub failures: u32,
    /// Consecutive polls that did not find the ticket.
    #[serde(default)]
    pub not_found: u32,
    /// The provider's last status.
    #[serde(default)]
    pub status: String,
}

/// The result of the query `steps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepsQueryResult {
    /// What the workflow does now: `submit`, `wait`, `store`, `cancel`, `rest until …`, `ended`.
    #[serde(rename = "doing")]
    pub current: String,
    /// The last report.
    pub report: Option<JobReport>,
}
