//! Orders to a running engine: pause, resume, slots, cancel, stop; each with the real adapters.

use darkroom::engine::{Command, CommandKind, Event, Intake, Mode, Settings};
use darkroom::jobs::StageName;
use darkroom::simulator::Speed;

use super::workshop::{Workshop, small};
use crate::support::ledger_check;

#[tokio::test(flavor = "multi_thread")]
async fn paused_intake_starts_nothing_until_resumed() {
    let workshop = Workshop::new(Speed::Instant).await;
    let mut engine = workshop.engine(Settings::default());
    engine.order(Command::PauseIntake).await;
    engine.until("the pause", |event| *event == Event::Intake(Intake::Paused)).await;
    engine.order(Command::Submit((0..3).map(|index| small(&format!("job {index}"))).collect())).await;
    let acted = engine.until("the jobs", |event| matches!(event, Event::CommandCompleted(_))).await;
    let Event::CommandCompleted(acted) = acted else { unreachable!() };
    assert_eq!((acted.kind, acted.succeeded.len()), (CommandKind::Submitted, 3));
    // The queue has been looked at since: the counts that follow the jobs say so.
    engine
        .until("the counts", |event| matches!(event, Event::Counts(counts) if counts.of(StageName::Queued) == 3))
        .await;
    assert_eq!(workshop.door.answers(), 0);
    for id in &acted.succeeded {
        assert_eq!(workshop.job(id).await.stage_name(), StageName::Queued);
    }
    engine.order(Command::ResumeIntake).await;
    engine.until("the counts", |event| matches!(event, Event::Counts(counts) if counts.of(StageName::Done) == 3)).await;
    engine.stop().await;
    assert_eq!(ledger_check::check(&workshop.env, 3), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_limit_open_tickets_and_can_change() {
    let workshop = Workshop::new(Speed::Instant).await;
    for index in 0..8 {
        workshop.submit(&format!("job {index}")).await;
    }
    workshop.door.shut();
    let mut engine = workshop.engine(Settings { slots: 2, mode: Mode::UntilIdle, ..Settings::default() });
    workshop.door.answered(2).await;
    engine.order(Command::SetSlots(5)).await;
    engine.until("the slots", |event| matches!(event, Event::Slots { used: 5, total: 5 })).await;
    workshop.door.answered(5).await;
    assert_eq!(workshop.door.answers(), 5, "never more than there are slots");
    workshop.door.open();
    engine.ended().await;
    assert_eq!(ledger_check::check(&workshop.env, 8), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_job_frees_its_slot_keeps_its_cost() {
    let workshop = Workshop::new(Speed::Times(0.01)).await;
    let id = workshop.submit("a fox").await;
    let mut engine = workshop.engine(Settings { slots: 1, ..Settings::default() });
    engine.until("a look", |event| matches!(event, Event::Progress(_))).await;
    engine.order(Command::Cancel(vec![id.clone()])).await;
    engine.until("the free slot", |event| matches!(event, Event::Slots { used: 0, .. })).await;
    engine.stop().await;
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), &job.claim), (StageName::Cancelled, &None));
    assert_eq!(job.cost().unwrap().decimal(), ledger_check::total(&ledger_check::bill(&workshop.env)));
    // Its ticket may still be collected, for nothing.
    workshop.desk.retry(vec![id.clone()]).await.unwrap();
    workshop.simulated_clock.forward(550);
    workshop.work().await;
    assert_eq!(ledger_check::check(&workshop.env, 1), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_for_submit_reply_and_save() {
    let workshop = Workshop::new(Speed::Times(0.01)).await;
    let id = workshop.submit("a fox").await;
    workshop.door.shut();
    let mut engine = workshop.engine(Settings::default());
    workshop.door.answered(1).await;
    engine.order(Command::Stop).await;
    // The order in flight is known, and the engine takes its time: the answer is still behind the door.
    engine.until("the order in flight", |event| *event == Event::SubmitsInFlight(1)).await;
    assert!(!engine.has_ended());
    assert_eq!(workshop.job(&id).await.stage_name(), StageName::Submitting);
    workshop.door.open();
    engine.ended().await;
    let job = workshop.job(&id).await;
    assert_eq!((job.stage_name(), &job.claim), (StageName::Generating, &None), "saved, and given back");
    assert_eq!(job.cost().unwrap().decimal(), ledger_check::total(&ledger_check::bill(&workshop.env)));
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_gives_back_what_only_waits() {
    let workshop = Workshop::new(Speed::Times(0.01)).await;
    let ids = [workshop.submit("one").await, workshop.submit("two").await];
    let mut engine = workshop.engine(Settings::default());
    for id in &ids {
        engine.until("a look", |event| matches!(event, Event::Progress(progress) if &progress.id == id)).await;
    }
    engine.stop().await;
    for id in &ids {
        let job = workshop.job(id).await;
        assert_eq!((job.stage_name(), &job.claim), (StageName::Generating, &None));
    }
    // Another worker need not wait for anything to run out.
    workshop.simulated_clock.forward(550);
    workshop.work().await;
    assert_eq!(ledger_check::check(&workshop.env, 2), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_looker_starts_nothing_and_says_so() {
    let workshop = Workshop::new(Speed::Instant).await;
    let id = workshop.submit("a fox").await;
    let mut engine = workshop.engine(Settings { mode: Mode::Observe, ..Settings::default() });
    engine.until("what it is", |event| *event == Event::Intake(Intake::ReadOnly)).await;
    engine.order(Command::ResumeIntake).await;
    engine
        .until("the refusal", |event| matches!(event, Event::Notice(notice) if notice.text.contains("only looks")))
        .await;
    engine.order(Command::LoadImage(id.clone())).await;
    let none = engine.until("the answer", |event| matches!(event, Event::Image { .. })).await;
    assert!(matches!(none, Event::Image { bytes: Err(why), .. } if why.contains("no image")));
    engine.stop().await;
    assert_eq!((workshop.job(&id).await.stage_name(), workshop.door.answers()), (StageName::Queued, 0));
}
