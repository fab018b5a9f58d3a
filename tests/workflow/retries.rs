//! What a retry costs: nothing where the old ticket still has the image, a second order where it cannot.

use darkroom::catalog::Catalog;
use darkroom::costs::Basis;
use darkroom::engine::{CommandKind, Event, RetryPrice, Settings, fingerprint};
use darkroom::jobs::{FailureCode, Job, JobId, Stage, StageName};
use darkroom::simulator::Speed;
use rust_decimal::Decimal;

use super::harness::{Engine, WorkflowHarness};
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
    let outcome = harness.retry(&id).await;
    assert_eq!(outcome.estimate, Some(darkroom::costs::Usd::ZERO));
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Generating);
    harness.simulated_clock.forward(550);
    assert_eq!(harness.work().await.trouble, None);
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    assert_eq!(billed(&harness, "late"), (1, certain(&job)));
}

/// Retries the job and lets the check of its stuck ticket run into its deadline.
async fn retry_into_the_deadline(harness: &WorkflowHarness, id: &JobId) -> Engine {
    harness.retry(id).await;
    let mut engine = harness.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(progress) if &progress.id == id)).await;
    harness.clock.forward(3_600);
    engine
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_of_stuck_ticket_submits_nothing() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:stuck]").await;
    run_into_the_deadline(&harness, &id).await;
    let mut engine = retry_into_the_deadline(&harness, &id).await;
    engine.until_stage(&id, StageName::Failed).await;
    engine.stop().await;
    let job = harness.job(&id).await;
    assert_eq!((failure(&job), job.attempts.len()), (FailureCode::TimedOut, 1), "the old task may still live");
    assert_eq!(billed(&harness, "[sim:stuck]"), (1, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn second_retry_of_stuck_ticket_may_pay() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:stuck]").await;
    run_into_the_deadline(&harness, &id).await;
    let mut engine = retry_into_the_deadline(&harness, &id).await;
    engine.until_stage(&id, StageName::Failed).await;
    engine.stop().await;
    let price = RetryPrice::of([&harness.job(&id).await], Catalog::builtin());
    assert_eq!((price.free, price.paid, price.maybe_billed), (0, 1, 1), "named before it");
    let mut engine = retry_into_the_deadline(&harness, &id).await;
    engine
        .until("the second ticket", |event| matches!(event, Event::Progress(progress) if progress.attempt == 2))
        .await;
    engine.stop().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Generating, 2), "{:?}", job.stage);
    assert_eq!(job.claim, None, "given back");
    assert_eq!(billed(&harness, "[sim:stuck]"), (2, certain(&job)));
}

/// The deadline of a check does not begin again with every worker that continues it.
#[tokio::test(flavor = "multi_thread")]
async fn deadline_of_a_recheck_survives_its_worker() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:stuck]").await;
    run_into_the_deadline(&harness, &id).await;
    let engine = retry_into_the_deadline(&harness, &id).await;
    engine.stop().await;
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((failure(&job), job.attempts.len()), (FailureCode::TimedOut, 1));
}

/// The task holds an image that cannot be downloaded: no retry waits for it for ever, and none pays again.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_link_of_a_recheck_has_a_deadline() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    // Every link stays valid past all deadlines.
    harness.simulated_clock.forward(36_000);
    harness.provider.reject_downloads(u32::MAX);
    let id = harness.submit("a fox").await;
    let mut engine = harness.engine(Settings::default());
    for retries in 0..3 {
        engine.until_stage(&id, StageName::Generating).await;
        harness.clock.forward(3_600);
        engine.until_stage(&id, StageName::Failed).await;
        let job = harness.job(&id).await;
        assert_eq!((failure(&job), job.attempts.len()), (FailureCode::TimedOut, 1), "after {retries} retries");
        if retries < 2 {
            harness.retry(&id).await;
        }
    }
    engine.stop().await;
    assert_eq!(billed(&harness, "a fox"), (1, certain(&harness.job(&id).await)));
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
    harness.retry(&id).await;
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
    let outcome = harness.retry(&id).await;
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
    harness.retry(&id).await;
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 2));
    let (times, amount) = billed(&harness, "[sim:lost*1]");
    let unconfirmed = job.attempts[0].charge.as_ref().unwrap();
    assert_eq!((times, unconfirmed.basis), (2, Basis::Unconfirmed));
    assert_eq!(certain(&job) + unconfirmed.amount.unwrap().decimal(), amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_is_refused_after_its_price_changed() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:expired]").await;
    harness.work().await;
    // One operator is shown that the retry is free; meanwhile the free check of another one fails.
    let shown = harness.job(&id).await;
    assert_eq!(RetryPrice::of([&shown], Catalog::builtin()).free, 1);
    harness.retry(&id).await;
    harness.work().await;
    let failed_again = harness.job(&id).await;
    let outcome = harness.operator.retry(vec![(id.clone(), fingerprint(&shown))]).await.unwrap();
    assert!(outcome.succeeded.is_empty());
    let why = &outcome.rejected[0].1;
    assert!(
        why.starts_with("it changed since its price was shown: it is failed") && why.contains("for its price"),
        "{why}"
    );
    harness.work().await;
    assert_eq!(harness.job(&id).await, failed_again);
    assert_eq!(billed(&harness, "[sim:expired]").0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_of_expired_link_polls_before_paying() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:expired]").await;
    harness.work().await;
    assert_eq!(failure(&harness.job(&id).await), FailureCode::SampleExpired);
    // The first retry is free, and stays free although it finds nothing; the second one was priced.
    for attempts in [1, 2] {
        harness.retry(&id).await;
        harness.work().await;
        let job = harness.job(&id).await;
        assert_eq!((failure(&job), job.attempts.len()), (FailureCode::SampleExpired, attempts));
        assert_eq!(billed(&harness, "[sim:expired]"), (attempts, certain(&job)));
    }
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

/// The provider named an address that must not get the key; its own host knows the task.
#[tokio::test(flavor = "multi_thread")]
async fn retry_of_untrusted_host_polls_by_id() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:foreign]").await;
    harness.work().await;
    assert_eq!(failure(&harness.job(&id).await), FailureCode::UntrustedHost);
    let price = RetryPrice::of([&harness.job(&id).await], Catalog::builtin());
    assert_eq!((price.free, price.paid), (1, 0));
    harness.retry(&id).await;
    harness.work().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1), "{job:?}");
    assert_eq!(billed(&harness, "[sim:foreign]"), (1, certain(&job)));
}
