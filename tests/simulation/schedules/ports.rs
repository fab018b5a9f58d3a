//! The store and the bucket as one process reaches them: every call may fail, lose its reply, or end or suspend the process.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use darkroom::bucket::{Bucket, BucketError, Stored};
use darkroom::costs::{BudgetRecord, CostTable, Usd};
use darkroom::engine::Ports;
use darkroom::jobs::filter::Filter;
use darkroom::jobs::{ImageFormat, Job, JobId, ObjectName, StageName};
use darkroom::store::schema::{
    ExportPage, ExportQuery, ImportOutcome, ImportedDocument, Record, RemoveOutcome, RollupCheck,
};
use darkroom::store::{
    BudgetChange, ChangeStream, CostJobsQuery, CostQuery, Counts, DueQuery, JobCost, JobVersion, MatchCounts, Page,
    PageQuery, Save, SharedRecord, Store, StoreError, TaskLimits, UncertainCharge,
};

use super::plan::Sabotage;
use super::provider::ModelProvider;
use super::world::{Process, ProcessClock};

/// The ports of a process.
pub fn ports(process: &Arc<Process>) -> Ports {
    Ports {
        provider: Arc::new(ModelProvider(process.clone())),
        store: Arc::new(ProcessStore::new(process)),
        bucket: Arc::new(ModelBucket(process.clone())),
        clock: Arc::new(ProcessClock(process.clone())),
    }
}

/// The store of all processes, as one of them reaches it.
pub struct ProcessStore {
    process: Arc<Process>,
    /// The last save whose acknowledgement was lost, with its revision: the port promises that the same save again is recognised.
    lost: Mutex<Option<(Job, u64)>>,
}

fn unavailable<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("no connection".to_owned()))
}

/// A call that changes no job.
macro_rules! call {
    ($self:ident, $name:literal, $call:expr) => {{
        let mut call = $self.process.enter($name).await;
        if call.fails() {
            return unavailable();
        }
        let result = $call.await;
        $self.process.leave(&mut call).await;
        if call.is_reply_lost() { unavailable() } else { result }
    }};
}

impl ProcessStore {
    pub fn new(process: &Arc<Process>) -> Self {
        Self { process: process.clone(), lost: Mutex::default() }
    }

    fn inner(&self) -> &dyn Store {
        &self.process.world.store
    }

    async fn save_through(&self, save: Save, limits: Option<TaskLimits>) -> Result<u64, StoreError> {
        let mut call = self.process.enter("save").await;
        if call.fails() {
            return unavailable();
        }
        let sent = Job::clone(&save.job);
        let result = self.save_once(save, limits).await;
        self.process.leave(&mut call).await;
        if call.is_reply_lost() {
            *self.lost.lock().unwrap() = result.ok().map(|revision| (sent, revision));
            return unavailable();
        }
        result
    }

    async fn save_once(&self, save: Save, limits: Option<TaskLimits>) -> Result<u64, StoreError> {
        let repeated = {
            let lost = self.lost.lock().unwrap();
            lost.as_ref().filter(|(job, _)| *job == *save.job).map(|(_, revision)| *revision)
        };
        if let Some(revision) = repeated {
            let current = self.inner().get(&save.job.id).await?.map(|job| job.revision);
            if current == Some(revision) {
                return Ok(revision);
            }
        }
        let (mut job, budget) = (Job::clone(&save.job), save.budget);
        let mut save = save;
        match self.process.world.plan.sabotage {
            Some(Sabotage::UnwrittenRecord) if budget.is_some() => return Ok(job.revision + 1),
            Some(Sabotage::ForgottenCharge) if job.stage_name() == StageName::Generating => {
                job.attempts.iter_mut().for_each(|attempt| attempt.charge = None);
                save.job = Arc::new(job.clone());
            }
            _ => {}
        }
        let result = match limits {
            Some(limits) => self.inner().save_submit(save, limits).await,
            None => self.inner().save(save).await,
        };
        if let Ok(revision) = result {
            let now = self.process.world.timeline.now();
            job.revision = revision;
            self.process.world.note(|| {
                let hold = job.hold().map(|hold| format!(", {}", hold.summary())).unwrap_or_default();
                let charges = job.charges().map(|charge| {
                    let amount = charge.amount.map_or_else(|| "?".to_owned(), Usd::display);
                    format!(", {amount} {}", charge.basis.as_str())
                });
                let rest: String = charges.chain([hold]).collect();
                let (attempt, stage) = (job.attempt_number(), job.stage_name());
                format!("{:?} saved {} as {stage} in attempt {attempt}{rest}", self.process, job.id)
            });
            self.process.world.change(|state| state.books.on_saved(&self.process.worker, job, budget, now));
        }
        result
    }
}

#[async_trait]
impl Store for ProcessStore {
    async fn create(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut call = self.process.enter("create").await;
        if call.fails() {
            return unavailable();
        }
        let result = self.inner().create(jobs.clone()).await;
        if result.is_ok() {
            for mut job in jobs {
                let now = self.process.world.timeline.now();
                job.revision = 1;
                self.process.world.change(|state| state.books.on_saved(&self.process.worker, job, None, now));
            }
        }
        self.process.leave(&mut call).await;
        if call.is_reply_lost() { unavailable() } else { result }
    }

    async fn get(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        call!(self, "get", self.inner().get(id))
    }

    async fn find(&self, prefix: &str, limit: usize) -> Result<Vec<JobId>, StoreError> {
        call!(self, "find", self.inner().find(prefix, limit))
    }

    async fn save(&self, save: Save) -> Result<u64, StoreError> {
        self.save_through(save, None).await
    }

    async fn save_submit(&self, save: Save, limits: TaskLimits) -> Result<u64, StoreError> {
        self.save_through(save, Some(limits)).await
    }

    async fn due(&self, query: DueQuery) -> Result<Vec<Job>, StoreError> {
        call!(self, "due", self.inner().due(query))
    }

    async fn next_due(&self, query: DueQuery) -> Result<Option<DateTime<Utc>>, StoreError> {
        call!(self, "next_due", self.inner().next_due(query))
    }

    async fn list(&self, query: PageQuery) -> Result<Page, StoreError> {
        call!(self, "list", self.inner().list(query))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        call!(self, "counts", self.inner().counts())
    }

    async fn count_matching(&self, filter: &Filter) -> Result<Option<MatchCounts>, StoreError> {
        call!(self, "count_matching", self.inner().count_matching(filter))
    }

    async fn costs(&self, query: CostQuery) -> Result<CostTable, StoreError> {
        call!(self, "costs", self.inner().costs(query))
    }

    async fn cost_jobs(&self, query: CostJobsQuery) -> Result<Vec<JobCost>, StoreError> {
        call!(self, "cost_jobs", self.inner().cost_jobs(query))
    }

    async fn budget_history(&self, limit: usize) -> Result<Vec<BudgetRecord>, StoreError> {
        call!(self, "budget_history", self.inner().budget_history(limit))
    }

    async fn change_budget(&self, change: BudgetChange) -> Result<(), StoreError> {
        let mut call = self.process.enter("change_budget").await;
        if call.fails() {
            return unavailable();
        }
        let is_ignored = self.process.world.plan.sabotage == Some(Sabotage::IgnoredCaps);
        let result = if is_ignored { Ok(()) } else { self.inner().change_budget(change.clone()).await };
        if result.is_ok() {
            self.process.world.note(|| format!("budget: {}", change.edit.summary()));
            self.process.world.change(|state| {
                let mut caps = state.books.caps.clone();
                change.edit.apply(&mut caps);
                state.books.set_caps(caps);
                Ok(())
            });
        }
        self.process.leave(&mut call).await;
        if call.is_reply_lost() { unavailable() } else { result }
    }

    async fn shared_record(&self, kind: &str, id: &str) -> Result<Option<SharedRecord>, StoreError> {
        call!(self, "shared_record", self.inner().shared_record(kind, id))
    }

    async fn put_shared_record(&self, record: SharedRecord) -> Result<u64, StoreError> {
        call!(self, "put_shared_record", self.inner().put_shared_record(record))
    }

    async fn shared_records(&self, kind: &str, limit: usize) -> Result<Vec<SharedRecord>, StoreError> {
        call!(self, "shared_records", self.inner().shared_records(kind, limit))
    }

    async fn uncertain_charges(&self, simulated: bool, limit: usize) -> Result<Vec<UncertainCharge>, StoreError> {
        call!(self, "uncertain_charges", self.inner().uncertain_charges(simulated, limit))
    }

    async fn import(&self, records: Vec<Record>, dry_run: bool) -> Result<Vec<ImportOutcome>, StoreError> {
        self.inner().import(records, dry_run).await
    }

    async fn remove_imported(
        &self,
        documents: Vec<ImportedDocument>,
        dry_run: bool,
    ) -> Result<Vec<RemoveOutcome>, StoreError> {
        self.inner().remove_imported(documents, dry_run).await
    }

    async fn remove_finished(&self, jobs: Vec<JobVersion>) -> Result<Vec<RemoveOutcome>, StoreError> {
        self.inner().remove_finished(jobs).await
    }

    async fn export(&self, query: ExportQuery) -> Result<ExportPage, StoreError> {
        self.inner().export(query).await
    }

    async fn verify_rollups(&self, repair: bool) -> Result<Option<RollupCheck>, StoreError> {
        self.inner().verify_rollups(repair).await
    }

    async fn watch(&self) -> Result<Box<dyn ChangeStream>, StoreError> {
        self.inner().watch().await
    }
}

/// The bucket as one process reaches it.
pub struct ModelBucket(Arc<Process>);

#[async_trait]
impl Bucket for ModelBucket {
    async fn put(&self, name: &ObjectName, bytes: Bytes, _format: ImageFormat) -> Result<Stored, BucketError> {
        let mut call = self.0.enter("put").await;
        let failed = || Err(BucketError::Unavailable("no connection".to_owned()));
        if call.fails() {
            return if call.rng.chance(200) { Err(BucketError::Refused("no rights".to_owned())) } else { failed() };
        }
        let cost = self.cost(bytes.len() as u64);
        self.0.world.state.lock().unwrap().objects.insert(name.as_str().to_owned(), bytes);
        self.0.leave(&mut call).await;
        if call.is_reply_lost() {
            return failed();
        }
        Ok(Stored { url: format!("https://bucket.test/{}", name.as_str()), cost })
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, BucketError> {
        let object = self.0.world.state.lock().unwrap().objects.get(name.as_str()).cloned();
        object.ok_or_else(|| BucketError::NotFound(name.clone()))
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), BucketError> {
        self.0.world.state.lock().unwrap().objects.remove(name.as_str());
        Ok(())
    }

    fn cost(&self, bytes: u64) -> Option<Usd> {
        let price = if bytes > 1_000 { "0.002" } else { "0.00001" };
        self.0.world.plan.paid_bucket.then(|| price.parse().ok()).flatten()
    }

    async fn check(&self) -> Result<(), BucketError> {
        Ok(())
    }
}
