//! A real worker and a real console behind a proxy that first drops replies at random moments, then is slow, then is disconnected for ten seconds.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::pty::terminal::Terminal;
use crate::support::chaos_proxy::ChaosProxy;
use crate::support::firestore_emulator::{fresh_project, shared};
use crate::support::{TestEnv, ledger_check, text};

const JOBS: usize = 200;

/// How long the proxy stays disconnected.
const CUT: Duration = Duration::from_secs(10);

/// How long anything may take before the test calls it stuck.
const PATIENCE: Duration = Duration::from_mins(5);

/// Jobs that are done, as a well connected look at the server tells.
fn done(env: &TestEnv) -> usize {
    env.json(&["jobs", "list", "--json", "--status", "done", "--limit", "1000"]).as_array().unwrap().len()
}

fn until_done(env: &TestEnv, wanted: usize) {
    let begun = Instant::now();
    while done(env) < wanted {
        assert!(begun.elapsed() < PATIENCE, "{wanted} jobs did not end: {:?}", done(env));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Everything that the processes in that environment logged.
fn logs(env: &TestEnv) -> String {
    let files = std::fs::read_dir(env.path("logs")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[test]
fn a_line_that_loses_answers_is_slow_and_is_cut_loses_no_job_and_bills_none_twice() {
    let emulator = shared();
    let proxy = ChaosProxy::to(&emulator.host());
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("GOOGLE_CLOUD_PROJECT", &fresh_project());
    env.set("DARKROOM_SIMULATOR_SPEED", "20");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.queue(JOBS);
    env.set("FIRESTORE_EMULATOR_HOST", &proxy.host());
    let mut console = Terminal::start(&env, &["--observe"], 120, 40);
    console.wait_for("● live");
    let worker = env.command(&["worker", "--until-idle"]).spawn().expect("the worker starts");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());

    until_done(&env, 5);
    // Moments spread over the run by a fixed sequence; which request each hits is the machine's choice.
    for moment in [230_u64, 90, 310, 150, 40, 260, 500, 120, 350, 200] {
        std::thread::sleep(Duration::from_millis(moment));
        proxy.drop_replies();
        std::thread::sleep(Duration::from_millis(60));
        proxy.cut();
        proxy.restore();
    }
    assert!(proxy.dropped_bytes() > 0, "no answer was lost");
    proxy.set_delay(Duration::from_millis(40));
    let before = done(&env);
    until_done(&env, before + 5);
    proxy.restore();

    let running = done(&env);
    assert!(running < JOBS, "the proxy is cut too late");
    proxy.cut();
    let cut = Instant::now();
    console.wait_for("○ down");
    std::thread::sleep(CUT.saturating_sub(cut.elapsed()));
    let mended = Instant::now();
    proxy.restore();
    console.wait_for("● live");
    let healed = mended.elapsed();
    // Past the test harness, which would keep it to itself.
    let _ = writeln!(std::io::stderr(), "live again {:.1} s after the connection was restored", healed.as_secs_f64());
    assert!(healed < Duration::from_secs(20), "{healed:?}");
    until_done(&env, JOBS);
    let output = worker.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let (gone, back) = (said.find("no jobs are heard of until the store is back"), said.rfind("the store is back"));
    assert!(gone.is_some() && gone < back, "{said}");
    console.send("q");
    console.wait_for_end();
    assert_eq!(ledger_check::check(&env, JOBS), JOBS, "nobody lost track of an order");
    assert!(logs(&env).contains("saved already; the store's answer had been lost"), "no answer of a save was lost");
}
