//! Single activities without a server, where what happened before matters: a claim, a death, a heartbeat, a second try.

use std::sync::Arc;

use darkroom::costs::Usd;
use darkroom::engine::temporal::Activities;
use darkroom::engine::temporal::payloads::{Heartbeat, Next, Pickup, Report, Task};
use darkroom::engine::{Settings, WorkerLock};
use darkroom::jobs::{Claim, JobId, StageName, WorkerId};
use darkroom::simulator::Speed;
use darkroom::store::{Save, Store};
use temporalio_common::data_converters::PayloadConverter;
use temporalio_sdk::activities::ActivityError;
use temporalio_sdk::testing::{ActivityEnvironment, ActivityEnvironmentError};

use crate::workflow::workshop::{Deaf, Workshop};

fn activities(workshop: &Workshop) -> Activities {
    let presence = Arc::new(WorkerLock::enter(&workshop.env.data()).unwrap());
    Activities::new(workshop.ports(), Settings::default(), presence, Arc::new(Deaf))
}

fn environment(workshop: &Workshop) -> ActivityEnvironment {
    ActivityEnvironment::builder().register_activities(activities(workshop)).build()
}

fn task(id: &JobId) -> Task {
    Task { job: id.clone(), simulated: true, store: String::new() }
}

/// The type of the failure, and whether it is tried again.
fn failure(result: Result<Report, ActivityEnvironmentError>) -> (String, bool) {
    match result {
        Err(ActivityEnvironmentError::Activity(ActivityError::Application(failure))) => {
            (failure.type_name().unwrap().to_owned(), !failure.is_non_retryable())
        }
        other => panic!("no failure of ours: {other:?}"),
    }
}

/// Leaves the job as a worker of that name does that has just written its note.
async fn on_its_way(workshop: &Workshop, id: &JobId, worker: &WorkerId) {
    let now = darkroom::time::Clock::now(workshop.clock.as_ref());
    let mut job = workshop.job(id).await;
    let claim = Claim { worker: worker.clone(), until: now + chrono::Duration::seconds(150) };
    job.begin_submit(claim, Some(Usd::ZERO), now).unwrap();
    workshop.store.save(Save::new(&job)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_possibly_in_flight_is_never_repeated() {
    let workshop = Workshop::new(Speed::Instant).await;
    let environment = environment(&workshop);
    let alive = WorkerLock::enter(&workshop.env.data()).unwrap();
    let busy = workshop.submit("on its way").await;
    on_its_way(&workshop, &busy, alive.worker()).await;
    let result = environment.run(Activities::submit, task(&busy)).await;
    assert_eq!(failure(result), ("busy".to_owned(), true), "whoever has it may still answer");
    // A worker that is provably gone never answers; one that is not heard of does not once its claim has run out.
    let dead = workshop.submit("of a dead worker").await;
    let gone = WorkerId::new("worker-1-dead");
    std::fs::write(workshop.env.data().join("workers/worker-1-dead.lock"), "").unwrap();
    on_its_way(&workshop, &dead, &gone).await;
    let given_up = environment.run(Activities::submit, task(&dead)).await.unwrap();
    workshop.clock.forward(200);
    let late = environment.run(Activities::submit, task(&busy)).await.unwrap();
    for report in [given_up, late] {
        assert_eq!((report.status.as_str(), &report.next), ("failed", &Next::None));
        assert!(report.note.unwrap().starts_with("submit_unknown"), "a person decides");
    }
    assert_eq!(workshop.door.answers(), 0, "nothing was ordered");
}

#[tokio::test(flavor = "multi_thread")]
async fn retried_activity_waits_for_its_ticket() {
    let workshop = Workshop::new(Speed::Instant).await;
    let environment = environment(&workshop);
    let id = workshop.submit("accepted").await;
    let first = environment.run(Activities::submit, task(&id)).await.unwrap();
    let second = environment.run(Activities::submit, task(&id)).await.unwrap();
    assert_eq!((&first.next, &second.next), (&Next::Wait, &Next::Wait));
    assert_eq!((first.ticket, workshop.door.answers()), (second.ticket, 1));
    let ready = environment.run(Activities::wait, task(&id)).await.unwrap();
    let Next::Store { sample, charged } = ready.next else { panic!("not ready: {ready:?}") };
    let pickup = Pickup { job: id.clone(), simulated: true, store: String::new(), attempt: 1, sample, charged };
    let given_up = Pickup { attempt: 2, ..pickup.clone() };
    let other = environment.run(Activities::store, given_up).await.unwrap();
    assert_eq!(other.status, "generating", "another attempt's image is left alone");
    for _ in 0..2 {
        let stored = environment.run(Activities::store, pickup.clone()).await.unwrap();
        assert_eq!((stored.status.as_str(), &stored.next), ("done", &Next::None));
        assert!(stored.image_url.is_some() && stored.cost_usd.is_some());
    }
    let called_off = environment.run(Activities::cancel, task(&id)).await.unwrap();
    assert_eq!(called_off.status, "done", "what is done stays done");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_with_a_wait_goes_on_counting() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("[sim:task-gone]").await;
    environment(&workshop).run(Activities::submit, task(&id)).await.unwrap();
    let before = Heartbeat { looks: 9, not_found: 5, ..Heartbeat::default() };
    let second = ActivityEnvironment::builder()
        .register_activities(activities(&workshop))
        .payload_converter(PayloadConverter::serde_json())
        .heartbeat_details(before)
        .unwrap()
        .build();
    // The sixth look in vain, by the second worker: it is believed.
    let report = second.run(Activities::wait, task(&id)).await.unwrap();
    assert!(report.note.unwrap().starts_with("ticket_lost"));
    let job = workshop.job(&id).await;
    let looks = job.attempt().unwrap().step(darkroom::jobs::StepName::Generate).unwrap();
    assert_eq!((job.stage_name(), looks.tries), (StageName::Failed, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_for_simulated_jobs_touches_no_other() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("real money").await;
    let mut job = workshop.job(&id).await;
    job.simulated = false;
    workshop.store.save(Save::new(&job)).await.unwrap();
    let environment = environment(&workshop);
    for result in [
        environment.run(Activities::submit, task(&id)).await,
        environment.run(Activities::wait, task(&id)).await,
        environment.run(Activities::cancel, task(&id)).await,
    ] {
        assert_eq!(failure(result), ("other_provider".to_owned(), true));
    }
    let nobody = JobId::new("nobody").unwrap();
    let gone = environment.run(Activities::submit, task(&nobody)).await.unwrap();
    assert_eq!((gone.status.as_str(), gone.next), ("gone", Next::None));
    assert_eq!((workshop.job(&id).await.stage_name(), workshop.door.answers()), (StageName::Queued, 0));
}
