//! Workers that were suspended over their claim and wake up late: whatever became of the job meanwhile, the receipt that they
//! hold is added to it, and every cent is explained.

use darkroom::costs::{Basis, CostGrouping};
use darkroom::engine::workflow::{RunOutcome, WorkflowError};
use darkroom::jobs::{FailureCode, Job, JobId, Spec, Stage, StageName};
use darkroom::simulator::Speed;
use darkroom::store::{CostQuery, Save, Store};
use darkroom::time::Clock;
use tokio::task::JoinHandle;

use super::harness::{WorkflowHarness, within};
use crate::support::ledger_check;

/// Longer than any claim.
const AN_HOUR: i64 = 3_600;

fn is_given_up(job: &Job) -> bool {
    matches!(&job.stage, Stage::Failed { failure } if failure.code == FailureCode::SubmitUnknown)
}

/// A job whose submit is answered, while its worker does not receive the reply before the gate opens.
async fn with_submit_in_flight() -> (WorkflowHarness, JobId, JoinHandle<Result<RunOutcome, WorkflowError>>) {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("a fox").await;
    harness.provider.hold_replies();
    let suspended = harness.run_due("suspended", &harness.provider).await;
    harness.provider.until_replies(1).await;
    (harness, id, suspended)
}

#[tokio::test(flavor = "multi_thread")]
async fn late_receipt_resumes_submit_unknown_job() {
    let (harness, id, suspended) = with_submit_in_flight().await;
    harness.clock.forward(AN_HOUR);
    let other = harness.another_provider();
    assert_eq!(harness.run_due("other", &other).await.await.unwrap(), Ok(RunOutcome::Finished));
    let given_up = harness.job(&id).await;
    assert!(is_given_up(&given_up));
    assert_eq!(given_up.cost_basis(), Some(Basis::Unconfirmed));
    harness.provider.release_replies();
    assert_eq!(within("its end", suspended).await.unwrap(), Ok(RunOutcome::Finished));
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    assert_eq!((other.replies(), harness.provider.replies()), (0, 1), "it was sent once");
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_receipt_withdraws_unsent_retry() {
    let (harness, id, suspended) = with_submit_in_flight().await;
    harness.clock.forward(AN_HOUR);
    let other = harness.another_provider();
    harness.run_due("other", &other).await.await.unwrap().unwrap();
    harness.retry(&id).await;
    harness.provider.release_replies();
    assert_eq!(within("its end", suspended).await.unwrap(), Ok(RunOutcome::Finished), "its ticket has the image");
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    harness.work().await;
    let (times, billed) = ledger_check::bill(&harness.env)["a fox"];
    assert_eq!((times, billed), (1, job.cost().unwrap().decimal()), "nothing is paid twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_receipt_keeps_second_submit_in_flight() {
    let (harness, id, suspended) = with_submit_in_flight().await;
    harness.clock.forward(AN_HOUR);
    let other = harness.another_provider();
    harness.run_due("other", &other).await.await.unwrap().unwrap();
    harness.retry(&id).await;
    // The other worker's order is on its way when the first one wakes up.
    other.hold_replies();
    let sending = harness.run_due("other", &other).await;
    other.until_replies(1).await;
    harness.provider.release_replies();
    assert_eq!(within("its end", suspended).await.unwrap(), Err(WorkflowError::Superseded));
    let job = harness.job(&id).await;
    assert_eq!(job.stage_name(), StageName::Submitting, "the other worker's note stands");
    assert!(job.attempts[0].receipt.is_some());
    other.release_replies();
    assert_eq!(within("its end", sending).await.unwrap(), Ok(RunOutcome::Finished));
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 2));
    let (times, billed) = ledger_check::bill(&harness.env)["a fox"];
    assert_eq!((times, billed), (2, job.cost().unwrap().decimal()));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipt_after_foreign_save_is_recorded_once() {
    let (harness, id, suspended) = with_submit_in_flight().await;
    // A second handle of the same database changes the document between the order and its save.
    let second = darkroom::store::sqlite::SqliteStore::open(&harness.env.data().join("darkroom.db")).unwrap();
    let mut job = harness.job(&id).await;
    job.tags.push("seen".to_owned());
    second.save(Save::new(&job)).await.unwrap();
    harness.provider.release_replies();
    assert_eq!(within("its end", suspended).await.unwrap(), Ok(RunOutcome::Finished));
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.tags), (StageName::Done, vec!["seen".to_owned()]));
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_suspended_before_submit_sends_nothing() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("a fox").await;
    // The claim that it writes would run out before an answer could come: the note goes back.
    let ran = harness.run_with_short_lease().await;
    assert_eq!(ran, Ok(RunOutcome::Deferred));
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), harness.provider.replies()), (StageName::Queued, 0));
    assert!(job.hold().unwrap().summary().contains("suspended"));
    harness.work().await;
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn job_deleted_during_submit_returns_with_charge() {
    let (harness, id, run) = with_submit_in_flight().await;
    let database = rusqlite::Connection::open(harness.env.data().join("darkroom.db")).unwrap();
    assert_eq!(database.execute("DELETE FROM jobs WHERE id = ?1", [id.as_str()]).unwrap(), 1);
    harness.provider.release_replies();
    assert_eq!(within("its end", run).await.unwrap(), Ok(RunOutcome::Finished));
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Done);
    assert_eq!(ledger_check::check(&harness.env, 1), 1, "and its cent is explained");
}

/// As a web page does that sets the document as a whole while the request is in flight.
#[tokio::test(flavor = "multi_thread")]
async fn replaced_document_keeps_both_charges() {
    let (harness, id, run) = with_submit_in_flight().await;
    let database = rusqlite::Connection::open(harness.env.data().join("darkroom.db")).unwrap();
    assert_eq!(database.execute("DELETE FROM jobs WHERE id = ?1", [id.as_str()]).unwrap(), 1);
    let spec = Spec::new("flux-2-klein-4b", "a crow").with("width", 64).with("height", 64);
    let replaced = Job::new(id.clone(), spec, true, Clock::now(harness.clock.as_ref()));
    harness.store.create(vec![replaced]).await.unwrap();
    harness.provider.release_replies();
    assert_eq!(within("its end", run).await.unwrap(), Err(WorkflowError::Superseded));
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Queued, 2), "the new request is not answered");
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 2));
    let bill = ledger_check::bill(&harness.env);
    assert_eq!((bill["a fox"].0, bill["a crow"].0), (1, 1));
    assert_eq!(job.cost().unwrap().decimal(), ledger_check::total(&bill));
    let from = job.created_at - chrono::TimeDelta::days(1);
    let query = CostQuery { from, to: from + chrono::TimeDelta::days(3), simulated: true };
    let report = harness.store.costs(query).await.unwrap().report(CostGrouping::Cause);
    assert_eq!((report.total_usd, report.count), (job.cost().unwrap(), 2), "no charge replaced the other");
}
