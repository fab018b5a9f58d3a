//! Finished images whose links are about to expire: they are fetched before anything else.

use chrono::TimeDelta;
use darkroom::engine::{Event, Settings};
use darkroom::jobs::{JobId, StageName, StepName};
use darkroom::simulator::Speed;
use darkroom::store::{Save, Store};
use darkroom::time::Clock;

use super::harness::WorkflowHarness;
use crate::support::ledger_check;

#[tokio::test(flavor = "multi_thread")]
async fn first_link_to_expire_is_fetched_first() {
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    let mut ids: Vec<JobId> = Vec::new();
    for number in 0..4 {
        ids.push(harness.submit(&format!("image {number}")).await);
    }
    let mut engine = harness.engine(Settings::default());
    engine.until_all(&harness, &ids, StageName::Generating).await;
    engine.stop().await;
    // All are finished by now. What their links have left, in minutes:
    harness.simulated_clock.forward(560);
    for (id, minutes) in ids.iter().zip([7, 2, 9, 4]) {
        let mut job = harness.job(id).await;
        let expiry = Clock::now(harness.clock.as_ref()) + TimeDelta::minutes(minutes);
        job.attempts.last_mut().unwrap().link_expires_at = Some(expiry);
        harness.store.save(Save::new(&job)).await.unwrap();
    }
    harness.submit("a new request").await;
    let mut engine = harness.engine(Settings { slots: 1, ..Settings::default() });
    let mut fetched = Vec::new();
    while fetched.len() < 4 {
        let event = engine.until("a download", |event| matches!(event, Event::Progress(_))).await;
        if let Event::Progress(progress) = event
            && progress.step == StepName::Download
            && !fetched.contains(&progress.id)
        {
            fetched.push(progress.id);
        }
    }
    assert_eq!(fetched, [1, 3, 0, 2].map(|index| ids[index].clone()), "and all of them before the new request");
    engine.until_all(&harness, &ids, StageName::Done).await;
    engine.stop().await;
    assert!(harness.job(&ids[0]).await.attempt().unwrap().link_expires_at.is_none(), "nothing is left to rescue");
    assert_eq!(ledger_check::bill(&harness.env).keys().filter(|prompt| prompt.starts_with("image")).count(), 4);
}
