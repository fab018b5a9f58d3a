//! `darkroom prune`: old finished jobs and their images are removed, charges and everything newer stay.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use darkroom::jobs::{Job, JobId};
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{JobVersion, RemoveOutcome, Save, SharedRecord, Store};
use serde_json::{Value, json};

use crate::support::{TestEnv, ids, text};

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
        let record = SharedRecord::new("retention", "batch", at, "ana@studio", json!({ "entries": entries }));
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
