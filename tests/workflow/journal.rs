//! The journal of a worker's submits: what a later worker concludes from it, and what happens where it cannot be written.

use darkroom::costs::Basis;
use darkroom::engine::{Dependency, Event, Intake, Outage, Settings};
use darkroom::jobs::{Hold, StageName};
use darkroom::simulator::Speed;

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
