//! A real process is suspended and goes on later, while another works on the same queue.
#![cfg(unix)]

use std::process::Child;
use std::time::{Duration, Instant};

use darkroom::simulator::{self, SimulatorOptions, Speed};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{TestEnv, ledger_check, text};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Looks through the program itself until so many jobs have ended.
fn until_done(env: &TestEnv, wanted: usize) {
    let begun = Instant::now();
    while env.jobs().iter().filter(|job| job["status"] == "done").count() < wanted {
        assert!(begun.elapsed() < Duration::from_mins(1), "{wanted} jobs did not end");
    }
}

/// Suspends a worker at a moment at which it does not hold the database's write lock: no other process could write while it sleeps.
fn suspend(env: &TestEnv, worker: &Child) {
    loop {
        signal(worker, Signal::STOP);
        let database = rusqlite::Connection::open(env.data().join("darkroom.db")).unwrap();
        database.busy_timeout(Duration::ZERO).unwrap();
        if database.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
            return;
        }
        signal(worker, Signal::CONT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_worker_resumes_without_double_bill() {
    let env = TestEnv::new();
    env.queue(40);
    // The simulator lives here, so that it is not suspended with the worker.
    let options = SimulatorOptions { speed: Speed::Times(20.0), ..SimulatorOptions::default() };
    let simulator = simulator::shared(&env.data(), options).await.unwrap();
    let slots = 4;
    let first = env.command(&["worker", "--until-idle", "--slots", "4"]).spawn().unwrap();
    until_done(&env, 3);
    suspend(&env, &first);
    let second = env.command(&["worker", "--until-idle"]).spawn().unwrap();
    // All but what the suspended one may hold.
    until_done(&env, 40 - slots);
    signal(&first, Signal::CONT);
    for worker in [first, second] {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert_eq!(ledger_check::check(&env, 40), 40);
    simulator.shutdown().await;
}
