//! The documents that other programs share: jobs and costs, as JSON objects with the names of the data contract. The one reader and
//! the one writer of these documents, for Firestore, import and export.
//!
//! Pure: no store, no file, no clock. What becomes of a document is up to the adapters.

mod cost;
mod diff;
mod encode;
mod job;
mod job_limits;
mod limits;
mod money;
mod request;
mod status;
mod time;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

pub use cost::CostEntry;
pub use diff::difference;
pub(crate) use encode::{certain_already, encode_costs_of_removed, ids_of_uncertain};
pub use encode::{encode_costs, encode_job, with_native};
pub(crate) use job::canonical_job;
pub use job::{Defaults, JobEntry};
pub use status::Status;
pub use time::{format_time, parse_time};

#[cfg(feature = "firestore")]
pub(crate) use cost::parse_charge;
#[cfg(feature = "firestore")]
pub(crate) use encode::encode_charge;
#[cfg(feature = "firestore")]
pub(crate) use job::{ExternalDefaults, PROMPT_PLACEHOLDER, apply_status, native_fields, parse_external, parse_native};
#[cfg(feature = "firestore")]
pub(crate) use request::{REQUEST_FIELDS, RequestDefaults, catalog_model, parse_spec, request_digest};

/// Fields of a document.
pub type Fields = Map<String, Value>;

/// The collections that other programs share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// Requested images and their results.
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

/// A valid document.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An entry of the cost ledger.
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

    /// Its fields without what two copies of the same document may differ in.
    pub fn canonical_fields(&self) -> Fields {
        match self {
            Self::Cost(entry) => entry.canonical_fields(),
            Self::Job(entry) => entry.canonical_fields(),
        }
    }
}

/// The outcome of importing one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportOutcome {
    /// The document was written (or would be).
    Created,
    /// The store has an equal document: nothing was written.
    Unchanged,
    /// The document was not written, for this reason: one line.
    Rejected(String),
}

/// A document that an import wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedDocument {
    /// Its collection.
    pub collection: Collection,
    /// Its id.
    pub id: String,
    /// Of its content as it was written.
    pub digest: String,
}

impl ImportedDocument {
    /// The digest of a document's canonical fields.
    pub fn digest_of(canonical: &Fields) -> String {
        format!("{:.16}", crate::jobs::sha256_hex(Value::Object(canonical.clone()).to_string().as_bytes()))
    }
}

/// The outcome of removing an imported document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoveOutcome {
    /// It was removed (or would be), with its sums.
    Removed,
    /// It does not exist.
    Missing,
    /// It was kept, for this reason: one line.
    Kept(String),
}

/// Why an entry is kept while its job is stored.
pub(crate) const ENTRY_OF_STORED_JOB: &str = "its job is stored and has this charge";

/// A document of a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// All its fields, those of other programs included.
    pub fields: Fields,
}

/// Which documents to export.
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
    /// Documents that cannot be exported, with one line each.
    pub skipped: Vec<(String, String)>,
}

/// One daily rollup that differs from the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupMismatch {
    /// What it adds up: `real 2026-11-22 bfl_api counted flux-dev image`.
    pub what: String,
    /// Charges and dollars as the rollup has them.
    pub stored: (i64, String),
    /// Charges and dollars as the entries have them.
    pub computed: (i64, String),
}

/// What a comparison of the daily rollups with the entries found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RollupCheck {
    /// The rollups that differ from the entries, or differed until they were corrected.
    pub mismatches: Vec<RollupMismatch>,
    /// The entries that no sum includes, because they cannot be read.
    pub unreadable: Vec<UnreadableEntry>,
}

/// An entry of the ledger that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct UnreadableEntry {
    /// Its collection.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// What `cost_usd` holds, as JSON; empty where the field is absent.
    pub cost_usd: String,
    /// Why it cannot be read: one clean line.
    pub reason: String,
}

/// The one id of a charge in the ledger: recording it twice writes one entry.
pub fn charge_id(job: &str, attempt: u32, service: crate::costs::Service) -> String {
    format!("{}-{attempt}-{}", charge_stem(job), service.as_str())
}

/// What the ids of all charges of a job begin with.
pub(crate) fn charge_stem(job: &str) -> String {
    let plain = job.len() <= 64 && job.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain { job.to_owned() } else { format!("x_{:.32}", crate::jobs::sha256_hex(job.as_bytes())) }
}

/// The stem of an id that has the form of [`charge_id`].
pub(crate) fn stem_of_charge(entry: &str) -> Option<&str> {
    use crate::costs::Service;
    let mut services = [Service::BflApi, Service::GoogleStorage].into_iter();
    let numbered = services.find_map(|service| entry.strip_suffix(service.as_str()))?;
    Some(numbered.strip_suffix('-')?.rsplit_once('-')?.0)
}

/// The attempt of that job to which an entry of that id belongs; `None` for another program's entry.
pub(crate) fn attempt_of(job: &str, entry: &str) -> Option<u32> {
    use crate::costs::Service;
    [Service::BflApi, Service::GoogleStorage].into_iter().find_map(|service| {
        let stem = entry.strip_suffix(service.as_str())?.strip_suffix('-')?;
        let number = stem.rsplit('-').next()?.parse::<u32>().ok()?;
        (charge_id(job, number, service) == entry).then_some(number)
    })
}

/// An id for a document without one: equal documents have the same id in every file. The reader of a file distinguishes equal charges in it
/// apart.
fn content_id(canonical: &Fields) -> String {
    // Keys are sorted: serde_json's map is a tree.
    format!("imported-{:.32}", crate::jobs::sha256_hex(Value::Object(canonical.clone()).to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::Service;

    #[test]
    fn entry_id_names_its_attempt() {
        for job in ["a", "a-1", "a-1-bfl_api", "with space", &"x".repeat(200)] {
            for service in [Service::BflApi, Service::GoogleStorage] {
                assert_eq!(attempt_of(job, &charge_id(job, 12, service)), Some(12), "{job}");
            }
        }
        for other in ["", "a", "a-1", "a-x-bfl_api", "b-1-bfl_api", "a-1-1-bfl_api", "a-01-bfl_api", "imported-1"] {
            assert_eq!(attempt_of("a", other), None, "{other}");
        }
    }
}
