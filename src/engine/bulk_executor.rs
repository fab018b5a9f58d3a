//! Works on a bulk action under its lease, batch by batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bulk::{BATCH_SIZE, BatchResult, LEASE, keep_previous, keep_unchanged, kept_jobs};
use super::{BulkAction, BulkItem, BulkLease, BulkRecord, BulkState, CommandOutcome, OperatorCommands};
use crate::jobs::{Job, JobId};
use crate::store::{Store, StoreError};
use crate::time::Clock;

/// Wait after the store did not respond.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Works on bulk actions.
#[derive(Clone)]
pub struct BulkExecutor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Without an operator: the action was recorded when it was confirmed.
    commands: OperatorCommands,
    worker: String,
    simulated: bool,
}

/// How the work on an action ended.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkEnd {
    /// The record as it was last saved.
    pub record: BulkRecord,
    /// What was changed here.
    pub outcome: CommandOutcome,
}

impl BulkExecutor {
    /// An executor of that worker; `simulated` marks the jobs that it creates.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, worker: impl Into<String>, simulated: bool) -> Self {
        let commands = OperatorCommands::new(store.clone(), clock.clone(), simulated);
        Self { store, clock, commands, worker: worker.into(), simulated }
    }

    /// When this worker may work on the action: now or later; `None` where it may not.
    pub fn due_at(&self, record: &BulkRecord) -> Option<chrono::DateTime<chrono::Utc>> {
        // A clone gets the provider of the process that creates it.
        let is_other = matches!(&record.action, BulkAction::Clone { simulated, .. } if *simulated != self.simulated);
        if is_other { None } else { record.due_at(&self.worker) }
    }

    /// Works on the action of that id until it has ended, was paused or stopped, another worker has it, or `stop` is cancelled.
    /// `progress` gets the record after each batch. `None` where it is not due.
    pub async fn run(
        &self,
        id: &str,
        stop: &CancellationToken,
        mut progress: impl FnMut(&BulkRecord) + Send,
    ) -> Result<Option<BulkEnd>, StoreError> {
        let store = self.store.as_ref();
        let Some(mut record) = BulkRecord::read(store, id).await? else { return Ok(None) };
        let now = self.clock.now();
        if self.due_at(&record).is_none_or(|at| at > now) {
            return Ok(None);
        }
        match record.acquire(store, &self.worker, now + LEASE, now).await {
            Ok(()) => {}
            Err(StoreError::RecordConflict { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        tracing::info!(
            id,
            action = record.action.verb(),
            by = record.by,
            position = record.position,
            "bulk action under way"
        );
        let mut outcome = CommandOutcome::nothing(record.action.command_kind());
        let mut applied = None;
        loop {
            if stop.is_cancelled() && applied.is_none() {
                let now = self.clock.now();
                if let Err(error) = record.release(store, now).await {
                    tracing::warn!(%error, id, "lease of a bulk action not given back");
                }
                break;
            }
            match self.step(&mut record, &mut applied, &mut outcome).await {
                Ok(true) => progress(&record),
                Ok(false) => break,
                Err(error @ StoreError::Unusable(_)) => {
                    tracing::error!(%error, id, "bulk action cannot be continued");
                    record.abandon(store, &error.to_string(), self.clock.now()).await?;
                }
                Err(error) => {
                    tracing::warn!(%error, id, "bulk action waits for the store");
                    let pause = tokio::time::sleep(RETRY_INTERVAL);
                    if applied.is_some() {
                        // What is changed is saved before this process stops.
                        pause.await;
                    } else {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = pause => {}
                        }
                    }
                }
            }
            if record.state != BulkState::Running {
                break;
            }
        }
        tracing::info!(id, state = %record.state, changed = record.changed, unchanged = record.unchanged, "bulk action left");
        Ok(Some(BulkEnd { record, outcome }))
    }

    /// One batch; `false` where another worker has the action by now. A batch that was applied and could not be saved is in `applied`:
    /// it is saved before anything else, because applied again it would look as if nothing was changed.
    async fn step(
        &self,
        record: &mut BulkRecord,
        applied: &mut Option<AppliedBatch>,
        outcome: &mut CommandOutcome,
    ) -> Result<bool, StoreError> {
        let store = self.store.as_ref();
        let batch = match applied.take() {
            Some(batch) => batch,
            None => self.apply_next(record, outcome).await?,
        };
        let now = self.clock.now();
        let lease = BulkLease { worker: self.worker.clone(), until: now + LEASE };
        let saved = async {
            // After a suspension, what this batch left unchanged says nothing: another worker has repeated it.
            if !batch.is_as_kept() && !record.is_current(store, &self.worker).await? {
                return Ok(false);
            }
            keep_previous(store, record, &batch.replaced, batch.at).await?;
            keep_unchanged(store, record, batch.unchanged.clone(), batch.at).await?;
            record.advance(store, &batch.result, lease, now).await
        };
        let saved = saved.await;
        if saved.is_err() {
            *applied = Some(batch);
        }
        saved
    }

    /// What a crash does: before the jobs are kept, nothing has happened; after that, the batch is repeated, and the jobs that are what
    /// the action leaves of the kept ones count as changed.
    async fn apply_next(&self, record: &BulkRecord, outcome: &mut CommandOutcome) -> Result<AppliedBatch, StoreError> {
        let items = record.batch(self.store.as_ref(), BATCH_SIZE).await?;
        let at = self.clock.now();
        let kept = if record.undoable { self.keep(record, &items, at).await? } else { KeptBatch::default() };
        self.apply_kept(record, items, kept, at, outcome).await
    }

    /// Changes the jobs of a batch that are kept.
    async fn apply_kept(
        &self,
        record: &BulkRecord,
        items: Vec<BulkItem>,
        kept: KeptBatch,
        at: chrono::DateTime<chrono::Utc>,
        outcome: &mut CommandOutcome,
    ) -> Result<AppliedBatch, StoreError> {
        let handled = items.len() as u64;
        let commands = self.commands.with_read(kept.now.clone());
        let mut done = commands.apply_bulk(&record.id, &record.action, items).await?;
        done.rejected.retain(|(id, _)| !kept.changed_before.contains(id));
        let is_changed = |id: &JobId| done.succeeded.contains(id) || kept.changed_before.contains(id);
        let (replaced, unchanged) = if record.undoable {
            let kept_now: HashMap<&JobId, u64> = kept.now.iter().map(|job| (&job.id, job.revision)).collect();
            // Another process saved these between the two reads.
            let is_replaced = |job: &&Job| kept_now.get(&job.id) != Some(&job.revision);
            let replaced = done.previous.iter().filter(is_replaced).cloned().collect();
            let all = kept.now.iter().chain(&kept.earlier).map(|job| &job.id);
            (replaced, all.filter(|id| !is_changed(id)).cloned().collect())
        } else {
            (Vec::new(), Vec::new())
        };
        let reasons = done.rejected.iter().map(|(_, reason)| reason.clone()).collect();
        let changed = (done.succeeded.len() + kept.changed_before.len()) as u64;
        let result = BatchResult { handled, changed, reasons };
        outcome.succeeded.append(&mut done.succeeded);
        outcome.rejected.append(&mut done.rejected);
        Ok(AppliedBatch { result, replaced, unchanged, at })
    }

    /// Keeps what the jobs of the next batch are, before it changes them.
    async fn keep(
        &self,
        record: &BulkRecord,
        items: &[BulkItem],
        at: chrono::DateTime<chrono::Utc>,
    ) -> Result<KeptBatch, StoreError> {
        let store = self.store.as_ref();
        let earlier = kept_jobs(store, &record.id, record.position).await?;
        let now = self.commands.changeable(&record.action, items).await?;
        let cut_short: Vec<&Job> = earlier.iter().filter(|old| !now.iter().any(|job| job.id == old.id)).collect();
        let changed_before = self.commands.changed_before(&record.action, &cut_short).await?;
        keep_previous(store, record, &now, at).await?;
        Ok(KeptBatch { earlier, changed_before, now })
    }
}

/// What the jobs of a batch were, as the store keeps it.
#[derive(Default)]
struct KeptBatch {
    /// By a run of the batch that was cut short.
    earlier: Vec<Job>,
    /// Those of them that it has changed.
    changed_before: Vec<JobId>,
    /// Before this run.
    now: Vec<Job>,
}

/// A batch whose jobs are changed.
struct AppliedBatch {
    result: BatchResult,
    /// Changed jobs as they were before, where that is not what was kept before the batch.
    replaced: Vec<Job>,
    /// Jobs that were kept and not changed.
    unchanged: Vec<JobId>,
    at: chrono::DateTime<chrono::Utc>,
}

impl AppliedBatch {
    /// Whether exactly the kept jobs are changed.
    fn is_as_kept(&self) -> bool {
        self.replaced.is_empty() && self.unchanged.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::engine::{BulkControl, BulkPlan, BulkStart, BulkTarget, CommandKind, Operator, SpecEdit, TagEdit};
    use crate::jobs::filter::Filter;
    use crate::jobs::{BillingStatus, Failure, FailureCode, Job, JobId, Spec, StageName};
    use crate::store::sqlite::SqliteStore;
    use crate::store::{PageQuery, Save};
    use crate::time::SystemClock;

    const JOBS: usize = 120;

    struct Bench {
        store: Arc<dyn Store>,
        folder: tempfile::TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("darkroom.db")).unwrap());
            let at = DateTime::UNIX_EPOCH;
            let job = |number: usize| {
                let id = JobId::new(format!("job-{number:04}")).unwrap();
                let mut job = Job::new(id, Spec::new("flux-2-pro", format!("image {number}")), true, at);
                job.reject(Failure::new(FailureCode::ProviderError, "x", BillingStatus::No, at), at).unwrap();
                job
            };
            store.create((0..JOBS).map(job).collect()).await.unwrap();
            Self { store, folder }
        }

        async fn start(&self, action: BulkAction, start: BulkStart) -> BulkRecord {
            let filter = Filter::parse("image", Utc::now()).unwrap();
            let plan = BulkPlan::make(&*self.store, action, BulkTarget::Matching(filter)).await.unwrap();
            let ana = Operator { by: "ana@studio".to_owned(), from: "console" };
            let mut record = BulkRecord::create(&*self.store, plan, "image", &ana, Utc::now(), start).await.unwrap();
            if record.lease.is_some() {
                record.release(&*self.store, Utc::now()).await.unwrap();
            }
            record
        }

        async fn plan_undo(&self, id: &str) -> BulkPlan {
            let record = BulkRecord::read(&*self.store, id).await.unwrap().unwrap();
            let target = BulkTarget::ChangedBy(id.to_owned());
            BulkPlan::make(&*self.store, record.undo_action(), target).await.unwrap()
        }

        async fn undo(&self, id: &str) -> BulkRecord {
            let plan = self.plan_undo(id).await;
            let ben = Operator { by: "ben@office".to_owned(), from: "cli" };
            let start = BulkStart::By("gone".to_owned());
            let mut record = BulkRecord::create(&*self.store, plan, "undo", &ben, Utc::now(), start).await.unwrap();
            record.release(&*self.store, Utc::now()).await.unwrap();
            record
        }

        fn executor(&self, worker: &str) -> BulkExecutor {
            BulkExecutor::new(self.store.clone(), Arc::new(SystemClock), worker, true)
        }

        async fn run(&self, worker: &str, id: &str) -> Option<BulkEnd> {
            self.executor(worker).run(id, &CancellationToken::new(), |_| {}).await.unwrap()
        }

        async fn jobs(&self) -> Vec<Job> {
            self.store.list_jobs(PageQuery { limit: 1_000, ..PageQuery::default() }).await.unwrap()
        }
    }

    fn now() -> BulkStart {
        BulkStart::By("gone".to_owned())
    }

    #[tokio::test]
    async fn every_job_is_handled_once_and_listed() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Retry, now()).await;
        let mut steps = 0;
        let end =
            bench.executor("w1").run(&record.id, &CancellationToken::new(), |_| steps += 1).await.unwrap().unwrap();
        assert_eq!((end.record.state, end.record.changed, end.record.unchanged), (BulkState::Done, JOBS as u64, 0));
        assert_eq!((steps, end.outcome.succeeded.len()), (3, JOBS), "progress after each batch");
        assert!(bench.jobs().await.iter().all(|job| job.stage_name() == StageName::Queued));
        let listed = BulkRecord::newest(&*bench.store, 10).await.unwrap();
        assert_eq!(
            (listed.len(), listed[0].by.as_str(), listed[0].title().as_str()),
            (1, "ana@studio", "retry 120 jobs")
        );
        assert!(bench.run("w2", &record.id).await.is_none(), "it has ended");
    }

    #[tokio::test]
    async fn crash_after_a_batch_retries_no_job_twice() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Retry, now()).await;
        // A worker takes the lease, retries the first batch, and dies before it saves the position.
        let mut dead = record.clone();
        let now = Utc::now();
        dead.acquire(&*bench.store, "dead", now + LEASE, now).await.unwrap();
        let items = dead.batch(&*bench.store, BATCH_SIZE).await.unwrap();
        let first = items[0].0.clone();
        bench.executor("dead").commands.apply_bulk(&dead.id, &dead.action, items).await.unwrap();
        assert!(bench.run("w2", &record.id).await.is_none(), "the lease still holds");
        // One of them ran in the meantime, and failed again.
        let mut job = bench.store.get(&first).await.unwrap().unwrap();
        let at = Utc::now();
        job.reject(Failure::new(FailureCode::ProviderError, "again", BillingStatus::No, at), at).unwrap();
        let mut failed_again = job.clone();
        failed_again.revision = bench.store.save(Save::new(&job)).await.unwrap();
        dead.acquire(&*bench.store, "dead", now, now).await.unwrap();
        let end = bench.run("w2", &record.id).await.unwrap();
        assert_eq!((end.record.changed, end.record.unchanged), (70, 50));
        assert_eq!(end.record.reasons, ["it changed after it was counted"]);
        assert_eq!(bench.store.get(&first).await.unwrap().unwrap(), failed_again, "not retried a second time");
    }

    #[tokio::test]
    async fn crash_inside_a_batch_can_be_undone() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Retry, now()).await;
        let before = bench.jobs().await;
        // A worker keeps what the jobs of its batch are, retries all of them but one, and dies before it saves the position.
        let mut dead = record.clone();
        let at = Utc::now();
        dead.acquire(&*bench.store, "dead", at, at).await.unwrap();
        let mut items = dead.batch(&*bench.store, BATCH_SIZE).await.unwrap();
        let executor = bench.executor("dead");
        executor.keep(&dead, &items, at).await.unwrap();
        let late = items.pop().unwrap().0;
        executor.commands.apply_bulk(&dead.id, &dead.action, items).await.unwrap();
        // That one changes before the next worker retries the rest.
        let mut other = bench.store.get(&late).await.unwrap().unwrap();
        other.retry(Utc::now()).unwrap();
        other.cancel(Utc::now()).unwrap();
        bench.store.save(Save::new(&other)).await.unwrap();
        let end = bench.run("w2", &record.id).await.unwrap();
        assert_eq!((end.record.changed, end.record.unchanged), (119, 1));
        let undo = bench.undo(&record.id).await;
        assert_eq!(undo.total, 119, "only what was changed");
        let end = bench.run("w3", &undo.id).await.unwrap();
        assert_eq!((end.record.changed, end.record.unchanged), (119, 0), "{:?}", end.record.reasons);
        for (old, new) in before.iter().zip(bench.jobs().await).filter(|(old, _)| old.id != late) {
            assert_eq!((&old.stage, &old.attempts), (&new.stage, &new.attempts));
        }
        assert_eq!(bench.store.get(&late).await.unwrap().unwrap().stage_name(), StageName::Cancelled);
    }

    #[tokio::test]
    async fn batch_stopped_by_a_crash_can_be_undone() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Hide, now()).await;
        let mut dead = record.clone();
        let at = Utc::now();
        dead.acquire(&*bench.store, "dead", at, at).await.unwrap();
        let items = dead.batch(&*bench.store, BATCH_SIZE).await.unwrap();
        let executor = bench.executor("dead");
        executor.keep(&dead, &items, at).await.unwrap();
        executor.commands.apply_bulk(&dead.id, &dead.action, items).await.unwrap();
        BulkRecord::control(&*bench.store, &record.id, BulkControl::Stop, Utc::now()).await.unwrap().unwrap();
        let undo = bench.undo(&record.id).await;
        assert_eq!(bench.run("w2", &undo.id).await.unwrap().record.changed, 50);
        let visible = bench.store.list_jobs(PageQuery { limit: 1_000, ..PageQuery::default() }).await.unwrap();
        assert_eq!(visible.len(), JOBS);
    }

    #[tokio::test]
    async fn job_too_large_to_keep_is_changed_all_the_same() {
        let bench = Bench::new().await;
        let spec = Spec::new("flux-2-pro", "image").with("input_image", serde_json::Value::from("x".repeat(1_100_000)));
        let large = Job::new(JobId::new("large").unwrap(), spec, true, DateTime::UNIX_EPOCH);
        bench.store.create(vec![large]).await.unwrap();
        let record = bench.start(BulkAction::Tag(TagEdit::parse("cover").unwrap()), now()).await;
        let end = bench.run("w1", &record.id).await.unwrap();
        assert_eq!((end.record.state, end.record.changed), (BulkState::Done, JOBS as u64 + 1));
        assert_eq!(bench.plan_undo(&record.id).await.ids.len(), JOBS);
        let records = bench.store.shared_records("bulk_undo", 100).await.unwrap();
        assert!(records.iter().all(|record| record.body.to_string().len() < 1_000_000));
    }

    #[tokio::test]
    async fn suspended_worker_leaves_the_undo_complete() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Retry, now()).await;
        // A worker keeps what its batch is, and is suspended until another one has completed the action.
        let mut suspended = record.clone();
        let at = Utc::now();
        suspended.acquire(&*bench.store, "w1", at, at).await.unwrap();
        let executor = bench.executor("w1");
        let items = suspended.batch(&*bench.store, BATCH_SIZE).await.unwrap();
        let kept = executor.keep(&suspended, &items, at).await.unwrap();
        assert_eq!(bench.run("w2", &record.id).await.unwrap().record.changed, JOBS as u64);
        let mut outcome = CommandOutcome::nothing(CommandKind::Retried);
        let batch = executor.apply_kept(&suspended, items, kept, at, &mut outcome).await.unwrap();
        assert_eq!((outcome.succeeded.len(), batch.unchanged.len()), (0, 50), "nothing is retried twice");
        assert!(!executor.step(&mut suspended, &mut Some(batch), &mut outcome).await.unwrap());
        assert_eq!(bench.plan_undo(&record.id).await.ids.len(), JOBS);
    }

    #[tokio::test]
    async fn undo_waits_for_the_batch_of_a_stopped_action() {
        let bench = Bench::new().await;
        let mut record = bench.start(BulkAction::Retry, now()).await;
        let at = Utc::now();
        record.acquire(&*bench.store, "w1", at + LEASE, at).await.unwrap();
        // It is stopped while its worker retries the first batch.
        BulkRecord::control(&*bench.store, &record.id, BulkControl::Stop, at).await.unwrap().unwrap();
        let plan = bench.plan_undo(&record.id).await;
        assert!(plan.reason.as_deref().unwrap().contains("still completes its last jobs"), "{:?}", plan.reason);
        let mut outcome = CommandOutcome::nothing(CommandKind::Retried);
        assert!(bench.executor("w1").step(&mut record, &mut None, &mut outcome).await.unwrap());
        let undo = bench.undo(&record.id).await;
        assert_eq!(bench.run("w2", &undo.id).await.unwrap().record.changed, 50);
        assert!(bench.jobs().await.iter().all(|job| job.stage_name() == StageName::Failed), "no retry is left");
    }

    #[tokio::test]
    async fn undo_leaves_jobs_that_changed_since() {
        let bench = Bench::new().await;
        bench.run("w1", &bench.start(BulkAction::Retry, now()).await.id).await.unwrap();
        let cancel = bench.start(BulkAction::Cancel, now()).await;
        bench.run("w1", &cancel.id).await.unwrap();
        let ids: Vec<JobId> = bench.jobs().await.into_iter().map(|job| job.id).take(3).collect();
        let commands = OperatorCommands::new(bench.store.clone(), Arc::new(SystemClock), true);
        commands.tag(vec![ids[0].clone()], &TagEdit::parse("keep").unwrap()).await.unwrap();
        commands.hide(vec![ids[1].clone()]).await.unwrap();
        let undo = bench.undo(&cancel.id).await;
        let end = bench.run("w2", &undo.id).await.unwrap();
        assert_eq!((end.record.changed, end.record.unchanged), (118, 2));
        assert_eq!(
            end.record.reasons,
            ["cannot undo: its tags were changed since", "cannot undo: it was hidden since"]
        );
        let job = async |id: &JobId| bench.store.get(id).await.unwrap().unwrap();
        let (tagged, hidden, other) = (job(&ids[0]).await, job(&ids[1]).await, job(&ids[2]).await);
        assert_eq!((tagged.stage_name(), tagged.tags.join(" ").as_str()), (StageName::Cancelled, "keep"));
        assert_eq!((hidden.stage_name(), hidden.hidden), (StageName::Cancelled, true));
        assert_eq!(other.stage_name(), StageName::Queued);
    }

    #[tokio::test]
    async fn countdown_pause_and_stop_are_obeyed() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Retry, BulkStart::Countdown).await;
        assert!(bench.run("w1", &record.id).await.is_none(), "not before its start");
        let control =
            async |id: &str, control| BulkRecord::control(&*bench.store, id, control, Utc::now()).await.unwrap();
        control(&record.id, BulkControl::Stop).await.unwrap();
        assert!(control(&record.id, BulkControl::Resume).await.unwrap_err().contains("stopped already"));
        assert!(bench.jobs().await.iter().all(|job| job.stage_name() == StageName::Failed), "nothing was changed");

        let record = bench.start(BulkAction::Retry, now()).await;
        let executor = bench.executor("w1");
        let mut mine = record.clone();
        let now = Utc::now();
        mine.acquire(&*bench.store, "w1", now + LEASE, now).await.unwrap();
        control(&record.id, BulkControl::Pause).await.unwrap();
        let mut outcome = CommandOutcome::nothing(CommandKind::Retried);
        assert!(executor.step(&mut mine, &mut None, &mut outcome).await.unwrap(), "the batch under way is saved");
        assert_eq!((mine.state, mine.position, &mine.lease), (BulkState::Paused, 50, &None));
        assert!(bench.run("w2", &record.id).await.is_none(), "paused");
        control(&record.id, BulkControl::Resume).await.unwrap();
        let end = bench.run("w2", &record.id).await.unwrap();
        assert_eq!((end.record.state, end.record.changed, end.record.unchanged), (BulkState::Done, 120, 0));
    }

    #[tokio::test]
    async fn shutdown_hands_the_action_to_another_worker() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Hide, now()).await;
        let stop = CancellationToken::new();
        let first = bench.executor("w1").run(&record.id, &stop, |_| stop.cancel()).await.unwrap().unwrap();
        assert_eq!((first.record.position, &first.record.lease), (50, &None));
        let end = bench.run("w2", &record.id).await.unwrap();
        assert_eq!((end.record.state, end.record.changed), (BulkState::Done, 120));
    }

    #[tokio::test]
    async fn clones_are_created_once() {
        let bench = Bench::new().await;
        let edit = SpecEdit::parse("seed=7 tags=night").unwrap();
        let record = bench.start(BulkAction::Clone { edit, simulated: true }, now()).await;
        assert_eq!(record.price_usd.unwrap().to_string(), "3.6");
        let items = record.batch(&*bench.store, BATCH_SIZE).await.unwrap();
        bench.executor("dead").commands.apply_bulk(&record.id, &record.action, items).await.unwrap();
        let other = BulkExecutor::new(bench.store.clone(), Arc::new(SystemClock), "real", false);
        assert!(other.run(&record.id, &CancellationToken::new(), |_| {}).await.unwrap().is_none(), "real money");
        let end = bench.run("w2", &record.id).await.unwrap();
        assert_eq!((end.record.changed, end.outcome.succeeded.len()), (120, 120));
        let clones: Vec<Job> = bench.jobs().await.into_iter().filter(|job| job.tags == ["night"]).collect();
        assert_eq!(clones.len(), 120);
        assert!(clones.iter().all(|job| job.spec.parameters["seed"] == 7 && job.stage_name() == StageName::Queued));
    }

    #[tokio::test]
    async fn changed_job_is_not_cloned() {
        let bench = Bench::new().await;
        let edit = SpecEdit::parse("seed=7 tags=night").unwrap();
        let record = bench.start(BulkAction::Clone { edit, simulated: true }, now()).await;
        // A worker dies behind its first batch.
        let items = record.batch(&*bench.store, BATCH_SIZE).await.unwrap();
        bench.executor("dead").commands.apply_bulk(&record.id, &record.action, items).await.unwrap();
        let jobs = bench.jobs().await;
        let source = |number: usize| jobs.iter().find(|job| job.id.as_str() == format!("job-{number:04}")).unwrap();
        // A job that is cloned already, one that now costs more, one that has another prompt; and one whose clone stays the same.
        let all = record.batch(&*bench.store, JOBS).await.unwrap();
        let first = all[0].0.clone();
        let rest: Vec<Job> = (0..JOBS)
            .map(source)
            .filter(|job| all[BATCH_SIZE..].iter().any(|(id, _)| *id == job.id))
            .cloned()
            .collect();
        let mut changed = vec![bench.store.get(&first).await.unwrap().unwrap()];
        changed.extend(rest.into_iter().take(3));
        changed[0].spec.model = "flux-2-max".to_owned();
        changed[1].spec.model = "flux-2-max".to_owned();
        changed[2].spec.prompt = "another image".to_owned();
        changed[3].retry(Utc::now()).unwrap();
        for job in &changed {
            bench.store.save(Save::new(job)).await.unwrap();
        }
        let end = bench.run("w2", &record.id).await.unwrap();
        assert_eq!((end.record.changed, end.record.unchanged), (118, 2));
        assert_eq!(end.record.reasons, ["it changed after it was counted"]);
        let clones: Vec<Job> = bench.jobs().await.into_iter().filter(|job| job.tags == ["night"]).collect();
        assert_eq!(clones.len(), 118);
        assert!(clones.iter().all(|job| job.spec.model == "flux-2-pro" && job.spec.prompt.starts_with("image ")));
    }

    #[tokio::test]
    async fn unreadable_jobs_do_not_stop_an_action() {
        for action in [
            BulkAction::Retry,
            BulkAction::Clone { edit: SpecEdit::parse("seed=7").unwrap(), simulated: true },
            BulkAction::Tag(TagEdit::parse("cover").unwrap()),
        ] {
            let bench = Bench::new().await;
            let record = bench.start(action, now()).await;
            // Its last batch: none of these jobs can be read.
            let all = record.batch(&*bench.store, JOBS).await.unwrap();
            let database = rusqlite::Connection::open(bench.folder.path().join("darkroom.db")).unwrap();
            for (id, _) in &all[2 * BATCH_SIZE..] {
                database.execute("UPDATE jobs SET document = '{}' WHERE id = ?1", [id.as_str()]).unwrap();
            }
            let run = tokio::time::timeout(Duration::from_mins(1), bench.run("w1", &record.id));
            let end = run.await.expect("the action ends").unwrap();
            assert_eq!((end.record.state, end.record.changed, end.record.unchanged), (BulkState::Done, 100, 20));
            assert!(
                end.record.reasons.iter().all(|reason| reason.contains("cannot be read")),
                "{:?}",
                end.record.reasons
            );
        }
    }

    #[tokio::test]
    async fn clone_with_another_input_size_is_left_out() {
        let bench = Bench::new().await;
        let path = bench.folder.path().join("in.png");
        image::RgbImage::new(64, 64).save(&path).unwrap();
        for number in 0..2 {
            let mut job = bench.store.get(&JobId::new(format!("job-{number:04}")).unwrap()).await.unwrap().unwrap();
            job.spec = job.spec.with("input_image", path.to_str().unwrap());
            bench.store.save(Save::new(&job)).await.unwrap();
        }
        let edit = SpecEdit::parse("seed=7").unwrap();
        let record = bench.start(BulkAction::Clone { edit, simulated: true }, now()).await;
        image::RgbImage::new(2000, 2000).save(&path).unwrap();
        let end = bench.run("w1", &record.id).await.unwrap();
        assert_eq!((end.record.changed, end.record.unchanged), (118, 2), "they cost more than was confirmed");
        assert_eq!(end.record.reasons, ["it changed after it was counted"]);
        let edit = SpecEdit::parse("seed=8").unwrap();
        let record = bench.start(BulkAction::Clone { edit, simulated: true }, now()).await;
        std::fs::remove_file(&path).unwrap();
        let end = bench.run("w1", &record.id).await.unwrap();
        assert!(
            end.record.reasons[0].ends_with("this worker cannot read its input images"),
            "{:?}",
            end.record.reasons
        );
    }

    #[tokio::test]
    async fn tags_are_changed_and_can_be_undone() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Tag(TagEdit::parse("cover").unwrap()), now()).await;
        let end = bench.run("w1", &record.id).await.unwrap();
        assert!(bench.jobs().await.iter().all(|job| job.tags == ["cover"]));
        let again = bench.start(BulkAction::Tag(TagEdit::parse("cover").unwrap()), now()).await;
        assert_eq!(again.total, 0, "they have the tag already");
        assert_eq!(end.record.changed, 120);
        let undo = bench.undo(&record.id).await;
        assert_eq!(undo.title(), "undo tag +cover of 120 jobs");
        let mut other = bench.jobs().await.swap_remove(0);
        other.tags.push("mine".to_owned());
        bench.store.save(Save::new(&other)).await.unwrap();
        let end = bench.run("w2", &undo.id).await.unwrap();
        assert_eq!((end.record.changed, end.record.unchanged), (119, 1));
        assert_eq!(end.record.reasons, ["its tags were changed since"]);
        let tagged: Vec<Job> = bench.jobs().await.into_iter().filter(|job| !job.tags.is_empty()).collect();
        assert_eq!((tagged.len(), tagged[0].tags.join(" ").as_str()), (1, "cover mine"));
    }

    #[tokio::test]
    async fn another_process_undoes_a_retry() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Retry, now()).await;
        let before = bench.jobs().await;
        let open = bench.plan_undo(&record.id).await;
        assert_eq!(open.reason.as_deref(), Some("it has not ended; stop it first"));
        // The first worker dies behind its first batch, another one completes the action.
        let mut dead = record.clone();
        let at = Utc::now();
        dead.acquire(&*bench.store, "dead", at, at).await.unwrap();
        let mut outcome = CommandOutcome::nothing(CommandKind::Retried);
        assert!(bench.executor("dead").step(&mut dead, &mut None, &mut outcome).await.unwrap());
        dead.acquire(&*bench.store, "dead", at, at).await.unwrap();
        assert_eq!(bench.run("w2", &record.id).await.unwrap().record.changed, JOBS as u64);
        // One of them began to run: it stays as it is.
        let mut begun = bench.jobs().await.swap_remove(7);
        let failure = Failure::new(FailureCode::ProviderError, "again", BillingStatus::No, Utc::now());
        begun.reject(failure, Utc::now()).unwrap();
        bench.store.save(Save::new(&begun)).await.unwrap();
        let undo = bench.undo(&record.id).await;
        assert_eq!((undo.total, undo.title().as_str()), (120, "undo retry of 120 jobs"));
        let again = bench.plan_undo(&record.id).await;
        assert_eq!((again.ids.len(), again.reason.as_deref()), (0, Some("it is undone already")));
        let end = bench.run("w3", &undo.id).await.unwrap();
        assert_eq!((end.record.state, end.record.changed, end.record.unchanged), (BulkState::Done, 119, 1));
        assert_eq!(end.record.reasons, ["cannot undo: it is failed now"]);
        for (old, new) in before.iter().zip(bench.jobs().await).filter(|(old, _)| old.id != begun.id) {
            assert_eq!((&old.stage, &old.attempts), (&new.stage, &new.attempts));
        }
    }

    #[tokio::test]
    async fn interrupted_undo_is_shown_and_repeated() {
        let bench = Bench::new().await;
        let record = bench.start(BulkAction::Tag(TagEdit::parse("cover").unwrap()), now()).await;
        bench.run("w1", &record.id).await.unwrap();
        // A process that dies between the mark and the record of its undo.
        let mut marked = bench.store.shared_record("bulk", &record.id).await.unwrap().unwrap();
        marked.body["undone_by"] = "never-recorded".into();
        bench.store.put_shared_record(marked).await.unwrap();
        let progress = async || {
            let records = BulkRecord::newest(&*bench.store, 10).await.unwrap();
            let undone = records.iter().find(|known| known.id == record.id).unwrap();
            undone.undo_progress(&records, Utc::now())
        };
        assert_eq!(progress().await, Some("undo interrupted: undo it again"));
        let undo = bench.undo(&record.id).await;
        assert_eq!(progress().await, Some("undo under way"));
        assert_eq!(bench.run("w2", &undo.id).await.unwrap().record.changed, 120);
        assert_eq!(progress().await, Some("undone"));
    }

    #[tokio::test]
    async fn undo_of_cancelled_jobs_names_its_price() {
        let bench = Bench::new().await;
        bench.run("w1", &bench.start(BulkAction::Retry, now()).await.id).await.unwrap();
        let cancel = bench.start(BulkAction::Cancel, now()).await;
        bench.run("w1", &cancel.id).await.unwrap();
        let plan = bench.plan_undo(&cancel.id).await;
        assert_eq!((plan.ids.len(), plan.price.paid, plan.amount().unwrap().to_string()), (120, 120, "3.6".to_owned()));
        assert!(
            plan.facts().iter().any(|fact| fact.starts_with("Jobs return to the queue. Simulated money: 120 jobs"))
        );
        let undo = bench.undo(&cancel.id).await;
        BulkRecord::control(&*bench.store, &undo.id, BulkControl::Stop, Utc::now()).await.unwrap().unwrap();
        let undo = bench.undo(&cancel.id).await;
        assert_eq!(bench.run("w2", &undo.id).await.unwrap().record.changed, 120, "after one that was stopped");
        assert!(bench.jobs().await.iter().all(|job| job.stage_name() == StageName::Queued));
    }
}
