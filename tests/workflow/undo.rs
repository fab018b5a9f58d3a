//! Undo: a job goes back to what it was only where no money is forgotten by that.

use darkroom::engine::{CommandKind, CommandOutcome, Event, Settings};
use darkroom::jobs::StageName;
use darkroom::simulator::Speed;

use super::workshop::Workshop;
use crate::support::ledger_check;

async fn undo(workshop: &Workshop, acted: CommandOutcome) -> Result<(), String> {
    let undone = workshop.desk.undo(acted.kind, acted.previous).await.unwrap();
    assert_eq!(undone.kind, CommandKind::Undone);
    match undone.rejected.as_slice() {
        [] => Ok(()),
        [(_, why)] => Err(why.clone()),
        several => panic!("{several:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_hide_and_cancel_can_be_undone() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("a fox").await;
    let before = workshop.job(&id).await;
    let cancelled = workshop.desk.cancel(vec![id.clone()]).await.unwrap();
    assert_eq!(workshop.job(&id).await.stage_name(), StageName::Cancelled);
    undo(&workshop, cancelled).await.unwrap();
    let after = workshop.job(&id).await;
    assert_eq!((&after.stage, &after.attempts), (&before.stage, &before.attempts));

    workshop.work().await;
    let hidden = workshop.desk.hide(vec![id.clone()]).await.unwrap();
    assert!(workshop.job(&id).await.hidden);
    undo(&workshop, hidden).await.unwrap();
    assert!(!workshop.job(&id).await.hidden);

    let approved = workshop.desk.approve(vec![id.clone()]).await.unwrap();
    assert_eq!(workshop.job(&id).await.stage_name(), StageName::Approved);
    undo(&workshop, approved.clone()).await.unwrap();
    assert_eq!(workshop.job(&id).await.stage_name(), StageName::Done);
    assert!(undo(&workshop, approved).await.is_err(), "it is undone already");
    assert_eq!(ledger_check::check(&workshop.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_of_running_job_is_undone_and_collected() {
    let workshop = Workshop::new(Speed::Times(0.01)).await;
    let id = workshop.submit("a fox").await;
    let mut engine = workshop.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(_))).await;
    let cancelled = workshop.desk.cancel(vec![id.clone()]).await.unwrap();
    engine.until("the end of the work on it", |event| matches!(event, Event::Slots { used: 0, .. })).await;
    let job = workshop.job(&id).await;
    assert_eq!(job.stage_name(), StageName::Cancelled);
    assert_eq!(
        job.cost().unwrap().decimal(),
        ledger_check::total(&ledger_check::bill(&workshop.env)),
        "it stays on the bill"
    );
    undo(&workshop, cancelled).await.unwrap();
    workshop.simulated_clock.forward(550);
    engine.until_stage(&id, StageName::Done).await;
    engine.stop().await;
    assert_eq!(ledger_check::check(&workshop.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_undone_until_it_has_begun() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:moderated]").await;
    workshop.work().await;
    let failed = workshop.job(&id).await;
    let retried = workshop.desk.retry(vec![id.clone()]).await.unwrap();
    undo(&workshop, retried.clone()).await.unwrap();
    let undone = workshop.job(&id).await;
    assert_eq!((&undone.stage, &undone.attempts), (&failed.stage, &failed.attempts));
    let begun = workshop.desk.retry(vec![id.clone()]).await.unwrap();
    workshop.work().await;
    assert!(undo(&workshop, begun).await.unwrap_err().contains("failed by now"));
    assert_eq!(workshop.job(&id).await.attempts.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_comes_late_forgets_no_money() {
    let workshop = Workshop::new(Speed::Times(0.01)).await;
    // Cancelled in the queue, tried again, accepted and billed, cancelled once more: undoing the first cancel would forget the
    // ticket and its charge, and order a second one.
    let id = workshop.submit("a fox").await;
    let stale = workshop.desk.cancel(vec![id.clone()]).await.unwrap();
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    let mut engine = workshop.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(_))).await;
    workshop.desk.cancel(vec![id.clone()]).await.unwrap();
    engine.stop().await;
    let charged = workshop.job(&id).await;
    assert!(charged.cost().is_some());
    assert!(undo(&workshop, stale).await.unwrap_err().contains("tried again"));
    assert_eq!(workshop.job(&id).await, charged);

    // Retried, ordered and billed, retried again: undoing the first retry would forget the attempt in between.
    let id = workshop.submit("[sim:lost]").await;
    workshop.work_on(&id).await;
    let stale = workshop.desk.retry(vec![id.clone()]).await.unwrap();
    workshop.work_on(&id).await;
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    let queued = workshop.job(&id).await;
    assert_eq!((queued.stage_name(), queued.attempts.len()), (StageName::Queued, 3));
    assert!(undo(&workshop, stale).await.unwrap_err().contains("tried again"));
    assert_eq!(workshop.job(&id).await, queued);
}
