//! Reports about the fleet, and settings that can change while it works.

use std::collections::HashMap;

use darkroom::engine::temporal::{self, TemporalOptions};
use darkroom::engine::{Command, ConnectionState, Event, Settings, WorkerLock};
use darkroom::jobs::StageName;
use darkroom::simulator::Speed;
use serde_json::Value;

use crate::support::{TestEnv, ledger_check, temporal_server};
use crate::workflow::harness::{Engine, WorkflowHarness};

use super::worker::{Worker, until};

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[tokio::test(flavor = "multi_thread")]
async fn slots_grow_while_tickets_are_open() {
    let server = temporal_server::shared();
    let harness = WorkflowHarness::new(Speed::Times(0.001)).await;
    let variables = HashMap::from([
        ("TEMPORAL_ADDRESS".to_owned(), server.address()),
        ("TEMPORAL_NAMESPACE".to_owned(), server.fresh_namespace()),
        ("TEMPORAL_CONFIG_FILE".to_owned(), "/nonexistent/temporal.toml".to_owned()),
    ]);
    let options = TemporalOptions::from_variables(&variables).unwrap();
    let worker_lock = WorkerLock::acquire(&harness.env.data()).unwrap();
    let ids = [harness.submit("one").await, harness.submit("two").await, harness.submit("three").await];
    let settings = Settings { slots: 1, ..Settings::default() };
    let mut engine = Engine::of(temporal::start(harness.ports(), settings, worker_lock, options));
    engine.until_stage(&ids[0], StageName::Generating).await;
    let is_fleet = |event: &Event| matches!(event, Event::Temporal(fleet) if fleet.workers == 1 && fleet.server == ConnectionState::Connected);
    engine.until("the fleet", is_fleet).await;
    assert_eq!(harness.job(&ids[1]).await.stage_name(), StageName::Queued, "there is one slot");
    engine.send(Command::SetSlots(3)).await;
    for id in &ids {
        while harness.job(id).await.stage_name() != StageName::Generating {
            engine.until("a change", |event| matches!(event, Event::Jobs(_) | Event::Slots { .. })).await;
        }
    }
    engine.stop().await;
    assert_eq!(ledger_check::bill(&harness.env).values().map(|(times, _)| times).sum::<usize>(), 3, "one order each");
}

fn check(diagnosis: &Value, name: &str) -> Value {
    let checks = diagnosis["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{diagnosis}")).clone()
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn doctor_reports_workers_and_rate_is_applied() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    env.set("DARKROOM_TEMPORAL_RATE", "7");
    let worker = Worker::start(&env, &[]);
    until("a worker", || {
        let found = check(&env.json(&["doctor", "--json"]), "temporal");
        found["message"].as_str().unwrap().contains(&format!("namespace {namespace}, 1 worker on"))
    });
    let describe = ["task-queue", "describe", "--task-queue", "image-generation-queue", "--output", "json"];
    until("the rate", || {
        server.cli(&namespace, &describe).to_lowercase().contains("\"rateperSecond\": 7".to_lowercase().as_str())
    });
    worker.leave();
    env.set("TEMPORAL_ADDRESS", "127.0.0.1:1");
    let output = env.run(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = check(&serde_json::from_slice(&output.stdout).unwrap(), "temporal");
    assert_eq!(found["ok"], false);
    assert!(found["advice"].as_str().unwrap().contains("TEMPORAL_ADDRESS"), "{found}");
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn submit_wait_lets_workflow_close() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    let made = env.json(&["submit", "a fox", "--width", "64", "--height", "64", "--wait", "--json"]);
    assert_eq!(made[0]["status"], "done");
    assert_eq!(server.workflows(&namespace, "ExecutionStatus = 'Completed'").len(), 1);
}
