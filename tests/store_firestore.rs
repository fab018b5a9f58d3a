//! What only the store of a team promises: other programs beside it, reads that cost money, a server that goes away.
//!
//! Other programs are played by plain REST requests, which know nothing of ours. A time limit only says that something that must
//! come did not.

mod bulk;
mod external;
mod months;
mod replaced;
mod rest;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use darkroom::costs::{Budget, CostGrouping, Credits};
use darkroom::jobs::{
    Claim, ImageFormat, Job, JobId, ObjectName, Receipt, Spec, StageName, StoredImage, Ticket, WorkerId,
};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::{Change, ChangeStream, CostQuery, DueQuery, Save, Store, StoreError};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::external_client::{ExternalClient, typed};
use crate::support::firestore_emulator::{Emulator, fresh_project, shared, store};

const LIMIT: Duration = Duration::from_secs(30);

fn now() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

fn due() -> DueQuery {
    DueQuery {
        now: now() + TimeDelta::days(1_000),
        simulated: true,
        queued: true,
        dead_workers: Vec::new(),
        limit: 100,
    }
}

fn request(prompt: &str) -> Value {
    json!({
        "status": "pending_art_generation", "prompt": prompt, "createdAt": "2026-11-22T11:00:00Z", "steps": 28.0,
        "aspectRatio": "16:9", "pageState": {"tab": [1, "two"]},
    })
}

async fn emulator() -> &'static Emulator {
    tokio::task::spawn_blocking(shared).await.unwrap()
}

async fn save(store: &FirestoreStore, job: &mut Job) {
    job.revision = store.save(Save::new(job)).await.unwrap();
}

fn receipt() -> Receipt {
    Receipt {
        ticket: Ticket { id: "ticket".into(), polling_url: "https://api.example/v1/get_result?id=ticket".into() },
        cost: Some(Credits::new("2.5".parse().unwrap())),
        input_megapixels: None,
        output_megapixels: None,
        accepted_at: now(),
    }
}

/// Takes the job through its life as a worker does, one save for each step.
async fn run(store: &FirestoreStore, mut job: Job) -> Job {
    let claim = Claim { worker: WorkerId::new("worker"), until: now() + TimeDelta::seconds(60) };
    job.begin_submit(claim, Some("0.03".parse().unwrap()), now()).unwrap();
    save(store, &mut job).await;
    job.accept(receipt(), None, now()).unwrap();
    save(store, &mut job).await;
    let object = ObjectName::for_attempt(&job.id, job.attempt_number(), ImageFormat::Png);
    let url = format!("https://storage.example/{object}");
    let sha256 = "00".repeat(32);
    let image = StoredImage { object, url, format: ImageFormat::Png, width: 16, height: 16, bytes: 99, sha256 };
    job.complete(image, Some(Credits::new("2.5".parse().unwrap())), None, now()).unwrap();
    save(store, &mut job).await;
    job
}

async fn until<T>(watch: &mut Box<dyn ChangeStream>, mut seen: impl FnMut(&Change) -> Option<T>) -> T {
    timeout(LIMIT, async {
        loop {
            if let Some(found) = watch.next().await.unwrap().iter().find_map(&mut seen) {
                return found;
            }
        }
    })
    .await
    .expect("the change did not arrive")
}

fn in_stage(name: &str, stage: StageName) -> impl FnMut(&Change) -> Option<Job> {
    move |change| match change {
        Change::Job(job) if job.id.as_str() == name && job.stage_name() == stage => Some(Job::clone(job)),
        _ => None,
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_page_job_runs_and_keeps_page_fields() {
    let emulator = emulator().await;
    let project = fresh_project();
    let (store, page) = (store(emulator, &project), ExternalClient::new(emulator, &project));
    page.patch("jobs/page-job", request("a fox"), &[]).await;
    let jobs = store.due(due()).await.unwrap();
    assert_eq!(jobs.len(), 1);
    let before = store.usage();
    run(&store, jobs[0].clone()).await;
    let used = store.usage();
    assert_eq!((used.reads - before.reads, used.writes - before.writes), (2, 6), "reads and writes of a job");

    let fields = page.fields("jobs/page-job").await;
    assert_eq!(fields["status"]["stringValue"], "pending_review");
    assert_eq!(fields["generatedImageUrl"]["stringValue"], "https://storage.example/generated-art/page-job-1.png");
    assert_eq!(fields["generationCount"]["integerValue"], "1");
    assert_eq!(fields["bfl_cost_usd"]["doubleValue"], 0.025);
    assert_eq!(fields["bfl_steps"]["integerValue"], "28");
    assert_eq!(fields["pageState"], typed("", &json!({"tab": [1, "two"]})), "what is not ours survives");
    assert_eq!(fields["steps"]["doubleValue"], 28.0, "and keeps its type");
    let cost = page.fields("costs/page-job-1-bfl_api").await;
    assert_eq!(
        (&cost["job_id"]["stringValue"], &cost["service"]["stringValue"]),
        (&json!("page-job"), &json!("bfl_api"))
    );
    assert_eq!(cost["cost_usd"]["doubleValue"], 0.025);
    assert_eq!(cost["timestamp"]["timestampValue"], "2026-11-22T12:00:00Z");
    let details = &cost["details"]["mapValue"]["fields"];
    assert_eq!(details["success"]["booleanValue"], true);
    assert_eq!(details["amount"]["stringValue"], "0.025");

    // The page asks for one more with another seed; a reviewer then likes it.
    page.patch("jobs/page-job", json!({"status": "pending_art_generation", "seed": 9}), &["status", "seed"]).await;
    let again = store.due(due()).await.unwrap().remove(0);
    assert_eq!((again.attempt_number(), &again.spec.parameters["seed"]), (2, &json!(9)));
    run(&store, again).await;
    page.patch("jobs/page-job", json!({"status": "approved"}), &["status"]).await;
    let job = store.get(&id("page-job")).await.unwrap().unwrap();
    assert_eq!(
        (job.stage_name(), job.images().count(), job.cost().unwrap().to_string().as_str()),
        (StageName::Approved, 2, "0.05")
    );
    assert_eq!(page.fields("jobs/page-job").await["generationCount"]["integerValue"], "2");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_listener_answers_workers_without_reads() {
    let emulator = emulator().await;
    let project = fresh_project();
    let (store, page) = (store(emulator, &project), ExternalClient::new(emulator, &project));
    page.patch("jobs/broken", json!({"status": "pending_art_generation", "prompt": 7}), &[]).await;
    let broken = page.fields("jobs/broken").await;
    let mut watch = store.watch().await.unwrap();
    let reason = until(&mut watch, |change| match change {
        Change::Unreadable { id, reason } if id.as_str() == "broken" => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "prompt is 7; expected text");
    page.patch("jobs/page-job", request("a fox"), &[]).await;
    until(&mut watch, in_stage("page-job", StageName::Queued)).await;
    let before = store.usage().reads;
    let mut jobs = Vec::new();
    for _ in 0..50 {
        jobs = store.due(due()).await.unwrap();
        assert_eq!(store.next_due(due()).await.unwrap(), None);
    }
    assert_eq!(jobs.len(), 1, "the unreadable one is not due");
    assert!(store.usage().reads - before < 50, "a hundred queries are answered from the cache");
    let job = run(&store, jobs.remove(0)).await;
    assert_eq!(store.counts().await.unwrap().of(StageName::Done), 1);
    assert_eq!(until(&mut watch, in_stage("page-job", StageName::Done)).await, job);
    assert!(store.due(due()).await.unwrap().is_empty());
    page.patch("jobs/page-job", json!({"status": "approved"}), &["status"]).await;
    until(&mut watch, in_stage("page-job", StageName::Approved)).await;
    page.patch("jobs/page-job", json!({"status": "pending_art_generation"}), &["status"]).await;
    assert_eq!(until(&mut watch, in_stage("page-job", StageName::Queued)).await.attempt_number(), 2);
    page.delete("jobs/page-job").await;
    until(&mut watch, |change| (*change == Change::Removed(id("page-job"))).then_some(())).await;
    let mut rejected = broken;
    rejected["status"] = json!({"stringValue": "error"});
    let message = "the request cannot be read: prompt is 7; expected text";
    rejected["errorMessage"] = json!({ "stringValue": message });
    assert_eq!(page.fields("jobs/broken").await, rejected, "nothing else is changed");
    assert!(matches!(store.get(&id("broken")).await, Err(StoreError::Unreadable { .. })));
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charges_of_other_programs_are_in_reports() {
    let emulator = emulator().await;
    let project = fresh_project();
    let (store, script) = (store(emulator, &project), ExternalClient::new(emulator, &project));
    for (collection, samples) in [
        ("jobs", include_str!("samples/old-backend-jobs.json")),
        ("costs", include_str!("samples/old-backend-costs.json")),
    ] {
        for mut document in serde_json::from_str::<Vec<Value>>(samples).unwrap() {
            let id = document.as_object_mut().unwrap().remove("id").unwrap();
            script.patch(&format!("{collection}/{}", id.as_str().unwrap()), document, &[]).await;
        }
    }
    let page = store.list_jobs(darkroom::store::PageQuery::default()).await.unwrap();
    assert_eq!(page.len(), 60);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.of(StageName::Done), counts.of(StageName::Failed)), (50, 10));
    let (from, to) = (now() - TimeDelta::hours(12), now() + TimeDelta::hours(12));
    let query = CostQuery { from, to, simulated: false };
    let report = store.costs(query.clone()).await.unwrap().report(CostGrouping::Service);
    assert_eq!(report.count, 143);
    let lines: Vec<_> = report.by.iter().map(|line| (line.key.as_str(), line.count)).collect();
    assert_eq!(lines, [("bfl_api", 86), ("google_storage", 57)]);
    // Another process reads the corrected rollups: no entry again.
    let other = crate::support::firestore_emulator::store(emulator, &project);
    let again = other.costs(query.clone()).await.unwrap().report(CostGrouping::Service);
    assert_eq!((again.total_usd, again.count), (report.total_usd, 143));
    assert!(other.usage().reads <= 12, "{} reads", other.usage().reads);
    // A new charge of the other program is in the next report at once, one that cannot be read in none.
    let charge = |cost: Value| json!({"job_id": "x", "service": "bfl_api", "cost_usd": cost, "timestamp": "2026-11-22T13:00:00Z"});
    script.patch("costs/late", charge(json!(0.5)), &[]).await;
    script.patch("costs/negative", charge(json!(-5)), &[]).await;
    for expected_reads in [300, 12] {
        let before = store.usage().reads;
        let late = store.costs(query.clone()).await.unwrap().report(CostGrouping::Service);
        assert_eq!((late.total_usd - report.total_usd).to_string(), "0.5");
        assert_eq!(late.count, 144);
        let reads = store.usage().reads - before;
        assert!(reads <= expected_reads, "{reads} reads");
    }
    // The same hours from the entries themselves.
    let begin = now() + TimeDelta::minutes(1);
    let part = store.costs(CostQuery { from: begin, ..query }).await.unwrap().report(CostGrouping::Service);
    assert_eq!((part.total_usd - report.total_usd).to_string(), "0.5", "exact to the last digit, both ways");
    assert_eq!(store.rebuild_rollups().await.unwrap(), []);
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cap_includes_charges_of_other_programs() {
    let emulator = emulator().await;
    let project = fresh_project();
    let (store, script) = (store(emulator, &project), ExternalClient::new(emulator, &project));
    let mut job = Job::new(id("a"), Spec::new("flux-dev", "a fox"), false, now());
    store.create(vec![job.clone()]).await.unwrap();
    job.revision = store.get(&job.id).await.unwrap().unwrap().revision;
    let claim = Claim { worker: WorkerId::new("worker"), until: now() + TimeDelta::seconds(60) };
    job.begin_submit(claim, Some("0.03".parse().unwrap()), now()).unwrap();
    let charge = json!({"job_id": "x", "service": "bfl_api", "cost_usd": 0.04, "timestamp": "2026-11-22T11:00:00Z"});
    script.patch("costs/external", charge, &[]).await;
    // One that cannot be read hides nothing.
    let negative = json!({"job_id": "x", "service": "bfl_api", "cost_usd": -5, "timestamp": "2026-11-22T11:00:00Z"});
    for with_negative in [false, true] {
        if with_negative {
            script.patch("costs/negative", negative.clone(), &[]).await;
        }
        for (daily, monthly) in [(Some("0.06"), None), (None, Some("0.06"))] {
            let [daily, monthly] = [daily, monthly].map(|cap: Option<&str>| cap.map(|cap| cap.parse().unwrap()));
            let save = Save { job: Arc::new(job.clone()), budget: Some(Budget { daily, monthly }) };
            let saved = store.save(save).await;
            assert!(matches!(saved, Err(StoreError::BudgetExceeded(_))), "{saved:?}");
        }
    }
    let budget = Some(Budget { daily: Some("0.07".parse().unwrap()), monthly: None });
    store.save(Save { job: Arc::new(job), budget }).await.unwrap();
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_of_a_year_is_one_read_per_month() {
    let emulator = emulator().await;
    let store = store(emulator, &fresh_project());
    let mut jobs = Vec::new();
    for number in 0..365 {
        let at = now() - TimeDelta::days(number);
        let mut job = Job::new(id(&format!("job-{number}")), Spec::new("flux-dev", "a fox"), true, at);
        let claim = Claim { worker: WorkerId::new("worker"), until: at };
        job.begin_submit(claim, None, at).unwrap();
        job.accept(Receipt { accepted_at: at, ..receipt() }, None, at).unwrap();
        jobs.push(job);
    }
    store.create(jobs).await.unwrap();
    let before = store.usage().reads;
    let midnight = "2026-11-23T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let query = CostQuery { from: midnight - TimeDelta::days(365), to: midnight, simulated: true };
    let report = store.costs(query).await.unwrap().report(CostGrouping::Day);
    assert_eq!((report.count, report.total_usd.to_string().as_str(), report.by.len()), (365, "9.125", 365));
    let reads = store.usage().reads - before;
    assert_eq!(reads, 13, "one for each month");
    assert_eq!(store.rebuild_rollups().await.unwrap(), [], "what was kept is what the entries say");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_survives_a_late_and_a_lost_server() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut options = darkroom::store::firestore::FirestoreOptions::new(fresh_project(), "flux-dev");
    options.emulator_host = Some(format!("127.0.0.1:{port}"));
    options.simulated = true;
    let store = FirestoreStore::connect(options);
    assert!(matches!(store.get(&id("a")).await, Err(StoreError::Unavailable(_))), "no server is no crash");
    let start = || tokio::task::spawn_blocking(move || Emulator::start(Some(port)));
    let server = start().await.unwrap();
    let mut watch = timeout(LIMIT, async {
        loop {
            match store.watch().await {
                Ok(watch) => return watch,
                Err(StoreError::Unavailable(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    })
    .await
    .expect("it is connected once the server runs");
    let job = |name: &str| Job::new(id(name), Spec::new("flux-dev", "a fox"), true, now());
    store.create(vec![job("a")]).await.unwrap();
    until(&mut watch, in_stage("a", StageName::Queued)).await;
    drop(server);
    let lost = timeout(LIMIT, watch.next()).await.expect("a lost connection is reported");
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    assert!(matches!(store.create(vec![job("b")]).await, Err(StoreError::Unavailable(_))));
    // It comes back and has forgotten everything; the same watch goes on.
    let _server = start().await.unwrap();
    timeout(LIMIT, async {
        while store.create(vec![job("c")]).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it is written once the server is back");
    timeout(LIMIT, async {
        loop {
            let changes = watch.next().await.unwrap_or_default();
            if changes.iter().any(|change| in_stage("c", StageName::Queued)(change).is_some()) {
                return;
            }
        }
    })
    .await
    .expect("received once the server is back");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_workers_claim_each_job_once() {
    let emulator = emulator().await;
    let project = fresh_project();
    let first = store(emulator, &project);
    let jobs =
        (0..60).map(|number| Job::new(id(&format!("job-{number:02}")), Spec::new("flux-dev", "a fox"), true, now()));
    first.create(jobs.collect()).await.unwrap();
    let workers = (0..4).map(|number| {
        let store = store(emulator, &project);
        tokio::spawn(async move {
            let mut watch = store.watch().await.unwrap();
            let mut taken = Vec::new();
            // Claims hold for a minute: claimed jobs are not due.
            let due = DueQuery { now: now() + TimeDelta::seconds(1), ..due() };
            loop {
                let Some(mut job) = store.due(due.clone()).await.unwrap().into_iter().nth(number) else {
                    // What is left is less than there are workers: the first takes it.
                    if number == 0 || store.due(due.clone()).await.unwrap().is_empty() {
                        return taken;
                    }
                    let _ = timeout(Duration::from_millis(50), watch.next()).await;
                    continue;
                };
                let claim =
                    Claim { worker: WorkerId::new(format!("worker {number}")), until: now() + TimeDelta::minutes(1) };
                job.begin_submit(claim, None, now()).unwrap();
                match store.save(Save::new(&job)).await {
                    Ok(revision) => job.revision = revision,
                    Err(StoreError::Conflict(_)) => continue,
                    Err(other) => panic!("{other:?}"),
                }
                job.accept(receipt(), None, now()).unwrap();
                save(&store, &mut job).await;
                taken.push(job.id);
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut all = Vec::new();
    for worker in workers {
        let taken = timeout(4 * LIMIT, worker).await.expect("the queue is emptied").unwrap();
        all.extend(taken);
    }
    all.sort();
    assert_eq!(all.len(), 60);
    all.dedup();
    assert_eq!(all.len(), 60, "each job was taken once");
    let query = CostQuery { from: now(), to: now() + TimeDelta::hours(1), simulated: true };
    let entries = first.costs(query.clone()).await.unwrap().report(CostGrouping::Service);
    let midnight = now() - TimeDelta::hours(12);
    let query = CostQuery { from: midnight, to: midnight + TimeDelta::days(1), ..query };
    let sums = first.costs(query).await.unwrap().report(CostGrouping::Service);
    assert_eq!((entries.total_usd, entries.count), (sums.total_usd, sums.count));
    assert_eq!((sums.total_usd.to_string().as_str(), sums.count), ("1.5", 60));
}
