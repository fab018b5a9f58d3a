//! The same jobs through the local engine and through Temporal with 1, 2 and 4 workers, in one run, so that the figures compare.
//!
//! `cargo bench --bench temporal` prints jobs per second, and what one job costs the server in events and activities;
//! `DARKROOM_BENCH_JOBS=500 cargo bench --bench temporal` does the same with more jobs. The Temporal development server is
//! started by the bench, in memory and with a database file, on the same cores as the workers. It fails where the books do not
//! equal the simulator's bill, never over a timing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it cannot run"
)]

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, clippy::expect_used, clippy::panic, missing_docs, reason = "written for the tests")]
mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use support::temporal_server::TemporalServer;
use support::{TestEnv, ledger_check, text};

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let count: usize = std::env::var("DARKROOM_BENCH_JOBS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    println!("{count} jobs, instant simulator, {} cores shared by everybody", cores());
    let local = TestEnv::new();
    local.queue(count);
    let base = run(&local, count, 1);
    println!("{:<34} {}", "local engine, 1 worker", figures(count, base, base));
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in [("in memory", None), ("database file", Some(folder.path().join("temporal.db")))] {
        let server = TemporalServer::start(file.as_deref());
        for workers in [1, 2, 4] {
            let mut env = TestEnv::new();
            let namespace = server.configure(&mut env);
            let ids = env.queue(count);
            let time = run(&env, count, workers);
            println!("{:<34} {}", format!("Temporal {name}, {workers} workers"), figures(count, time, base));
            if workers == 1 && file.is_none() {
                print_events(&server, &namespace, &ids[count / 2]);
            }
        }
    }
}

/// Starts the workers and waits until all of them have left; checks the books.
fn run(env: &TestEnv, count: usize, workers: usize) -> Duration {
    let begun = Instant::now();
    let start = |_| env.command(&["worker", "--until-idle"]).stdout(Stdio::null()).spawn().unwrap();
    let workers: Vec<Child> = (0..workers).map(start).collect();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let time = begun.elapsed();
    assert_eq!(ledger_check::check(env, count), count, "every job is done");
    time
}

fn figures(count: usize, time: Duration, base: Duration) -> String {
    let seconds = time.as_secs_f64();
    let each = (seconds - base.as_secs_f64()) * 1000.0 / count as f64;
    format!("{seconds:>6.1} s  {:>6.1} jobs/s  {each:>6.0} ms a job more than local", count as f64 / seconds)
}

fn print_events(server: &TemporalServer, namespace: &str, id: &str) {
    let history = server.history(namespace, &format!("image-gen-{id}"));
    let events = history["events"].as_array().unwrap();
    let of = |kind: &str| events.iter().filter(|event| event["eventType"] == kind).count();
    println!(
        "{:<34} {} events: {} activities, {} workflow tasks, {} timers, {} signals",
        "one job in the server's history",
        events.len(),
        of("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED"),
        of("EVENT_TYPE_WORKFLOW_TASK_SCHEDULED"),
        of("EVENT_TYPE_TIMER_STARTED"),
        of("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"),
    );
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
