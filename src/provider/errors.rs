//! The errors of the provider port. Each variant is a decision for the engine, not a status code.

use std::time::Duration;

use crate::jobs::FailureCode;

/// Why a request was not accepted, or not certainly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Certainly not accepted, not billed; the same request may succeed later.
    #[error("{reason}")]
    NotAccepted {
        /// One clean line.
        reason: String,
        /// The wait that the provider requests.
        retry_after: Option<Duration>,
        /// Whether the provider has as many unfinished tickets as it accepts, rather than a failure of its own.
        full: bool,
    },
    /// Certainly not accepted, not billed; it never will be as it stands.
    #[error("{message}")]
    Rejected {
        /// The stable reason.
        code: FailureCode,
        /// One clean line.
        message: String,
    },
    /// Certainly not accepted, not billed; no request of this account will be until a person acts.
    #[error("{message}")]
    Account {
        /// The stable reason.
        code: FailureCode,
        /// One clean line.
        message: String,
    },
    /// It is unknown whether it was accepted and billed. Must not be sent again automatically.
    #[error("{reason}")]
    Unknown {
        /// One clean line.
        reason: String,
    },
    /// Accepted and billed, but the reply names an address for the ticket that must not get the key.
    #[error("{message}")]
    AcceptedUntrusted {
        /// What was accepted, for the books.
        receipt: Box<crate::jobs::Receipt>,
        /// The stable reason.
        code: FailureCode,
        /// One clean line.
        message: String,
    },
}

/// Why a poll of a ticket failed. The ticket itself is unaffected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// Poll again.
    #[error("{reason}")]
    Retryable {
        /// One clean line.
        reason: String,
        /// The wait that the provider requests.
        retry_after: Option<Duration>,
        /// The provider does not know the ticket: usual right after the submit, but one that stays unknown is lost. The
        /// caller counts these and gives up after several in a row.
        not_found: bool,
    },
    /// The key is refused: no poll of this account will succeed until a person acts.
    #[error("{message}")]
    Account {
        /// One clean line.
        message: String,
    },
    /// The ticket's address must not get the key.
    #[error("{message}")]
    UntrustedHost {
        /// One clean line.
        message: String,
    },
}

/// Why an image could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Fetch again, after a new poll of the ticket.
    #[error("{reason}")]
    Retryable {
        /// One clean line.
        reason: String,
    },
    /// The link expired; a new poll of the ticket may yield another.
    #[error("{reason}")]
    Expired {
        /// One clean line.
        reason: String,
    },
    /// The download is not a complete image; the next one may be.
    #[error("{reason}")]
    Corrupt {
        /// One clean line.
        reason: String,
    },
    /// The link has an address that must not be requested.
    #[error("{reason}")]
    UntrustedHost {
        /// One clean line.
        reason: String,
    },
}

/// Why the account's credits are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreditsError {
    /// The key is refused.
    #[error("{0}")]
    KeyRejected(String),
    /// Not reachable, or not understood.
    #[error("{0}")]
    Unavailable(String),
}
