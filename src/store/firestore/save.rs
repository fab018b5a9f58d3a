//! Owns the writes: new jobs, and the compare-and-set of a job with its charges, its daily sums and its cap in one commit.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::Code;

use super::super::{Save, StoreError};
use super::cap::Guard;
use super::client::Committed;
use super::document::{Base, Draft};
use super::doubt::Doubt;
use super::ledger::{self, ChargeRow, Entry};
use super::rollup::{self, ROLLUPS};
use super::shards::{self, Shard};
use super::value::{self, Fields};
use super::{FirestoreStore, JOBS, errors};
use crate::costs::Budget;
use crate::jobs::{Job, JobId};

/// How often a commit that others crossed is tried again. Nothing of it was written.
const TRIES: u32 = 12;

/// The field of a month's guard that every reservation moves.
const GUARD: &str = "guard";

impl FirestoreStore {
    pub(super) async fn create_jobs(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut ids = HashSet::new();
        if let Some(twice) = jobs.iter().find(|job| !ids.insert(job.id.clone())) {
            return Err(StoreError::AlreadyExists(twice.id.clone()));
        }
        let (mut writes, mut rows, mut drafts) = (Vec::new(), Vec::new(), Vec::new());
        for job in &jobs {
            let draft = Draft::new(job)?;
            writes.push(self.write_job(&job.id, &draft, ConditionType::Exists(false)));
            drafts.push(draft);
        }
        for job in &jobs {
            let new = ledger::rows_of(job);
            writes.extend(self.write_entries(job, &ledger::entries(job, &[], &new)));
            rows.extend(new);
        }
        let months = rollup::changes(&[], &rows);
        let shard = if months.is_empty() { None } else { Some(self.shards.take().await) };
        writes.extend(self.write_sums(months, shard.as_ref(), None));
        if writes.is_empty() {
            return Ok(());
        }
        let mut doubt = Doubt::default();
        loop {
            if doubt.exists() && doubt.settle(self.are_created(&jobs).await)?.unwrap_or(false) {
                return Ok(());
            }
            match doubt.settle(self.shared.client.send(writes.clone()).await)? {
                Some(Committed::Done(times)) => {
                    self.created(jobs, drafts, &times);
                    return Ok(());
                }
                Some(Committed::Refused(status)) => match status.code() {
                    Code::Aborted if doubt.tries() < TRIES => {}
                    // In doubt, the ids may be taken by the try before.
                    Code::AlreadyExists | Code::FailedPrecondition if doubt.exists() => {}
                    Code::AlreadyExists | Code::FailedPrecondition => return Err(self.who_is_taken(&jobs).await?),
                    _ => return Err(errors::of_status(&status)),
                },
                Some(Committed::Unknown(error)) => doubt.begin(error)?,
                None => {}
            }
            doubt.pause().await;
        }
    }

    fn created(&self, jobs: Vec<Job>, drafts: Vec<Draft>, times: &[Timestamp]) {
        for ((mut job, draft), at) in jobs.into_iter().zip(drafts).zip(times) {
            job.revision = value::nanoseconds(at);
            let base = Base::after(&job, &draft, job.revision);
            self.shared.board.wrote(job, base);
        }
    }

    /// Whether these very jobs are there, whatever became of them since. Errors: `AlreadyExists` where others have their ids.
    async fn are_created(&self, jobs: &[Job]) -> Result<bool, StoreError> {
        let names = jobs.iter().map(|job| self.shared.client.name(JOBS, job.id.as_str())).collect();
        let found = self.shared.client.get(names).await?;
        let ours = found.iter().filter_map(|document| self.read(document)?.content.ok()).filter(|known| {
            let same = |job: &&Job| job.id == known.job.id && job.created_at == known.job.created_at;
            jobs.iter().find(same).is_some_and(|job| job.spec.prompt == known.job.spec.prompt)
        });
        let ours: HashSet<JobId> = ours.map(|known| known.job.id).collect();
        match jobs.iter().find(|job| !ours.contains(&job.id)) {
            None => Ok(true),
            Some(_) if found.is_empty() => Ok(false),
            Some(other) => Err(StoreError::AlreadyExists(other.id.clone())),
        }
    }

    async fn who_is_taken(&self, jobs: &[Job]) -> Result<StoreError, StoreError> {
        let names: Vec<String> = jobs.iter().map(|job| self.shared.client.name(JOBS, job.id.as_str())).collect();
        let found: HashSet<String> =
            self.shared.client.get(names).await?.into_iter().map(|document| document.name).collect();
        let taken = jobs.iter().find(|job| found.contains(&self.shared.client.name(JOBS, job.id.as_str())));
        Ok(taken.map_or_else(
            || StoreError::Unavailable("an id was taken and is free again".to_owned()),
            |job| StoreError::AlreadyExists(job.id.clone()),
        ))
    }

    pub(super) async fn save_job(&self, save: Save) -> Result<u64, StoreError> {
        let job = Job::clone(&save.job);
        let base = match self.shared.board.base(&job.id, job.revision) {
            Some(base) => base,
            None => match self.look_for(&job).await? {
                There::Before(base) => base,
                There::Saved(revision) => return Ok(revision),
            },
        };
        self.check_history(&job, &base).await?;
        let budget = save.budget;
        // Reservations of this process wait for each other here instead of conflicting at the server.
        let capped = budget.is_some_and(|process| process.is_limited() || self.capped.load(Ordering::Relaxed));
        let _turn = if capped { Some(self.reserving.lock().await) } else { None };
        let change = Change { draft: Draft::update(&job, &base)?, rows: ledger::rows_of(&job), base, budget, job };
        let mut doubt = Doubt::default();
        loop {
            // A try of which nobody knows is looked for before the next one is made.
            if doubt.exists()
                && let Some(There::Saved(revision)) = doubt.settle(self.look_for(&change.job).await)?
            {
                return Ok(revision);
            }
            match doubt.settle(self.try_to_save(&change).await)? {
                Some(Tried::Saved(revision)) => return Ok(revision),
                Some(Tried::Crossed) if doubt.exists() || doubt.tries() < TRIES => {}
                Some(Tried::Crossed) => {
                    return Err(StoreError::Unavailable("others write to the same documents without pause".to_owned()));
                }
                Some(Tried::Unknown(error)) => doubt.begin(error)?,
                None => {}
            }
            doubt.pause().await;
        }
    }

    async fn try_to_save(&self, change: &Change) -> Result<Tried, StoreError> {
        let Change { job, base, draft, rows, budget } = change;
        let guard = match budget {
            Some(process) => self.check_budget(job, *process, &base.rows, rows).await?,
            None => None,
        };
        let unchanged = ConditionType::UpdateTime(value::of_nanoseconds(base.revision));
        let mut writes = vec![self.write_job(&job.id, draft, unchanged)];
        writes.extend(self.write_entries(job, &ledger::entries(job, &base.rows, rows)));
        let months = rollup::changes(&base.rows, rows);
        let shard = if months.is_empty() { None } else { Some(self.shards.take().await) };
        writes.extend(self.write_sums(months, shard.as_ref(), guard.as_ref()));
        let status = match self.shared.client.send(writes).await? {
            Committed::Done(times) => {
                let revision = times.first().map_or(0, value::nanoseconds);
                let base = Base::after(job, draft, revision);
                self.shared.board.wrote(Job { revision, ..job.clone() }, base);
                return Ok(Tried::Saved(revision));
            }
            Committed::Unknown(error) => return Ok(Tried::Unknown(error)),
            Committed::Refused(status) => status,
        };
        drop(shard);
        match status.code() {
            Code::Aborted => Ok(Tried::Crossed),
            Code::FailedPrecondition | Code::NotFound | Code::AlreadyExists => match self.look_for(job).await? {
                There::Saved(revision) => Ok(Tried::Saved(revision)),
                // Not the job was changed: another reservation was made under the same cap.
                There::Before(_) if guard.is_some() => Ok(Tried::Crossed),
                There::Before(_) => Err(errors::of_status(&status)),
            },
            _ => Err(errors::of_status(&status)),
        }
    }

    /// What a save of that job would replace. Where the document holds that very job already, an earlier try was carried out and its
    /// acknowledgement lost. Errors: `NotFound`, `Conflict`, `Unreadable`.
    async fn look_for(&self, job: &Job) -> Result<There, StoreError> {
        let id = &job.id;
        let found = self.shared.client.get(vec![self.shared.client.name(JOBS, id.as_str())]).await?;
        let reading = found.first().and_then(|document| self.read(document));
        let reading = reading.ok_or_else(|| StoreError::NotFound(id.clone()))?;
        let known = reading.content.map_err(|reason| StoreError::Unreadable { id: id.clone(), reason })?;
        let revision = known.job.revision;
        if revision == job.revision {
            Ok(There::Before(known.base))
        } else if (Job { revision, ..job.clone() }) == known.job {
            tracing::info!(job = %id, "saved already; the store's answer had been lost");
            Ok(There::Saved(revision))
        } else {
            Err(StoreError::Conflict(id.clone()))
        }
    }

    fn write_job(&self, id: &JobId, draft: &Draft, condition: ConditionType) -> Write {
        Write {
            update_mask: Some(DocumentMask { field_paths: draft.mask.clone() }),
            update_transforms: draft.transforms.clone(),
            current_document: Some(Precondition { condition_type: Some(condition) }),
            operation: Some(Operation::Update(Document {
                name: self.shared.client.name(JOBS, id.as_str()),
                fields: draft.fields.clone(),
                ..Default::default()
            })),
        }
    }

    pub(super) fn write_entries(&self, job: &Job, entries: &[Entry]) -> Vec<Write> {
        let write = |entry: &Entry| match entry {
            Entry::Delete(collection, id) => Write {
                operation: Some(Operation::Delete(self.shared.client.name(collection, id))),
                ..Default::default()
            },
            Entry::Put(collection, id, row) => {
                let (fields, field_paths) = ledger::entry_fields(job, row);
                let document = Document { name: self.shared.client.name(collection, id), fields, ..Default::default() };
                Write {
                    update_mask: Some(DocumentMask { field_paths }),
                    operation: Some(Operation::Update(document)),
                    ..Default::default()
                }
            }
        };
        entries.iter().map(write).collect()
    }

    pub(super) fn write_sums(
        &self,
        months: BTreeMap<String, Vec<FieldTransform>>,
        shard: Option<&Shard<'_>>,
        guard: Option<&Guard>,
    ) -> Vec<Write> {
        let number = shard.map_or(0, |shard| shard.number);
        let sums = months.into_iter().map(|(month, transforms)| (shards::id(&month, number), transforms, None));
        let moved =
            guard.map(|guard| (guard.id.clone(), vec![rollup::increment(GUARD.to_owned(), 1)], Some(guard.condition)));
        let write = |(id, update_transforms, condition): (String, Vec<FieldTransform>, Option<ConditionType>)| Write {
            // An empty mask: nothing but the increments, and the document is made where there is none.
            update_mask: Some(DocumentMask::default()),
            update_transforms,
            current_document: condition.map(|condition| Precondition { condition_type: Some(condition) }),
            operation: Some(Operation::Update(Document {
                name: self.shared.client.name(ROLLUPS, &id),
                fields: Fields::new(),
                ..Default::default()
            })),
        };
        sums.chain(moved).map(write).collect()
    }
}

/// A save as it was asked for, and what it replaces.
struct Change {
    job: Job,
    base: Base,
    draft: Draft,
    rows: Vec<ChargeRow>,
    budget: Option<Budget>,
}

/// What stands where a save goes.
enum There {
    /// What it replaces.
    Before(Base),
    /// The saved job itself, in this revision.
    Saved(u64),
}

/// What one try came to.
enum Tried {
    Saved(u64),
    /// Nothing was written, because others wrote at the same time.
    Crossed,
    /// Nobody knows.
    Unknown(StoreError),
}
