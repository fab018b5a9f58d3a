//! The sums of a month stand in several documents while it is booked into, and in one after it has ended. A reader of the sums
//! notices.

use chrono::{DateTime, Months, NaiveTime, SubsecRound, TimeDelta, Utc};
use darkroom::costs::CostGrouping;
use darkroom::jobs::{Claim, Job, Receipt, Spec, WorkerId};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{CostQuery, Store};

use super::{ExternalClient, emulator, id, receipt, save};
use crate::support::firestore_emulator::{fresh_project, store};

/// Books one charge at that time, in a commit of its own.
async fn book(store: &FirestoreStore, name: &str, at: DateTime<Utc>) -> Job {
    let mut job = Job::new(id(name), Spec::new("flux-dev", "a fox"), true, at);
    job.begin_submit(Claim { worker: WorkerId::new("worker"), until: at }, None, at).unwrap();
    store.create(vec![job.clone()]).await.unwrap();
    job = store.get(&job.id).await.unwrap().unwrap();
    job.accept(Receipt { accepted_at: at, ..receipt() }, None, at).unwrap();
    save(store, &mut job).await;
    job
}

/// Count and sum of the month around that time, and what the answer cost in reads and writes.
async fn report(store: &FirestoreStore, at: DateTime<Utc>) -> (u64, String, u64, u64) {
    let midnight = at.date_naive().and_time(NaiveTime::MIN).and_utc();
    let (from, to) = (midnight, midnight + TimeDelta::days(1));
    let before = store.usage();
    let query = CostQuery { from, to, simulated: true };
    let report = store.costs(query).await.unwrap().report(CostGrouping::Cause);
    let used = store.usage();
    (report.count, report.total_usd.to_string(), used.reads - before.reads, used.writes - before.writes)
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_month_is_compacted_without_loss() {
    let emulator = emulator().await;
    let project = fresh_project();
    let workers = [store(emulator, &project), store(emulator, &project)];
    let then = Utc::now().trunc_subsecs(6) - Months::new(2);
    let mut jobs = Vec::new();
    for number in 0..12 {
        jobs.push(book(&workers[number % 2], &format!("job-{number}"), then).await);
    }
    let readers = [store(emulator, &project), store(emulator, &project)];
    // Two find it in parts at the same time; one of them makes it one.
    let (one, other) = tokio::join!(report(&readers[0], then), report(&readers[1], then));
    for found in [&one, &other] {
        // Who comes a moment later may find it folded.
        let parts = [1, 4].contains(&found.2);
        assert!((found.0, found.1.as_str(), parts) == (12, "0.3", true), "all parts are read: {found:?}");
    }
    assert!(one.2.max(other.2) == 4, "one reader found several documents: {one:?} {other:?}");
    assert!(one.3 + other.3 >= 4, "one reader compacted it");
    assert_eq!(report(&readers[0], then).await, (12, "0.3".to_owned(), 1, 0), "it is one read");
    // Another attempt's outcome arrives late, in another document than what it takes back.
    for job in &mut jobs[..5] {
        job.fail(failure(then), None, then).unwrap();
        save(&workers[0], job).await;
    }
    assert_eq!(workers[1].rebuild_rollups().await.unwrap(), [], "what was kept is what the entries say");
    let found = report(&store(emulator, &project), then).await;
    assert_eq!((found.0, found.1.as_str()), (12, "0.3"), "nothing is counted twice, nothing is lost");
    assert_eq!(report(&store(emulator, &project), then).await, (12, "0.3".to_owned(), 1, 0));
    assert_eq!(workers[1].rebuild_rollups().await.unwrap(), []);
}

fn failure(at: DateTime<Utc>) -> darkroom::jobs::Failure {
    use darkroom::jobs::{BillingStatus, Failure, FailureCode};
    Failure::new(FailureCode::TicketLost, "the ticket is gone", BillingStatus::Yes, at)
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_rollups_are_rebuilt() {
    let emulator = emulator().await;
    let project = fresh_project();
    let (store, client) = (store(emulator, &project), ExternalClient::new(emulator, &project));
    let now = Utc::now().trunc_subsecs(6);
    for number in 0..4 {
        book(&store, &format!("job-{number}"), now).await;
    }
    let month = format!("darkroom_rollups/simulated-{}", now.format("%Y-%m"));
    client.delete(&format!("{month}-2")).await;
    assert_eq!(report(&store, now).await.0, 3);
    let differences = store.rebuild_rollups().await.unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!((differences[0].stored.0, differences[0].computed.0), (3, 4));
    assert_eq!(report(&store, now).await.0, 4);
    book(&store, "job-4", now).await;
    assert_eq!(report(&store, now).await.0, 5);
    assert_eq!(store.rebuild_rollups().await.unwrap(), []);
}
