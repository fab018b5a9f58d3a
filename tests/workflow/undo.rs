//! Undo: a job goes back to what it was only where no money is forgotten by that.

use darkroom::engine::{CommandKind, CommandOutcome, Event, Settings, TagEdit};
use darkroom::jobs::{Review, StageName};
use darkroom::simulator::Speed;

use super::harness::WorkflowHarness;
use crate::support::ledger_check;

async fn undo(harness: &WorkflowHarness, outcome: CommandOutcome) -> Result<(), String> {
    let undone = harness.operator.undo(outcome).await.unwrap();
    assert_eq!(undone.kind, CommandKind::Undone);
    match undone.rejected.as_slice() {
        [] => Ok(()),
        [(_, why)] => Err(why.clone()),
        several => panic!("{several:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_restores_approve_hide_and_queued_cancel() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("a fox").await;
    let before = harness.job(&id).await;
    let cancelled = harness.operator.cancel(vec![id.clone()]).await.unwrap();
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Cancelled);
    undo(&harness, cancelled).await.unwrap();
    let after = harness.job(&id).await;
    assert_eq!((&after.stage, &after.attempts), (&before.stage, &before.attempts));

    harness.work().await;
    let hidden = harness.operator.hide(vec![id.clone()]).await.unwrap();
    assert!(harness.job(&id).await.hidden);
    undo(&harness, hidden).await.unwrap();
    assert!(!harness.job(&id).await.hidden);

    let approved = harness.operator.approve(vec![id.clone()]).await.unwrap();
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Approved);
    undo(&harness, approved.clone()).await.unwrap();
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Done);
    assert!(undo(&harness, approved).await.is_err(), "it is undone already");
    let rejected = harness.operator.reject_images(vec![id.clone()]).await.unwrap();
    assert_eq!(harness.job(&id).await.review(), Some(Review::Rejected));
    let again = harness.operator.reject_images(vec![id.clone()]).await.unwrap();
    assert_eq!(again.rejected[0].1, "it is already rejected");
    let approved = harness.operator.approve(vec![id.clone()]).await.unwrap();
    undo(&harness, approved).await.unwrap();
    assert_eq!(harness.job(&id).await.review(), Some(Review::Rejected), "as it was before the approval");
    undo(&harness, rejected.clone()).await.unwrap();
    assert_eq!(harness.job(&id).await.review(), Some(Review::Open));
    assert!(undo(&harness, rejected).await.is_err(), "it is undone already");
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_leaves_a_job_that_was_tagged_since() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("a fox").await;
    let cancelled = harness.operator.cancel(vec![id.clone()]).await.unwrap();
    harness.operator.tag(vec![id.clone()], &TagEdit::parse("keep").unwrap()).await.unwrap();
    let hidden = harness.operator.hide(vec![id.clone()]).await.unwrap();
    assert!(undo(&harness, cancelled.clone()).await.unwrap_err().contains("its tags were changed since"));
    harness.operator.tag(vec![id.clone()], &TagEdit::parse("-keep").unwrap()).await.unwrap();
    assert!(undo(&harness, cancelled.clone()).await.unwrap_err().contains("it was hidden since"));
    undo(&harness, hidden.clone()).await.unwrap();
    assert!(undo(&harness, hidden).await.unwrap_err().contains("it is not hidden now"));
    // Without any of that the job is what the cancellation left.
    undo(&harness, cancelled).await.unwrap();
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_of_tags_leaves_jobs_tagged_since() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let (id, other) = (harness.submit("a fox").await, harness.submit("a hen").await);
    let edit = |text: &str| TagEdit::parse(text).unwrap();
    let tagged = harness.operator.tag(vec![id.clone(), other.clone()], &edit("draft")).await.unwrap();
    harness.operator.tag(vec![id.clone()], &edit("cover")).await.unwrap();
    let undone = harness.operator.undo(tagged.clone()).await.unwrap();
    assert_eq!(undone.succeeded, std::slice::from_ref(&other));
    assert_eq!(undone.rejected, [(id.clone(), "cannot undo: its tags were changed since".to_owned())]);
    assert_eq!((harness.job(&id).await.tags, harness.job(&other).await.tags), (edit("draft cover").add, Vec::new()));
    // Without the later tag the job is what the command left.
    harness.operator.tag(vec![id.clone()], &edit("-cover")).await.unwrap();
    let undone = harness.operator.undo(tagged).await.unwrap();
    assert_eq!((undone.succeeded, harness.job(&id).await.tags), (vec![id], Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_of_cancel_resumes_the_ticket() {
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    let id = harness.submit("a fox").await;
    let mut engine = harness.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(_))).await;
    let cancelled = harness.operator.cancel(vec![id.clone()]).await.unwrap();
    engine.until("the end of the work on it", |event| matches!(event, Event::Slots { used: 0, .. })).await;
    let job = harness.job(&id).await;
    assert_eq!(job.stage_name(), StageName::Cancelled);
    assert_eq!(
        job.cost().unwrap().decimal(),
        ledger_check::total(&ledger_check::bill(&harness.env)),
        "it stays on the bill"
    );
    undo(&harness, cancelled).await.unwrap();
    harness.simulated_clock.forward(550);
    engine.until_stage(&id, StageName::Done).await;
    engine.stop().await;
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_can_be_undone_until_it_runs() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:moderated]").await;
    harness.work().await;
    let failed = harness.job(&id).await;
    let retried = harness.retry(&id).await;
    undo(&harness, retried.clone()).await.unwrap();
    let undone = harness.job(&id).await;
    assert_eq!((&undone.stage, &undone.attempts), (&failed.stage, &failed.attempts));
    let begun = harness.retry(&id).await;
    harness.work().await;
    assert!(undo(&harness, begun).await.unwrap_err().contains("it is failed now"));
    assert_eq!(harness.job(&id).await.attempts.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_undo_loses_no_charge() {
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    // Cancelled in the queue, tried again, accepted and billed, cancelled once more: undoing the first cancel would forget the
    // ticket and its charge, and order a second one.
    let id = harness.submit("a fox").await;
    let stale = harness.operator.cancel(vec![id.clone()]).await.unwrap();
    harness.retry(&id).await;
    let mut engine = harness.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(_))).await;
    harness.operator.cancel(vec![id.clone()]).await.unwrap();
    engine.stop().await;
    let charged = harness.job(&id).await;
    assert!(charged.cost().is_some());
    assert!(undo(&harness, stale).await.unwrap_err().contains("retried in the meantime"));
    assert_eq!(harness.job(&id).await, charged);

    // Retried, ordered and billed, retried again: undoing the first retry would forget the attempt in between.
    let id = harness.submit("[sim:lost]").await;
    harness.work_on(&id).await;
    let stale = harness.retry(&id).await;
    harness.work_on(&id).await;
    harness.retry(&id).await;
    let queued = harness.job(&id).await;
    assert_eq!((queued.stage_name(), queued.attempts.len()), (StageName::Queued, 3));
    assert!(undo(&harness, stale).await.unwrap_err().contains("retried in the meantime"));
    assert_eq!(harness.job(&id).await, queued);
}
