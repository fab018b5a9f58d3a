//! The documents that other programs share (jobs and costs), in the form in which files carry them: JSON objects with the data
//! contract's names. What is read here may be written to any store; what a store holds can be told in this form.
//!
//! Pure: no store, no file, no clock. Must not decide what becomes of a document: the adapters do.

mod amount;
mod compare;
mod cost;
mod hygiene;
mod job;
mod time;
mod told;
mod wish;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

pub use compare::difference;
pub use cost::CostEntry;
pub(crate) use job::essence_of;
pub use job::{Defaults, JobEntry, image_at, is_noted_elsewhere};
pub use time::{time_in, time_text};
pub use told::{costs_of, job_fields, with_job};
pub use wish::{Wish, wish_of};

/// Fields of a document.
pub type Fields = Map<String, Value>;

/// The collections that other programs share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// Wishes and what became of them.
    Jobs,
    /// One entry for each charge.
    Costs,
}

impl Collection {
    /// Its name in the shared database and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Costs => "costs",
        }
    }
}

/// A document that was found to be sound.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An entry of the books.
    Cost(Box<CostEntry>),
    /// A job.
    Job(Box<JobEntry>),
}

impl Record {
    /// Where it belongs.
    pub fn collection(&self) -> Collection {
        match self {
            Self::Cost(_) => Collection::Costs,
            Self::Job(_) => Collection::Jobs,
        }
    }

    /// The document's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Cost(entry) => &entry.id,
            Self::Job(entry) => entry.id.as_str(),
        }
    }

    /// Its fields as they are written.
    pub fn fields(&self) -> &Fields {
        match self {
            Self::Cost(entry) => &entry.fields,
            Self::Job(entry) => &entry.fields,
        }
    }

    /// What it says, without what two tellings of the same may differ in.
    pub fn essence(&self) -> Fields {
        match self {
            Self::Cost(entry) => entry.essence(),
            Self::Job(entry) => entry.essence(),
        }
    }
}

/// What became of one document of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It was written (or would be).
    New,
    /// It was there already and says the same: nothing was written.
    Same,
    /// It was not written, for this reason: one clean line.
    Refused(String),
}

/// A document as a store tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// All its fields, those of other programs included.
    pub fields: Fields,
}

/// Which documents are told.
#[derive(Debug, Clone)]
pub struct ExportQuery {
    /// Of which collection.
    pub collection: Collection,
    /// First instant inside: of the charge, or of the job's creation.
    pub from: Option<DateTime<Utc>>,
    /// First instant outside.
    pub to: Option<DateTime<Utc>>,
    /// Continue where the last page ended: its `next`.
    pub after: Option<String>,
    /// About that many at once.
    pub limit: usize,
}

/// Some documents, always in the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportPage {
    /// The documents.
    pub documents: Vec<Document>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
    /// Documents that cannot be told, with one clean line each.
    pub passed_over: Vec<(String, String)>,
}

/// One daily sum that did not agree with the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupMismatch {
    /// What the sum is of: `real 2026-11-22 bfl_api counted flux-dev image`.
    pub what: String,
    /// Charges and dollars as the sums had them.
    pub kept: (i64, String),
    /// Charges and dollars as the entries have them.
    pub counted: (i64, String),
}

/// The one id of a charge in the books of a team, so that no program books it twice.
pub fn entry_id(job: &str, attempt: u32, service: crate::costs::Service) -> String {
    let plain = job.len() <= 64 && job.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let stem = if plain { job.to_owned() } else { format!("x_{:.32}", crate::jobs::sha256_hex(job.as_bytes())) };
    format!("{stem}-{attempt}-{}", service.as_str())
}

/// An id for a document that brings none: the same document has the same one in every file. Of equal charges in one file all have
/// it: whoever reads the file tells them apart.
fn id_of_content(essence: &Fields) -> String {
    // Keys are sorted: serde_json's map is a tree.
    format!("imported-{:.32}", crate::jobs::sha256_hex(Value::Object(essence.clone()).to_string().as_bytes()))
}
