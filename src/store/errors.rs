//! The errors of the store port.

use crate::costs::BudgetExceeded;
use crate::jobs::JobId;

/// Why a store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process saved the job since it was read: drop the change.
    #[error("job {0} was modified concurrently")]
    Conflict(JobId),
    /// Another process changed the shared record since it was read.
    #[error("the record {kind}/{id} was modified concurrently")]
    RecordConflict {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
    },
    /// The id is taken.
    #[error("job {0} already exists")]
    AlreadyExists(JobId),
    /// There is no such job.
    #[error("no job {0}")]
    NotFound(JobId),
    /// The document exists but cannot be read; it stays unchanged.
    #[error("the document of job {id} cannot be read: {reason}")]
    Unreadable {
        /// Its id.
        id: JobId,
        /// One clean line.
        reason: String,
    },
    /// The reservation does not fit under a cap.
    #[error("{} exceeded", .0.name())]
    BudgetExceeded(BudgetExceeded),
    /// The account has as many unfinished tasks as it may have. Nothing was written; a task that ends makes room.
    #[error("{}", task_limit_line(.0.as_deref()))]
    TaskLimit(Option<String>),
    /// The books hold a charge of that attempt or of a later one already: the job's document lost its history. Nothing was written;
    /// the attempt may go on under a number from `free` on.
    #[error("the ledger already has charges for attempts below {free} of job {id}")]
    AttemptBooked {
        /// Its id.
        id: JobId,
        /// No charge is booked under this number or a greater one.
        free: u32,
    },
    /// The store holds documents of another backend and was not taken over: nothing was written.
    #[error(
        "the store is read-only: it holds documents of another backend; see `darkroom takeover --dry-run`, then run `darkroom takeover`"
    )]
    NotOwned,
    /// Not reachable now; the same call may succeed later. Whether it was carried out is not known.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// The store cannot be used as it is; the line says what to do.
    #[error("{0}")]
    Unusable(String),
}

/// The limit of that model, or of the account.
fn task_limit_line(model: Option<&str>) -> String {
    match model {
        Some(model) => format!("{} is at its task limit", crate::text::sanitize_line(model, 60)),
        None => "the account is at its task limit".to_owned(),
    }
}
