//! What a retry costs: nothing where the old ticket still has the image, a second order where it cannot.

use darkroom::costs::Basis;
use darkroom::engine::{CommandKind, Event, Settings};
use darkroom::jobs::{FailureCode, Job, JobId, Stage, StageName};
use darkroom::simulator::Speed;
use rust_decimal::Decimal;

use super::harness::WorkflowHarness;
use crate::support::ledger_check;

fn failure(job: &Job) -> FailureCode {
    match &job.stage {
        Stage::Failed { failure } => failure.code,
        other => panic!("{} is {}", job.id, other.name()),
    }
}

/// How often the simulator billed that prompt, and how much.
fn billed(harness: &WorkflowHarness, prompt: &str) -> (usize, Decimal) {
    ledger_check::bill(&harness.env).get(prompt).copied().unwrap_or_default()
}

fn certain(job: &Job) -> Decimal {
    job.cost().expect("a certain cost").decimal()
}

/// Lets the job run into its deadline: the engine's clock is put forward while it waits for the ticket.
async fn run_into_the_deadline(harness: &WorkflowHarness, id: &JobId) {
    let mut engine = harness.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(progress) if &progress.id == id)).await;
    harness.clock.forward(3_600);
    engine.until_stage(id, StageName::Failed).await;
    engine.stop().await;
    let job = harness.job(id).await;
    assert_eq!(failure(&job), FailureCode::TimedOut);
    assert!(
        matches!(&job.stage, Stage::Failed { failure } if failure.message.starts_with("no image after 60 minutes"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_deadline_fetches_old_image_free() {
    // Minutes for each image, by the simulator's own clock.
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    let id = harness.submit("late").await;
    run_into_the_deadline(&harness, &id).await;
    assert_eq!(harness.job(&id).await.cost_basis(), Some(Basis::Quoted), "it was accepted, so it is on the bill");
    let outcome = harness.operator.retry(vec![id.clone()]).await.unwrap();
    assert_eq!(outcome.estimate, Some(darkroom::costs::Usd::ZERO));
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Generating);
    harness.simulated_clock.forward(550);
    assert_eq!(harness.work().await.trouble, None);
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    assert_eq!(billed(&harness, "late"), (1, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_of_stuck_ticket_polls_before_submit() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:stuck]").await;
    run_into_the_deadline(&harness, &id).await;
    harness.operator.retry(vec![id.clone()]).await.unwrap();
    // The old ticket is asked, for as long as the first time; only then is a new one ordered.
    let mut engine = harness.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(progress) if progress.id == id)).await;
    assert_eq!(billed(&harness, "[sim:stuck]").0, 1);
    harness.clock.forward(3_600);
    engine
        .until("the second ticket", |event| matches!(event, Event::Progress(progress) if progress.attempt == 2))
        .await;
    engine.stop().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Generating, 2), "{:?}", job.stage);
    assert_eq!(job.claim, None, "given back");
    assert_eq!(billed(&harness, "[sim:stuck]"), (2, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn unfetchable_image_fails_at_deadline() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:foreign-sample]").await;
    let mut engine = harness.engine(Settings::default());
    engine.until_stage(&id, StageName::Generating).await;
    harness.clock.forward(3_600);
    engine.until_stage(&id, StageName::Failed).await;
    engine.stop().await;
    let job = harness.job(&id).await;
    assert_eq!(failure(&job), FailureCode::TimedOut);
    assert_eq!(billed(&harness, "[sim:foreign-sample]"), (1, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn always_rejected_link_fails_at_deadline() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    // Every link stays valid past the deadline.
    harness.simulated_clock.forward(7_200);
    harness.provider.reject_downloads(u32::MAX);
    let id = harness.submit("a fox").await;
    let mut engine = harness.engine(Settings::default());
    engine.until_stage(&id, StageName::Generating).await;
    harness.clock.forward(3_600);
    engine.until_stage(&id, StageName::Failed).await;
    engine.stop().await;
    let job = harness.job(&id).await;
    assert_eq!(failure(&job), FailureCode::TimedOut);
    assert_eq!(billed(&harness, "a fox"), (1, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupt_download_is_refetched_on_retry() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:html*5]").await;
    harness.work().await;
    assert_eq!(failure(&harness.job(&id).await), FailureCode::ImageCorrupt);
    harness.operator.retry(vec![id.clone()]).await.unwrap();
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    assert_eq!(billed(&harness, "[sim:html*5]"), (1, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_moderation_is_billed_again() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:moderated]").await;
    harness.work().await;
    assert_eq!(failure(&harness.job(&id).await), FailureCode::RequestModerated);
    let outcome = harness.operator.retry(vec![id.clone()]).await.unwrap();
    assert_eq!(outcome.kind, CommandKind::Retried);
    assert!(outcome.estimate.is_some_and(|estimate| estimate > darkroom::costs::Usd::ZERO), "it will cost again");
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((failure(&job), job.attempts.len()), (FailureCode::RequestModerated, 2));
    let (times, amount) = billed(&harness, "[sim:moderated]");
    assert_eq!(times, 2);
    let unknown = job.charges().map(|charge| {
        assert_eq!(charge.basis, Basis::Unknown);
        charge.amount.unwrap().decimal()
    });
    assert_eq!(unknown.sum::<Decimal>(), amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_of_unknown_submit_keeps_unconfirmed() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:lost*1]").await;
    harness.work().await;
    assert_eq!(failure(&harness.job(&id).await), FailureCode::SubmitUnknown);
    assert_eq!(billed(&harness, "[sim:lost*1]").0, 1);
    harness.operator.retry(vec![id.clone()]).await.unwrap();
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 2));
    let (times, amount) = billed(&harness, "[sim:lost*1]");
    let unconfirmed = job.attempts[0].charge.as_ref().unwrap();
    assert_eq!((times, unconfirmed.basis), (2, Basis::Unconfirmed));
    assert_eq!(certain(&job) + unconfirmed.amount.unwrap().decimal(), amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_of_expired_link_polls_before_paying() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:expired]").await;
    harness.work().await;
    assert_eq!(failure(&harness.job(&id).await), FailureCode::SampleExpired);
    harness.operator.retry(vec![id.clone()]).await.unwrap();
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((failure(&job), job.attempts.len()), (FailureCode::SampleExpired, 2));
    assert_eq!(billed(&harness, "[sim:expired]"), (2, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn timeout_message_counts_time_before_takeover() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:stuck]").await;
    let mut engine = harness.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(_))).await;
    engine.stop().await;
    harness.clock.forward(5 * 3_600);
    harness.work().await;
    let job = harness.job(&id).await;
    assert!(
        matches!(&job.stage, Stage::Failed { failure } if failure.message.contains("after 300 minutes")),
        "{:?}",
        job.stage
    );
}
