//! The lines of a journal: a checksum, a space, and one JSON record.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use crate::costs::Usd;
use crate::jobs::{Job, JobId, WorkerId, sha256_hex};

/// The version of the lines that this program writes. A journal of another version proves nothing.
pub(super) const VERSION: u32 = 1;

/// Characters of a line's checksum.
const CHECKSUM_LENGTH: usize = 16;

/// One submit: at most one POST at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::engine) struct SubmitKey {
    /// The job.
    pub(in crate::engine) job: JobId,
    /// Its attempt.
    pub(in crate::engine) attempt: u32,
}

impl SubmitKey {
    /// The submit of the job's current attempt.
    pub(in crate::engine) fn of(job: &Job) -> Self {
        Self { job: job.id.clone(), attempt: job.attempt_number() }
    }
}

/// The job as it became by the provider's acceptance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct AcceptedJob {
    /// The job with its receipt.
    pub(in crate::engine) job: Job,
    /// The version that was read, which the job itself does not serialize.
    pub(in crate::engine) revision: u64,
    /// The price where the receipt names none.
    pub(in crate::engine) estimate: Option<Usd>,
}

/// How far a submit came.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) enum SubmitProgress {
    /// Its record may be in the store; no byte of the request was sent.
    Begun,
    /// The request may have been sent.
    Posted,
    /// The provider accepted the request.
    Accepted(Box<AcceptedJob>),
    /// The provider certainly did not accept the request.
    NotAccepted,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// The first line: whose journal it is.
    Journal {
        version: u32,
        worker: WorkerId,
        /// The store of the worker's jobs.
        store: String,
        machine: Machine,
        /// The file's own number: a copy has another.
        inode: u64,
    },
    /// Written before the `Submitting` record.
    Begin(SubmitKey),
    /// Written directly before the first byte of the request.
    Post(SubmitKey),
    /// Written before the receipt is saved.
    Accepted(Box<AcceptedJob>),
    /// Written before the outcome is saved.
    NotAccepted(SubmitKey),
    /// The outcome is in the store.
    Settled(SubmitKey),
}

impl Record {
    /// The record that brings a journal to this state of a submit.
    pub(super) fn of_progress(key: &SubmitKey, progress: &SubmitProgress) -> Self {
        match progress {
            SubmitProgress::Begun => Self::Begin(key.clone()),
            SubmitProgress::Posted => Self::Post(key.clone()),
            SubmitProgress::Accepted(accepted) => Self::Accepted(accepted.clone()),
            SubmitProgress::NotAccepted => Self::NotAccepted(key.clone()),
        }
    }

    /// The line, with its line break.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let json = serde_json::to_vec(self)?;
        let mut line = checksum(&json).into_bytes();
        line.push(b' ');
        line.extend(json);
        line.push(b'\n');
        Ok(line)
    }

    /// `None` for a line that was not written whole, or that this program cannot read.
    pub(super) fn decode(line: &[u8]) -> Option<Self> {
        let (sum, json) = line.split_at_checked(CHECKSUM_LENGTH)?;
        let json = json.strip_prefix(b" ")?;
        if checksum(json).as_bytes() != sum {
            return None;
        }
        let record = serde_json::from_slice(json);
        record.inspect_err(|error| tracing::warn!(%error, "line of a submit journal not read")).ok()
    }
}

fn checksum(bytes: &[u8]) -> String {
    let mut sum = sha256_hex(bytes);
    sum.truncate(CHECKSUM_LENGTH);
    sum
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::jobs::Spec;

    #[test]
    fn accepted_job_is_read_back() {
        let job = Job::new(JobId::new("a").unwrap(), Spec::new("flux-2-klein-4b", "a\nfox"), true, Utc::now());
        let record = Record::Accepted(Box::new(AcceptedJob { job, revision: 7, estimate: Some(Usd::ZERO) }));
        let line = record.encode().unwrap();
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        let json = &line[CHECKSUM_LENGTH + 1..];
        assert_eq!(serde_json::from_slice::<Record>(json).unwrap(), record);
    }

    #[test]
    fn changed_line_is_not_decoded() {
        let key = SubmitKey { job: JobId::new("a").unwrap(), attempt: 1 };
        let line = Record::Begin(key.clone()).encode().unwrap();
        let (line, end) = line.split_at(line.len() - 1);
        assert_eq!(end, b"\n");
        assert_eq!(Record::decode(line), Some(Record::Begin(key)));
        for index in 0..line.len() {
            let mut changed = line.to_vec();
            changed[index] ^= 1;
            assert_eq!(Record::decode(&changed), None, "byte {index}");
            assert_eq!(Record::decode(&line[..index]), None, "the first {index} bytes");
        }
    }
}
