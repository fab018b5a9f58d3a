//! Documents of other programs: imported once, without overwriting, and exported unchanged.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use darkroom::costs::{Budget, BudgetEdit, CostGrouping, CostReport};
use darkroom::jobs::{BillingStatus, FailureCode, Job, StageName};
use darkroom::store::schema::{
    Collection, CostEntry, Defaults, Document, ExportQuery, Fields, ImportOutcome, JobEntry, Record, RollupCheck,
    encode_costs, encode_job, with_native,
};
use darkroom::store::{BudgetChange, CostQuery, RemoveOutcome, Save, Store, StoreError};
use serde_json::{Value, json};

use super::fixture::{
    Fixture, at, claim, create, failure, finish, generating, imported, queued, read, receipt, save, submitting, usd,
};

const JOBS: &str = include_str!("../samples/old-backend-jobs.json");
const COSTS: &str = include_str!("../samples/old-backend-costs.json");

fn fields(value: &Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn cost_record(value: &Value) -> Record {
    let mut fields = fields(value);
    let id = fields.remove("id").map(|id| id.as_str().unwrap().to_owned());
    Record::Cost(Box::new(CostEntry::from_file(id.as_deref(), fields).unwrap()))
}

fn job_record(id: Option<&str>, fields: Fields) -> Record {
    let defaults = Defaults { model: "flux-dev".to_owned(), now: at(0) };
    Record::Job(Box::new(JobEntry::read(id, fields, &defaults).unwrap()))
}

fn samples() -> Vec<Record> {
    let costs: Vec<Value> = serde_json::from_str(COSTS).unwrap();
    let jobs: Vec<Value> = serde_json::from_str(JOBS).unwrap();
    let jobs = jobs.iter().map(|job| {
        let mut fields = fields(job);
        let id = fields.remove("id").unwrap();
        job_record(id.as_str(), fields)
    });
    // Costs on both sides of the jobs: their order must not matter.
    let costs: Vec<Record> = costs.iter().map(cost_record).collect();
    let (before, behind) = costs.split_at(70);
    before.iter().cloned().chain(jobs).chain(behind.iter().cloned()).collect()
}

fn charge(name: &str, dollars: &str, seconds: i64) -> Value {
    json!({
        "id": name, "job_id": "external", "service": "bfl_api", "cost_usd": dollars, "timestamp": at(seconds),
        "details": {"model": "flux_dev", "steps": 28, "success": true, "base_cost": 0.025},
    })
}

async fn import(store: &Arc<dyn Store>, records: &[Record]) -> (usize, usize, Vec<String>) {
    let verdicts = store.import(records.to_vec(), false).await.unwrap();
    assert_eq!(verdicts.len(), records.len());
    outcomes(verdicts)
}

fn outcomes(verdicts: Vec<ImportOutcome>) -> (usize, usize, Vec<String>) {
    let count = |wanted: &ImportOutcome| verdicts.iter().filter(|verdict| *verdict == wanted).count();
    let (new, same) = (count(&ImportOutcome::Created), count(&ImportOutcome::Unchanged));
    let refused = verdicts.into_iter().filter_map(|verdict| match verdict {
        ImportOutcome::Rejected(why) => Some(why),
        _ => None,
    });
    (new, same, refused.collect())
}

async fn costs(store: &Arc<dyn Store>, grouping: CostGrouping, simulated: bool) -> CostReport {
    let day = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let (from, to) = (day("2026-11-01T00:00:00Z"), day("2026-12-01T00:00:00Z"));
    store.costs(CostQuery { from, to, simulated }).await.unwrap().report(grouping)
}

/// The sums that are kept are those of the entries.
async fn assert_sums(store: &Arc<dyn Store>) {
    assert_eq!(store.verify_rollups(false).await.unwrap().unwrap_or_default(), RollupCheck::default());
}

async fn export(store: &Arc<dyn Store>, collection: Collection, limit: usize) -> Vec<Document> {
    let mut query = ExportQuery { collection, from: None, to: None, after: None, limit };
    let mut all = Vec::new();
    loop {
        let page = store.export(query.clone()).await.unwrap();
        assert_eq!(page.skipped, []);
        all.extend(page.documents);
        let Some(next) = page.next else { return all };
        query.after = Some(next);
    }
}

pub async fn external_history_is_imported_once(fixture: Fixture) {
    let records = samples();
    let first = outcomes(fixture.store.import(records.clone(), true).await.unwrap());
    assert_eq!(first, (203, 0, vec![]), "a dry run says what would happen");
    assert_eq!(costs(&fixture.store, CostGrouping::Service, false).await.count, 0, "and writes nothing");
    assert_eq!(fixture.store.counts().await.unwrap().total(), 0);
    assert_eq!(import(&fixture.store, &records[..100]).await, (100, 0, vec![]));
    assert_sums(&fixture.store).await;
    assert_eq!(import(&fixture.other, &records).await, (103, 100, vec![]), "the same and more");
    assert_eq!(import(&fixture.store, &records).await, (0, 203, vec![]));
    let report = costs(&fixture.other, CostGrouping::Service, false).await;
    let exact = records.iter().filter_map(|record| match record {
        Record::Cost(entry) => Some(entry.amount),
        Record::Job(_) => None,
    });
    assert_eq!((report.total_usd, report.count), (exact.sum(), 143), "what the jobs noted is not booked again");
    let lines: Vec<_> = report.by.iter().map(|line| (line.key.as_str(), line.count)).collect();
    assert_eq!(lines, [("bfl_api", 86), ("google_storage", 57)]);
    let causes = costs(&fixture.other, CostGrouping::Cause, false).await;
    assert!(causes.by.iter().all(|line| ["picture", "failed"].contains(&line.key.as_str())), "{causes:?}");
    assert_eq!(costs(&fixture.store, CostGrouping::Service, true).await.count, 0, "it is real money");
    let counts = fixture.store.counts().await.unwrap();
    assert_eq!((counts.of(StageName::Done), counts.of(StageName::Failed)), (50, 10));
    assert_sums(&fixture.store).await;
}

pub async fn partial_day_report_is_exact(fixture: Fixture) {
    let amounts = ["0.025", "0.000000000000000000000001", "5.0003452102343246e-06"];
    let records =
        (0..9).map(|number| cost_record(&charge(&format!("c{number}"), amounts[number as usize % 3], number)));
    let records: Vec<Record> = records.collect();
    assert_eq!(import(&fixture.store, &records).await.0, 9);
    let query = |from, to| CostQuery { from, to, simulated: false };
    let part = fixture.store.costs(query(at(3), at(6))).await.unwrap().report(CostGrouping::Model);
    assert_eq!((part.total_usd.to_string().as_str(), part.count), ("0.025005000345210234324601", 3));
    let whole = costs(&fixture.store, CostGrouping::Model, false).await;
    assert_eq!((whole.total_usd, whole.count), (part.total_usd * 3, 9));
}

pub async fn spellings_of_a_model_are_one_model(fixture: Fixture) {
    let records = ["flux-dev", "flux_dev", "FLUX_DEV", "my_model"].iter().enumerate().map(|(number, model)| {
        let mut charge = charge(&format!("c{number}"), "0.01", 0);
        charge["details"]["model"] = json!(model);
        cost_record(&charge)
    });
    assert_eq!(import(&fixture.store, &records.collect::<Vec<_>>()).await.0, 4);
    let report = costs(&fixture.store, CostGrouping::Model, false).await;
    let lines: Vec<_> = report.by.iter().map(|line| (line.key.as_str(), line.count)).collect();
    assert_eq!(lines, [("flux-dev", 3), ("my_model", 1)]);
    let caps = Budget { daily: Some(usd("0.05")), monthly: None };
    let edit = BudgetEdit::Set { model: Some("flux-dev".to_owned()), caps, soft_percent: None };
    fixture.store.change_budget(BudgetChange { at: at(0), by: "alice@host".to_owned(), edit }).await.unwrap();
    let mut job = queued("new", 0);
    job.simulated = false;
    create(&fixture.store, [job]).await;
    let mut job = read(&fixture.store, "new").await;
    job.begin_submit(claim("worker", 60), Some(usd("0.025")), at(1)).unwrap();
    let save = Save { job: Arc::new(job), budget: Some(Budget::default()) };
    let refused = fixture.store.save(save).await;
    assert!(
        matches!(refused, Err(StoreError::BudgetExceeded(_))),
        "every spelling counts under the model's cap: {refused:?}"
    );
}

pub async fn import_never_overwrites(fixture: Fixture) {
    create(&fixture.store, [queued("mine", 0)]).await;
    assert_eq!(import(&fixture.store, &[cost_record(&charge("a", "0.025", 0))]).await.0, 1);
    let mut other = charge("a", "0.03", 0);
    let (new, same, refused) = import(&fixture.other, &[cost_record(&other), cost_record(&charge("b", "1", 0))]).await;
    assert_eq!((new, same), (1, 0), "what is refused spoils no other");
    assert!(
        refused[0].contains("cost_usd") && refused[0].contains("0.025") && refused[0].contains("0.03"),
        "{refused:?}"
    );
    other["cost_usd"] = json!(0.025);
    other["details"]["steps"] = json!(30);
    let (_, _, refused) = import(&fixture.other, &[cost_record(&other)]).await;
    assert!(refused[0].contains("details.steps is 28"), "{refused:?}");
    let request = fields(&json!({"status": "pending_art_generation", "prompt": "another", "createdAt": at(0)}));
    let (_, _, refused) = import(&fixture.store, &[job_record(Some("mine"), request)]).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(read(&fixture.store, "mine").await.spec.prompt, "an image of mine");
    let report = costs(&fixture.store, CostGrouping::Model, false).await;
    assert_eq!((report.total_usd, report.count), (usd("1.025"), 2));
}

pub async fn entry_without_id_is_matched_by_content(fixture: Fixture) {
    let mut one = charge("x", "0.025", 0);
    one.as_object_mut().unwrap().remove("id");
    let mut again = one.clone();
    again["timestamp"] = json!("2026-11-22 12:00:00");
    again["cost_usd"] = json!(0.025);
    assert_eq!(import(&fixture.store, &[cost_record(&one)]).await.0, 1);
    assert_eq!(import(&fixture.store, &[cost_record(&again)]).await, (0, 1, vec![]), "the same, written otherwise");
    one["timestamp"] = json!(at(1));
    assert_eq!(import(&fixture.store, &[cost_record(&one)]).await.0, 1, "a second later it is another charge");
}

/// A job of darkroom's own that went through much, and what a file says of it.
fn own_job(name: &str) -> Job {
    let mut job = generating(name, 0, Some("4"));
    job.fail(failure(FailureCode::ContentModerated, BillingStatus::Yes, 9), None, at(9)).unwrap();
    job.retry(at(10)).unwrap();
    job.begin_submit(claim("worker", 60), Some(usd("0.04")), at(11)).unwrap();
    job.accept(receipt(12, Some("3")), None, at(12)).unwrap();
    finish(&mut job, Some("2.5"), None, 20);
    job.approve(at(30)).unwrap();
    job
}

pub async fn native_job_imports_its_charges_in_any_order(fixture: Fixture) {
    for (name, entries_first) in [("jobs-first", false), ("costs-first", true)] {
        let job = own_job(name);
        let costs: Vec<Record> = encode_costs(&job)
            .into_iter()
            .map(|entry| Record::Cost(Box::new(CostEntry::from_file(Some(&entry.id), entry.fields).unwrap())))
            .collect();
        assert_eq!(costs.len(), 2);
        let document = vec![job_record(Some(name), with_native(encode_job(&job), &job))];
        let portions = if entries_first { [costs, document] } else { [document, costs] };
        for portion in &portions {
            let (_, _, refused) = import(&fixture.store, portion).await;
            assert_eq!(refused, Vec::<String>::new(), "{name}");
            assert_sums(&fixture.store).await;
        }
        for portion in &portions {
            assert_eq!(import(&fixture.store, portion).await, (0, portion.len(), vec![]), "{name}");
        }
        let mut there = read(&fixture.other, name).await;
        assert_eq!(there, Job { revision: there.revision, ..job });
        // It goes on like any other: what it pays next is one more charge.
        there.hidden = true;
        save(&fixture.store, &mut there).await.unwrap();
        assert_sums(&fixture.store).await;
    }
    let report = costs(&fixture.store, CostGrouping::Cause, true).await;
    let lines: Vec<_> = report.by.iter().map(|line| (line.key.as_str(), line.usd.to_string(), line.count)).collect();
    assert_eq!(lines, [("content_moderated", "0.08".to_owned(), 2), ("picture", "0.05".to_owned(), 2)]);
}

/// A job from before its submit of unknown outcome was answered, and the entry that the answer made.
pub async fn uncertain_charge_and_its_entry_count_once(fixture: Fixture) {
    for (name, entry_first) in [("job-first", false), ("entry-first", true)] {
        let settled = generating(name, 0, Some("4"));
        let mut unknown = submitting(name, 0, "worker", 60);
        unknown.mark_submit_unknown("no answer", at(1)).unwrap();
        let entries = encode_costs(&settled).into_iter();
        let mut records: Vec<Record> = entries
            .map(|entry| Record::Cost(Box::new(CostEntry::from_file(Some(&entry.id), entry.fields).unwrap())))
            .collect();
        records.insert(usize::from(entry_first), job_record(Some(name), with_native(encode_job(&unknown), &unknown)));
        assert_eq!(records.len(), 2);
        let (first, second) = records.split_at(1);
        assert_eq!(import(&fixture.store, first).await, (1, 0, vec![]), "{name}");
        for _ in 0..2 {
            let (created, unchanged, refused) = import(&fixture.store, second).await;
            assert_eq!((created, unchanged, refused.len()), (0, 0, 1), "{name}: {refused:?}");
        }
        assert_sums(&fixture.store).await;
        assert_eq!(costs(&fixture.store, CostGrouping::Cause, true).await.count, 1 + u64::from(entry_first), "{name}");
    }
    let report = costs(&fixture.store, CostGrouping::Cause, true).await;
    assert_eq!((report.total_usd, report.unconfirmed_usd), (usd("0.04"), usd("0.04")));
}

pub async fn imported_money_counts_toward_caps(fixture: Fixture) {
    assert_eq!(import(&fixture.store, &[cost_record(&charge("a", "0.90", 0))]).await.0, 1);
    let mut job = queued("b", 0);
    job.simulated = false;
    create(&fixture.store, [job]).await;
    let mut job = read(&fixture.store, "b").await;
    job.begin_submit(claim("worker", 60), Some(usd("0.11")), at(1)).unwrap();
    let budget = Some(Budget { daily: Some(usd("1")), monthly: None });
    let refused = fixture.store.save(Save { job: Arc::new(job), budget }).await;
    assert!(matches!(refused, Err(StoreError::BudgetExceeded(_))), "{refused:?}");
}

pub async fn imported_documents_export_unchanged(fixture: Fixture) {
    let mut strange = fields(&json!({
        "status": "error", "prompt": "a\u{1b}[2J \"fox\"\n\u{0}", "createdAt": at(5), "errorMessage": "no", "seed": 9.5e3,
        "guidance": 3.0, "pageState": {"tabs": [1, "two", null, {"deep": true}], "at": {"$timestamp": "2026-11-22T12:00:00.000000Z"}},
    }));
    strange.insert("empty".to_owned(), json!({}));
    let mut records = samples();
    records.push(job_record(Some("strange"), strange));
    assert_eq!(import(&fixture.store, &records).await.0, 204);
    for (collection, limit) in [(Collection::Jobs, 7), (Collection::Costs, 10), (Collection::Costs, 1_000)] {
        let mut exported = export(&fixture.other, collection, limit).await;
        let mut expected: Vec<&Record> = records.iter().filter(|record| record.collection() == collection).collect();
        exported.sort_by(|left, right| left.id.cmp(&right.id));
        expected.sort_by_key(|record| record.id().to_owned());
        assert_eq!(exported.len(), expected.len());
        for (exported, expected) in exported.iter().zip(expected) {
            assert_eq!((exported.id.as_str(), &exported.fields), (expected.id(), expected.fields()));
        }
    }
    let span = ExportQuery {
        collection: Collection::Costs,
        from: Some("2026-11-22T12:41:00Z".parse().unwrap()),
        to: Some("2026-11-22T12:42:00Z".parse().unwrap()),
        after: None,
        limit: 1_000,
    };
    let inside = records.iter().filter(|record| match record {
        Record::Cost(entry) => span.from.unwrap() <= entry.at && entry.at < span.to.unwrap(),
        Record::Job(_) => false,
    });
    let mut found = 0;
    let mut query = span.clone();
    loop {
        let page = fixture.store.export(query.clone()).await.unwrap();
        found += page.documents.len();
        let Some(next) = page.next else { break };
        query.after = Some(next);
    }
    assert_eq!(found, inside.count());
}

pub async fn native_jobs_export_completely(fixture: Fixture) {
    let mut cancelled = queued("cancelled", 3);
    cancelled.cancel(at(4)).unwrap();
    let jobs = [
        own_job("approved"),
        generating("generating", 1, None),
        submitting("submitting", 2, "worker", 60),
        cancelled,
        queued("queued", 4),
    ];
    create(&fixture.store, jobs.clone()).await;
    let exported = export(&fixture.other, Collection::Jobs, 2).await;
    assert_eq!(exported.len(), 5);
    for job in &jobs {
        let document = exported.iter().find(|document| document.id == job.id.as_str()).unwrap();
        let Record::Job(entry) = job_record(Some(&document.id), document.fields.clone()) else { panic!() };
        assert_eq!((&entry.job, entry.is_native), (job, true));
        assert_eq!(document.fields["status"], encode_job(job)["status"]);
    }
    let entries = export(&fixture.store, Collection::Costs, 2).await;
    let expected: Vec<CostEntry> = jobs.iter().flat_map(encode_costs).collect();
    assert_eq!(entries.len(), expected.len());
    for entry in expected {
        let exported = entries.iter().find(|exported| exported.id == entry.id).unwrap();
        let exported = CostEntry::read(Some(&exported.id), exported.fields.clone()).unwrap();
        assert_eq!(exported.canonical_fields(), entry.canonical_fields());
    }
    // Into the same store it is nothing new.
    let records: Vec<Record> =
        exported.into_iter().map(|exported| job_record(Some(&exported.id), exported.fields)).collect();
    assert_eq!(import(&fixture.store, &records).await, (0, 5, vec![]));
}

/// A web page that sets a document as a whole removes darkroom's part of it: the entries are what remains of its charges.
pub async fn entries_of_a_replaced_job_are_imported(fixture: Fixture) {
    let page = fields(&json!({
        "status": "pending_review", "prompt": "a fox", "createdAt": at(0), "model": "flux-dev",
        "generatedImageUrl": "https://page.example/generated-art/a.png", "bfl_cost_usd": 0.04,
    }));
    for (name, entries_first) in [("jobs-first", false), ("costs-first", true)] {
        let entries = encode_costs(&own_job(name)).into_iter();
        let entries =
            entries.map(|entry| Record::Cost(Box::new(CostEntry::from_file(Some(&entry.id), entry.fields).unwrap())));
        let (entries, document) = (entries.collect::<Vec<_>>(), vec![job_record(Some(name), page.clone())]);
        let portions = if entries_first { [entries, document] } else { [document, entries] };
        for portion in &portions {
            assert_eq!(import(&fixture.store, portion).await, (portion.len(), 0, vec![]), "{name}");
            assert_sums(&fixture.store).await;
        }
    }
    let report = costs(&fixture.store, CostGrouping::Service, true).await;
    assert_eq!((report.total_usd, report.count), (usd("0.13"), 4));
}

pub async fn external_job_continues_without_second_charge(fixture: Fixture) {
    let failed = fields(&json!({
        "status": "error", "prompt": "a fox", "createdAt": at(0), "bfl_cost_usd": 0.025, "bfl_model": "flux_dev",
        "errorMessage": "Activity task timed out", "pageState": 7,
    }));
    assert_eq!(import(&fixture.store, &[job_record(Some("old"), failed)]).await.0, 1);
    let mut job = read(&fixture.store, "old").await;
    assert_eq!((job.stage_name(), job.cost()), (StageName::Failed, Some(usd("0.025"))));
    job.hidden = true;
    save(&fixture.store, &mut job).await.unwrap();
    for simulated in [true, false] {
        assert_eq!(
            costs(&fixture.store, CostGrouping::Model, simulated).await.count,
            0,
            "its entry is a document of its own"
        );
    }
    let exported = export(&fixture.store, Collection::Jobs, 10).await;
    assert_eq!((&exported[0].fields["pageState"], &exported[0].fields["status"]), (&json!(7), &json!("error")));
    assert_eq!(job.created_at, at(0));
}

pub async fn unchanged_imports_can_be_removed(fixture: Fixture) {
    let mut native = generating("native", 0, Some("4"));
    native.tags = vec!["cover".into()];
    finish(&mut native, Some("4"), None, 9);
    let native = with_native(encode_job(&native), &native);
    let mut records = samples();
    records.push(job_record(Some("native"), native));
    import(&fixture.store, &records).await;
    let before = costs(&fixture.store, CostGrouping::Tag, true).await;
    assert_eq!((before.total_usd, before.by[0].key.as_str()), (usd("0.04"), "cover"));
    let changed = records.iter().find_map(|record| match record {
        Record::Job(entry) if entry.job.stage_name() == StageName::Done => Some(entry.id.clone()),
        _ => None,
    });
    let changed = changed.unwrap();
    let mut job = read(&fixture.other, changed.as_str()).await;
    job.approve(at(20)).unwrap();
    save(&fixture.other, &mut job).await.unwrap();
    let documents = imported(&records);
    let count =
        |outcomes: &[RemoveOutcome], wanted: &RemoveOutcome| outcomes.iter().filter(|one| *one == wanted).count();
    let would = fixture.store.remove_imported(documents.clone(), true).await.unwrap();
    assert_eq!(count(&would, &RemoveOutcome::Removed), records.len() - 1, "a dry run says what would happen");
    assert_eq!(import(&fixture.store, &records[..5]).await, (0, 5, vec![]), "and removes nothing");
    let outcomes = fixture.store.remove_imported(documents.clone(), false).await.unwrap();
    assert_eq!(count(&outcomes, &RemoveOutcome::Removed), records.len() - 1);
    let kept = outcomes.iter().zip(&documents).find_map(|(outcome, document)| match outcome {
        RemoveOutcome::Kept(reason) => Some((document.id.as_str(), reason.as_str())),
        _ => None,
    });
    assert_eq!(kept, Some((changed.as_str(), "it was changed since the import")));
    assert_eq!(fixture.other.get(&changed).await.unwrap().unwrap().stage_name(), StageName::Approved);
    for simulated in [false, true] {
        let report = costs(&fixture.other, CostGrouping::Tag, simulated).await;
        assert_eq!((report.total_usd, report.count, report.by), (usd("0"), 0, vec![]), "{simulated}");
    }
    assert_sums(&fixture.store).await;
    let again = fixture.store.remove_imported(documents, false).await.unwrap();
    assert_eq!(count(&again, &RemoveOutcome::Missing), records.len() - 1);
    assert_eq!(import(&fixture.store, &records).await.0, records.len() - 1, "it can be imported once more");
}

pub async fn undo_of_jobs_leaves_imported_costs(fixture: Fixture) {
    let job = own_job("a");
    let cost = |entry: CostEntry| Record::Cost(Box::new(CostEntry::from_file(Some(&entry.id), entry.fields).unwrap()));
    let entries: Vec<Record> = encode_costs(&job).into_iter().map(cost).collect();
    let document = vec![job_record(Some("a"), with_native(encode_job(&job), &job))];
    assert_eq!(import(&fixture.store, &entries).await, (2, 0, vec![]));
    let alone = costs(&fixture.store, CostGrouping::Cause, true).await;
    assert_eq!((alone.count, alone.total_usd), (2, usd("0.065")));
    for _ in 0..2 {
        assert_eq!(import(&fixture.store, &document).await, (1, 0, vec![]));
        assert_eq!(costs(&fixture.other, CostGrouping::Cause, true).await.total_usd, alone.total_usd);
        let kept = fixture.store.remove_imported(imported(&entries), false).await.unwrap();
        assert_eq!(kept, vec![RemoveOutcome::Kept("its job is stored and has this charge".to_owned()); 2]);
        for dry_run in [true, false] {
            let outcomes = fixture.store.remove_imported(imported(&document), dry_run).await.unwrap();
            assert_eq!(outcomes, [RemoveOutcome::Removed]);
        }
        assert_eq!(costs(&fixture.other, CostGrouping::Cause, true).await, alone);
        assert_sums(&fixture.store).await;
    }
    assert_eq!(import(&fixture.store, &entries).await, (0, 2, vec![]), "as they were");
    let outcomes = fixture.store.remove_imported(imported(&entries), false).await.unwrap();
    assert_eq!(outcomes, [RemoveOutcome::Removed, RemoveOutcome::Removed]);
    assert_eq!(costs(&fixture.other, CostGrouping::Cause, true).await.count, 0);
    assert_sums(&fixture.store).await;
}
