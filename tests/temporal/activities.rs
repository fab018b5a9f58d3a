//! Single activities without a server, where what happened before matters: a claim, a death, a heartbeat, a second try.

use std::sync::Arc;

use darkroom::costs::Usd;
use darkroom::engine::temporal::Activities;
use darkroom::engine::temporal::payloads::{Heartbeat, JobInput, JobReport, NextStep, StoreInput};
use darkroom::engine::{Settings, WorkerLock};
use darkroom::jobs::{Claim, JobId, StageName, WorkerId};
use darkroom::provider::TicketStatus;
use darkroom::simulator::Speed;
use darkroom::store::{Save, Store};
use temporalio_common::data_converters::PayloadConverter;
use temporalio_sdk::activities::ActivityError;
use temporalio_sdk::testing::{ActivityEnvironment, ActivityEnvironmentError};

use crate::workflow::harness::{NullObserver, WorkflowHarness};

fn activities(harness: &WorkflowHarness) -> Activities {
    let worker_lock = Arc::new(WorkerLock::acquire(&harness.env.data()).unwrap());
    Activities::new(harness.ports(), Settings::default(), worker_lock, Arc::new(NullObserver))
}

fn environment(harness: &WorkflowHarness) -> ActivityEnvironment {
    ActivityEnvironment::builder().register_activities(activities(harness)).build()
}

fn task(id: &JobId) -> JobInput {
    JobInput { job: id.clone(), simulated: true, store: String::new() }
}

/// The type of the failure, and whether it is tried again.
fn failure(result: Result<JobReport, ActivityEnvironmentError>) -> (String, bool) {
    match result {
        Err(ActivityEnvironmentError::Activity(ActivityError::Application(failure))) => {
            (failure.type_name().unwrap().to_owned(), !failure.is_non_retryable())
        }
        other => panic!("no failure of ours: {other:?}"),
    }
}

/// Leaves the job as a worker of that name does that has just written its note.
async fn on_its_way(harness: &WorkflowHarness, id: &JobId, worker: &WorkerId) {
    let now = darkroom::time::Clock::now(harness.clock.as_ref());
    let mut job = harness.job(id).await;
    let claim = Claim { worker: worker.clone(), until: now + chrono::Duration::seconds(150) };
    job.begin_submit(claim, Some(Usd::ZERO), now).unwrap();
    harness.store.save(Save::new(&job)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_in_flight_is_never_sent_again() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let environment = environment(&harness);
    let alive = WorkerLock::acquire(&harness.env.data()).unwrap();
    let busy = harness.submit("on its way").await;
    on_its_way(&harness, &busy, alive.worker()).await;
    let result = environment.run(Activities::submit, task(&busy)).await;
    assert_eq!(failure(result), ("busy".to_owned(), true), "the claim holder may still reply");
    // A worker that is provably dead never replies; an unreachable one does not once its claim has expired.
    let dead = harness.submit("of a dead worker").await;
    let gone = WorkerId::new("worker-1-dead");
    std::fs::write(harness.env.data().join("workers/worker-1-dead.lock"), "").unwrap();
    on_its_way(&harness, &dead, &gone).await;
    let given_up = environment.run(Activities::submit, task(&dead)).await.unwrap();
    harness.clock.forward(200);
    let late = environment.run(Activities::submit, task(&busy)).await.unwrap();
    for report in [given_up, late] {
        assert_eq!((report.status.as_str(), &report.next), ("failed", &NextStep::None));
        assert!(report.note.unwrap().starts_with("submit_unknown"), "a person decides");
    }
    assert_eq!(harness.provider.replies(), 0, "nothing was ordered");
}

/// Speed at which no image is ready before the simulator's clock is put forward.
const SLOW: Speed = Speed::Times(0.1);

/// Longer than any image takes at `SLOW`, in seconds.
const UNTIL_READY: i64 = 120;

#[tokio::test(flavor = "multi_thread")]
async fn second_try_of_accepted_submit_polls_ticket() {
    let harness = WorkflowHarness::new(SLOW).await;
    let environment = environment(&harness);
    let id = harness.submit("accepted").await;
    let first = environment.run(Activities::submit, task(&id)).await.unwrap();
    let second = environment.run(Activities::submit, task(&id)).await.unwrap();
    assert_eq!((&first.next, &second.next), (&NextStep::Poll, &NextStep::Poll));
    assert_eq!((first.ticket, harness.provider.replies()), (second.ticket, 1));
    harness.simulated_clock.forward(UNTIL_READY);
    for _ in 0..2 {
        let stored = environment.run(Activities::wait, task(&id)).await.unwrap();
        assert_eq!((stored.status.as_str(), &stored.next), ("done", &NextStep::None));
        assert!(stored.image_url.is_some() && stored.cost_usd.is_some());
    }
    let called_off = environment.run(Activities::cancel, task(&id)).await.unwrap();
    assert_eq!(called_off.status, "done", "what is done stays done");
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_stores_image_that_is_ready_at_once() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let environment = environment(&harness);
    let id = harness.submit("ready").await;
    for _ in 0..2 {
        let stored = environment.run(Activities::submit, task(&id)).await.unwrap();
        assert_eq!((stored.status.as_str(), &stored.next), ("done", &NextStep::None));
        assert!(stored.image_url.is_some() && stored.cost_usd.is_some());
    }
    assert_eq!(harness.provider.replies(), 1, "one request");
    // A ticket in any other state is left to `wait`, which decides.
    let moderated = harness.submit("a crowd [sim:moderated]").await;
    let submitted = environment.run(Activities::submit, task(&moderated)).await.unwrap();
    assert_eq!((submitted.status.as_str(), &submitted.next), ("generating", &NextStep::Poll));
    let ended = environment.run(Activities::wait, task(&moderated)).await.unwrap();
    assert_eq!((ended.status.as_str(), &ended.next), ("failed", &NextStep::None));
}

/// The link of an image that is ready at once does not work: the same activity polls for another one, or leaves the job as `wait` would.
#[tokio::test(flavor = "multi_thread")]
async fn download_that_fails_in_submit_is_repeated() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let environment = environment(&harness);
    let id = harness.submit("rejected twice").await;
    harness.provider.reject_downloads(2);
    let stored = environment.run(Activities::submit, task(&id)).await.unwrap();
    assert_eq!((stored.status.as_str(), harness.provider.replies()), ("done", 1));
}

/// A delay that the provider requests is longer than `submit` polls: `wait` must not poll earlier.
#[tokio::test(flavor = "multi_thread")]
async fn requested_poll_delay_outlives_submit() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("later [sim:poll-503]").await;
    let report = environment(&harness).run(Activities::submit, task(&id)).await.unwrap();
    let until = harness.job(&id).await.not_before.unwrap();
    assert_eq!((report.status.as_str(), report.next), ("generating", NextStep::Defer { until }));
    assert_eq!(harness.provider.checks().len(), 1);
}

/// A workflow whose `wait` was performed by an earlier version: that one reported the link and stored nothing.
#[tokio::test(flavor = "multi_thread")]
async fn link_of_earlier_version_is_still_stored() {
    let harness = WorkflowHarness::new(SLOW).await;
    let environment = environment(&harness);
    let id = harness.submit("accepted").await;
    environment.run(Activities::submit, task(&id)).await.unwrap();
    harness.simulated_clock.forward(UNTIL_READY);
    let job = harness.job(&id).await;
    let ticket = &job.attempt().unwrap().receipt.as_ref().unwrap().ticket;
    let (link, charged) = loop {
        match harness.ports().provider.check(ticket).await.unwrap() {
            TicketStatus::Ready { sample, cost } => break (sample.url, cost),
            TicketStatus::Pending { .. } => tokio::task::yield_now().await,
            failed @ TicketStatus::Failed { .. } => panic!("not ready: {failed:?}"),
        }
    };
    let pickup = StoreInput { job: id.clone(), simulated: true, store: String::new(), attempt: 1, link, charged };
    let given_up = StoreInput { attempt: 2, ..pickup.clone() };
    let other = environment.run(Activities::store, given_up).await.unwrap();
    assert_eq!(other.status, "generating", "another attempt's image is left alone");
    for _ in 0..2 {
        let stored = environment.run(Activities::store, pickup.clone()).await.unwrap();
        assert_eq!((stored.status.as_str(), &stored.next), ("done", &NextStep::None));
        assert!(stored.image_url.is_some() && stored.cost_usd.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn second_worker_continues_poll_counts() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("[sim:task-gone]").await;
    environment(&harness).run(Activities::submit, task(&id)).await.unwrap();
    let before = Heartbeat { polls: 9, not_found: 5, ..Heartbeat::default() };
    let second = ActivityEnvironment::builder()
        .register_activities(activities(&harness))
        .payload_converter(PayloadConverter::serde_json())
        .heartbeat_details(before)
        .unwrap()
        .build();
    // The sixth look in vain, by the second worker: it is believed.
    let report = second.run(Activities::wait, task(&id)).await.unwrap();
    assert!(report.note.unwrap().starts_with("ticket_lost"));
    let job = harness.job(&id).await;
    let looks = job.attempt().unwrap().step(darkroom::jobs::StepName::Generate).unwrap();
    assert_eq!((job.stage_name(), looks.tries), (StageName::Failed, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_worker_leaves_real_jobs_alone() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("real money").await;
    let mut job = harness.job(&id).await;
    job.simulated = false;
    harness.store.save(Save::new(&job)).await.unwrap();
    let environment = environment(&harness);
    for result in [
        environment.run(Activities::submit, task(&id)).await,
        environment.run(Activities::wait, task(&id)).await,
        environment.run(Activities::cancel, task(&id)).await,
    ] {
        assert_eq!(failure(result), ("other_provider".to_owned(), true));
    }
    let missing = JobId::new("missing").unwrap();
    let gone = environment.run(Activities::submit, task(&missing)).await.unwrap();
    assert_eq!((gone.status.as_str(), gone.next), ("gone", NextStep::None));
    assert_eq!((harness.job(&id).await.stage_name(), harness.provider.replies()), (StageName::Queued, 0));
}
