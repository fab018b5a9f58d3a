//! A second backend on a store that darkroom owns is a visible alarm; what was under way before the takeover is none.

use chrono::Utc;
use serde_json::{Value, json};

use super::{fill, job, run, run_json, setup, until};
use crate::metrics::Worker;
use crate::support::external_client::typed_fields;

fn charge(of: &str) -> Value {
    let entry = json!({
        "job_id": of, "service": "bfl_api", "cost_usd": 0.025, "timestamp": Utc::now(),
        "details": {"model": "flux_dev", "steps": 28, "success": true},
    });
    typed_fields(&entry).into()
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_moved_by_a_second_backend_is_an_alarm() {
    let (env, client) = setup().await;
    let worker = Worker::start(&env, &[]);
    worker.until_health(200).await;
    client.write(&[job("stolen", "processing", 0, &json!({}))]).await;
    let health = worker.until_health(503).await;
    let reason = health["reason"].as_str().unwrap();
    assert!(reason.contains("another backend works on this store: it moved job stolen"), "{health}");
    assert!(health["since"].is_string(), "{health}");
    let (code, printed, _) = run(&env, &["doctor", "--json"]).await;
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("it moved job stolen"), "{printed}");
    let logs = std::fs::read_dir(env.path("logs")).unwrap();
    let logged: String = logs.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(logged.contains("another backend works on this store"), "{logged}");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charge_of_a_second_backend_is_an_alarm() {
    let (env, client) = setup().await;
    run_json(&env, &["submit", "an owl", "--json"]).await;
    client.write(&[("costs/theirs".to_owned(), charge("some-job"))]).await;
    let worker = Worker::start(&env, &[]);
    let mut reason = String::new();
    until("the alarm", async || {
        reason = worker.get("/health").await.1;
        reason.contains("it recorded a charge for job some-job")
    })
    .await;
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_left_in_progress_raise_no_alarm() {
    let (env, client) = setup().await;
    fill(&client).await;
    run_json(&env, &["takeover", "--yes", "--force", "--json"]).await;
    // The old backend finishes what it had taken up; the page renames it meanwhile.
    client.patch("jobs/taken-up", json!({"title": "renamed"}), &["title"]).await;
    client.write(&[("costs/late".to_owned(), charge("taken-up"))]).await;
    let worker = Worker::start(&env, &[]);
    until("the backlog is done", async || {
        let jobs = client.list("jobs").await;
        ["waiting-1", "waiting-2"].iter().all(|id| jobs[*id]["fields"]["status"]["stringValue"] == "pending_review")
    })
    .await;
    let result =
        json!({"status": "pending_review", "generatedImageUrl": "https://storage.example/b/generated-art/t.png"});
    client.patch("jobs/taken-up", result, &["status", "generatedImageUrl"]).await;
    let health = worker.until_health(200).await;
    assert_eq!(health["status"], "ok", "{health}");
    let (_, printed, _) = run(&env, &["doctor", "--json"]).await;
    assert!(printed.contains("darkroom since") && !printed.contains("another backend works"), "{printed}");
}
