//! Workers that leave or die while their jobs go on elsewhere: nothing is lost, nothing is billed twice.

use std::time::Duration;

use crate::support::chaos_proxy::ChaosProxy;
use crate::support::{TestEnv, ledger_check, temporal_server};

use super::worker::{Worker, activities, events, until, until_status};

/// An environment with that simulator speed whose dead workers are detected quickly.
fn env(speed: &str) -> (TestEnv, String, &'static temporal_server::TemporalServer) {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", speed);
    env.set("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "1");
    let namespace = server.configure(&mut env);
    (env, namespace, server)
}

/// The lines that the workers of this environment have logged.
fn logs(env: &TestEnv) -> String {
    let Ok(entries) = std::fs::read_dir(env.path("logs")) else { return String::new() };
    entries.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok()).collect()
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn stopped_worker_hands_tickets_over_at_once() {
    // A klein takes seconds at this speed.
    let (mut env, namespace, server) = env("0.5");
    // Longer than the test may take: the next worker does not wait for a timeout.
    env.set("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "300");
    let ids = env.queue(3);
    let first = Worker::start(&env, &[]);
    for id in &ids {
        until_status(&env, id, "generating");
    }
    let output = first.leave();
    assert!(output.status.success());
    Worker::start(&env, &["--until-idle"]).done();
    assert_eq!(ledger_check::check(&env, 3), 3);
    for id in &ids {
        assert_eq!(activities(server, &namespace, id), ["submit", "wait"], "the same workflow goes on");
    }
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn killed_worker_is_replaced_on_same_ticket() {
    let (env, namespace, server) = env("0.5");
    let ids = env.queue(4);
    let first = Worker::start(&env, &[]);
    for id in &ids {
        until_status(&env, id, "generating");
    }
    first.kill();
    Worker::start(&env, &["--until-idle"]).done();
    assert_eq!(ledger_check::check(&env, 4), 4);
    assert_eq!(server.workflows(&namespace, "ExecutionStatus = 'Completed'").len(), 4);
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn kill_at_boundary_bills_nothing_twice() {
    for boundary in ["after_post", "after_receipt", "after_ready", "after_put", "after_done"] {
        let (env, namespace, server) = env("instant");
        env.queue(3);
        let dead = Worker::killed_at(&env, boundary).ended();
        assert!(!dead.status.success(), "{boundary} was not reached");
        Worker::start(&env, &["--until-idle"]).done();
        let done = ledger_check::check(&env, 3);
        // Only a death between the note and the answer leaves a question.
        assert_eq!(done, if boundary == "after_post" { 2 } else { 3 }, "{boundary}");
        until("the last word", || server.workflows(&namespace, "ExecutionStatus = 'Running'").is_empty());
    }
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn server_outage_is_reported_once_and_awaited() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("temporal.db");
    let mut server = temporal_server::TemporalServer::start(Some(&database));
    let mut env = TestEnv::new();
    env.set("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "2");
    server.configure(&mut env);
    server.kill();
    let ids = env.queue(3);
    let worker = Worker::start(&env, &["--until-idle"]);
    until("the outage in the log", || logs(&env).contains("Temporal server unavailable"));
    assert_eq!(super::worker::job(&env, &ids[0])["status"], "queued");
    server.restart();
    let output = worker.ended();
    let printed = crate::support::text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert_eq!(printed.matches("Temporal unreachable").count(), 1, "{printed}");
    assert!(printed.contains("Temporal connection restored"), "{printed}");
    assert_eq!(ledger_check::check(&env, 3), 3);
}

/// Servers and load balancers close connections after a while: that is no outage.
#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn connections_closed_by_age_raise_no_alarm() {
    let server = temporal_server::shared();
    let proxy = ChaosProxy::to(&server.address());
    proxy.close_at_age(Duration::from_secs(2));
    let mut env = TestEnv::new();
    server.configure(&mut env);
    env.set("TEMPORAL_ADDRESS", &proxy.host());
    let worker = Worker::start(&env, &[]);
    // Idle meanwhile: two connections at a time, each closed many times.
    until("many closed connections", || proxy.aged_connections() >= 8);
    let ids = env.queue(2);
    until_status(&env, &ids[0], "done");
    until_status(&env, &ids[1], "done");
    let output = worker.leave();
    let printed = crate::support::text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains("Temporal unreachable"), "{printed}");
    assert!(!logs(&env).contains("Temporal server unavailable"), "{}", logs(&env));
    assert_eq!(ledger_check::check(&env, 2), 2);
    // An outage that lasts is one.
    let worker = Worker::start(&env, &[]);
    until("the connection", || proxy.aged_connections() > 9);
    proxy.cut();
    until("the outage in the log", || logs(&env).contains("Temporal server unavailable"));
    proxy.restore();
    let output = worker.leave();
    assert!(output.status.success(), "{}", crate::support::text(&output.stderr));
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn worker_starts_once_namespace_exists() {
    let server = temporal_server::TemporalServer::start(None);
    let mut env = TestEnv::new();
    server.configure(&mut env);
    env.set("TEMPORAL_NAMESPACE", "made-later");
    env.queue(2);
    let worker = Worker::start(&env, &["--until-idle"]);
    until("a failed start in the log", || logs(&env).contains("Temporal server unavailable"));
    server.cli("made-later", &["operator", "namespace", "create"]);
    let output = worker.ended();
    let printed = crate::support::text(&output.stderr);
    assert!(output.status.success() && printed.contains("made-later is not found"), "{printed}");
    assert_eq!(ledger_check::check(&env, 2), 2);
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn successful_job_has_few_events() {
    // The cost of a job on the server; docs/temporal.md has the numbers.
    let story_at = |speed: &str| {
        let (env, namespace, server) = env(speed);
        let ids = env.queue(1);
        Worker::start(&env, &["--until-idle"]).done();
        let story = events(server, &namespace, &ids[0]);
        println!("speed {speed}, {} events: {story:?}", story.len());
        (activities(server, &namespace, &ids[0]), story)
    };
    let (names, story) = story_at("instant");
    assert_eq!(names, ["submit"]);
    assert!(story.len() <= 12, "{}: {story:?}", story.len());
    // A klein takes longer than `submit` polls.
    let (names, story) = story_at("0.4");
    assert_eq!(names, ["submit", "wait"]);
    assert!(story.len() <= 18, "{}: {story:?}", story.len());
}
