//! The job's life: what is wanted, where it durably is, what was tried, and what may happen next.
//!
//! Pure: no async, no input or output, no clock (time is a parameter), no randomness. Knows `costs` and nothing else.

mod attempt;
mod billing;
mod claim;
mod drift;
mod failure;
pub mod filter;
mod hold;
mod id;
mod image;
mod job;
mod late_receipt;
mod receipt;
mod resolution;
mod retry;
mod review;
pub mod sort;
mod spec;
mod stage;
mod step;
mod transitions;

pub use attempt::{Attempt, MAX_ATTEMPT_NUMBER, Outcome};
pub use billing::{BillingAnswer, CorrectedAnswer, Resolution};
pub use claim::{Claim, WorkerId};
pub use drift::{DriftSummary, PriceTrail};
pub use failure::{BillingStatus, Failure, FailureCode};
pub use hold::Hold;
pub use id::{InvalidJobId, JobId};
pub use image::{ImageFormat, ObjectName, StoredImage, sha256_hex};
pub use job::{Job, RetentionObstacle};
pub use late_receipt::AnsweredSubmit;
pub use receipt::{Receipt, Ticket};
pub use resolution::ResolveError;
pub use retry::RetryKind;
pub use review::Review;
pub use spec::Spec;
pub use stage::{Stage, StageName};
pub use step::{Step, StepName, StepState};
pub use transitions::IllegalTransition;
