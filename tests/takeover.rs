//! A store of another backend: read-only until `darkroom takeover` has run, then darkroom's alone. The other backend is played by plain
//! REST requests.

mod alarm;
mod claims;
mod defaults;
#[cfg(feature = "temporal")]
mod temporal;

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::pty::terminal::Terminal;
use crate::support::external_client::{ExternalClient, typed_fields};
use crate::support::firestore_emulator::{Emulator, fresh_project, shared};
use crate::support::{TestEnv, text};

pub async fn emulator() -> &'static Emulator {
    tokio::task::spawn_blocking(shared).await.unwrap()
}

/// A project of its own that holds nothing, the program's environment for it, and the other programs' client.
async fn setup() -> (Arc<TestEnv>, ExternalClient) {
    let (emulator, project) = (emulator().await, fresh_project());
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("DARKROOM_SIMULATE_EXTERNAL", "1");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.set("GOOGLE_CLOUD_PROJECT", &project);
    (Arc::new(env), ExternalClient::new(emulator, &project))
}

/// Runs the program; exit code, standard output and standard error.
async fn run(env: &Arc<TestEnv>, arguments: &[&str]) -> (i32, String, String) {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let env = Arc::clone(env);
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = env.run(&arguments);
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    })
    .await
    .unwrap()
}

/// Runs the program, which must succeed and print one JSON document.
async fn run_json(env: &Arc<TestEnv>, arguments: &[&str]) -> Value {
    let (code, printed, errors) = run(env, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {printed}{errors}");
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
}

/// A document of `jobs` in that status, `minutes` old, with these fields in addition.
pub fn job(id: &str, status: &str, minutes: i64, more: &Value) -> (String, Value) {
    let mut fields = json!({
        "status": status, "prompt": format!("a fox, {id}"), "createdAt": Utc::now() - TimeDelta::minutes(minutes),
    });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (format!("jobs/{id}"), typed_fields(&fields).into())
}

/// What the other backend left: three results, a failure, two waiting requests, one job that it has taken up, and four charges.
pub async fn fill(client: &ExternalClient) {
    let url = |id: &str| format!("https://storage.example/b/generated-art/{id}.png");
    let result = |id: &str| json!({"generatedImageUrl": url(id), "bfl_model": "flux_dev", "bfl_cost_usd": 0.025, "generationCount": 1});
    let mut documents: Vec<(String, Value)> =
        ["done-1", "done-2", "done-3"].iter().map(|id| job(id, "pending_review", 90, &result(id))).collect();
    documents.push(job(
        "failed",
        "error",
        80,
        &json!({"errorMessage": "Activity task failed", "bfl_model": "flux_dev"}),
    ));
    documents.push(job("waiting-1", "pending_art_generation", 20, &json!({})));
    documents.push(job("waiting-2", "pending_art_generation", 10, &json!({"model": "flux-2-klein-4b"})));
    documents.push(job("taken-up", "processing", 5, &json!({})));
    for (id, of) in [("c1", "done-1"), ("c2", "done-2"), ("c3", "done-3"), ("c4", "failed")] {
        let entry = json!({
            "job_id": of, "service": "bfl_api", "cost_usd": 0.025, "timestamp": Utc::now() - TimeDelta::minutes(80),
            "details": {"model": "flux_dev", "steps": 28, "success": true, "base_cost": 0.025},
        });
        documents.push((format!("costs/{id}"), typed_fields(&entry).into()));
    }
    client.write(&documents).await;
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unowned_store_refuses_every_write() {
    let (env, client) = setup().await;
    fill(&client).await;
    let (jobs, costs) = (client.list("jobs").await, client.list("costs").await);
    let file = env.file("db.json", r#"{"jobs": [{"id": "new", "status": "approved", "prompt": "x", "generatedImageUrl": "https://x.example/y.png"}]}"#);
    let file = file.to_str().unwrap();
    for arguments in [
        &["submit", "an owl"][..],
        &["submit", "an owl", "--wait"],
        &["worker", "--until-idle"],
        &["jobs", "approve", "done-1"],
        &["jobs", "retry", "failed", "--yes"],
        &["jobs", "cancel", "waiting-1"],
        &["jobs", "hide", "done-1"],
        &["budget", "set", "--daily", "5"],
        &["import", file],
        &["costs", "rebuild"],
    ] {
        let (code, printed, errors) = run(&env, arguments).await;
        assert_eq!(code, 1, "{arguments:?}: {printed}{errors}");
        assert!(errors.contains("read-only") && errors.contains("`darkroom takeover`"), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().filter(|line| line.contains("takeover")).count(), 1, "one line: {errors}");
    }
    // Reading works, and writes nothing either.
    let listed = run_json(&env, &["jobs", "list", "--json"]).await;
    assert_eq!(listed.as_array().unwrap().len(), jobs.len(), "{listed}");
    let spent = run_json(&env, &["costs", "--json", "--real", "--days", "2"]).await;
    assert_eq!(spent["count"], 4, "{spent}");
    run_json(&env, &["import", file, "--dry-run", "--json"]).await;
    let (code, printed, _) = run(&env, &["doctor", "--json"]).await;
    let diagnosis: Value = serde_json::from_str(&printed).unwrap();
    let checks = diagnosis["checks"].as_array().unwrap();
    let owner = checks.iter().find(|check| check["name"] == "store owner").unwrap();
    assert_eq!((code, &owner["ok"]), (1, &json!(false)), "{owner}");
    assert!(owner["message"].as_str().unwrap().contains("read-only"), "{owner}");
    assert_eq!((client.list("jobs").await, client.list("costs").await), (jobs, costs));
    for collection in ["darkroom_records", "darkroom_rollups", "darkroom_budgets", "darkroom_charges"] {
        assert_eq!(client.list(collection).await.len(), 0, "{collection}");
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_run_shows_plan_and_price_only() {
    let (env, client) = setup().await;
    fill(&client).await;
    let before = client.list("jobs").await;
    let plan = run_json(&env, &["takeover", "--dry-run", "--json"]).await;
    assert_eq!((&plan["state"], &plan["owner"]), (&json!("planned"), &Value::Null), "{plan}");
    assert_eq!(plan["jobs"], json!({"total": 7, "other_programs": 7}), "{plan}");
    assert_eq!(plan["defaults"], json!({"model": "flux-dev", "output_format": "png", "results": 4}), "{plan}");
    assert_eq!(plan["in_progress"], json!(["taken-up"]), "{plan}");
    let spent = crate::support::ledger_check::dollars(&plan["costs"]["last_30_days_usd"]);
    assert_eq!((&plan["costs"]["total"], spent.normalize().to_string().as_str()), (&json!(4), "0.1"), "{plan}");
    assert_eq!((&plan["backlog"]["count"], &plan["backlog"]["unpriced_count"]), (&json!(2), &json!(0)), "{plan}");
    // One of each model, as `submit` prices them.
    let price = async |model: &str| -> rust_decimal::Decimal {
        let plan = run_json(&env, &["submit", "x", "--dry-run", "--json", "--model", model]).await;
        plan["total_usd"].as_str().unwrap().parse().unwrap()
    };
    let expected = price("flux-dev").await + price("flux-2-klein-4b").await;
    let at_most = crate::support::ledger_check::dollars(&plan["backlog"]["usd"]);
    assert!(at_most >= expected && at_most < expected * rust_decimal::Decimal::TWO, "{expected}: {plan}");
    let warnings = plan["warnings"].to_string();
    assert!(warnings.contains("no cap is set"), "{warnings}");
    let blockers = plan["blockers"].to_string();
    assert!(blockers.contains("wrote a job") && blockers.contains("wait 5 minutes"), "{blockers}");
    let (code, printed, _) = run(&env, &["takeover", "--dry-run"]).await;
    assert_eq!(code, 0);
    for part in ["2 waiting jobs, at most $", "job taken-up since", "nothing was written", "submit_unknown"] {
        assert!(printed.contains(part), "'{part}' is missing: {printed}");
    }
    let (code, _, errors) = run(&env, &["takeover", "--force"]).await;
    assert_eq!(code, 2, "a script has to confirm: {errors}");
    assert!(errors.contains("--yes") && errors.contains("2 waiting jobs"), "{errors}");
    assert_eq!(client.list("jobs").await, before);
    assert_eq!(client.list("darkroom_records").await.len(), 0);
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn takeover_releases_backlog_with_old_defaults() {
    let (env, client) = setup().await;
    fill(&client).await;
    client.delete("jobs/taken-up").await;
    let taken = run_json(&env, &["takeover", "--yes", "--force", "--json"]).await;
    assert_eq!((&taken["state"], &taken["owner"]["how"]), (&json!("taken_over"), &json!("takeover")), "{taken}");
    let (code, _, errors) = run(&env, &["worker", "--until-idle"]).await;
    assert_eq!(code, 0, "{errors}");
    let jobs = client.list("jobs").await;
    for (id, model) in [("waiting-1", "flux-dev"), ("waiting-2", "flux-2-klein-4b")] {
        let fields = &jobs[id]["fields"];
        assert_eq!(fields["status"]["stringValue"], "pending_review", "{id}: {fields}");
        assert_eq!(fields["bfl_model"]["stringValue"], model, "{id}: {fields}");
        assert!(fields["generatedImageUrl"].to_string().contains(".png"), "{id}: {fields}");
    }
    assert!(jobs["waiting-1"]["fields"]["model"].is_null(), "the request stays as the page wrote it");
    assert_eq!(jobs["failed"]["fields"]["status"]["stringValue"], "error", "nothing is retried by itself");
    let again = run_json(&env, &["takeover", "--yes", "--json"]).await;
    assert_eq!((&again["state"], &again["owner"]), (&json!("owned"), &taken["owner"]), "{again}");
    let (_, printed, _) = run(&env, &["takeover"]).await;
    assert!(printed.contains("darkroom owns this store since"), "{printed}");
    // The settings can be changed later; what is not named stays.
    let changed = run_json(&env, &["takeover", "--output-format", "none", "--json"]).await;
    assert_eq!(changed["defaults"]["model"], "flux-dev", "{changed}");
    assert_eq!(changed["defaults"]["output_format"], Value::Null, "{changed}");
    let id = client.request_image("a hare").await;
    let (code, _, errors) = run(&env, &["worker", "--until-idle"]).await;
    assert_eq!(code, 0, "{errors}");
    let fields = client.fields(&format!("jobs/{id}")).await;
    assert_eq!(fields["bfl_model"]["stringValue"], "flux-dev", "{fields}");
    assert!(!fields["generatedImageUrl"].to_string().contains(".png"), "{fields}");
    let (code, _, errors) = run(&env, &["takeover", "--model", "no-such-model"]).await;
    assert!(code == 2 && errors.contains("not a known model"), "{errors}");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_old_backend_are_never_submitted() {
    let (env, client) = setup().await;
    fill(&client).await;
    run_json(&env, &["takeover", "--yes", "--force", "--json"]).await;
    // The worker submits the backlog and leaves the other one alone.
    let mut worker = env.command(&["worker"]).spawn().unwrap();
    until("the backlog is done", async || {
        let jobs = client.list("jobs").await;
        ["waiting-1", "waiting-2"].iter().all(|id| jobs[*id]["fields"]["status"]["stringValue"] == "pending_review")
    })
    .await;
    let left = client.fields("jobs/taken-up").await;
    assert!(left["darkroom"].is_null() && left["status"]["stringValue"] == "processing", "{left}");
    worker.kill().unwrap();
    worker.wait().unwrap();
    let bill = crate::support::ledger_check::bill(&env);
    assert_eq!(bill.values().map(|(times, _)| times).sum::<usize>(), 2, "{bill:?}");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_waits_for_takeover_then_starts() {
    let (env, client) = setup().await;
    fill(&client).await;
    let worker = crate::metrics::Worker::start(&env, &[]);
    let health = worker.until_health(503).await;
    until("the reason is reported", async || worker.get("/health").await.1.contains("the store is read-only")).await;
    assert_eq!(health["status"], "trouble", "{health}");
    assert!(client.fields("jobs/waiting-1").await["darkroom"].is_null());
    run_json(&env, &["takeover", "--yes", "--force", "--json"]).await;
    until("the backlog runs", async || {
        client.fields("jobs/waiting-1").await["status"]["stringValue"] == "pending_review"
    })
    .await;
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recent_backend_write_refuses_the_takeover() {
    let (env, client) = setup().await;
    fill(&client).await;
    let (code, printed, errors) = run(&env, &["takeover", "--yes", "--json"]).await;
    let refused: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, &refused["state"]), (1, &json!("refused")), "{printed}");
    assert!(errors.contains("another backend wrote a job") && errors.contains("--force"), "{errors}");
    assert_eq!(client.list("darkroom_records").await.len(), 0, "nothing was written");
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_console_is_writable_after_the_takeover() {
    let (env, client) = setup().await;
    fill(&client).await;
    let (console_env, open) = (env.clone(), std::sync::mpsc::channel());
    let console = tokio::task::spawn_blocking(move || {
        let mut console = Terminal::start(&console_env, &[], 160, 40);
        console.wait_for("READ-ONLY");
        console.wait_for("live");
        open.0.send(()).unwrap();
        console.wait_for("The store was taken over: press p to run jobs here");
        console.wait_for_no("READ-ONLY");
        console.wait_for_no("not taken over");
        console
    });
    tokio::task::spawn_blocking(move || open.1.recv().unwrap()).await.unwrap();
    run_json(&env, &["takeover", "--yes", "--force", "--json"]).await;
    let mut console = console.await.unwrap();
    let waits = client.fields("jobs/waiting-1").await;
    assert_eq!(waits["status"]["stringValue"], "pending_art_generation", "nothing is spent unasked: {waits}");
    let console = tokio::task::spawn_blocking(move || {
        console.send("p");
        console
    });
    let console = console.await.unwrap();
    until("the backlog runs", async || {
        client.fields("jobs/waiting-1").await["status"]["stringValue"] == "pending_review"
    })
    .await;
    tokio::task::spawn_blocking(move || drop(console)).await.unwrap();
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_opens_read_only_with_the_line() {
    let (env, client) = setup().await;
    fill(&client).await;
    let before = client.list("jobs").await;
    tokio::task::spawn_blocking(move || {
        let mut console = Terminal::start(&env, &[], 160, 40);
        console.wait_for("READ-ONLY");
        console.wait_for("not taken over");
        console.wait_for("darkroom takeover");
        console.wait_for("waiting-1");
    })
    .await
    .unwrap();
    assert_eq!(client.list("jobs").await, before);
    assert_eq!(client.list("darkroom_records").await.len(), 0);
}

/// Waits until that is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "timed out: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
