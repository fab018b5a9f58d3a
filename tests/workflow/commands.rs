//! Orders to a running engine: pause, resume, slots, cancel, stop; each with the real adapters.

use chrono::Utc;
use darkroom::costs::{Budget, Usd};
use darkroom::engine::{Command, CommandKind, Event, Intake, Mode, Pause, Settings};
use darkroom::jobs::StageName;
use darkroom::simulator::Speed;

use super::harness::{WorkflowHarness, small};
use crate::support::ledger_check;

#[tokio::test(flavor = "multi_thread")]
async fn relative_image_path_is_stored_absolute() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let mut engine = harness.engine(Settings { mode: Mode::Observe, ..Settings::default() });
    let (mut fox, mut foreign) = (small("a fox"), small("a hen"));
    fox.spec = fox.spec.with("input_image", "in.png").with("input_image_2", "/tmp/in.png");
    // What another program named is never a file.
    foreign.spec = foreign.spec.with("input_image", "in.png");
    foreign.spec.from_shared_store = true;
    engine.send(Command::Submit(vec![fox, foreign])).await;
    let outcome = engine.until("the jobs", |event| matches!(event, Event::CommandCompleted(_))).await;
    let Event::CommandCompleted(outcome) = outcome else { unreachable!() };
    engine.stop().await;
    let stored = harness.job(&outcome.succeeded[0]).await.spec.parameters;
    assert_eq!(stored["input_image"], std::env::current_dir().unwrap().join("in.png").to_str().unwrap());
    assert_eq!(stored["input_image_2"], "/tmp/in.png");
    assert_eq!(harness.job(&outcome.succeeded[1]).await.spec.parameters["input_image"], "in.png");
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_intake_starts_nothing_until_resumed() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let mut engine = harness.engine(Settings::default());
    engine.send(Command::PauseIntake).await;
    engine.until("the pause", |event| *event == Event::Intake(Intake::Paused)).await;
    engine.send(Command::Submit((0..3).map(|index| small(&format!("job {index}"))).collect())).await;
    let outcome = engine.until("the jobs", |event| matches!(event, Event::CommandCompleted(_))).await;
    let Event::CommandCompleted(outcome) = outcome else { unreachable!() };
    assert_eq!((outcome.kind, outcome.succeeded.len()), (CommandKind::Submitted, 3));
    // The queue has been looked at since: the counts that follow the jobs say so.
    engine
        .until("the counts", |event| matches!(event, Event::Counts(counts) if counts.of(StageName::Queued) == 3))
        .await;
    assert_eq!(harness.provider.replies(), 0);
    for id in &outcome.succeeded {
        assert_eq!(harness.job(id).await.stage_name(), StageName::Queued);
    }
    engine.send(Command::ResumeIntake).await;
    engine.until("the counts", |event| matches!(event, Event::Counts(counts) if counts.of(StageName::Done) == 3)).await;
    engine.stop().await;
    assert_eq!(ledger_check::check(&harness.env, 3), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_in_the_store_stops_every_worker() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let paused = |event: &Event| matches!(event, Event::Paused(Some(pause)) if pause.by == "ana@studio");
    Pause::set(harness.store.as_ref(), "ana@studio", Some("invoice"), Utc::now()).await.unwrap();
    let mut engine = harness.engine(Settings::default());
    let mut other = harness.engine(Settings::default());
    engine.until("the pause", paused).await;
    other.until("the pause", paused).await;
    for index in 0..3 {
        harness.submit(&format!("job {index}")).await;
    }
    let queued = |event: &Event| matches!(event, Event::Counts(counts) if counts.of(StageName::Queued) == 3);
    engine.until("the counts", queued).await;
    other.until("the counts", queued).await;
    assert_eq!(harness.provider.replies(), 0, "a worker that starts while the intake is paused submits nothing");

    let idle = harness.engine(Settings { mode: Mode::UntilIdle, ..Settings::default() });
    let trouble = idle.until_stopped().await.trouble.unwrap();
    assert!(trouble.contains("paused by ana@studio") && trouble.contains("darkroom resume"), "{trouble}");

    engine.send(Command::ResumeAll { by: "ben@studio".into() }).await;
    other.until("the end of the pause", |event| *event == Event::Paused(None)).await;
    let done = |event: &Event| matches!(event, Event::Counts(counts) if counts.of(StageName::Done) == 3);
    other.until("the images", done).await;
    other.send(Command::PauseAll { by: "ana@studio".into(), reason: None }).await;
    engine.until("the next pause", paused).await;
    engine.stop().await;
    other.stop().await;
    assert_eq!(ledger_check::check(&harness.env, 3), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_engine_waits_for_jobs_run_elsewhere() {
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    let id = harness.submit("a fox").await;
    let budget = Budget { daily: Some(Usd::ZERO), ..Budget::default() };
    let mut other = harness.engine(Settings { slots: 1, ..Settings::default() });
    other.until("a look", |event| matches!(event, Event::Progress(_))).await;
    harness.submit("a hen").await;
    let mut idle = harness.engine(Settings { mode: Mode::UntilIdle, budget, ..Settings::default() });
    idle.until("the hold", |event| matches!(event, Event::BudgetExceeded(_))).await;
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Generating);
    other.stop().await;
    // No worker has it, and its task is still open: this engine takes it.
    harness.simulated_clock.forward(550);
    let trouble = idle.until_stopped().await.trouble.unwrap();
    assert!(trouble.contains("a cap holds them"), "{trouble}");
    let job = harness.job(&id).await;
    assert_eq!(job.stage_name(), StageName::Done);
    assert_eq!(job.cost().unwrap().decimal(), ledger_check::total(&ledger_check::bill(&harness.env)));
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_bound_open_tickets_and_can_change() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    for index in 0..8 {
        harness.submit(&format!("job {index}")).await;
    }
    harness.provider.hold_replies();
    let mut engine = harness.engine(Settings { slots: 2, mode: Mode::UntilIdle, ..Settings::default() });
    harness.provider.until_replies(2).await;
    engine.send(Command::SetSlots(5)).await;
    engine.until("the slots", |event| matches!(event, Event::Slots { used: 5, total: 5 })).await;
    harness.provider.until_replies(5).await;
    assert_eq!(harness.provider.replies(), 5, "never more than there are slots");
    harness.provider.release_replies();
    engine.until_stopped().await;
    assert_eq!(ledger_check::check(&harness.env, 8), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_job_frees_slot_and_stays_billed() {
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    let id = harness.submit("a fox").await;
    let mut engine = harness.engine(Settings { slots: 1, ..Settings::default() });
    engine.until("a look", |event| matches!(event, Event::Progress(_))).await;
    engine.send(Command::Cancel(vec![id.clone()])).await;
    engine.until("the free slot", |event| matches!(event, Event::Slots { used: 0, .. })).await;
    engine.stop().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), &job.claim), (StageName::Cancelled, &None));
    assert_eq!(job.cost().unwrap().decimal(), ledger_check::total(&ledger_check::bill(&harness.env)));
    // Its ticket may still be collected, for nothing.
    harness.retry(&id).await;
    harness.simulated_clock.forward(550);
    harness.work().await;
    assert_eq!(ledger_check::check(&harness.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_waits_for_submit_reply_and_its_save() {
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    let id = harness.submit("a fox").await;
    harness.provider.hold_replies();
    let mut engine = harness.engine(Settings::default());
    harness.provider.until_replies(1).await;
    engine.send(Command::Stop).await;
    // The order in flight is known, and the engine takes its time: the answer is still behind the provider.
    engine.until("the order in flight", |event| *event == Event::SubmitsInFlight(1)).await;
    assert!(!engine.has_ended());
    assert_eq!(harness.job(&id).await.stage_name(), StageName::Submitting);
    harness.provider.release_replies();
    engine.until_stopped().await;
    let job = harness.job(&id).await;
    assert_eq!((job.stage_name(), &job.claim), (StageName::Generating, &None), "saved, and given back");
    assert_eq!(job.cost().unwrap().decimal(), ledger_check::total(&ledger_check::bill(&harness.env)));
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_gives_back_what_only_waits() {
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    let ids = [harness.submit("one").await, harness.submit("two").await];
    let mut engine = harness.engine(Settings::default());
    for id in &ids {
        engine.until("a look", |event| matches!(event, Event::Progress(progress) if &progress.id == id)).await;
    }
    engine.stop().await;
    for id in &ids {
        let job = harness.job(id).await;
        assert_eq!((job.stage_name(), &job.claim), (StageName::Generating, &None));
    }
    // Another worker need not wait for anything to run out.
    harness.simulated_clock.forward(550);
    harness.work().await;
    assert_eq!(ledger_check::check(&harness.env, 2), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_engine_starts_nothing() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let id = harness.submit("a fox").await;
    let mut engine = harness.engine(Settings { mode: Mode::Observe, ..Settings::default() });
    engine.until("what it is", |event| *event == Event::Intake(Intake::ReadOnly)).await;
    engine.send(Command::ResumeIntake).await;
    engine.until("the unchanged intake", |event| *event == Event::Intake(Intake::ReadOnly)).await;
    engine.send(Command::LoadImage(id.clone())).await;
    let none = engine.until("the answer", |event| matches!(event, Event::Image { .. })).await;
    assert!(matches!(none, Event::Image { bytes: Err(why), .. } if why.contains("no image")));
    engine.stop().await;
    assert_eq!((harness.job(&id).await.stage_name(), harness.provider.replies()), (StageName::Queued, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn store_error_of_one_job_keeps_the_others() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let (broken, whole) = (harness.submit("a fox").await, harness.submit("a hen").await);
    let database = rusqlite::Connection::open(harness.env.data().join("darkroom.db")).unwrap();
    database.execute("UPDATE jobs SET document = 'not json' WHERE id = ?1", [broken.as_str()]).unwrap();
    let outcome = harness.operator.cancel(vec![broken.clone(), whole.clone()]).await.unwrap();
    assert_eq!((outcome.succeeded, outcome.previous.len()), (vec![whole.clone()], 1));
    let (id, reason) = &outcome.rejected[0];
    assert!(*id == broken && reason.contains("cannot be read"), "{reason}");
    assert_eq!(harness.job(&whole).await.stage_name(), StageName::Cancelled);
    let outcome = harness.operator.cancel(vec![broken.clone()]).await.unwrap();
    assert_eq!(
        (outcome.succeeded, outcome.rejected.len()),
        (vec![], 1),
        "an unreadable job alone is no error of the store"
    );
    assert!(outcome.rejected[0].0 == broken && outcome.rejected[0].1.contains("cannot be read"));
}
