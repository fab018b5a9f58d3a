//! A real process is killed at every boundary between two effects, and at moments that nobody chose. Afterwards every job has
//! ended, none is billed twice, and the books equal the simulator's own bill.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use darkroom::engine::CRASH_BOUNDARIES;

use crate::support::{TestEnv, ledger_check, text};

/// How long a worker may take at most before the test calls it stuck.
const PATIENCE: Duration = Duration::from_mins(2);

fn finish(env: &TestEnv) {
    let output = env.run(&["worker", "--until-idle"]);
    assert!(output.status.success(), "the worker ended with {}: {}", output.status, text(&output.stderr));
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

#[cfg(unix)]
#[test]
fn worker_killed_anywhere_never_pays_twice() {
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
        // Only a death between the note and the answer leaves a question; everything else is finished.
        let questions = if matches!(boundary, "before_post" | "after_post") { 2 } else { 0 };
        assert_eq!(done, 5 - questions, "killed twice at {boundary}");
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the worker can be asked") {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "the worker is stuck");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn workers_killed_at_random_never_pay_twice() {
    let mut env = TestEnv::new();
    // Fast, but not instant: jobs are caught at every point of their way.
    env.set("DARKROOM_SIMULATOR_SPEED", "20");
    env.queue(60);
    // Moments spread over the run by a fixed sequence; which line each hits is the machine's choice.
    for moment in [220_u64, 90, 310, 150, 40, 260, 500, 120] {
        let mut worker = env.command(&["worker", "--until-idle"]).spawn().expect("the worker starts");
        std::thread::sleep(Duration::from_millis(moment));
        let _ = worker.kill();
        wait(&mut worker);
    }
    finish(&env);
    ledger_check::check(&env, 60);
}

#[test]
fn two_workers_share_a_queue_and_one_dies() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "20");
    env.queue(60);
    let mut first = env.command(&["worker", "--until-idle", "--slots", "8"]).spawn().expect("a worker starts");
    let mut second = env.command(&["worker", "--until-idle", "--slots", "8"]).spawn().expect("a worker starts");
    std::thread::sleep(Duration::from_millis(700));
    let _ = first.kill();
    wait(&mut first);
    assert!(wait(&mut second).success(), "the other one finishes the queue, the dead one's jobs too");
    ledger_check::check(&env, 60);
}
