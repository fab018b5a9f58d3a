//! Retention: removes finished jobs that have not changed for long, with the images that darkroom stored for them. Their charges stay.
//!
//! The jobs and images of a batch are written down before its first job is removed, and an image is removed after its job. So a crash
//! leaves neither a job without its image nor an image that nothing knows of: the next run finishes what is written down. One run at a
//! time: each write of the record requires the revision of the run's own last write, and the batch of another run is left to it until
//! it is certain to have died. What operators did has one entry for each run, which grows with each batch.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Operator;
use super::audit::AuditRecord;
use crate::bucket::{Bucket, BucketError};
use crate::jobs::{Job, JobId, ObjectName, StageName};
use crate::store::{JobVersion, PageQuery, RemoveOutcome, SharedRecord, SortOrder, Store, StoreError};

/// The record of the batch that is being removed.
const RECORD: (&str, &str) = ("retention", "batch");

/// Jobs of one page, and of one batch.
const PAGE_SIZE: usize = 200;
const BATCH_SIZE: usize = 50;

/// Images that are removed at the same time.
const CONCURRENT_DELETES: usize = 8;

/// How long a batch is left to the run that wrote it. A batch takes seconds.
const BATCH_TIMEOUT: TimeDelta = TimeDelta::minutes(5);

/// How far the clocks of two machines may differ.
const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::hours(1);

/// Longest parameter that can name a stored image; a longer one is an image itself.
const MAX_REFERENCE: usize = 4_096;

/// Stages of finished jobs.
const FINISHED: [StageName; 4] = [StageName::Done, StageName::Approved, StageName::Failed, StageName::Cancelled];

/// Stages of jobs that may still read an input image.
const MAY_READ: [StageName; 4] = [StageName::Queued, StageName::Submitting, StageName::Generating, StageName::Failed];

/// Why a run stopped. What was removed until then stays removed; the same command continues.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket.
    #[error("an image was not removed: {0}; run the command again")]
    Bucket(#[from] BucketError),
    /// Two runs at once.
    #[error(
        "another `darkroom prune` is running on this store, or was killed less than {} minutes ago: wait, then run the command again",
        BATCH_TIMEOUT.num_minutes()
    )]
    Busy,
}

/// What a run removed, or would remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetentionSummary {
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// Jobs that have not changed since this time are removed.
    pub before: DateTime<Utc>,
    /// Jobs.
    pub jobs: u64,
    /// Images that darkroom stored for them.
    pub images: u64,
    /// Bytes of these images.
    pub image_bytes: u64,
    /// Finished jobs of that age that were kept, by reason.
    pub kept: BTreeMap<String, u64>,
}

/// A job that may be removed, with the objects that are its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    job: JobId,
    #[serde(skip)]
    revision: u64,
    #[serde(skip)]
    bytes: u64,
    images: Vec<ObjectName>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Batch {
    entries: Vec<Entry>,
    /// Whether the run that wrote it has stopped: another one may finish it at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_abandoned: bool,
    /// The run's entry of what operators did, as it was before the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audit: Option<AuditRecord>,
}

/// The record of the batch, as the run has read or written it last.
struct BatchRecord {
    revision: u64,
    /// The time at the start of the run, and when that was.
    now: DateTime<Utc>,
    started: Instant,
}

impl BatchRecord {
    fn now(&self) -> DateTime<Utc> {
        self.now + self.started.elapsed()
    }
}

/// Removes from a store and its bucket.
pub struct Retention<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// Where its images are.
    pub bucket: &'a dyn Bucket,
    /// Who removes.
    pub operator: Operator,
}

impl Retention<'_> {
    /// What a run would remove. Reads every finished job that was created before that time.
    pub async fn plan(&self, before: DateTime<Utc>) -> Result<RetentionSummary, RetentionError> {
        let mut run = Run::new(before, true);
        self.read_references(&MAY_READ, None, &mut run.referenced).await?;
        let mut pages = Pages::new(before);
        while let Some(jobs) = pages.next(self.store).await? {
            for job in jobs {
                if let Some(entry) = run.judge(&job)
                    && run.is_unread(&entry)
                {
                    run.count(&entry);
                }
            }
        }
        Ok(run.summary)
    }

    /// Removes the finished jobs that have not changed since `before`, oldest first.
    pub async fn apply(&self, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<RetentionSummary, RetentionError> {
        let mut record = self.finish_interrupted(now).await?;
        let note = format!("unchanged since {}", before.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        let mut audit = self.operator.begin("prune", Some(&note), now);
        self.remove_pages(before, now, &mut record, &mut audit).await
    }

    async fn remove_pages(
        &self,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
        record: &mut BatchRecord,
        audit: &mut AuditRecord,
    ) -> Result<RetentionSummary, RetentionError> {
        let mut run = Run::new(before, false);
        self.read_references(&MAY_READ, None, &mut run.referenced).await?;
        let mut pages = Pages::new(before);
        // A page is read before the one in front of it is removed: its cursor may be the place of a removed job.
        let mut page = pages.next(self.store).await?;
        while let Some(jobs) = page {
            page = pages.next(self.store).await?;
            let entries: Vec<Entry> = jobs.iter().filter_map(|job| run.judge(job)).collect();
            for batch in entries.chunks(BATCH_SIZE) {
                self.read_new_references(batch, now, &mut run.referenced).await?;
                let batch: Vec<Entry> = batch.iter().filter(|entry| run.is_unread(entry)).cloned().collect();
                let (done, kept) = self.remove(record, &batch, audit).await?;
                for reason in kept {
                    run.keep(&reason);
                }
                for entry in done {
                    run.count(&entry);
                }
            }
        }
        Ok(run.summary)
    }

    /// Removes the jobs of a batch, then their images. Returns what was removed, and why the others were kept.
    async fn remove(
        &self,
        record: &mut BatchRecord,
        batch: &[Entry],
        audit: &mut AuditRecord,
    ) -> Result<(Vec<Entry>, Vec<String>), RetentionError> {
        if batch.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let before = audit.clone();
        let written = |is_abandoned| Batch { entries: batch.to_vec(), is_abandoned, audit: Some(before.clone()) };
        self.write_batch(record, written(false)).await?;
        match self.remove_recorded(batch, audit).await {
            Ok(outcome) => {
                self.write_batch(record, Batch::default()).await?;
                Ok(outcome)
            }
            Err(error) => {
                // Where this fails as well, the next run waits.
                let _ = self.write_batch(record, written(true)).await;
                Err(error)
            }
        }
    }

    async fn remove_recorded(
        &self,
        batch: &[Entry],
        audit: &mut AuditRecord,
    ) -> Result<(Vec<Entry>, Vec<String>), RetentionError> {
        let versions = batch.iter().map(|entry| JobVersion { id: entry.job.clone(), revision: entry.revision });
        let outcomes = self.store.remove_finished(versions.collect()).await?;
        let (mut removed, mut kept) = (Vec::new(), Vec::new());
        for (entry, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                RemoveOutcome::Removed => removed.push(entry.clone()),
                RemoveOutcome::Kept(reason) => kept.push(reason),
                RemoveOutcome::Missing => {}
            }
        }
        if !removed.is_empty() {
            audit.add(self.store, &ids(&removed)).await?;
        }
        self.remove_images(&removed).await?;
        Ok((removed, kept))
    }

    /// Removes the images of jobs that a run before removed, and could not finish. Errors: `Busy` where that run may still go on.
    async fn finish_interrupted(&self, now: DateTime<Utc>) -> Result<BatchRecord, RetentionError> {
        let mut own = BatchRecord { revision: 0, now, started: Instant::now() };
        let Some(record) = self.store.shared_record(RECORD.0, RECORD.1).await? else { return Ok(own) };
        own.revision = record.revision;
        let batch: Batch = serde_json::from_value(record.body).map_err(|error| {
            StoreError::Unusable(format!("the record of an interrupted prune cannot be read: {error}"))
        })?;
        if batch.entries.is_empty() {
            return Ok(own);
        }
        if !batch.is_abandoned && (now - record.at).abs() < BATCH_TIMEOUT {
            return Err(RetentionError::Busy);
        }
        // Before anything is removed, so that two runs do not finish it at once.
        let taken = Batch { entries: batch.entries.clone(), is_abandoned: false, audit: batch.audit.clone() };
        self.write_batch(&mut own, taken).await?;
        let mut gone = Vec::new();
        for entry in batch.entries {
            // A job that is still there keeps its image, also where its document cannot be read.
            match self.store.get(&entry.job).await {
                Ok(None) => gone.push(entry),
                Ok(Some(_)) | Err(StoreError::Unreadable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(audit) = batch.audit {
            audit.complete(self.store, &ids(&gone)).await?;
        }
        self.remove_images(&gone).await?;
        tracing::info!(jobs = gone.len(), "interrupted prune finished");
        self.write_batch(&mut own, Batch::default()).await?;
        Ok(own)
    }

    async fn remove_images(&self, entries: &[Entry]) -> Result<(), RetentionError> {
        let images = entries.iter().flat_map(|entry| &entry.images);
        let deletes = stream::iter(images).map(|image| self.bucket.delete(image));
        Ok(deletes.buffer_unordered(CONCURRENT_DELETES).try_collect::<()>().await?)
    }

    async fn write_batch(&self, record: &mut BatchRecord, batch: Batch) -> Result<(), RetentionError> {
        let body = serde_json::to_value(batch).map_err(|error| StoreError::Unusable(error.to_string()))?;
        let written = SharedRecord::new(RECORD.0, RECORD.1, record.now().trunc_subsecs(6), &self.operator.by, body);
        match self.store.put_shared_record(SharedRecord { revision: record.revision, ..written }).await {
            Ok(revision) => {
                record.revision = revision;
                Ok(())
            }
            Err(StoreError::RecordConflict { .. }) => Err(RetentionError::Busy),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds what jobs read that were submitted, or requested again, since the run began: those that still wait or run, and those that
    /// failed meanwhile. A job that is submitted after its image was removed fails before it costs anything.
    async fn read_new_references(
        &self,
        batch: &[Entry],
        started: DateTime<Utc>,
        names: &mut HashSet<String>,
    ) -> Result<(), RetentionError> {
        if batch.iter().all(|entry| entry.images.is_empty()) {
            return Ok(());
        }
        let [active @ .., failed] = &MAY_READ;
        self.read_references(active, None, names).await?;
        self.read_references(&[*failed], started.checked_sub_signed(MAX_CLOCK_SKEW), names).await
    }

    /// Adds the names of stored images that jobs of these stages read as their input.
    async fn read_references(
        &self,
        stages: &[StageName],
        since: Option<DateTime<Utc>>,
        names: &mut HashSet<String>,
    ) -> Result<(), RetentionError> {
        let (stages, limit) = (stages.to_vec(), PAGE_SIZE);
        let mut query = PageQuery { stages, since, hidden: true, limit, ..PageQuery::default() };
        loop {
            let page = self.store.list(query.clone()).await?;
            names.extend(page.jobs.iter().flat_map(input_images));
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

fn ids(entries: &[Entry]) -> Vec<JobId> {
    entries.iter().map(|entry| entry.job.clone()).collect()
}

/// The file names of stored images that the job's parameters contain, in a path or a URL.
fn input_images(job: &Job) -> Vec<String> {
    let mut texts = Vec::new();
    job.spec.parameters.values().for_each(|value| collect_texts(value, &mut texts));
    let names = texts.into_iter().filter(|text| text.len() <= MAX_REFERENCE).filter_map(|text| {
        let (_, behind) = text.rsplit_once(ObjectName::FOLDER)?;
        let name = behind.trim_start_matches(['/', '\\']);
        let name = name.strip_prefix("%2F").or_else(|| name.strip_prefix("%2f")).unwrap_or(name);
        Some(name.split(['?', '#']).next().unwrap_or(name).to_owned())
    });
    names.collect()
}

/// All texts of a parameter: some models take a list of images.
fn collect_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|item| collect_texts(item, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Pages of finished jobs, oldest first.
struct Pages {
    query: Option<PageQuery>,
    before: DateTime<Utc>,
}

impl Pages {
    fn new(before: DateTime<Utc>) -> Self {
        let query = PageQuery {
            stages: FINISHED.to_vec(),
            hidden: true,
            order: SortOrder::OldestFirst,
            limit: PAGE_SIZE,
            ..PageQuery::default()
        };
        Self { query: Some(query), before }
    }

    /// The next page; `None` behind the last job that was created before the time.
    async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Job>>, StoreError> {
        let Some(mut query) = self.query.take() else { return Ok(None) };
        let page = store.list(query.clone()).await?;
        let is_last = page.jobs.iter().any(|job| job.created_at >= self.before);
        if let Some(next) = page.next.filter(|_| !is_last) {
            query.after = Some(next);
            self.query = Some(query);
        }
        Ok(Some(page.jobs.into_iter().filter(|job| job.created_at < self.before).collect()))
    }
}

/// What a run has found so far.
struct Run {
    /// The names of stored images that a job may still read as its input.
    referenced: HashSet<String>,
    summary: RetentionSummary,
}

impl Run {
    fn new(before: DateTime<Utc>, dry_run: bool) -> Self {
        let summary = RetentionSummary { dry_run, before, jobs: 0, images: 0, image_bytes: 0, kept: BTreeMap::new() };
        Self { referenced: HashSet::new(), summary }
    }

    /// The entry of a job that may be removed; counts why another one is kept.
    fn judge(&mut self, job: &Job) -> Option<Entry> {
        match job.retention_obstacle() {
            Some(obstacle) => {
                self.keep(obstacle.as_str());
                return None;
            }
            None if job.updated_at >= self.summary.before => {
                self.keep("it was changed later");
                return None;
            }
            None => {}
        }
        Some(entry_of(job))
    }

    /// Whether no job reads its images; counts one that is kept because a job does.
    fn is_unread(&mut self, entry: &Entry) -> bool {
        let is_read = entry.images.iter().any(|image| self.referenced.contains(image.file_name()));
        if is_read {
            self.keep("another job reads its image");
        }
        !is_read
    }

    fn keep(&mut self, reason: &str) {
        *self.summary.kept.entry(reason.to_owned()).or_default() += 1;
    }

    fn count(&mut self, entry: &Entry) {
        self.summary.jobs += 1;
        self.summary.images += entry.images.len() as u64;
        self.summary.image_bytes += entry.bytes;
    }
}

/// The job with the objects that darkroom made for it: only a name that follows from job and attempt is certain to be no other job's.
fn entry_of(job: &Job) -> Entry {
    let own = job.images().filter(|(attempt, image)| {
        image.object.is_ours() && image.object == ObjectName::for_attempt(&job.id, *attempt, image.format)
    });
    let (mut images, mut bytes) = (Vec::new(), 0);
    for (_, image) in own {
        images.push(image.object.clone());
        bytes += image.bytes;
    }
    Entry { job: job.id.clone(), revision: job.revision, bytes, images }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jobs::Spec;

    #[test]
    fn input_image_is_found_in_paths_and_urls() {
        let of = |text: &str| {
            let spec = Spec::new("flux-kontext-pro", "a fox").with("input_image", json!(text));
            input_images(&Job::new(JobId::new("b").unwrap(), spec, true, DateTime::UNIX_EPOCH))
        };
        for text in [
            "/home/ana/darkroom/generated-art/a-1.png",
            "generated-art/a-1.png",
            "https://storage.googleapis.com/bucket/generated-art/a-1.png?X-Goog-Signature=1",
            "https://firebasestorage.googleapis.com/v0/b/bucket/o/generated-art%2Fa-1.png?alt=media",
        ] {
            assert_eq!(of(text), ["a-1.png"], "{text}");
        }
        assert!(of("/home/ana/fox.png").is_empty());
        assert!(of(&"x".repeat(MAX_REFERENCE + 1)).is_empty());
    }

    #[test]
    fn input_images_are_found_in_lists() {
        let images = json!(["https://example.com/x.png", "/data/generated-art/a-1.png", "/data/generated-art/b-2.png"]);
        let spec = Spec::new("flux-3-image", "a fox").with("images", images);
        let job = Job::new(JobId::new("b").unwrap(), spec, true, DateTime::UNIX_EPOCH);
        assert_eq!(input_images(&job), ["a-1.png", "b-2.png"]);
    }
}
