//! What is read and written, as Google bills it: for a job, for a report, for an hour at rest.

use std::sync::Arc;
use std::time::Duration;

use chrono::{Months, TimeDelta, Utc};
use darkroom::costs::{Budget, BudgetEdit, CostGrouping};
use darkroom::engine::Mode;
use darkroom::jobs::{Hold, Job, JobId, Spec};
use darkroom::store::firestore::{FirestoreStore, Usage};
use darkroom::store::{BudgetChange, CostQuery, PageQuery, Store};

use crate::support::firestore_emulator::{Emulator, fresh_project, store};
use crate::{rows, workers};

/// Jobs of the measured months.
const JOBS: usize = 30;

pub async fn measure(emulator: &Emulator) {
    let cap = Budget { daily: Some("1000".parse().unwrap()), monthly: None };
    println!("                                reads   writes");
    for (name, budget, listening) in
        [("a job", None, false), ("a job under a cap", Some(cap), false), ("a job, its worker listening", None, true)]
    {
        let store = store(emulator, &fresh_project());
        let watch = if listening { Some(store.watch().await.unwrap()) } else { None };
        let before = store.usage();
        for number in 0..JOBS {
            let id = JobId::new(format!("job-{number}")).unwrap();
            store.create(vec![Job::new(id.clone(), Spec::new("flux-dev", "a fox"), true, Utc::now())]).await.unwrap();
            let job = store.get(&id).await.unwrap().unwrap();
            workers::live(&store, job, 0, budget).await;
        }
        let used = since(&store, before);
        let each = |count: u64| count as f64 / JOBS as f64;
        // The creation of the job is counted at its writer, and the benchmark read the job once.
        println!("{name:<30} {:>6.1}  {:>6.1}", each(used.reads) - 1.0, each(used.writes) - 1.0);
        drop(watch);
    }
    reports(emulator).await;
    rest(emulator, 0).await;
    rest(emulator, 60).await;
}

async fn reports(emulator: &Emulator) {
    let project = fresh_project();
    let first = store(emulator, &project);
    for back in 0..13 {
        let at = Utc::now() - Months::new(back);
        for number in 0..8 {
            let id = JobId::new(format!("job-{back}-{number}")).unwrap();
            let job = workers::accepted(Job::new(id, Spec::new("flux-dev", "a fox"), true, at), at);
            // One by one, so that the month is in all its parts.
            first.create(vec![job]).await.unwrap();
        }
    }
    let midnight = (Utc::now() + TimeDelta::days(1)).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    for (name, days) in
        [("a report of a year, the first", 365), ("a report of a year", 365), ("a report of 30 days", 30)]
    {
        let store = store(emulator, &project);
        let query = CostQuery { from: midnight - TimeDelta::days(days), to: midnight, simulated: true };
        let report = store.costs(query).await.unwrap().report(CostGrouping::Day);
        let used = store.usage();
        assert!(days < 365 || report.count >= 12 * 8, "the report misses charges: {}", report.count);
        println!("{name:<30} {:>6}  {:>6}", used.reads, used.writes);
    }
}

/// An hour at rest, with that many jobs that a cap holds.
async fn rest(emulator: &Emulator, held: usize) {
    let minutes: u64 =
        std::env::var("DARKROOM_BENCH_REST_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let store = Arc::new(store(emulator, &fresh_project()));
    let folder = tempfile::tempdir().unwrap();
    if held > 0 {
        let caps = Budget { daily: Some("0.001".parse().unwrap()), monthly: None };
        let edit = BudgetEdit::Set { model: None, caps, soft_percent: None };
        store.change_budget(BudgetChange { at: Utc::now(), by: "bench".to_owned(), edit }).await.unwrap();
        let job = |number| {
            let id = JobId::new(format!("held-{number:02}")).unwrap();
            Job::new(id, Spec::new("flux-dev", "a fox"), true, Utc::now())
        };
        store.create((0..held).map(job).collect()).await.unwrap();
    }
    let mut engine = rows::start(Arc::clone(&store), folder.path(), if held > 0 { Mode::Work } else { Mode::Observe });
    let reading = tokio::spawn(async move { while engine.events.recv().await.is_some() {} });
    // What a start reads is no part of an hour.
    tokio::time::sleep(Duration::from_secs(if held > 0 { 30 } else { 10 })).await;
    let query = PageQuery { limit: held + 1, ..PageQuery::default() };
    let is_held = |job: &Job| matches!(job.hold(), Some(Hold::Budget { .. }));
    assert!(store.list(query).await.unwrap().jobs.iter().all(is_held), "all jobs are held");
    let before = store.usage();
    tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
    let used = since(&store, before);
    let an_hour = |count: u64| count * 60 / minutes.max(1);
    let name = format!("an hour at rest, {held} held ({minutes} min)");
    println!("{name:<30} {:>6}  {:>6}", an_hour(used.reads), an_hour(used.writes));
    reading.abort();
}

fn since(store: &FirestoreStore, before: Usage) -> Usage {
    let now = store.usage();
    Usage { reads: now.reads - before.reads, writes: now.writes - before.writes }
}
