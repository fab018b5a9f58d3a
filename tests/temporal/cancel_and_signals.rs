//! What people do to jobs that run as workflows: from darkroom, and from Temporal's own tools.

use darkroom::simulator::{self, SimulatorOptions, Speed};

use crate::support::{TestEnv, ledger_check, path_text, temporal_server, text};

use super::worker::{Worker, events, job, until, until_runs, until_status};

/// An environment whose images take hours.
fn slow_env() -> (TestEnv, String, &'static temporal_server::TemporalServer) {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "0.001");
    env.set("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "2");
    let namespace = server.configure(&mut env);
    (env, namespace, server)
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn cancelled_job_cancels_its_workflow() {
    let (env, namespace, server) = slow_env();
    let ids = env.queue(2);
    let worker = Worker::start(&env, &[]);
    until_status(&env, &ids[0], "generating");
    until_status(&env, &ids[1], "generating");
    env.json(&["jobs", "cancel", &ids[0], "--json"]);
    until_runs(server, &namespace, &ids[0], &["CANCELED"]);
    assert_eq!(job(&env, &ids[0])["status"], "cancelled");
    assert_eq!(job(&env, &ids[1])["status"], "generating", "the other one goes on");
    until_runs(server, &namespace, &ids[1], &["RUNNING"]);
    worker.leave();
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn cancelled_workflow_cancels_job_retry_restarts() {
    let (env, namespace, server) = slow_env();
    let ids = env.queue(2);
    let worker = Worker::start(&env, &[]);
    for id in &ids {
        until_status(&env, id, "generating");
    }
    let workflow = |id: &str| format!("image-gen-{id}");
    server.cli(&namespace, &["workflow", "cancel", "--workflow-id", &workflow(&ids[0])]);
    server.cli(&namespace, &["workflow", "signal", "--name", "cancel", "--workflow-id", &workflow(&ids[1])]);
    for id in &ids {
        until_runs(server, &namespace, id, &["CANCELED"]);
        assert_eq!(job(&env, id)["status"], "cancelled");
    }
    // Its ticket was accepted, so a retry asks that one again, in a run of its own.
    env.json(&["jobs", "retry", &ids[0], "--json"]);
    until_runs(server, &namespace, &ids[0], &["CANCELED", "RUNNING"]);
    until_status(&env, &ids[0], "generating");
    worker.leave();
    assert_eq!(ledger_check::bill(&env).values().map(|(times, _)| times).sum::<usize>(), 2, "one order each");
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn query_shows_steps_and_heartbeat_shows_ticket() {
    let (env, namespace, server) = slow_env();
    let ids = env.queue(1);
    let worker = Worker::start(&env, &[]);
    until_status(&env, &ids[0], "generating");
    let workflow = format!("image-gen-{}", ids[0]);
    let query = ["workflow", "query", "--type", "steps", "--workflow-id", &workflow];
    until("the query's answer", || {
        let reported = server.cli(&namespace, &query);
        reported.contains("\"wait\"") && reported.contains("submit done in") && reported.contains("flux-2-klein-4b")
    });
    until("a heartbeat", || {
        let described = server.cli(&namespace, &["workflow", "describe", "--workflow-id", &workflow]);
        described.contains("\"ticket\":") && described.contains("\"looks\":")
    });
    worker.leave();
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn held_workflow_sleeps_until_signal_or_cancel() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    env.set("DARKROOM_BUDGET_DAILY_USD", "0.001");
    let ids = env.queue(2);
    let worker = Worker::start(&env, &[]);
    for id in &ids {
        until("the hold", || job(&env, id)["hold"]["kind"] == "budget");
        until("the rest", || events(server, &namespace, id).iter().any(|event| event == "TIMER_STARTED"));
    }
    env.json(&["jobs", "cancel", &ids[0], "--json"]);
    until_runs(server, &namespace, &ids[0], &["CANCELED"]);
    worker.leave();
    // The budget has room again: the next worker releases held jobs and wakes their workflows early.
    env.set("DARKROOM_BUDGET_DAILY_USD", "5");
    Worker::start(&env, &["--until-idle"]).done();
    assert_eq!(job(&env, &ids[1])["status"], "done");
    let story = events(server, &namespace, &ids[1]);
    assert!(story.iter().any(|event| event == "WORKFLOW_EXECUTION_SIGNALED"), "{story:?}");
    assert!(story.iter().any(|event| event == "TIMER_CANCELED"), "{story:?}");
    until_runs(server, &namespace, &ids[1], &["COMPLETED"]);
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[tokio::test(flavor = "multi_thread")]
async fn account_failure_closes_workflows_keeps_jobs() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    // The simulator lives here, so that it remembers between two workers what it has spoilt already.
    let options = SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() };
    let simulator = simulator::shared(&env.data(), options).await.unwrap();
    let namespace = server.configure(&mut env);
    let lines: Vec<String> = ["first [sim:402*1]", "second", "third"]
        .iter()
        .map(|prompt| format!(r#"{{"prompt": "{prompt}", "model": "flux-2-klein-4b", "width": 64, "height": 64}}"#))
        .collect();
    let file = env.file("jobs.jsonl", &lines.join("\n"));
    env.json(&["submit", "--json", "--file", path_text(&file)]);
    let output = Worker::start(&env, &["--until-idle", "--slots", "1"]).ended();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no credits left"), "{}", text(&output.stderr));
    assert_eq!(server.workflows(&namespace, "ExecutionStatus = 'Running'"), [], "no workflow waits for a bad account");
    Worker::start(&env, &["--until-idle"]).done();
    assert_eq!(ledger_check::check(&env, 3), 3);
    simulator.shutdown().await;
}
