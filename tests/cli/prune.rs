//! `darkroom prune`: old finished jobs and their images are removed, charges and everything newer stay.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use darkroom::bucket::{Bucket, BucketError, Stored};
use darkroom::engine::{Operator, Retention, RetentionError, RetentionSummary};
use darkroom::jobs::{ImageFormat, Job, JobId, ObjectName, Outcome, Spec, Stage, StoredImage};
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{JobVersion, RemoveOutcome, Save, SharedRecord, Store};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{TestEnv, ids, path_text, text};

/// Finished jobs of the simulator.
fn make_jobs(env: &TestEnv, count: &str, prompt: &str) -> Vec<String> {
    let arguments = ["submit", prompt, "--width", "64", "--height", "64", "--count", count, "--wait", "--json"];
    ids(&env.json(&arguments))
}

fn store(env: &TestEnv) -> SqliteStore {
    SqliteStore::open(&env.data().join("darkroom.db")).unwrap()
}

fn run<Answer>(work: impl Future<Output = Answer>) -> Answer {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

/// Moves a job to the past.
fn age(env: &TestEnv, name: &str, days: i64) {
    change(env, name, |job| {
        job.created_at -= TimeDelta::days(days);
        job.updated_at = job.created_at;
    });
}

fn change(env: &TestEnv, name: &str, change: impl FnOnce(&mut Job)) {
    let store = store(env);
    run(async {
        let mut job = store.get(&JobId::new(name).unwrap()).await.unwrap().unwrap();
        change(&mut job);
        store.save(Save::new(&job)).await.unwrap();
    });
}

fn image(env: &TestEnv, name: &str) -> PathBuf {
    let url: url::Url = env.json(&["jobs", "show", name, "--json"])["image_url"].as_str().unwrap().parse().unwrap();
    url.to_file_path().unwrap()
}

fn costs(env: &TestEnv) -> Value {
    let mut costs = env.json(&["costs", "--json", "--by", "cause"]);
    for field in ["from", "to"] {
        costs.as_object_mut().unwrap().remove(field);
    }
    costs
}

#[test]
fn old_jobs_and_images_are_removed_charges_stay() {
    let env = TestEnv::new();
    let jobs = make_jobs(&env, "3", "a fox");
    let images: Vec<PathBuf> = jobs.iter().map(|job| image(&env, job)).collect();
    for job in &jobs[..2] {
        age(&env, job, 100);
    }
    fs::create_dir_all(env.path("logs")).unwrap();
    for name in ["darkroom.2020-01-01.jsonl", "darkroom.old.jsonl", "other.2020-01-01.jsonl"] {
        env.file(&format!("logs/{name}"), "{}\n");
    }
    let before = costs(&env);
    let plan = env.json(&["prune", "--older-than", "90d", "--dry-run", "--json"]);
    assert_eq!((&plan["jobs"], &plan["images"], &plan["log_files"]), (&json!(2), &json!(2), &json!(1)));
    assert!(images.iter().all(|image| image.exists()) && env.path("logs/darkroom.2020-01-01.jsonl").exists());
    assert_eq!(env.jobs().len(), 3);
    let refused = env.fails(2, &["prune", "--older-than", "90d"]);
    assert!(refused.contains("2 jobs, 2 images") && refused.contains("--yes"), "{refused}");

    let done = env.json(&["prune", "--older-than", "90d", "--yes", "--json"]);
    for field in ["jobs", "images", "image_bytes", "log_files", "log_bytes"] {
        assert_eq!(done[field], plan[field], "{field}");
    }
    assert_eq!(images.iter().map(|image| image.exists()).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(ids(&Value::Array(env.jobs())), jobs[2..]);
    assert_eq!(costs(&env), before);
    let logs = ["darkroom.2020-01-01.jsonl", "darkroom.old.jsonl", "other.2020-01-01.jsonl"];
    assert_eq!(logs.map(|name| env.path("logs").join(name).exists()), [false, true, true]);
    let entry = &env.json(&["audit", "--json"])[0];
    assert_eq!((&entry["action"], &entry["count"]), (&json!("prune"), &json!(2)));
    let again = env.json(&["prune", "--older-than", "90d", "--yes", "--json"]);
    assert_eq!((&again["jobs"], &again["images"]), (&json!(0), &json!(0)));
}

#[test]
fn needed_jobs_are_kept() {
    let env = TestEnv::new();
    let used = make_jobs(&env, "1", "a fox").remove(0);
    let approved = make_jobs(&env, "1", "a hare").remove(0);
    let unknown = make_failed(&env, "a wolf [sim:moderated]");
    let changed = make_jobs(&env, "1", "an owl").remove(0);
    for job in [&used, &approved, &unknown, &changed] {
        age(&env, job, 100);
    }
    assert!(env.run(&["jobs", "approve", &changed]).status.success());
    let input = image(&env, &used);
    let reader = env.json(&["submit", "the same fox", "--json"]);
    change(&env, &ids(&reader)[0], |job| {
        let path = input.display().to_string();
        job.spec.parameters.insert("input_image".to_owned(), json!(path));
    });
    let done = env.json(&["prune", "--older-than", "90d", "--yes", "--json"]);
    assert_eq!((&done["jobs"], &done["images"]), (&json!(1), &json!(1)), "{done}");
    let kept = json!({
        "another job reads its image": 1, "one of its charges is uncertain": 1, "it was changed later": 1,
    });
    assert_eq!(done["kept"], kept);
    assert!(input.exists());
    env.fails(1, &["jobs", "show", &approved]);
}

fn make_failed(env: &TestEnv, prompt: &str) -> String {
    let output = env.run(&["submit", prompt, "--wait", "--json"]);
    let jobs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(jobs[0]["status"], "failed", "{jobs}");
    ids(&jobs).remove(0)
}

#[test]
fn interrupted_run_is_continued() {
    let env = TestEnv::new();
    let jobs = make_jobs(&env, "2", "a fox");
    let images: Vec<PathBuf> = jobs.iter().map(|job| image(&env, job)).collect();
    // As a run leaves it that is killed after it removed the first of two jobs.
    let opened = store(&env);
    run(async {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let entry = |(job, image): (&String, &PathBuf)| {
            let name = image.file_name().unwrap().to_str().unwrap();
            json!({"job": job, "images": [format!("generated-art/{name}")]})
        };
        let entries: Vec<Value> = jobs.iter().zip(&images).map(entry).collect();
        let audit = json!({
            "id": "1-a", "at": at, "by": "ana@studio",
            "body": {"from": "cli", "action": "prune", "count": 3, "jobs": ["a", "b", "c"]},
        });
        let body = json!({ "entries": entries, "audit": audit });
        let record = SharedRecord::new("retention", "batch", at, "ana@studio", body);
        opened.put_shared_record(record).await.unwrap();
        let job = opened.get(&JobId::new(jobs[0].as_str()).unwrap()).await.unwrap().unwrap();
        let version = JobVersion { id: job.id, revision: job.revision };
        assert_eq!(opened.remove_finished(vec![version]).await.unwrap(), [RemoveOutcome::Removed]);
    });
    drop(opened);
    assert!(images.iter().all(|image| image.exists()));
    let done = env.json(&["prune", "--older-than", "90d", "--yes", "--json"]);
    assert_eq!(done["jobs"], 0);
    assert_eq!(images.iter().map(|image| image.exists()).collect::<Vec<_>>(), [false, true]);
    assert_eq!(ids(&Value::Array(env.jobs())), jobs[1..]);
    let entries = env.json(&["audit", "--json"]);
    let entry = entries.as_array().unwrap().iter().find(|entry| entry["action"] == "prune").unwrap();
    assert_eq!((&entry["by"], &entry["count"]), (&json!("ana@studio"), &json!(4)), "its entry is completed");
    assert_eq!(entry["jobs"], json!(["a", "b", "c", jobs[0]]));
}

#[test]
fn killed_run_is_in_the_audit() {
    let env = TestEnv::new();
    make_jobs(&env, "1", "a fox");
    let reached = Arc::new(Notify::new());
    let killed = reached.clone();
    let hang = move |_| -> BoxFuture<'static, ()> {
        reached.notify_one();
        Box::pin(std::future::pending())
    };
    let done = prune_until(&env, hang, async move { killed.notified().await });
    assert!(done.is_none(), "{done:?}");
    let counts = || {
        let entries = env.json(&["audit", "--json"]);
        let entries = entries.as_array().unwrap().iter().filter(|entry| entry["action"] == "prune");
        entries.map(|entry| entry["count"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(counts(), [50], "its first batch");
    // As it is a while later.
    let opened = store(&env);
    run(async {
        let record = opened.shared_record("retention", "batch").await.unwrap().unwrap();
        let at = record.at - TimeDelta::minutes(6);
        opened.put_shared_record(SharedRecord { at, ..record }).await.unwrap();
    });
    assert_eq!(env.json(&["prune", "--older-than", "90d", "--yes", "--json"])["jobs"], 10);
    assert_eq!(counts(), [10, 50], "no job is counted twice");
}

#[test]
fn age_is_configured_or_given() {
    let mut env = TestEnv::new();
    for arguments in [&["prune"][..], &["prune", "--older-than", "1h"], &["prune", "--older-than", "soon"]] {
        env.fails(2, arguments);
    }
    env.set("DARKROOM_RETENTION_DAYS", "30");
    let plan = text(&env.run(&["prune", "--dry-run"]).stdout);
    assert!(plan.starts_with("0 jobs, 0 images"), "{plan}");
    let nothing = env.run(&["prune"]);
    assert!(nothing.status.success() && text(&nothing.stdout).starts_with("Nothing to remove: "), "{nothing:?}");
}

#[test]
fn images_in_lists_are_kept_for_queued_jobs() {
    let env = TestEnv::new();
    let used = make_jobs(&env, "1", "a fox").remove(0);
    age(&env, &used, 100);
    let input = image(&env, &used);
    let reader = env.json(&["submit", "the same fox", "--json"]);
    change(&env, &ids(&reader)[0], |job| {
        job.spec.model = "flux-3-image".to_owned();
        job.spec.parameters = [("images".to_owned(), json!([input.display().to_string()]))].into();
    });
    let done = env.json(&["prune", "--older-than", "90d", "--yes", "--json"]);
    assert_eq!((&done["jobs"], &done["kept"]), (&json!(0), &json!({"another job reads its image": 1})));
    assert!(input.exists());
}

#[test]
fn batch_of_another_run_is_left_to_it() {
    let env = TestEnv::new();
    let job = make_jobs(&env, "1", "a fox").remove(0);
    let image = image(&env, &job);
    age(&env, &job, 100);
    let write = |at: DateTime<Utc>, is_abandoned: bool| {
        let opened = store(&env);
        let entries = json!([{"job": "gone", "images": ["generated-art/gone-1.png"]}]);
        let body = json!({"entries": entries, "is_abandoned": is_abandoned});
        run(async {
            let revision =
                opened.shared_record("retention", "batch").await.unwrap().map_or(0, |record| record.revision);
            let record = SharedRecord::new("retention", "batch", at, "ana@studio", body);
            opened.put_shared_record(SharedRecord { revision, ..record }).await.unwrap();
        });
    };
    let now = chrono::SubsecRound::trunc_subsecs(Utc::now(), 6);
    let prune = ["prune", "--older-than", "90d", "--yes", "--json"];
    write(now, false);
    let busy = env.fails(1, &prune);
    assert!(busy.contains("another `darkroom prune`") && image.exists(), "{busy}");
    write(now, true);
    assert_eq!(env.json(&prune)["jobs"], 1, "a run that stopped has left it");
    write(now - TimeDelta::minutes(6), false);
    assert_eq!(env.json(&prune)["jobs"], 0, "and so has one that was killed long ago");
}

/// Runs `prune` in this process on 60 old jobs: two batches. `on_delete` happens when the first image is removed.
fn prune_while(
    env: &TestEnv,
    on_delete: impl Fn(Arc<SqliteStore>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> Result<RetentionSummary, RetentionError> {
    prune_until(env, on_delete, std::future::pending()).unwrap()
}

/// The same; `None` where it is killed before it is done.
fn prune_until(
    env: &TestEnv,
    on_delete: impl Fn(Arc<SqliteStore>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    killed: impl Future<Output = ()>,
) -> Option<Result<RetentionSummary, RetentionError>> {
    let opened = Arc::new(store(env));
    run(async {
        let at = chrono::SubsecRound::trunc_subsecs(Utc::now(), 6) - TimeDelta::days(100);
        let jobs = (0..60).map(|number| old_job(&format!("old-{number:02}"), at + TimeDelta::seconds(number)));
        opened.create(jobs.collect()).await.unwrap();
        let bucket =
            Interrupted { store: opened.clone(), on_delete: Box::new(on_delete), is_over: AtomicBool::new(false) };
        let operator = Operator { by: "ana@studio".to_owned(), from: "cli" };
        let retention = Retention { store: opened.as_ref(), bucket: &bucket, operator };
        let now = Utc::now();
        tokio::select! {
            done = retention.apply(now - TimeDelta::days(90), now) => Some(done),
            () = killed => None,
        }
    })
}

/// A finished job with an image.
fn old_job(name: &str, at: DateTime<Utc>) -> Job {
    let mut job = Job::new(JobId::new(name).unwrap(), Spec::new("flux-dev", "a fox"), true, at);
    let image = StoredImage {
        object: ObjectName::for_attempt(&job.id, 1, ImageFormat::Png),
        url: String::new(),
        format: ImageFormat::Png,
        width: 1,
        height: 1,
        bytes: 1,
        sha256: String::new(),
    };
    job.attempts[0].outcome = Some(Outcome::Done { image: image.clone() });
    job.stage = Stage::Done { image };
    job
}

/// A bucket without objects in which something happens when the first one is removed.
struct Interrupted {
    store: Arc<SqliteStore>,
    on_delete: Box<dyn Fn(Arc<SqliteStore>) -> BoxFuture<'static, ()> + Send + Sync>,
    is_over: AtomicBool,
}

#[async_trait]
impl Bucket for Interrupted {
    async fn put(&self, name: &ObjectName, _: Bytes, _: ImageFormat) -> Result<Stored, BucketError> {
        Err(BucketError::NotFound(name.clone()))
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, BucketError> {
        Err(BucketError::NotFound(name.clone()))
    }

    async fn delete(&self, _: &ObjectName) -> Result<(), BucketError> {
        if !self.is_over.swap(true, Ordering::SeqCst) {
            (self.on_delete)(self.store.clone()).await;
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), BucketError> {
        Ok(())
    }
}

#[test]
fn job_submitted_meanwhile_keeps_its_input() {
    let env = TestEnv::new();
    make_jobs(&env, "1", "a fox");
    let done = prune_while(&env, |store| {
        Box::pin(async move {
            let spec = Spec::new("flux-3-image", "a fox").with("images", json!(["/data/generated-art/old-59-1.png"]));
            let reader = Job::new(JobId::new("reader").unwrap(), spec, true, Utc::now());
            store.create(vec![reader]).await.unwrap();
        })
    });
    let done = done.unwrap();
    assert_eq!((done.jobs, done.kept.get("another job reads its image")), (59, Some(&1)), "{done:?}");
}

#[test]
fn run_stops_when_another_one_takes_its_batch() {
    let env = TestEnv::new();
    make_jobs(&env, "1", "a fox");
    let done = prune_while(&env, |store| {
        Box::pin(async move {
            let record = store.shared_record("retention", "batch").await.unwrap().unwrap();
            store.put_shared_record(SharedRecord { by: "bob@studio".to_owned(), ..record }).await.unwrap();
        })
    });
    assert!(matches!(done, Err(RetentionError::Busy)), "{done:?}");
    assert_eq!(env.jobs().len(), 11, "only its first batch was removed");
    let entry = &env.json(&["audit", "--json"])[0];
    assert_eq!((&entry["action"], &entry["count"]), (&json!("prune"), &json!(50)), "and recorded");
}

#[test]
fn undone_restore_leaves_the_charges() {
    let env = TestEnv::new();
    let jobs = make_jobs(&env, "2", "a fox");
    for job in &jobs {
        age(&env, job, 100);
    }
    let backup = env.path("backup.json");
    let path = path_text(&backup);
    assert!(env.run(&["export", "--format", "db.json", "--output", path]).status.success());
    let before = costs(&env);
    env.json(&["prune", "--older-than", "90d", "--yes", "--json"]);
    let imported = env.json(&["import", path, "--json"]);
    let batch = imported["batch"].as_str().unwrap();
    assert_eq!((env.jobs().len(), costs(&env)), (2, before.clone()));
    let undone = env.json(&["import", "--undo", batch, "--yes", "--json"]);
    assert_eq!((&undone["jobs"], &undone["costs"], &undone["kept"]), (&json!(2), &json!(0), &json!([])));
    assert_eq!((env.jobs().len(), costs(&env)), (0, before));
}
