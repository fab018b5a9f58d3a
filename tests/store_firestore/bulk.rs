//! Bulk actions on the store of a team: one lease, batches of several processes, and an undo by another one.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use darkroom::engine::{
    BulkAction, BulkControl, BulkEnd, BulkExecutor, BulkPlan, BulkRecord, BulkStart, BulkState, BulkTarget, Operator,
    TagEdit,
};
use darkroom::jobs::filter::Filter;
use darkroom::jobs::{BillingStatus, Failure, FailureCode, Job, Spec, StageName};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{PageQuery, Store};
use darkroom::time::SystemClock;
use tokio_util::sync::CancellationToken;

use super::{emulator, fresh_project, id, now, store};

const JOBS: usize = 120;

/// Two processes on one store.
struct Fleet {
    one: Arc<FirestoreStore>,
    other: Arc<FirestoreStore>,
}

impl Fleet {
    /// With failed jobs.
    async fn new() -> Self {
        let (emulator, project) = (emulator().await, fresh_project());
        let (one, other) = (Arc::new(store(emulator, &project)), Arc::new(store(emulator, &project)));
        let job = |number: usize| {
            let mut job = Job::new(id(&format!("job-{number:04}")), Spec::new("flux-2-pro", "a fox"), true, now());
            job.tags = vec!["draft".to_owned()];
            let failure = Failure::new(FailureCode::ProviderError, "x", BillingStatus::No, now());
            job.reject(failure, now()).unwrap();
            job
        };
        one.create((0..JOBS).map(job).collect()).await.unwrap();
        Self { one, other }
    }

    async fn start(&self, action: BulkAction, target: BulkTarget) -> BulkRecord {
        let plan = BulkPlan::make(&*self.one, action, target).await.unwrap();
        assert_eq!((plan.ids.len(), &plan.reason), (JOBS, &None));
        let ana = Operator { by: "ana@studio".to_owned(), from: "console" };
        let start = BulkStart::By("one".to_owned());
        BulkRecord::create(&*self.one, plan, "status:failed", &ana, Utc::now(), start).await.unwrap()
    }

    async fn run(&self, worker: &str, id: &str, stop: &CancellationToken, stops: bool) -> Option<BulkEnd> {
        let store = if worker == "one" { &self.one } else { &self.other };
        let executor = BulkExecutor::new(store.clone(), Arc::new(SystemClock), worker, true);
        let stop_after_a_batch = |_: &BulkRecord| {
            if stops {
                stop.cancel();
            }
        };
        executor.run(id, stop, stop_after_a_batch).await.unwrap()
    }

    async fn complete(&self, worker: &str, id: &str) -> Option<BulkEnd> {
        self.run(worker, id, &CancellationToken::new(), false).await
    }

    async fn control(&self, id: &str, control: BulkControl) -> BulkRecord {
        BulkRecord::control(&*self.other, id, control, Utc::now()).await.unwrap().unwrap()
    }

    async fn jobs(&self) -> Vec<Job> {
        self.other.list_jobs(PageQuery { limit: 1_000, ..PageQuery::default() }).await.unwrap()
    }
}

fn failed() -> BulkTarget {
    BulkTarget::Matching(Filter::parse("status:failed", Utc::now()).unwrap())
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread")]
async fn bulk_retry_is_paused_taken_over_and_undone() {
    let fleet = Fleet::new().await;
    let before = fleet.jobs().await;
    let record = fleet.start(BulkAction::Retry, failed()).await;
    assert!(fleet.complete("other", &record.id).await.is_none(), "the lease of the first process holds");
    let first = fleet.run("one", &record.id, &CancellationToken::new(), true).await.unwrap().record;
    assert_eq!((first.position, first.changed, &first.lease), (50, 50, &None), "given back on shutdown");
    fleet.control(&record.id, BulkControl::Pause).await;
    assert!(fleet.complete("other", &record.id).await.is_none(), "paused");
    // A worker takes it and dies: its lease ends.
    let mut taken = fleet.control(&record.id, BulkControl::Resume).await;
    let ended = Utc::now() - TimeDelta::seconds(1);
    taken.acquire(&*fleet.one, "dead", ended, Utc::now()).await.unwrap();
    let end = fleet.complete("other", &record.id).await.unwrap().record;
    assert_eq!((end.state, end.changed, end.unchanged), (BulkState::Done, JOBS as u64, 0));
    assert!(fleet.jobs().await.iter().all(|job| job.stage_name() == StageName::Queued && job.attempts.len() == 1));

    let listed = BulkRecord::newest(&*fleet.other, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].title()), (1, "retry 120 jobs".to_owned()));
    let undo = fleet.start(end.undo_action(), BulkTarget::ChangedBy(record.id.clone())).await;
    let half = fleet.run("one", &undo.id, &CancellationToken::new(), true).await.unwrap().record;
    assert_eq!((half.position, half.changed), (50, 50));
    let undone = fleet.complete("other", &undo.id).await.unwrap().record;
    assert_eq!((undone.state, undone.changed, undone.unchanged), (BulkState::Done, JOBS as u64, 0));
    for (old, new) in before.iter().zip(fleet.jobs().await) {
        assert_eq!((&old.id, &old.stage, &old.attempts, &old.tags), (&new.id, &new.stage, &new.attempts, &new.tags));
    }
    let original = BulkRecord::read(&*fleet.one, &record.id).await.unwrap().unwrap();
    assert_eq!(original.undone_by, Some(undo.id));
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread")]
async fn stopped_bulk_tag_leaves_the_rest_alone() {
    let fleet = Fleet::new().await;
    let action = BulkAction::Tag(TagEdit::parse("cover -draft").unwrap());
    let record = fleet.start(action, failed()).await;
    fleet.run("one", &record.id, &CancellationToken::new(), true).await.unwrap();
    let stopped = fleet.control(&record.id, BulkControl::Stop).await;
    assert!(fleet.complete("other", &record.id).await.is_none(), "stopped");
    let tagged = fleet.jobs().await.iter().filter(|job| job.tags == ["cover"]).count();
    assert_eq!((tagged, stopped.changed), (50, 50));
    let target = BulkTarget::ChangedBy(record.id.clone());
    let plan = BulkPlan::make(&*fleet.other, stopped.undo_action(), target).await.unwrap();
    assert_eq!(plan.ids.len(), 50, "only what was changed");
    let ana = Operator { by: "ana@studio".to_owned(), from: "cli" };
    let start = BulkStart::By("other".to_owned());
    let undo = BulkRecord::create(&*fleet.other, plan, "undo", &ana, Utc::now(), start).await.unwrap();
    assert_eq!(fleet.complete("other", &undo.id).await.unwrap().record.changed, 50);
    assert!(fleet.jobs().await.iter().all(|job| job.tags == ["draft"]));
}
