//! Documents that a page replaces as a whole lose what darkroom noted in them. The books remember: no charge and no image takes the
//! place of an earlier one.

use darkroom::jobs::{Claim, StageName, WorkerId};
use darkroom::store::{CostQuery, Save, Store, StoreError};

use super::{ExternalClient, TimeDelta, due, emulator, id, now, request, run};
use crate::support::firestore_emulator::{fresh_project, store};

/// Orders as an engine does: under the number that the store says is free.
async fn order(store: &super::FirestoreStore, mut job: super::Job) -> super::Job {
    let mut asked = job.clone();
    let claim = Claim { worker: WorkerId::new("worker"), until: now() + TimeDelta::seconds(60) };
    asked.begin_submit(claim, None, now()).unwrap();
    let (name, free) = match store.save(Save::new(&asked)).await {
        Err(StoreError::AttemptBooked { id, free }) => (id, free),
        other => panic!("{other:?}"),
    };
    assert_eq!(name, job.id);
    assert!(free > job.attempt_number());
    let there = store.get(&name).await.unwrap().unwrap();
    assert_eq!((there.stage_name(), there.revision), (StageName::Queued, job.revision), "nothing was written");
    job.attempts.last_mut().unwrap().number = free;
    run(store, job).await
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_document_keeps_earlier_charges() {
    let emulator = emulator().await;
    let project = fresh_project();
    let page = ExternalClient::new(emulator, &project);
    // Each worker knows only what the server has.
    let worker = || store(emulator, &project);
    let mut images = Vec::new();
    let mut image = |job: &super::Job| images.push(job.image().unwrap().object.to_string());

    page.patch("jobs/page-job", request("a fox"), &[]).await;
    let first = worker();
    image(&run(&first, first.due(due()).await.unwrap().remove(0)).await);

    // `set()` without merge: the map is gone, for the same process and for another one.
    page.patch("jobs/page-job", request("a hare"), &[]).await;
    assert!(page.fields("jobs/page-job").await["darkroom"].is_null(), "the history is lost");
    let again = first.due(due()).await.unwrap().remove(0);
    assert_eq!(again.attempt_number(), 1);
    image(&order(&first, again).await);

    // Deleted, and made again under the same id.
    page.delete("jobs/page-job").await;
    page.patch("jobs/page-job", request("an owl"), &[]).await;
    let other = worker();
    let third = order(&other, other.due(due()).await.unwrap().remove(0)).await;
    image(&third);
    assert_eq!(third.attempt_number(), 3);

    // What follows has a history again, and asks nothing.
    page.patch("jobs/page-job", serde_json::json!({"status": "pending_art_generation"}), &["status"]).await;
    let fourth = other.due(due()).await.unwrap().remove(0);
    let reads = other.usage().reads;
    image(&run(&other, fourth).await);
    assert_eq!(other.usage().reads, reads);

    for number in 1..=4 {
        let cost = page.fields(&format!("costs/page-job-{number}-bfl_api")).await;
        assert_eq!(cost["cost_usd"]["doubleValue"], 0.025, "{number}: {cost}");
    }
    images.sort();
    images.dedup();
    assert_eq!(images.len(), 4, "{images:?}");
    let midnight = now() - TimeDelta::hours(12);
    let (from, to) = (midnight, midnight + TimeDelta::days(1));
    let query = CostQuery { from, to, simulated: true };
    let report = worker().costs(query).await.unwrap().report(super::CostGrouping::Service);
    assert_eq!((report.count, report.total_usd.to_string().as_str()), (4, "0.1"));
    // The causes of lost attempts are not known any more; their amounts are.
    let differences = worker().rebuild_rollups().await.unwrap();
    let counted = |of: fn(&darkroom::store::schema::RollupMismatch) -> i64| differences.iter().map(of).sum::<i64>();
    assert_eq!(counted(|found| found.stored.0), counted(|found| found.computed.0), "{differences:?}");
    assert_eq!(worker().get(&id("page-job")).await.unwrap().unwrap().attempt_number(), 4);
}
