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
        // Only a death between the first byte of the request and the record of its reply leaves the outcome unknown.
        let unknown = if matches!(boundary, "post_begun" | "after_post") { 2 } else { 0 };
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

/// Kills a worker at that boundary.
#[cfg(unix)]
fn kill_at(env: &TestEnv, boundary: &str) {
    let mut command = env.command(&["worker", "--until-idle", "--slots", "1"]);
    let output = command.env("DARKROOM_CRASH_AT", boundary).output().expect("the worker starts");
    assert!(was_killed(output.status), "{boundary}: {}: {}", output.status, text(&output.stderr));
}

/// The journals that dead workers left.
#[cfg(unix)]
fn journals(env: &TestEnv) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(env.data().join("workers")).unwrap();
    let is_journal = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "journal");
    files.map(|file| file.unwrap().path()).filter(is_journal).collect()
}

#[cfg(unix)]
#[test]
fn missing_journal_leaves_the_outcome_unknown() {
    let env = TestEnv::new();
    env.queue(3);
    for boundary in ["before_post", "answer_recorded"] {
        kill_at(&env, boundary);
        for journal in journals(&env) {
            std::fs::remove_file(journal).unwrap();
        }
    }
    finish(&env);
    assert_eq!(ledger_check::check(&env, 3), 1);
}

#[cfg(unix)]
#[test]
fn copied_journal_proves_nothing() {
    let env = TestEnv::new();
    env.queue(2);
    kill_at(&env, "before_post");
    for journal in journals(&env) {
        let copy = journal.with_extension("copy");
        std::fs::copy(&journal, &copy).unwrap();
        std::fs::rename(&copy, &journal).unwrap();
    }
    finish(&env);
    assert_eq!(ledger_check::check(&env, 2), 1);
}

#[cfg(unix)]
#[test]
fn workers_that_recover_at_once_bill_once() {
    let env = TestEnv::new();
    env.queue(12);
    for boundary in ["answer_recorded", "before_post", "answer_recorded", "after_receipt", "answer_recorded"] {
        kill_at(&env, boundary);
    }
    let workers: Vec<Child> =
        (0..3).map(|_| env.command(&["worker", "--until-idle"]).spawn().expect("a worker starts")).collect();
    for mut worker in workers {
        assert!(wait(&mut worker).success());
    }
    assert_eq!(ledger_check::check(&env, 12), 12);
}

#[cfg(unix)]
#[test]
fn doctor_shows_open_submits_of_dead_workers() {
    let env = TestEnv::new();
    env.queue(2);
    let journal_check = || {
        let output = env.run(&["doctor", "--json"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let checks = report["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "submit journals").expect("the check exists")
    };
    assert_eq!(journal_check()["ok"], true);
    kill_at(&env, "answer_recorded");
    let open = journal_check();
    assert_eq!(open["ok"], false, "{open}");
    assert!(open["message"].as_str().unwrap().contains("1 open submit"), "{open}");
    finish(&env);
    assert_eq!(ledger_check::check(&env, 2), 2);
}
