//! The journal of a worker's submits: what a later worker concludes from it, and what happens where it cannot be written.

use darkroom::catalog::Catalog;
use darkroom::costs::Basis;
use darkroom::engine::{Dependency, Event, Intake, Outage, RetryPrice, Settings};
use darkroom::jobs::{BillingStatus, Hold, Stage, StageName};
use darkroom::simulator::Speed;
use darkroom::store::{Save, Store};

use super::harness::{WorkflowHarness, within};
use crate::support::ledger_check;

#[tokio::test(flavor = "multi_thread")]
async fn unwritable_journal_sends_nothing() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let mut engine = harness.engine(Settings::default());
    // The engine has its lock file; the journal is created by the first submit.
    let folder = harness.env.data().join("workers");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "not a directory").unwrap();
    let id = harness.submit("a fox").await;
    let blocked =
        engine.until("a blocked intake", |event| matches!(event, Event::Intake(Intake::AccountBlocked(_)))).await;
    let Event::Intake(Intake::AccountBlocked(Outage { dependency, reason, .. })) = blocked else { unreachable!() };
    assert_eq!(dependency, Dependency::Journal);
    assert!(reason.starts_with("cannot write the submit journal"), "{reason}");
    // The intake is blocked before the hold is saved.
    within("the hold", async {
        while !matches!(harness.job(&id).await.hold(), Some(Hold::Account { .. })) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(harness.provider.replies(), 0, "nothing was sent");
    engine.stop().await;
    std::fs::remove_file(&folder).unwrap();
    harness.work().await;
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn journal_confirms_what_another_worker_gave_up() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("a fox").await;
    let mut killed = harness.env.command(&["worker", "--until-idle"]);
    let output = killed.env("DARKROOM_CRASH_AT", "answer_recorded").output().unwrap();
    assert!(!output.status.success());
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Submitting);
    // A worker of another machine has no journal of the dead one.
    harness.clock.forward(3_600);
    harness.run_due("another machine", &harness.provider).await.await.unwrap().unwrap();
    assert_eq!(harness.job(&id).await.cost_basis(), Some(Basis::Unconfirmed));
    let output = harness.env.run(&["worker", "--until-idle"]);
    assert!(output.status.success());
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1), "{job:?}");
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn journal_releases_what_was_never_sent() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("a fox").await;
    let mut killed = harness.env.command(&["worker", "--until-idle"]);
    let output = killed.env("DARKROOM_CRASH_AT", "before_post").output().unwrap();
    assert!(!output.status.success());
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Submitting);
    // A worker of another machine has no journal of the dead one.
    harness.clock.forward(3_600);
    harness.run_due("another machine", &harness.provider).await.await.unwrap().unwrap();
    let given_up = harness.job(&id).await;
    assert_eq!(given_up.cost_basis(), Some(Basis::Unconfirmed));
    assert_eq!(RetryPrice::of([&given_up], Catalog::builtin()).maybe_billed, 1);
    // The machine of the dead worker is back.
    let output = harness.env.run(&["worker", "--until-idle"]);
    assert!(output.status.success());
    let job = harness.job(&id).await;
    let Stage::Failed { failure } = &job.stage else { panic!("{job:?}") };
    assert_eq!(failure.billed, BillingStatus::No);
    assert!(failure.message.starts_with("the request was not accepted"), "{}", failure.message);
    assert_eq!(job.charges().count(), 0);
    let resolution = job.attempts[0].resolution.as_ref().unwrap();
    assert!(!resolution.billed && resolution.by.starts_with("journal of "), "{resolution:?}");
    assert_eq!(RetryPrice::of([&job], Catalog::builtin()).maybe_billed, 0);
    let costs = harness.env.json(&["costs", "--json"]);
    assert_eq!(costs["unconfirmed_usd"], "0");
    harness.retry(&id).await;
    harness.work().await;
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Done);
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

/// The journal of a worker says nothing about the submit of another one.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn journal_releases_no_submit_of_another_worker() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:lost*1]").await;
    let mut killed = harness.env.command(&["worker", "--until-idle"]);
    let output = killed.env("DARKROOM_CRASH_AT", "before_post").output().unwrap();
    assert!(!output.status.success());
    // An operator's tool of another machine puts the job back; that machine submits the same attempt, and gets no answer.
    let mut job = harness.job(&id).await;
    let now = darkroom::time::Clock::now(harness.clock.as_ref());
    job.requeue(Hold::RetryAt { reason: "put back".to_owned() }, now, now).unwrap();
    harness.store.save(Save::new(&job)).await.unwrap();
    let job = harness.job(&id).await;
    harness.run_job("another machine", job).await.unwrap();
    assert_eq!(harness.job(&id).await.cost_basis(), Some(Basis::Unconfirmed));
    let output = harness.env.run(&["worker", "--until-idle"]);
    assert!(output.status.success());
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.cost_basis()), (StageName::Failed, Some(Basis::Unconfirmed)), "{job:?}");
}

/// The reply shows that nothing was accepted, but arrives after another worker gave the job up.
#[tokio::test(flavor = "multi_thread")]
async fn late_refusal_releases_the_charge() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:429]").await;
    harness.provider.hold_replies();
    let suspended = harness.run_due("suspended", &harness.provider).await;
    harness.provider.until_replies(1).await;
    harness.clock.forward(3_600);
    harness.run_due("another", &harness.another_provider()).await.await.unwrap().unwrap();
    assert_eq!(harness.job(&id).await.cost_basis(), Some(Basis::Unconfirmed));
    harness.provider.release_replies();
    within("the end of the run", suspended).await.unwrap().unwrap_err();
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.charges().count()), (StageName::Failed, 0), "{job:?}");
    assert!(job.attempts[0].resolution.as_ref().is_some_and(|resolution| !resolution.billed));
}
