//! What a worker at rest reads and writes: reads are money.

use darkroom::bucket::folder::FolderBucket;
use darkroom::costs::BudgetEdit;
use darkroom::engine::local::{self, WorkerLock};
use darkroom::engine::{Ports, Settings};
use darkroom::jobs::Hold;
use darkroom::provider::bfl::{FluxClient, FluxOptions};
use darkroom::store::{BudgetChange, PageQuery};
use darkroom::time::SystemClock;

use super::*;

/// Jobs that a cap holds.
const HELD: usize = 60;

/// How long the worker is observed.
const OBSERVED: Duration = Duration::from_secs(20);

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_jobs_cost_no_reads_at_rest() {
    let emulator = emulator().await;
    let store = Arc::new(store(emulator, &fresh_project()));
    let caps = Budget { daily: Some("0.001".parse().unwrap()), monthly: None };
    let edit = BudgetEdit::Set { model: None, caps, soft_percent: None };
    store.change_budget(BudgetChange { at: Utc::now(), by: "operator".to_owned(), edit }).await.unwrap();
    let job = |number| Job::new(id(&format!("held-{number:02}")), Spec::new("flux-dev", "a fox"), true, Utc::now());
    store.create((0..HELD).map(job).collect()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Nothing is ever sent there: no job fits under the cap.
    let provider = FluxOptions::new("http://127.0.0.1:9".parse().unwrap(), None);
    let ports = Ports {
        provider: Arc::new(FluxClient::new(provider).unwrap()),
        store: store.clone(),
        bucket: Arc::new(FolderBucket::open(&folder.path().join("images")).unwrap()),
        clock: Arc::new(SystemClock),
    };
    let mut engine = local::start(ports, Settings::default(), WorkerLock::acquire(folder.path()).unwrap());
    let reading = tokio::spawn(async move { while engine.events.recv().await.is_some() {} });
    let is_held = |job: &Job| matches!(job.hold(), Some(Hold::Budget { .. }));
    let query = PageQuery { limit: HELD + 1, ..PageQuery::default() };
    let all_held = async {
        while !store.list(query.clone()).await.unwrap().jobs.iter().all(is_held) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    timeout(Duration::from_mins(2), all_held).await.expect("all jobs are held");
    // What a start reads is no part of an hour.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = store.usage();
    tokio::time::sleep(OBSERVED).await;
    let after = store.usage();
    // 60 reads an hour are one a minute.
    assert!(after.reads - before.reads <= 1, "{} reads", after.reads - before.reads);
    assert_eq!(after.writes, before.writes);
    reading.abort();
}
