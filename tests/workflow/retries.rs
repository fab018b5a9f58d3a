//! What a retry costs: nothing where the old ticket still has the image, a second order where it cannot.

use darkroom::costs::Basis;
use darkroom::engine::{CommandKind, Event, Settings};
use darkroom::jobs::{FailureCode, Job, JobId, Stage, StageName};
use darkroom::simulator::Speed;
use rust_decimal::Decimal;

use super::workshop::Workshop;
use crate::support::ledger_check;

fn failure(job: &Job) -> FailureCode {
    match &job.stage {
        Stage::Failed { failure } => failure.code,
        other => panic!("{} is {}", job.id, other.name()),
    }
}

/// How often the simulator billed that prompt, and how much.
fn billed(workshop: &Workshop, prompt: &str) -> (usize, Decimal) {
    ledger_check::bill(&workshop.env).get(prompt).copied().unwrap_or_default()
}

fn certain(job: &Job) -> Decimal {
    job.cost().expect("a certain cost").decimal()
}

/// Lets the job run into its deadline: the engine's clock is put forward while it waits for the ticket.
async fn run_into_the_deadline(workshop: &Workshop, id: &JobId) {
    let mut engine = workshop.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(progress) if &progress.id == id)).await;
    workshop.clock.forward(3_600);
    engine.until_stage(id, StageName::Failed).await;
    engine.stop().await;
    let job = workshop.job(id).await;
    assert_eq!(failure(&job), FailureCode::TimedOut);
    assert!(
        matches!(&job.stage, Stage::Failed { failure } if failure.message.starts_with("no image after 60 minutes"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_deadline_fetches_the_paid_image() {
    // Minutes for each image, by the simulator's own clock.
    let workshop = Workshop::new(Speed::Times(0.01)).await;
    let id = workshop.submit("late").await;
    run_into_the_deadline(&workshop, &id).await;
    assert_eq!(workshop.job(&id).await.cost_basis(), Some(Basis::Quoted), "it was accepted, so it is on the bill");
    let acted = workshop.desk.retry(vec![id.clone()]).await.unwrap();
    assert_eq!(acted.estimate, Some(darkroom::costs::Usd::ZERO));
    assert_eq!(workshop.job(&id).await.stage_name(), StageName::Generating);
    workshop.simulated_clock.forward(550);
    assert_eq!(workshop.work().await.trouble, None);
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    assert_eq!(billed(&workshop, "late"), (1, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_ticket_times_out_and_retry_resubmits() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:stuck]").await;
    run_into_the_deadline(&workshop, &id).await;
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    // The old ticket is asked, for as long as the first time; only then is a new one ordered.
    let mut engine = workshop.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(progress) if progress.id == id)).await;
    assert_eq!(billed(&workshop, "[sim:stuck]").0, 1);
    workshop.clock.forward(3_600);
    engine
        .until("the second ticket", |event| matches!(event, Event::Progress(progress) if progress.attempt == 2))
        .await;
    engine.stop().await;
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Generating, 2), "{:?}", job.stage);
    assert_eq!(job.claim, None, "given back");
    assert_eq!(billed(&workshop, "[sim:stuck]"), (2, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn unfetchable_image_fails_at_the_deadline() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:foreign-sample]").await;
    let mut engine = workshop.engine(Settings::default());
    engine.until_stage(&id, StageName::Generating).await;
    workshop.clock.forward(3_600);
    engine.until_stage(&id, StageName::Failed).await;
    engine.stop().await;
    let job = workshop.job(&id).await;
    assert_eq!(failure(&job), FailureCode::TimedOut);
    assert_eq!(billed(&workshop, "[sim:foreign-sample]"), (1, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupt_download_is_fetched_again() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:html*5]").await;
    workshop.work().await;
    assert_eq!(failure(&workshop.job(&id).await), FailureCode::ImageCorrupt);
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    workshop.work().await;
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 1));
    assert_eq!(billed(&workshop, "[sim:html*5]"), (1, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_moderation_is_charged_again() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:moderated]").await;
    workshop.work().await;
    assert_eq!(failure(&workshop.job(&id).await), FailureCode::RequestModerated);
    let acted = workshop.desk.retry(vec![id.clone()]).await.unwrap();
    assert_eq!(acted.kind, CommandKind::Retried);
    assert!(acted.estimate.is_some_and(|estimate| estimate > darkroom::costs::Usd::ZERO), "it will cost again");
    workshop.work().await;
    let job = workshop.job(&id).await;
    assert_eq!((failure(&job), job.attempts.len()), (FailureCode::RequestModerated, 2));
    let (times, amount) = billed(&workshop, "[sim:moderated]");
    assert_eq!(times, 2);
    let unknown = job.charges().map(|charge| {
        assert_eq!(charge.basis, Basis::Unknown);
        charge.amount.unwrap().decimal()
    });
    assert_eq!(unknown.sum::<Decimal>(), amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_of_lost_submit_keeps_unconfirmed_charge() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:lost*1]").await;
    workshop.work().await;
    assert_eq!(failure(&workshop.job(&id).await), FailureCode::SubmitUnknown);
    assert_eq!(billed(&workshop, "[sim:lost*1]").0, 1);
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    workshop.work().await;
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), job.attempts.len()), (StageName::Done, 2));
    let (times, amount) = billed(&workshop, "[sim:lost*1]");
    let unconfirmed = job.attempts[0].charge.as_ref().unwrap();
    assert_eq!((times, unconfirmed.basis), (2, Basis::Unconfirmed));
    assert_eq!(certain(&job) + unconfirmed.amount.unwrap().decimal(), amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_image_is_rechecked_before_paying_again() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:expired]").await;
    workshop.work().await;
    assert_eq!(failure(&workshop.job(&id).await), FailureCode::SampleExpired);
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    workshop.work().await;
    let job = workshop.job(&id).await;
    assert_eq!((failure(&job), job.attempts.len()), (FailureCode::SampleExpired, 2));
    assert_eq!(billed(&workshop, "[sim:expired]"), (2, certain(&job)));
}

#[tokio::test(flavor = "multi_thread")]
async fn ticket_claimed_after_hours_shows_its_age() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:stuck]").await;
    let mut engine = workshop.engine(Settings::default());
    engine.until("a look", |event| matches!(event, Event::Progress(_))).await;
    engine.stop().await;
    workshop.clock.forward(5 * 3_600);
    workshop.work().await;
    let job = workshop.job(&id).await;
    assert!(
        matches!(&job.stage, Stage::Failed { failure } if failure.message.contains("after 300 minutes")),
        "{:?}",
        job.stage
    );
}
