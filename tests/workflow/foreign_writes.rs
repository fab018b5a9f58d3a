//! Writes of other programs to the document of a running job: they stay, and the job continues at once.

use std::time::{Duration, Instant};

use darkroom::engine::Settings;
use darkroom::jobs::{JobId, StageName};
use darkroom::simulator::Speed;
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{Save, Store};

use super::harness::{WorkflowHarness, within};
use crate::support::ledger_check;

/// Changes the document as another program does: nothing that a worker cares about.
async fn add_tag(harness: &WorkflowHarness, id: &JobId) {
    let other = SqliteStore::open(&harness.env.data().join("darkroom.db")).unwrap();
    let mut job = harness.job(id).await;
    job.tags.push("seen".to_owned());
    other.save(Save::new(&job)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_write_does_not_freeze_a_running_job() {
    // A few seconds for the image; a claim lasts 150 s.
    let harness = WorkflowHarness::new(Speed::Times(1.0)).await;
    let id = harness.submit("a fox").await;
    let mut engine = harness.engine(Settings::default());
    engine.until_stage(&id, StageName::Generating).await;
    let started = Instant::now();
    add_tag(&harness, &id).await;
    engine.until_stage(&id, StageName::Done).await;
    assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
    engine.stop().await;
    let job = harness.job(&id).await;
    assert_eq!((job.attempts.len(), job.tags), (1, vec!["seen".to_owned()]));
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_write_keeps_the_outcome_of_a_submit() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:429]").await;
    harness.provider.hold_replies();
    let run = harness.run_due("worker", &harness.provider).await;
    harness.provider.until_replies(1).await;
    add_tag(&harness, &id).await;
    harness.provider.release_replies();
    within("the run", run).await.unwrap().unwrap();
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), &job.tags), (StageName::Queued, &vec!["seen".to_owned()]), "429 was not accepted");
    harness.work().await;
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Done);
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}
