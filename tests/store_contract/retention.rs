//! Finished jobs are removed, their charges stay.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use darkroom::costs::{CostGrouping, CostReport};
use darkroom::jobs::{BillingStatus, FailureCode, Job};
use darkroom::store::schema::{
    Collection, CostEntry, Defaults, Document, ExportQuery, ImportOutcome, JobEntry, Record, RollupCheck,
};
use darkroom::store::{Change, CostJobsQuery, CostQuery, JobVersion, PageQuery, RemoveOutcome, Store};
use tokio::time::timeout;

use super::fixture::{
    Fixture, at, claim, create, failure, finish, generating, imported, queued, read, receipt, save, submitting, usd,
};

/// A job with a failed and a successful attempt, both charged.
fn finished(name: &str) -> Job {
    let mut job = generating(name, 0, Some("4"));
    job.tags = vec!["cover".into()];
    job.fail(failure(FailureCode::ContentModerated, BillingStatus::Yes, 9), None, at(9)).unwrap();
    job.retry(at(10)).unwrap();
    job.begin_submit(claim("worker", 60), Some(usd("0.04")), at(11)).unwrap();
    job.accept(receipt(12, Some("3")), None, at(12)).unwrap();
    finish(&mut job, Some("2.5"), None, 20);
    job
}

async fn version(store: &Arc<dyn Store>, name: &str) -> JobVersion {
    let job = read(store, name).await;
    JobVersion { id: job.id, revision: job.revision }
}

async fn remove(store: &Arc<dyn Store>, name: &str) -> RemoveOutcome {
    let version = version(store, name).await;
    store.remove_finished(vec![version]).await.unwrap().remove(0)
}

/// All that reports say.
async fn reports(store: &Arc<dyn Store>) -> Vec<CostReport> {
    let day = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let (from, to) = (day("2026-11-01T00:00:00Z"), day("2026-12-01T00:00:00Z"));
    let table = store.costs(CostQuery { from, to, simulated: true }).await.unwrap();
    let groupings = [
        CostGrouping::Day,
        CostGrouping::Model,
        CostGrouping::Service,
        CostGrouping::Status,
        CostGrouping::Cause,
        CostGrouping::Tag,
    ];
    groupings.map(|grouping| table.report(grouping)).to_vec()
}

async fn export(store: &Arc<dyn Store>, collection: Collection) -> Vec<Document> {
    let query = ExportQuery { collection, from: None, to: None, after: None, limit: 1_000 };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.export(ExportQuery { after: after.clone(), ..query.clone() }).await.unwrap();
        assert_eq!(page.skipped, []);
        all.extend(page.documents);
        after = page.next;
        if after.is_none() {
            all.sort_by(|left, right| left.id.cmp(&right.id));
            return all;
        }
    }
}

fn cost_records(documents: Vec<Document>) -> Vec<Record> {
    let entry = |document: Document| CostEntry::read(Some(&document.id), document.fields).unwrap();
    documents.into_iter().map(|document| Record::Cost(Box::new(entry(document)))).collect()
}

fn job_records(documents: Vec<Document>) -> Vec<Record> {
    let defaults = Defaults { model: "flux-dev".to_owned(), now: at(0) };
    let entry = |document: Document| JobEntry::read(Some(&document.id), document.fields, &defaults).unwrap();
    documents.into_iter().map(|document| Record::Job(Box::new(entry(document)))).collect()
}

async fn assert_sums(store: &Arc<dyn Store>) {
    assert_eq!(store.verify_rollups(false).await.unwrap().unwrap_or_default(), RollupCheck::default());
}

pub async fn charges_of_removed_jobs_stay(fixture: Fixture) {
    create(&fixture.store, [finished("a"), finished("b"), queued("c", 0)]).await;
    let before = (reports(&fixture.store).await, cost_records(export(&fixture.store, Collection::Costs).await));
    assert_eq!((before.0[0].count, before.1.len()), (4, 4));
    let version = version(&fixture.other, "a").await;
    assert_eq!(fixture.store.remove_finished(vec![version.clone()]).await.unwrap(), [RemoveOutcome::Removed]);
    assert_eq!(fixture.other.get(&version.id).await.unwrap(), None);
    assert_eq!(fixture.store.counts().await.unwrap().total(), 2);
    assert_eq!(fixture.store.list(PageQuery::default()).await.unwrap().jobs.len(), 2);
    assert_eq!(reports(&fixture.other).await, before.0, "by every grouping, the cause of each charge included");
    let entries = cost_records(export(&fixture.other, Collection::Costs).await);
    let canonical = |records: &[Record]| records.iter().map(Record::canonical_fields).collect::<Vec<_>>();
    assert_eq!(canonical(&entries), canonical(&before.1));
    let query = CostJobsQuery { from: at(-3_600), to: at(3_600), simulated: true, only: None, limit: 10 };
    let jobs = fixture.store.cost_jobs(query).await.unwrap();
    assert_eq!(jobs.iter().map(|job| (job.usd, job.count)).collect::<Vec<_>>(), [(usd("0.065"), 2); 2]);
    assert_sums(&fixture.store).await;
    assert_eq!(fixture.store.remove_finished(vec![version]).await.unwrap(), [RemoveOutcome::Missing]);
    assert_eq!(reports(&fixture.store).await, before.0);
}

pub async fn changed_and_unfinished_jobs_are_kept(fixture: Fixture) {
    let mut unknown = generating("unknown", 0, Some("4"));
    unknown.fail(failure(FailureCode::ProviderError, BillingStatus::Unknown, 9), None, at(9)).unwrap();
    let mut unconfirmed = submitting("unconfirmed", 0, "worker", 60);
    unconfirmed.mark_submit_unknown("no reply", at(9)).unwrap();
    let names = ["queued", "submitting", "generating", "unknown", "unconfirmed"];
    let jobs = [queued("queued", 0), submitting("submitting", 0, "worker", 60), generating("generating", 0, None)];
    create(&fixture.store, jobs.into_iter().chain([unknown, unconfirmed, finished("changed")])).await;
    for name in names {
        let outcome = remove(&fixture.store, name).await;
        assert!(matches!(outcome, RemoveOutcome::Kept(_)), "{name}: {outcome:?}");
    }
    let old = version(&fixture.other, "changed").await;
    let mut job = read(&fixture.other, "changed").await;
    job.approve(at(30)).unwrap();
    save(&fixture.other, &mut job).await.unwrap();
    let outcome = fixture.store.remove_finished(vec![old]).await.unwrap().remove(0);
    assert_eq!(outcome, RemoveOutcome::Kept("it was changed since it was read".to_owned()));
    assert_eq!(fixture.store.counts().await.unwrap().total(), 6);
    assert_sums(&fixture.store).await;
}

pub async fn saves_of_removed_jobs_are_refused(fixture: Fixture) {
    create(&fixture.store, [finished("a")]).await;
    let mut job = read(&fixture.other, "a").await;
    assert_eq!(remove(&fixture.store, "a").await, RemoveOutcome::Removed);
    job.approve(at(30)).unwrap();
    let refused = save(&fixture.other, &mut job).await.unwrap_err();
    assert!(matches!(refused, darkroom::store::StoreError::NotFound(_)), "{refused:?}");
}

pub async fn watches_report_removed_jobs(fixture: Fixture) {
    let jobs = (0..3).map(|number| finished(&format!("job-{number}")));
    create(&fixture.store, jobs).await;
    let mut watch = fixture.other.watch().await.unwrap();
    let next = async |watch: &mut Box<dyn darkroom::store::ChangeStream>| {
        timeout(Duration::from_secs(20), watch.next()).await.expect("no change arrived").unwrap()
    };
    // The newest one first: a number that it had must not be given to the next job.
    for name in ["job-2", "job-0"] {
        let id = version(&fixture.store, name).await.id;
        assert_eq!(remove(&fixture.store, name).await, RemoveOutcome::Removed);
        while !next(&mut watch).await.contains(&Change::Removed(id.clone())) {}
    }
    create(&fixture.store, [queued("new", 40)]).await;
    let is_new = |change: &Change| matches!(change, Change::Job(job) if job.id.as_str() == "new");
    while !next(&mut watch).await.iter().any(is_new) {}
}

pub async fn exported_job_comes_back_with_one_charge(fixture: Fixture) {
    create(&fixture.store, [finished("a")]).await;
    let before = reports(&fixture.store).await;
    let jobs = export(&fixture.store, Collection::Jobs).await;
    let costs = cost_records(export(&fixture.store, Collection::Costs).await);
    assert_eq!(remove(&fixture.store, "a").await, RemoveOutcome::Removed);
    let outcomes = fixture.store.import(costs, false).await.unwrap();
    assert_eq!(outcomes, [ImportOutcome::Unchanged, ImportOutcome::Unchanged]);
    let outcomes = fixture.store.import(job_records(jobs), false).await.unwrap();
    assert_eq!(outcomes, [ImportOutcome::Created]);
    assert_eq!(reports(&fixture.other).await, before, "each charge counts once");
    let mut job = read(&fixture.other, "a").await;
    job.approve(at(30)).unwrap();
    save(&fixture.other, &mut job).await.unwrap();
    assert_eq!(reports(&fixture.store).await, before);
    assert_sums(&fixture.store).await;
}

pub async fn undo_of_restored_job_keeps_its_charges(fixture: Fixture) {
    create(&fixture.store, [finished("a")]).await;
    let before = reports(&fixture.store).await;
    let backup = job_records(export(&fixture.store, Collection::Jobs).await);
    assert_eq!(remove(&fixture.store, "a").await, RemoveOutcome::Removed);
    let entries = export(&fixture.store, Collection::Costs).await;
    for _ in 0..2 {
        assert_eq!(fixture.store.import(backup.clone(), false).await.unwrap(), [ImportOutcome::Created]);
        let outcomes = fixture.other.remove_imported(imported(&backup), false).await.unwrap();
        assert_eq!(outcomes, [RemoveOutcome::Removed]);
        assert_eq!(fixture.store.counts().await.unwrap().total(), 0);
        assert_eq!(reports(&fixture.store).await, before, "its charges were there before the import");
        assert_eq!(export(&fixture.store, Collection::Costs).await, entries);
        assert_sums(&fixture.store).await;
    }
}
