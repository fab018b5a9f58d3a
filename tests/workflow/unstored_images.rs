//! Images whose bucket is away when they are finished: they stay on this machine, are paid for once, and are stored later.

use darkroom::engine::{Event, Intake, Settings};
use darkroom::jobs::StageName;
use darkroom::simulator::Speed;

use super::harness::WorkflowHarness;
use crate::support::ledger_check;

/// Longer than a link lasts.
const OUTAGE_SECONDS: i64 = 30 * 60;

#[tokio::test(flavor = "multi_thread")]
async fn image_survives_a_bucket_that_is_away_for_long() {
    let harness = WorkflowHarness::new(Speed::Instant).await;
    let mut engine = harness.engine(Settings::default());
    let first = harness.submit("an owl").await;
    engine.until_all(&harness, &[first], StageName::Done).await;
    // A file in the place of the folder.
    let folder = harness.env.data().join("images");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "not a folder").unwrap();
    let kept = || std::fs::read_dir(harness.env.data().join("unstored")).map_or(0, Iterator::count);
    assert_eq!(kept(), 0, "a stored image needs no other place");
    let id = harness.submit("a fox").await;
    engine.until("a blocked intake", |event| matches!(event, Event::Intake(Intake::AccountBlocked(_)))).await;
    while kept() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    engine.stop().await;
    harness.clock.forward(OUTAGE_SECONDS);
    harness.simulated_clock.forward(OUTAGE_SECONDS);
    std::fs::remove_file(&folder).unwrap();
    harness.work().await;
    let done = harness.job(&id).await;
    assert_eq!(done.stage_name(), StageName::Done, "{:?}", done.stage);
    assert_eq!(kept(), 0, "it is stored, so nothing is kept");
    let bill = ledger_check::bill(&harness.env);
    assert_eq!(bill.values().map(|(times, _)| *times).collect::<Vec<_>>(), [1, 1], "{bill:?}");
    assert!(harness.ports().bucket.get(&done.image().unwrap().object).await.is_ok());
}
