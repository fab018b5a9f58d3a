//! The cap of a day: exactly what fits is ordered, the rest is held with the reason, and a higher cap lets it go.

use std::process::Child;
use std::time::Instant;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::support::{TestEnv, ledger_check, text};

/// Waits until the jobs are as wanted, looking through the program itself.
fn until(env: &TestEnv, worker: &mut Child, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let jobs = env.jobs();
        if wanted(&jobs) {
            return jobs;
        }
        assert!(worker.try_wait().unwrap().is_none(), "the worker ended before {what}");
        assert!(begun.elapsed().as_secs() < 60, "{what} did not come: {jobs:?}");
    }
}

fn held(jobs: &[Value]) -> Vec<&Value> {
    jobs.iter().filter(|job| job["hold"]["kind"] == "budget").collect()
}

fn done(jobs: &[Value]) -> usize {
    jobs.iter().filter(|job| job["status"] == "done").count()
}

#[cfg(unix)]
fn interrupt(worker: Child) -> String {
    rustix::process::kill_process(rustix::process::Pid::from_child(&worker), rustix::process::Signal::INT).unwrap();
    let output = worker.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[cfg(unix)]
#[test]
fn cap_submits_what_fits_and_raised_cap_the_rest() {
    let mut env = TestEnv::new();
    env.queue(10);
    // A job costs $0.014: three fit under five cents, exactly five under seven.
    for (cap, fit) in [("0.05", 3), ("0.07", 5)] {
        env.set("DARKROOM_BUDGET_DAILY_USD", cap);
        let mut worker = env.command(&["worker"]).spawn().unwrap();
        let jobs = until(&env, &mut worker, "the cap", |jobs| done(jobs) == fit && held(jobs).len() == 10 - fit);
        for job in held(&jobs) {
            assert_eq!(job["status"], "queued");
            assert!(job["hold"]["message"].as_str().unwrap().starts_with("needs up to $0.0"), "{job}");
            assert!(job["not_before"].is_string(), "{job}");
        }
        let printed = interrupt(worker);
        assert_eq!(printed.matches("daily budget used up").count(), 1, "{printed}");
        let cap: Decimal = cap.parse().unwrap();
        let bill = ledger_check::total(&ledger_check::bill(&env));
        assert!(bill <= cap && bill + Decimal::new(14, 3) > cap, "{bill} under {cap}");
    }
    env.set("DARKROOM_BUDGET_DAILY_USD", "1");
    assert!(env.run(&["worker", "--until-idle"]).status.success());
    assert_eq!(ledger_check::check(&env, 10), 10);
}

#[cfg(unix)]
#[test]
fn unknown_price_is_held_under_any_cap() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_BUDGET_DAILY_USD", "1000");
    let image = super::harness::small_image(&env.path("in.png"));
    env.json(&["submit", "--model", "deblur-v1", "--image", &image, "--json"]);
    let mut worker = env.command(&["worker"]).spawn().unwrap();
    let jobs = until(&env, &mut worker, "the hold", |jobs| held(jobs).len() == 1);
    assert!(jobs[0]["hold"]["message"].as_str().unwrap().contains("price unknown"), "{}", jobs[0]);
    interrupt(worker);
    // The program that holds the job has ordered nothing: there is not even a bill.
    assert_eq!(ledger_check::bill(&env).len(), 0);
}
