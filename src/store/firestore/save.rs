//! Owns the writes: new jobs, and the compare-and-set of a job with its charges, its daily sums and its cap in one commit.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use firestore::gcloud_sdk::tonic::{Code, Status};

use super::super::{Save, StoreError};
use super::document::{Base, Draft};
use super::ledger::{self, ChargeRow, Entry};
use super::query::Query;
use super::rollup::{self, ROLLUPS};
use super::value::{self, Fields};
use super::{FirestoreStore, JOBS, errors};
use crate::costs::{Budget, Usd};
use crate::jobs::{Job, JobId, StageName};

/// How often a commit that others crossed is tried again. Nothing of it was written.
const TRIES: u32 = 12;

/// The field of a month's document that every reservation moves, so that two of them never pass each other unseen.
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
        writes.extend(self.write_sums(rollup::changes(&[], &rows), None));
        if writes.is_empty() {
            return Ok(());
        }
        let times = match self.commit(writes).await? {
            Ok(times) => times,
            Err(status) if matches!(status.code(), Code::AlreadyExists | Code::FailedPrecondition) => {
                return Err(self.who_is_taken(&jobs).await?);
            }
            Err(status) => return Err(errors::of_status(&status)),
        };
        for ((mut job, draft), at) in jobs.into_iter().zip(drafts).zip(times) {
            job.revision = value::nanoseconds(&at);
            let base = Base::after(&job, &draft, job.revision);
            self.shared.board.wrote(job, base);
        }
        Ok(())
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
        let base = self.base_of(&job.id, job.revision).await?;
        let budget = save.budget.filter(Budget::is_limited);
        // Reservations of this process wait for each other here instead of crossing each other at the server.
        let _turn = match budget {
            Some(_) => Some(self.reserving.lock().await),
            None => None,
        };
        let draft = Draft::update(&job, &base)?;
        let new = ledger::rows_of(&job);
        for try_number in 0..TRIES {
            let guard = match &budget {
                Some(budget) => Some(self.check_budget(&job, budget, &base.rows, &new).await?),
                None => None,
            };
            let guarded = guard.is_some();
            let unchanged = ConditionType::UpdateTime(value::of_nanoseconds(base.revision));
            let mut writes = vec![self.write_job(&job.id, &draft, unchanged)];
            writes.extend(self.write_entries(&job, &ledger::entries(&job, &base.rows, &new)));
            writes.extend(self.write_sums(rollup::changes(&base.rows, &new), guard.as_ref()));
            let status = match self.commit(writes).await? {
                Ok(times) => {
                    let revision = times.first().map_or(0, value::nanoseconds);
                    let base = Base::after(&job, &draft, revision);
                    self.shared.board.wrote(Job { revision, ..job }, base);
                    return Ok(revision);
                }
                Err(status) => status,
            };
            if !matches!(status.code(), Code::FailedPrecondition | Code::NotFound | Code::AlreadyExists) {
                return Err(errors::of_status(&status));
            }
            // Either the job was changed, or, where there is a cap, the month's sums were: only then is it tried again.
            let base = self.base_from_server(&job.id).await?;
            if base.revision != job.revision {
                return Err(StoreError::Conflict(job.id));
            }
            if !guarded {
                return Err(errors::of_status(&status));
            }
            pause(try_number).await;
        }
        Err(StoreError::Unavailable("too many reservations at once".to_owned()))
    }

    /// What the save of that revision replaces: known here, or read. Errors: `NotFound`, `Conflict`, `Unreadable`.
    async fn base_of(&self, id: &JobId, revision: u64) -> Result<Base, StoreError> {
        if let Some(base) = self.shared.board.base(id, revision) {
            return Ok(base);
        }
        let base = self.base_from_server(id).await?;
        if base.revision == revision { Ok(base) } else { Err(StoreError::Conflict(id.clone())) }
    }

    async fn base_from_server(&self, id: &JobId) -> Result<Base, StoreError> {
        let found = self.shared.client.get(vec![self.shared.client.name(JOBS, id.as_str())]).await?;
        let reading = found.first().and_then(|document| self.read(document));
        let reading = reading.ok_or_else(|| StoreError::NotFound(id.clone()))?;
        match reading.content {
            Ok(known) => Ok(known.base),
            Err(reason) => Err(StoreError::Unreadable { id: id.clone(), reason }),
        }
    }

    /// Whether what the job sets aside fits under the caps. Returns the month's document and the state of it that must still hold
    /// when the reservation is written.
    async fn check_budget(
        &self,
        job: &Job,
        budget: &Budget,
        old: &[ChargeRow],
        new: &[ChargeRow],
    ) -> Result<(String, ConditionType), StoreError> {
        let month = rollup::month_id(job.updated_at.date_naive(), job.simulated);
        let found = self.shared.client.get(vec![self.shared.client.name(ROLLUPS, &month)]).await?;
        // Read after the month: what is committed since then moved the month's guard.
        let reserved = self.reserved_by_others(job).await?;
        let mut sums = found.first().map(rollup::read_month).unwrap_or_default();
        for (rows, sign) in [(old, -1), (new, 1)] {
            for row in rows.iter().filter(|row| row.simulated == job.simulated) {
                rollup::add(&mut sums, row, sign);
            }
        }
        let wanted = job.attempt().filter(|_| job.stage_name() == StageName::Submitting).and_then(|last| last.reserved);
        for period in budget.periods(job.updated_at) {
            let committed = rollup::committed(&sums, period.from, period.to) + reserved;
            period.check(committed, wanted).map_err(StoreError::OverBudget)?;
        }
        let condition = match found.first().and_then(|document| document.update_time) {
            Some(at) => ConditionType::UpdateTime(at),
            None => ConditionType::Exists(false),
        };
        Ok((month, condition))
    }

    /// Reservations stand on the jobs that are submitting, so that one can never outlive its job.
    async fn reserved_by_others(&self, job: &Job) -> Result<Usd, StoreError> {
        let query = Query::of(JOBS).more_than("darkroom.reserved", value::integer(0));
        let documents = self.shared.client.query(query.build()).await?;
        let others = documents.iter().filter_map(|document| self.read(document)?.content.ok());
        Ok(others
            .map(|known| known.job)
            .filter(|other| other.id != job.id && other.simulated == job.simulated)
            .filter(|other| other.stage_name() == StageName::Submitting)
            .filter_map(|other| other.attempt()?.reserved)
            .sum())
    }

    /// Commits; where the server says that others were in the way and nothing was written, again.
    pub(super) async fn commit(
        &self,
        writes: Vec<Write>,
    ) -> Result<Result<Vec<firestore::gcloud_sdk::prost_types::Timestamp>, Status>, StoreError> {
        for try_number in 0..TRIES {
            match self.shared.client.commit(writes.clone()).await? {
                Err(status) if status.code() == Code::Aborted => pause(try_number).await,
                answer => return Ok(answer),
            }
        }
        Err(StoreError::Unavailable("others write to the same documents without pause".to_owned()))
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
        mut months: BTreeMap<String, Vec<FieldTransform>>,
        guard: Option<&(String, ConditionType)>,
    ) -> Vec<Write> {
        if let Some((month, _)) = guard {
            months.entry(month.clone()).or_default().push(rollup::increment(GUARD.to_owned(), 1));
        }
        let write = |(month, update_transforms): (String, Vec<FieldTransform>)| {
            let condition = guard.filter(|(guarded, _)| *guarded == month).map(|(_, condition)| *condition);
            Write {
                // An empty mask: nothing but the increments, and the document is made where there is none.
                update_mask: Some(DocumentMask::default()),
                update_transforms,
                current_document: condition.map(|condition| Precondition { condition_type: Some(condition) }),
                operation: Some(Operation::Update(Document {
                    name: self.shared.client.name(ROLLUPS, &month),
                    fields: Fields::new(),
                    ..Default::default()
                })),
            }
        };
        months.into_iter().map(write).collect()
    }
}

/// A pause that grows, and differs between those who wait.
async fn pause(try_number: u32) {
    let longest = 20_u64 << try_number.min(6);
    tokio::time::sleep(Duration::from_millis(rand::random_range(longest / 2..=longest))).await;
}
