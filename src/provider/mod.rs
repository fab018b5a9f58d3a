//! The port to the image provider, and its adapter `bfl` (which the simulator answers as well as the real API).
//!
//! The port is in this file and beside it; adapters must not know stores, buckets or engines. Every error carries the
//! decision that follows from it, so that an engine never reads a status code.

pub mod bfl;
mod errors;
mod poll_delay;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use errors::{CheckError, CreditsError, FetchError, SubmitError};
pub use poll_delay::poll_delay;

use crate::costs::Credits;
use crate::jobs::{ImageFormat, Receipt, Spec, Ticket};
use crate::time::nearest_valid;

/// Largest image that is downloaded, in bytes.
pub const MAX_IMAGE_BYTES: usize = 64 * 1024 * 1024;

/// The service that makes the images.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Turns a checked spec into the request that will be submitted: loads and checks input images. Costs nothing, submits nothing.
    async fn prepare(&self, spec: &Spec) -> Result<PreparedRequest, SubmitError>;

    /// Submits one request. Costs money, and must be called once for each durable `Submitting` record, never in a loop.
    async fn submit(&self, request: PreparedRequest) -> Result<Receipt, SubmitError>;

    /// Polls a ticket once. Repeatable.
    async fn check(&self, ticket: &Ticket) -> Result<TicketStatus, CheckError>;

    /// Downloads a finished image and checks that it is whole. Repeatable.
    async fn fetch(&self, sample: &ResultLink) -> Result<DownloadedImage, FetchError>;

    /// What is left on the account.
    async fn credits(&self) -> Result<Credits, CreditsError>;
}

/// A checked request, ready to be submitted: the body with everything that had to be loaded.
#[derive(Debug, Clone)]
pub struct PreparedRequest {
    /// The model's path behind `/v1/`.
    pub route: String,
    /// The JSON body.
    pub body: serde_json::Value,
    /// Decoded sizes of the input images, on which the price depends.
    pub input_sizes: crate::catalog::InputSizes,
}

/// The state of a ticket, as one poll reports it.
#[derive(Debug, Clone, PartialEq)]
pub enum TicketStatus {
    /// Not finished.
    Pending {
        /// The provider's status, sanitized: `Pending`, `Reasoning`, `Generating`, or one that this program does not know.
        status: String,
        /// From 0 to 1, where the provider reports it.
        progress: Option<f32>,
        /// The wait that the provider requests.
        retry_after: Option<Duration>,
    },
    /// Finished: the image can be fetched.
    Ready {
        /// Where the image is.
        sample: ResultLink,
        /// What was really charged, where the body names it.
        cost: Option<Credits>,
    },
    /// Finished without an image. Final.
    Failed {
        /// Why, with whether it is billed.
        failure: TicketFailure,
        /// What was really charged, where the body names it.
        cost: Option<Credits>,
    },
}

/// Where a finished image is, for the few minutes that its link lasts, and what the provider reports of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ResultLink {
    /// A signed URL. Secret, because it grants access to the image; never logged whole.
    pub url: String,
    /// The seed that was used.
    pub seed: Option<u64>,
    /// The prompt that was used: the provider may have rewritten it.
    pub prompt: Option<String>,
}

impl ResultLink {
    /// A link of which nothing else is known.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), seed: None, prompt: None }
    }

    /// When the link expires, if its signature states it (`se`, as Azure Blob Storage writes it). The job keeps this time, so one
    /// that no document may have, such as the year 9999 of a link that never expires, becomes the nearest that it may.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        let url = url::Url::parse(&self.url).ok()?;
        let (_, expiry) = url.query_pairs().find(|(name, _)| name == "se")?;
        DateTime::parse_from_rfc3339(&expiry).ok().map(|at| nearest_valid(at.with_timezone(&Utc)))
    }
}

impl fmt::Debug for ResultLink {
    /// Without the query, which holds the signature.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.url.split(['?', '#']).next().unwrap_or_default();
        write!(formatter, "Sample({})", crate::text::sanitize_line(place, 120))
    }
}

/// Why a ticket ended without an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketFailure {
    /// The stable reason.
    pub code: crate::jobs::FailureCode,
    /// One clean line.
    pub message: String,
    /// Whether it is on the bill.
    pub billed: crate::jobs::BillingStatus,
}

/// A whole, decodable image.
#[derive(Debug, Clone)]
pub struct DownloadedImage {
    /// The file as it was served.
    pub bytes: bytes::Bytes,
    /// Its real format.
    pub format: ImageFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}
