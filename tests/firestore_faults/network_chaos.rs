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
const TEST_TIMEOUT: Duration = Duration::from_mins(5);

/// Jobs that are done, read over a good connection.
fn done(env: &TestEnv) -> usize {
    env.json(&["jobs", "list", "--json", "--status", "done", "--limit", "1000"]).as_array().unwrap().len()
}

fn until_done(env: &TestEnv, wanted: usize) {
    until(&format!("{wanted} jobs done"), || done(env) >= wanted);
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < TEST_TIMEOUT, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Everything that the processes in that environment logged.
fn logs(env: &TestEnv) -> String {
    let files = std::fs::read_dir(env.path("logs")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[test]
fn bad_network_loses_no_job_and_bills_once() {
    let emulator = shared();
    let proxy = ChaosProxy::to(&emulator.host());
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    env.set("GOOGLE_CLOUD_PROJECT", &fresh_project());
    env.set("DARKROOM_SIMULATOR_SPEED", "10");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    env.queue(JOBS);
    env.set("FIRESTORE_EMULATOR_HOST", &proxy.host());
    let mut console = Terminal::start(&env, &["--observe"], 120, 40);
    console.wait_for("● live");
    // Few slots: on a busy machine too, jobs are left when the connection is cut at last.
    let worker = env.command(&["worker", "--until-idle", "--slots", "6"]).spawn().expect("the worker starts");
    env.set("FIRESTORE_EMULATOR_HOST", &emulator.host());

    until_done(&env, 5);
    // After each bit of progress, the replies to whatever is in flight are lost.
    for _ in 0..10 {
        let progress = done(&env) + 2;
        until_done(&env, progress);
        let before = proxy.dropped_bytes();
        proxy.drop_replies();
        until("a lost reply", || proxy.dropped_bytes() > before);
        proxy.cut();
        proxy.restore();
    }
    assert!(proxy.dropped_bytes() > 0, "no reply was lost");
    proxy.set_delay(Duration::from_millis(40));
    let before = done(&env);
    until_done(&env, before + 5);
    proxy.restore();

    let running = done(&env);
    assert!(running < JOBS, "the proxy is cut too late");
    proxy.cut();
    let cut = Instant::now();
    console.wait_for("○ down");
    until("the end of the cut", || cut.elapsed() >= CUT);
    let restored = Instant::now();
    proxy.restore();
    console.wait_for("● live");
    let recovered = restored.elapsed();
    // Past the test harness, which would keep it to itself.
    let _ =
        writeln!(std::io::stderr(), "live again {:.1} s after the connection was restored", recovered.as_secs_f64());
    assert!(recovered < Duration::from_secs(20), "{recovered:?}");
    until_done(&env, JOBS);
    let output = worker.wait_with_output().unwrap();
    let printed = text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    let (gone, back) = (printed.find("store connection lost: "), printed.rfind("store connection restored"));
    assert!(gone.is_some() && gone < back, "{printed}");
    console.send("q");
    console.wait_for_end();
    assert_eq!(ledger_check::check(&env, JOBS), JOBS, "every submit has its outcome");
    assert!(
        logs(&env).contains("save had been committed; its acknowledgement was lost"),
        "no reply to a save was lost"
    );
}
