//! Real processes are killed at every boundary between two effects, and after arbitrary saves. Afterwards every job has ended, none
//! is billed twice, and the ledger equals the simulator's bill.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use darkroom::engine::CRASH_BOUNDARIES;

use crate::support::{TestEnv, ledger_check, text};

/// How long a worker may take before the test fails.
const TIMEOUT: Duration = Duration::from_mins(2);

fn finish(env: &TestEnv) {
    let output = env.run(&["worker", "--until-idle"]);
    assert!(output.status.success(), "the worker exited with {}: {}", output.status, text(&output.stderr));
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

#[cfg(unix)]
#[test]
fn kill_at_any_boundary_bills_nothing_twice() {
    for boundary in CRASH_BOUNDARIES {
        let env = TestEnv::new();
        env.queue(5);
        for _ in 0..2 {
            let output = env
                .command(&["worker", "--until-idle", "--slots", "1"])
                .env("DARKROOM_CRASH_AT", boundary)
                .output()
                .expect("the worker starts");
            assert!(
                was_killed(output.status),
                "{boundary} was not reached: {} {}",
                output.status,
                text(&output.stderr)
            );
        }
        finish(&env);
        let done = ledger_check::check(&env, 5);
        // Only a death between the submit record and the saved reply leaves the outcome unknown; all other jobs finish.
        let unknown = if matches!(boundary, "before_post" | "after_post") { 2 } else { 0 };
        assert_eq!(done, 5 - unknown, "killed twice at {boundary}");
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the worker's status is available") {
            return status;
        }
        assert!(started.elapsed() < TIMEOUT, "the worker is stuck");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Evaluates a query for one number on the environment's database.
fn number(env: &TestEnv, sql: &str) -> i64 {
    let database = rusqlite::Connection::open(env.data().join("darkroom.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Waits until the number of that query is at least `wanted`, or the worker has exited.
fn until_number(env: &TestEnv, worker: &mut Child, sql: &str, wanted: i64) {
    let started = Instant::now();
    while number(env, sql) < wanted && worker.try_wait().expect("the worker's status is available").is_none() {
        assert!(started.elapsed() < TIMEOUT, "{sql} did not reach {wanted}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn kill_after_any_save_bills_nothing_twice() {
    /// Grows with every save of a job.
    const SAVES: &str = "SELECT max(seq) FROM jobs";
    let mut env = TestEnv::new();
    // Fast, but not instant: jobs are killed in every step.
    env.set("DARKROOM_SIMULATOR_SPEED", "20");
    env.queue(60);
    // A fixed sequence; which step each kill hits depends on the machine.
    for saves in [3, 25, 40, 8, 60, 15, 33, 20] {
        let before = number(&env, SAVES);
        let mut worker = env.command(&["worker", "--until-idle"]).spawn().expect("the worker starts");
        until_number(&env, &mut worker, SAVES, before + saves);
        let _ = worker.kill();
        wait(&mut worker);
    }
    finish(&env);
    ledger_check::check(&env, 60);
}

#[test]
fn second_worker_finishes_jobs_of_dead_worker() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "20");
    env.queue(60);
    let mut first = env.command(&["worker", "--until-idle", "--slots", "8"]).spawn().expect("a worker starts");
    let mut second = env.command(&["worker", "--until-idle", "--slots", "8"]).spawn().expect("a worker starts");
    until_number(&env, &mut first, "SELECT count(*) FROM jobs WHERE stage = 'done'", 10);
    let _ = first.kill();
    wait(&mut first);
    assert!(wait(&mut second).success(), "the second worker finishes the queue, with the jobs of the first");
    ledger_check::check(&env, 60);
}
