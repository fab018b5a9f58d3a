//! The writes: new jobs, and the compare-and-set of a job with its charges, its rollups and its cap in one commit.

use std::collections::HashSet;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::Code;

use super::connection::ambiguous_commit::AmbiguousCommit;
use super::connection::client::CommitOutcome;
use super::connection::errors;
use super::documents::{BaseVersion, DocumentWrite, value};
use super::ledger::entries::diff_entries;
use super::ledger::rollup;
use super::ledger::writes::{write_entries, write_rollups};
use super::{FirestoreStore, JOBS};
use crate::costs::Budget;
use crate::jobs::{Job, JobId};
use crate::store::charges::{ChargeRow, charges_of};
use crate::store::{Save, StoreError, TaskLimits};

/// Retries of a commit that lost against concurrent writers. Nothing of it was written.
const MAX_CONFLICT_RETRIES: u32 = 12;

impl FirestoreStore {
    pub(crate) async fn create_jobs(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut ids = HashSet::new();
        if let Some(twice) = jobs.iter().find(|job| !ids.insert(job.id.clone())) {
            return Err(StoreError::AlreadyExists(twice.id.clone()));
        }
        let (mut writes, mut rows, mut documents) = (Vec::new(), Vec::new(), Vec::new());
        for job in &jobs {
            let document = DocumentWrite::new(job)?;
            writes.push(self.write_job(&job.id, &document, ConditionType::Exists(false)));
            documents.push(document);
        }
        let mut recorded = self.recorded_charges(&jobs).await?;
        let mut old_rows = Vec::new();
        for job in &jobs {
            let new = charges_of(job);
            let old = recorded.remove(&job.id).unwrap_or_default();
            writes.extend(write_entries(&self.shared.client, job, &diff_entries(job, &old, &new)));
            rows.extend(new);
            old_rows.extend(old);
        }
        let months = rollup::changes(&old_rows, &rows);
        let shard = if months.is_empty() { None } else { Some(self.shards.acquire().await) };
        writes.extend(write_rollups(&self.shared.client, months, shard.as_ref(), None));
        if writes.is_empty() {
            return Ok(());
        }
        let mut ambiguous = AmbiguousCommit::default();
        loop {
            if ambiguous.is_pending() && ambiguous.resolve(self.were_created(&jobs).await)?.unwrap_or(false) {
                return Ok(());
            }
            match ambiguous.resolve(self.shared.client.commit_once(writes.clone()).await)? {
                Some(CommitOutcome::Committed(times)) => {
                    self.record_created(jobs, documents, &times);
                    return Ok(());
                }
                Some(CommitOutcome::Rejected(status)) => match status.code() {
                    Code::Aborted if ambiguous.attempts() < MAX_CONFLICT_RETRIES => {}
                    // The ids may be taken by the unacknowledged attempt before.
                    Code::AlreadyExists | Code::FailedPrecondition if ambiguous.is_pending() => {}
                    Code::AlreadyExists | Code::FailedPrecondition => return Err(self.find_existing(&jobs).await?),
                    _ => return Err(errors::of_status(&status)),
                },
                Some(CommitOutcome::Unknown(error)) => ambiguous.note(error)?,
                None => {}
            }
            ambiguous.pause().await;
        }
    }

    fn record_created(&self, jobs: Vec<Job>, documents: Vec<DocumentWrite>, times: &[Timestamp]) {
        for ((mut job, document), at) in jobs.into_iter().zip(documents).zip(times) {
            job.revision = value::nanoseconds(at);
            let base = BaseVersion::after(&job, &document, job.revision);
            self.shared.cache.record_write(job, base);
        }
    }

    /// Whether these very jobs exist, whatever became of them since. Errors: `AlreadyExists` where other jobs have their ids.
    async fn were_created(&self, jobs: &[Job]) -> Result<bool, StoreError> {
        let names = jobs.iter().map(|job| self.shared.client.name(JOBS, job.id.as_str())).collect();
        let found = self.shared.client.get(names).await?;
        let own = found.iter().filter_map(|document| self.read(document)?.content.ok()).filter(|loaded| {
            let same = |job: &&Job| job.id == loaded.job.id && job.created_at == loaded.job.created_at;
            jobs.iter().find(same).is_some_and(|job| job.spec.prompt == loaded.job.spec.prompt)
        });
        let own: HashSet<JobId> = own.map(|loaded| loaded.job.id).collect();
        match jobs.iter().find(|job| !own.contains(&job.id)) {
            None => Ok(true),
            Some(_) if found.is_empty() => Ok(false),
            Some(other) => Err(StoreError::AlreadyExists(other.id.clone())),
        }
    }

    async fn find_existing(&self, jobs: &[Job]) -> Result<StoreError, StoreError> {
        let names: Vec<String> = jobs.iter().map(|job| self.shared.client.name(JOBS, job.id.as_str())).collect();
        let found: HashSet<String> =
            self.shared.client.get(names).await?.into_iter().map(|document| document.name).collect();
        let taken = jobs.iter().find(|job| found.contains(&self.shared.client.name(JOBS, job.id.as_str())));
        Ok(taken.map_or_else(
            || StoreError::Unavailable("an id was taken and is free again; try again".to_owned()),
            |job| StoreError::AlreadyExists(job.id.clone()),
        ))
    }

    pub(crate) async fn save_job(&self, save: Save, limits: Option<TaskLimits>) -> Result<u64, StoreError> {
        let job = Job::clone(&save.job);
        let base = match self.shared.cache.base(&job.id, job.revision) {
            Some(base) => base,
            None => match self.fetch_current(&job, None).await? {
                CurrentState::Unchanged(base) | CurrentState::Rewritten(base) => base,
                CurrentState::Saved(revision) => return Ok(revision),
            },
        };
        self.check_attempt_numbers(&job, &base).await?;
        let budget = save.budget;
        if let Some(limits) = limits {
            self.check_known_tasks(&job, limits)?;
        }
        // Reservations of this process wait for each other here instead of conflicting at the server.
        let reserves = budget.is_some() || limits.is_some();
        let _turn = if reserves { Some(self.reserving.lock().await) } else { None };
        let (document, rows) = (DocumentWrite::update(&job, &base)?, charges_of(&job));
        let mut pending = PendingSave { job, base, document, rows, budget, limits };
        let mut ambiguous = AmbiguousCommit::default();
        loop {
            // An unacknowledged attempt is searched for before the next one.
            if ambiguous.is_pending()
                && let Some(CurrentState::Saved(revision)) =
                    ambiguous.resolve(self.fetch_current(&pending.job, Some(&pending.base)).await)?
            {
                return Ok(revision);
            }
            match ambiguous.resolve(self.attempt_save(&pending).await)? {
                Some(SaveAttempt::Saved(revision)) => return Ok(revision),
                Some(SaveAttempt::Rewritten(base)) if ambiguous.attempts() < MAX_CONFLICT_RETRIES => {
                    pending.document = DocumentWrite::update(&pending.job, &base)?;
                    pending.base = base;
                }
                Some(SaveAttempt::Rewritten(_)) => return Err(StoreError::Conflict(pending.job.id)),
                Some(SaveAttempt::Contended)
                    if ambiguous.is_pending() || ambiguous.attempts() < MAX_CONFLICT_RETRIES => {}
                Some(SaveAttempt::Contended) => {
                    return Err(StoreError::Unavailable("gave up after repeated write contention".to_owned()));
                }
                Some(SaveAttempt::Unknown(error)) => ambiguous.note(error)?,
                None => {}
            }
            ambiguous.pause().await;
        }
    }

    async fn attempt_save(&self, pending: &PendingSave) -> Result<SaveAttempt, StoreError> {
        let PendingSave { job, base, document, rows, budget, limits } = pending;
        let guard = self.check_reservation(job, (*budget, *limits), &base.rows, rows).await?;
        let unchanged = ConditionType::UpdateTime(value::from_nanoseconds(base.revision));
        let mut writes = vec![self.write_job(&job.id, document, unchanged)];
        writes.extend(write_entries(&self.shared.client, job, &diff_entries(job, &base.rows, rows)));
        let months = rollup::changes(&base.rows, rows);
        let shard = if months.is_empty() { None } else { Some(self.shards.acquire().await) };
        writes.extend(write_rollups(&self.shared.client, months, shard.as_ref(), guard.as_ref()));
        let status = match self.shared.client.commit_once(writes).await? {
            CommitOutcome::Committed(times) => {
                let revision = times.first().map_or(0, value::nanoseconds);
                let base = BaseVersion::after(job, document, revision);
                self.shared.cache.record_write(Job { revision, ..job.clone() }, base);
                return Ok(SaveAttempt::Saved(revision));
            }
            CommitOutcome::Unknown(error) => return Ok(SaveAttempt::Unknown(error)),
            CommitOutcome::Rejected(status) => status,
        };
        drop(shard);
        match status.code() {
            Code::Aborted => Ok(SaveAttempt::Contended),
            Code::FailedPrecondition | Code::NotFound | Code::AlreadyExists => {
                match self.fetch_current(job, Some(base)).await? {
                    CurrentState::Saved(revision) => Ok(SaveAttempt::Saved(revision)),
                    CurrentState::Rewritten(base) => Ok(SaveAttempt::Rewritten(base)),
                    // The job is unchanged: another reservation was made.
                    CurrentState::Unchanged(_) if guard.is_some() => Ok(SaveAttempt::Contended),
                    CurrentState::Unchanged(_) => Err(errors::of_status(&status)),
                }
            }
            _ => Err(errors::of_status(&status)),
        }
    }

    /// What a save of that job would replace. Where the document holds that very job already, an earlier attempt was committed and its
    /// acknowledgement lost. Where it still holds the job of `base`, or lost all of it, only another program wrote it.
    /// Errors: `NotFound`, `Conflict`, `Unreadable`.
    async fn fetch_current(&self, job: &Job, base: Option<&BaseVersion>) -> Result<CurrentState, StoreError> {
        let id = &job.id;
        let found = self.shared.client.get(vec![self.shared.client.name(JOBS, id.as_str())]).await?;
        let parsed = found.first().and_then(|document| self.read(document));
        let parsed = parsed.ok_or_else(|| StoreError::NotFound(id.clone()))?;
        if !parsed.has_map
            && let Some(restored) = base.and_then(|base| base.restored(parsed.revision))
        {
            tracing::warn!(job = %id, "document of a running job was replaced by another program; its job is written again");
            return Ok(CurrentState::Rewritten(restored));
        }
        let loaded = parsed.content.map_err(|reason| StoreError::Unreadable { id: id.clone(), reason })?;
        let revision = loaded.job.revision;
        if revision == job.revision {
            Ok(CurrentState::Unchanged(loaded.base))
        } else if (Job { revision, ..job.clone() }) == loaded.job {
            tracing::info!(job = %id, "save had been committed; its acknowledgement was lost");
            Ok(CurrentState::Saved(revision))
        } else if base.is_some_and(|base| base.job == loaded.base.job) {
            Ok(CurrentState::Rewritten(loaded.base))
        } else {
            Err(StoreError::Conflict(id.clone()))
        }
    }

    fn write_job(&self, id: &JobId, document: &DocumentWrite, condition: ConditionType) -> Write {
        Write {
            update_mask: Some(DocumentMask { field_paths: document.mask.clone() }),
            update_transforms: document.transforms.clone(),
            current_document: Some(Precondition { condition_type: Some(condition) }),
            operation: Some(Operation::Update(Document {
                name: self.shared.client.name(JOBS, id.as_str()),
                fields: document.fields.clone(),
                ..Default::default()
            })),
        }
    }
}

/// A save and what it replaces.
struct PendingSave {
    job: Job,
    base: BaseVersion,
    document: DocumentWrite,
    rows: Vec<ChargeRow>,
    budget: Option<Budget>,
    limits: Option<TaskLimits>,
}

/// The document that a save would replace.
enum CurrentState {
    /// Still the base of the save.
    Unchanged(BaseVersion),
    /// Another version with the same job as the base.
    Rewritten(BaseVersion),
    /// The saved job itself, in this revision.
    Saved(u64),
}

/// The outcome of one attempt.
enum SaveAttempt {
    Saved(u64),
    /// Nothing was written, because another program wrote the document: this version of it has the same job.
    Rewritten(BaseVersion),
    /// Nothing was written, because another process wrote at the same time.
    Contended,
    /// Not acknowledged.
    Unknown(StoreError),
}
