//! Everything dies: workers at random, the server once. Afterwards every job has ended, none is billed twice, the books equal the
//! bill, and no workflow is left open.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::temporal_server::TemporalServer;
use crate::support::{TestEnv, ledger_check, text};

const JOBS: usize = 500;
const WORKERS: usize = 3;

/// How long the whole run may take on a busy machine before the test calls it stuck.
const PATIENCE: Duration = Duration::from_mins(20);

/// Which worker is killed next, and after how long: a fixed sequence, so that a failure can be looked at again. Which line each
/// kill hits is the machine's choice.
const KILLS: [(usize, u64); 9] =
    [(0, 3_000), (2, 2_400), (1, 3_100), (0, 1_700), (1, 2_900), (2, 2_200), (2, 3_300), (1, 2_600), (0, 2_000)];

/// After so many kills the server dies as well.
const SERVER_DIES_AFTER: usize = 4;

/// The state of each job after the run, printed before any other check fails.
fn ended(env: &TestEnv) -> BTreeMap<String, usize> {
    let mut by_status = BTreeMap::new();
    for job in env.jobs() {
        *by_status.entry(job["status"].as_str().unwrap_or("none").to_owned()).or_insert(0) += 1;
    }
    by_status
}

fn finish(worker: Child, begun: Instant) {
    let mut worker = worker;
    while worker.try_wait().expect("the worker can be asked").is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = worker.kill();
            panic!("the worker is stuck");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = worker.wait_with_output().expect("the worker has ended");
    assert!(output.status.success(), "the worker ended with {}: {}", output.status, text(&output.stderr));
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn chaos_500_jobs_survive_kills_and_restart() {
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("temporal.db");
    let mut server = TemporalServer::start(Some(&database));
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    // A dead worker is noticed after this silence; the default waits longer than a test should.
    env.set("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "3");
    let ids = env.queue(JOBS);
    let start = |env: &TestEnv| env.command(&["worker", "--until-idle", "--slots", "8"]).spawn().unwrap();
    let mut workers: Vec<Child> = (0..WORKERS).map(|_| start(&env)).collect();
    for (number, (victim, pause)) in KILLS.into_iter().enumerate() {
        std::thread::sleep(Duration::from_millis(pause));
        if number == SERVER_DIES_AFTER {
            server.restart();
        }
        let _ = workers[victim].kill();
        let _ = workers[victim].wait();
        workers[victim] = start(&env);
    }
    for worker in workers {
        finish(worker, begun);
    }
    let by_status = ended(&env);
    let done = ledger_check::check(&env, JOBS);
    // A kill leaves a question at most where an order was on its way: one for each slot, and rarely even that.
    assert!(done >= JOBS - KILLS.len() * 8, "{by_status:?}");
    let open = server.workflows(&namespace, "ExecutionStatus = 'Running'");
    assert_eq!(open, [], "every workflow is closed");
    let all = server.workflows(&namespace, "");
    for id in &ids {
        let workflow = format!("image-gen-{id}");
        assert!(all.iter().any(|(known, _)| *known == workflow), "{workflow} is in the server's list");
    }
}
