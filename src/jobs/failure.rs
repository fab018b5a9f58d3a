//! Why a job failed, with the decision that follows. A failure of the whole account is not a job failure: it pauses the intake and
//! holds the queue.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Stable reason of a failure; the names stand in documents, logs and `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// A submit went out and no answer came back: it may have been billed. A person decides.
    SubmitUnknown,
    /// The prompt or an input image was blocked.
    RequestModerated,
    /// The image was made and withheld.
    ContentModerated,
    /// The provider, or our own check before the call, found the request wrong.
    InvalidRequest,
    /// An input image is missing, too large, not an image, or may not be read.
    InvalidInput,
    /// The provider's model failed.
    ProviderError,
    /// The provider no longer knows the ticket.
    TicketLost,
    /// No image within the deadline.
    TimedOut,
    /// The image's link ran out before it was downloaded.
    SampleExpired,
    /// What was downloaded is not a whole image of the announced type.
    #[serde(rename = "picture_broken")]
    ImageCorrupt,
    /// The provider named an address that our key or our request must not go to.
    #[serde(rename = "foreign_address")]
    UntrustedHost,
    /// The bucket refused the image for good.
    BucketRefused,
    /// The key was refused.
    KeyRejected,
    /// The account has no credits left.
    OutOfCredits,
    /// The configured address does not serve the FLUX API.
    WrongEndpoint,
    /// This program made a mistake; the message says where.
    Internal,
}

impl FailureCode {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::SubmitUnknown,
        Self::RequestModerated,
        Self::ContentModerated,
        Self::InvalidRequest,
        Self::InvalidInput,
        Self::ProviderError,
        Self::TicketLost,
        Self::TimedOut,
        Self::SampleExpired,
        Self::ImageCorrupt,
        Self::UntrustedHost,
        Self::BucketRefused,
        Self::KeyRejected,
        Self::OutOfCredits,
        Self::WrongEndpoint,
        Self::Internal,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SubmitUnknown => "submit_unknown",
            Self::RequestModerated => "request_moderated",
            Self::ContentModerated => "content_moderated",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidInput => "invalid_input",
            Self::ProviderError => "provider_error",
            Self::TicketLost => "ticket_lost",
            Self::TimedOut => "timed_out",
            Self::SampleExpired => "sample_expired",
            Self::ImageCorrupt => "picture_broken",
            Self::UntrustedHost => "foreign_address",
            Self::BucketRefused => "bucket_refused",
            Self::KeyRejected => "key_rejected",
            Self::OutOfCredits => "out_of_credits",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::Internal => "internal",
        }
    }

    /// Whether the provider reported the end of the ticket, without an image. A retry checks every other ticket before it pays again.
    pub fn is_final_without_image(self) -> bool {
        matches!(self, Self::RequestModerated | Self::ContentModerated | Self::ProviderError)
    }

    /// Whether the ticket had an image when the attempt failed so: it is on the bill.
    pub(super) fn implies_image(self) -> bool {
        matches!(self, Self::SampleExpired | Self::ImageCorrupt | Self::BucketRefused)
    }

    /// Whether a retry whose price covers a new attempt begins it after a check of the old ticket that ended so. Not after a failure
    /// of this program or of the bucket, which shows nothing about the ticket and would meet the new image too; nor after moderation,
    /// which would end the same request in the same way.
    pub(super) fn permits_new_attempt(self) -> bool {
        matches!(
            self,
            Self::TicketLost
                | Self::TimedOut
                | Self::SampleExpired
                | Self::ImageCorrupt
                | Self::UntrustedHost
                | Self::ProviderError
        )
    }
}

/// Whether the failed submit or ticket is on the provider's bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingStatus {
    /// Certainly not.
    No,
    /// Yes, as it was charged.
    Yes,
    /// Undocumented or unknown.
    Unknown,
}

/// Why an attempt stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable reason.
    pub code: FailureCode,
    /// One clean line that a person understands.
    pub message: String,
    /// Whether it is on the bill.
    pub billed: BillingStatus,
    /// When it was noticed.
    pub at: DateTime<Utc>,
}

impl Failure {
    /// A failure of one job. The message is cleaned to one line of at most 300 characters.
    pub fn new(code: FailureCode, message: &str, billed: BillingStatus, at: DateTime<Utc>) -> Self {
        Self { code, message: crate::text::sanitize_line(message, 300), billed, at }
    }
}
