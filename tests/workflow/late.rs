//! Workers that were suspended over their claim and wake up late: whatever became of the job meanwhile, the receipt that they
//! hold is added to it, and every cent is explained.

use darkroom::costs::Basis;
use darkroom::engine::workflow::{Ran, WorkflowError};
use darkroom::jobs::{FailureCode, Job, JobId, Stage, StageName};
use darkroom::simulator::Speed;
use tokio::task::JoinHandle;

use super::workshop::{Workshop, within};
use crate::support::ledger_check;

/// Longer than any claim.
const AN_HOUR: i64 = 3_600;

fn is_given_up(job: &Job) -> bool {
    matches!(&job.stage, Stage::Failed { failure } if failure.code == FailureCode::SubmitUnknown)
}

/// A job whose order is answered, while its worker does not hear the answer before the door is opened.
async fn with_an_order_on_its_way() -> (Workshop, JobId, JoinHandle<Result<Ran, WorkflowError>>) {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("a fox").await;
    workshop.door.shut();
    let suspended = workshop.run_due("suspended", &workshop.door).await;
    workshop.door.answered(1).await;
    (workshop, id, suspended)
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_job_continues_with_a_late_receipt() {
    let (workshop, id, suspended) = with_an_order_on_its_way().await;
    workshop.clock.forward(AN_HOUR);
    let other = workshop.another_door();
    assert_eq!(workshop.run_due("other", &other).await.await.unwrap(), Ok(Ran::Finished));
    let given_up = workshop.job(&id).await;
    assert!(is_given_up(&given_up));
    assert_eq!(given_up.cost_basis(), Some(Basis::Unconfirmed));
    workshop.door.open();
    assert_eq!(within("its end", suspended).await.unwrap(), Ok(Ran::Finished));
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    assert_eq!((other.answers(), workshop.door.answers()), (0, 1), "nobody sent it twice");
    assert_eq!(ledger_check::check(&workshop.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_receipt_after_retry_confirms_the_charge() {
    let (workshop, id, suspended) = with_an_order_on_its_way().await;
    workshop.clock.forward(AN_HOUR);
    let other = workshop.another_door();
    workshop.run_due("other", &other).await.await.unwrap().unwrap();
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    workshop.door.open();
    assert_eq!(within("its end", suspended).await.unwrap(), Err(WorkflowError::Lost), "the new attempt is not its own");
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Queued, 2));
    assert_eq!(job.cost().unwrap().decimal(), ledger_check::total(&ledger_check::bill(&workshop.env)));
    workshop.work().await;
    let job = workshop.job(&id).await;
    assert_eq!(job.stage_name(), StageName::Done);
    let (times, billed) = ledger_check::bill(&workshop.env)["a fox"];
    assert_eq!((times, billed), (2, job.cost().unwrap().decimal()));
    assert!(job.charges().all(|charge| charge.basis == Basis::Quoted || charge.basis == Basis::Settled));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_receipt_keeps_another_workers_submit() {
    let (workshop, id, suspended) = with_an_order_on_its_way().await;
    workshop.clock.forward(AN_HOUR);
    let other = workshop.another_door();
    workshop.run_due("other", &other).await.await.unwrap().unwrap();
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    // The other worker's order is on its way when the first one wakes up.
    other.shut();
    let sending = workshop.run_due("other", &other).await;
    other.answered(1).await;
    workshop.door.open();
    assert_eq!(within("its end", suspended).await.unwrap(), Err(WorkflowError::Lost));
    let job = workshop.job(&id).await;
    assert_eq!(job.stage_name(), StageName::Submitting, "the other worker's note stands");
    assert!(job.attempts[0].receipt.is_some());
    other.open();
    assert_eq!(within("its end", sending).await.unwrap(), Ok(Ran::Finished));
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 2));
    let (times, billed) = ledger_check::bill(&workshop.env)["a fox"];
    assert_eq!((times, billed), (2, job.cost().unwrap().decimal()));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_receipt_after_conflict_is_charged_once() {
    let (workshop, id, suspended) = with_an_order_on_its_way().await;
    // A second handle of the same database changes the document between the order and its save.
    let second = darkroom::store::sqlite::SqliteStore::open(&workshop.env.data().join("darkroom.db")).unwrap();
    let mut job = workshop.job(&id).await;
    job.tags.push("seen".to_owned());
    darkroom::store::Store::save(&second, darkroom::store::Save::new(&job)).await.unwrap();
    workshop.door.open();
    assert_eq!(within("its end", suspended).await.unwrap(), Ok(Ran::Finished));
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), job.tags), (StageName::Done, vec!["seen".to_owned()]));
    assert_eq!(ledger_check::check(&workshop.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_suspended_before_submit_sends_nothing() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("a fox").await;
    // The claim that it writes would run out before an answer could come: the note goes back.
    let ran = workshop.run_with_a_short_lease().await;
    assert_eq!(ran, Ok(Ran::PutOff));
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), workshop.door.answers()), (StageName::Queued, 0));
    assert!(job.hold().unwrap().summary().contains("suspended"));
    workshop.work().await;
    assert_eq!(ledger_check::check(&workshop.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_job_returns_with_its_late_charge() {
    let (workshop, id, run) = with_an_order_on_its_way().await;
    let database = rusqlite::Connection::open(workshop.env.data().join("darkroom.db")).unwrap();
    assert_eq!(database.execute("DELETE FROM jobs WHERE id = ?1", [id.as_str()]).unwrap(), 1);
    workshop.door.open();
    assert_eq!(within("its end", run).await.unwrap(), Ok(Ran::Finished));
    assert_eq!(workshop.job(&id).await.stage_name(), StageName::Done);
    assert_eq!(ledger_check::check(&workshop.env, 1), 1, "and its cent is explained");
}
