//! The stream of changes. A time limit only says that a change that must come did not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkroom::costs::{Budget, BudgetEdit};
use darkroom::jobs::Job;
use darkroom::store::{BudgetChange, Change, ChangeStream, SharedRecord};
use serde_json::json;
use tokio::time::timeout;

use super::fixture::{Fixture, at, create, queued, read, save};

const LIMIT: Duration = Duration::from_secs(20);

async fn next(watch: &mut Box<dyn ChangeStream>) -> Vec<Change> {
    timeout(LIMIT, watch.next()).await.expect("no change arrived").unwrap()
}

/// The newest version of each job, once those of `count` jobs have satisfied `seen`.
async fn until(watch: &mut Box<dyn ChangeStream>, count: usize, seen: impl Fn(&Job) -> bool) -> BTreeMap<String, Job> {
    let mut jobs = BTreeMap::new();
    while jobs.values().filter(|job| seen(job)).count() < count {
        for change in next(watch).await {
            match change {
                Change::Job(job) => _ = jobs.insert(job.id.as_str().to_owned(), Job::clone(&job)),
                // The caps may be reported once more.
                Change::Budget => {}
                other => panic!("{other:?}"),
            }
        }
    }
    jobs
}

pub async fn own_changes_arrive(fixture: Fixture) {
    let mut watch = fixture.store.watch().await.unwrap();
    create(&fixture.store, [queued("a", 0)]).await;
    let seen = until(&mut watch, 1, |_| true).await;
    let mut job = read(&fixture.store, "a").await;
    assert_eq!(seen["a"], job);
    job.tags = vec!["new".into()];
    save(&fixture.store, &mut job).await.unwrap();
    let seen = until(&mut watch, 1, |job| job.tags == ["new"]).await;
    assert_eq!(seen["a"], job, "with the revision that the next save needs");
}

pub async fn changes_of_other_processes_arrive(fixture: Fixture) {
    let mut watch = fixture.store.watch().await.unwrap();
    let mut second = fixture.store.watch().await.unwrap();
    for round in 0..5 {
        let name = format!("job-{round}");
        create(&fixture.other, [queued(&name, round)]).await;
        assert!(until(&mut watch, 1, |_| true).await.contains_key(&name));
        assert!(until(&mut second, 1, |_| true).await.contains_key(&name), "each watch sees all");
    }
}

pub async fn watched_record_arrives(fixture: Fixture) {
    let mut watch = fixture.store.watch().await.unwrap();
    let (kind, id) = SharedRecord::WATCHED[0];
    let mut record = SharedRecord::new(kind, id, at(0), "ana@studio", json!({"paused": true}));
    for round in 0..3 {
        record.body = json!({ "paused": round });
        record.revision = fixture.other.put_shared_record(record.clone()).await.unwrap();
        while !next(&mut watch).await.contains(&Change::SharedRecord(record.clone())) {}
    }
}

pub async fn change_of_the_caps_arrives(fixture: Fixture) {
    let change = |cap: &str| {
        let caps = Budget { daily: Some(cap.parse().unwrap()), monthly: None };
        let edit = BudgetEdit::Set { model: None, caps, soft_percent: None };
        BudgetChange { at: at(0), by: "alice@host".to_owned(), edit }
    };
    let mut watch = fixture.store.watch().await.unwrap();
    for cap in ["1", "2"] {
        fixture.other.change_budget(change(cap)).await.unwrap();
        assert_eq!(next(&mut watch).await, [Change::Budget]);
    }
    // A new stream begins at the present.
    let mut watch = fixture.other.watch().await.unwrap();
    create(&fixture.store, [queued("a", 0)]).await;
    until(&mut watch, 1, |_| true).await;
}

pub async fn watch_starts_at_the_present(fixture: Fixture) {
    create(&fixture.store, [queued("old", 0)]).await;
    let mut watch = fixture.store.watch().await.unwrap();
    create(&fixture.store, [queued("new", 0)]).await;
    let seen = until(&mut watch, 1, |job| job.id.as_str() == "new").await;
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["new"]);
}

pub async fn changes_of_one_job_are_coalesced(fixture: Fixture) {
    create(&fixture.store, [queued("a", 0)]).await;
    let mut watch = fixture.store.watch().await.unwrap();
    let mut job = read(&fixture.store, "a").await;
    for round in 0..50 {
        job.tags = vec![format!("round {round}")];
        save(&fixture.store, &mut job).await.unwrap();
    }
    assert_eq!(next(&mut watch).await, [Change::Job(job.into())], "only the newest version");
}

pub async fn many_changes_arrive_in_batches(fixture: Fixture) {
    let mut watch = fixture.store.watch().await.unwrap();
    create(&fixture.other, (0..1_200).map(|number| queued(&format!("job-{number}"), number))).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 1_200 {
        let changes = next(&mut watch).await;
        assert!(!changes.is_empty() && changes.len() <= 500, "{} at once", changes.len());
        for change in changes {
            let Change::Job(job) = change else { panic!("{change:?}") };
            seen.insert(job.id.clone());
        }
    }
}

pub async fn cancelled_wait_loses_no_change(fixture: Fixture) {
    let mut watch = fixture.store.watch().await.unwrap();
    for round in 0..20_u32 {
        let name = format!("job-{round}");
        // The wait is given up at some point before, while or after the change arrives.
        let wait = timeout(Duration::from_micros(u64::from(round) * 300), watch.next());
        let (early, ()) = tokio::join!(wait, create(&fixture.store, [queued(&name, 0)]));
        let arrived = |change: &Change| matches!(change, Change::Job(job) if job.id.as_str() == name);
        if !early.is_ok_and(|changes| changes.unwrap().iter().any(arrived)) {
            until(&mut watch, 1, |job| job.id.as_str() == name).await;
        }
    }
}
