//! The caps of a store: set by one process, obeyed by every process, recorded.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{TestEnv, ledger_check, path_text, text};

fn dollars(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn billed(simulator: &Path) -> Decimal {
    ledger_check::total(&ledger_check::bill_in(simulator))
}

/// Stops workers as an operator does.
#[cfg(unix)]
fn stop(workers: Vec<Child>) {
    for worker in &workers {
        rustix::process::kill_process(rustix::process::Pid::from_child(worker), rustix::process::Signal::INT).unwrap();
    }
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

/// Waits until something is billed, the bill has not moved for two seconds, and every open job is held.
#[cfg(unix)]
fn settle(env: &TestEnv, simulator: &Path) -> Decimal {
    let (begun, mut last, mut since) = (Instant::now(), Decimal::ZERO, Instant::now());
    // The emulator's listeners slow down with the number of jobs.
    let timeout = Duration::from_mins(3) + Duration::from_secs(env.jobs().len() as u64);
    loop {
        // The list reads every job: it waits until the bill is at rest, and a store that is busy for a moment is read again.
        std::thread::sleep(Duration::from_millis(200));
        assert!(begun.elapsed() < timeout, "the workers do not come to rest: {last}");
        let now = billed(simulator);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if now.is_zero() || since.elapsed() < Duration::from_secs(2) {
            continue;
        }
        since = Instant::now();
        let output = env.run(&["jobs", "list", "--json", "--limit", "100000"]);
        let Ok(jobs) = serde_json::from_slice::<Vec<Value>>(&output.stdout) else { continue };
        let at_rest = jobs.iter().all(|job| job["status"] == "done" || job["hold"]["kind"] == "budget");
        if at_rest && billed(simulator) == now {
            return now;
        }
    }
}

#[test]
fn budget_set_show_and_clear_are_recorded() {
    let mut env = TestEnv::new();
    env.set("USER", "alice");
    let set = env.json(&["budget", "set", "--daily", "$20", "--monthly", "300", "--soft", "70", "--json"]);
    assert_eq!(
        (&set["daily_usd"], &set["monthly_usd"], &set["soft_percent"]),
        (&json!("20"), &json!("300"), &json!(70))
    );
    env.json(&["budget", "set", "--daily", "5", "--model", "flux-2-max", "--json"]);
    env.set("DARKROOM_BUDGET_DAILY_USD", "8");
    let shown = env.json(&["budget", "show", "--json"]);
    assert_eq!(shown["daily_usd"], "20", "the store's cap");
    assert_eq!(shown["effective"], json!({"daily_usd": "8", "monthly_usd": "300"}));
    assert_eq!(shown["models"], json!([{"model": "flux-2-max", "daily_usd": "5", "monthly_usd": null}]));
    let cleared = env.json(&["budget", "clear", "--json"]);
    assert_eq!((&cleared["daily_usd"], &cleared["models"]), (&Value::Null, &json!([])));
    let history = cleared["history"].as_array().unwrap();
    let changes: Vec<&str> = history.iter().map(|change| change["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["clear all", "set daily $5.00 for flux-2-max", "set daily $20.00 monthly $300.00 soft 70%"]);
    assert!(history.iter().all(|change| change["by"].as_str().unwrap().starts_with("alice@")), "{history:?}");
}

#[test]
fn invalid_budget_is_wrong_usage() {
    let env = TestEnv::new();
    for arguments in [
        ["budget", "set", "--daily", "twenty"].as_slice(),
        &["budget", "set", "--daily=-1"],
        &["budget", "set", "--soft", "101"],
        &["budget", "set", "--daily", "5", "--model", "flux-2-maxx"],
        &["budget", "set", "--model", "flux-2-max"],
        &["budget", "set"],
    ] {
        env.fails(2, arguments);
    }
    assert_eq!(env.json(&["budget", "--json"])["history"], json!([]));
}

/// The jobs of the exercise; `DARKROOM_BUDGET_JOBS=1000` makes its caps $5 and $6.
#[cfg(unix)]
fn count(default: u32) -> u32 {
    std::env::var("DARKROOM_BUDGET_JOBS").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// The most that fits under a cap where each job costs $0.014.
#[cfg(unix)]
fn most_under(cap: Decimal) -> Decimal {
    let price = dollars("0.014");
    (cap / price).floor() * price
}

/// Four workers, the first without a cap of its own, the others with one that never applies. The store's cap is raised while they
/// run.
#[cfg(unix)]
fn caps_bind_four_workers(mut env: TestEnv, simulator: &Path, count: u32) {
    let (cap, raised) = (Decimal::from(count) * dollars("0.005"), Decimal::from(count) * dollars("0.006"));
    env.queue(count as usize);
    env.json(&["budget", "set", "--daily", &cap.to_string(), "--json"]);
    let mut workers = vec![env.command(&["worker"]).spawn().unwrap()];
    env.set("DARKROOM_BUDGET_DAILY_USD", "100");
    workers.extend((0..3).map(|_| env.command(&["worker"]).spawn().unwrap()));
    assert_eq!(settle(&env, simulator), most_under(cap));
    env.json(&["budget", "set", "--daily", &raised.to_string(), "--yes", "--json"]);
    let deadline = Instant::now() + Duration::from_mins(5);
    while billed(simulator) == most_under(cap) {
        assert!(Instant::now() < deadline, "the raised cap has no effect");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(settle(&env, simulator), most_under(raised));
    stop(workers);
    let costs = env.json(&["costs", "--json", "--days", "2"]);
    assert_eq!(ledger_check::dollars(&costs["total_usd"]), most_under(raised));
}

#[cfg(unix)]
#[test]
fn store_cap_binds_four_workers_at_once() {
    let env = TestEnv::new();
    let simulator = env.data();
    caps_bind_four_workers(env, &simulator, count(1_000));
}

#[cfg(all(unix, feature = "firestore"))]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread")]
async fn firestore_cap_binds_four_workers_at_once() {
    use darkroom::simulator::{self, SimulatorOptions, Speed};

    use crate::support::firestore_emulator::{fresh_project, shared, worker_env};

    let provider = tempfile::tempdir().unwrap();
    let options = SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() };
    let simulator = simulator::shared(provider.path(), options).await.unwrap();
    let base_url = simulator.base_url();
    let folder = provider.path().to_owned();
    let run = move || {
        let env = worker_env(shared(), &fresh_project(), base_url.as_str());
        caps_bind_four_workers(env, &folder, count(100));
    };
    tokio::task::spawn_blocking(run).await.unwrap();
    simulator.shutdown().await;
}

#[cfg(unix)]
#[test]
fn large_references_do_not_exceed_the_cap() {
    let env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "0.50", "--json"]);
    let image = env.path("large.png");
    image::RgbImage::new(4_000, 4_000).save(&image).unwrap();
    let line =
        json!({"prompt": "a", "model": "flux-2-pro", "width": 64, "height": 64, "input_image": path_text(&image)});
    let file = env.file("jobs.jsonl", &vec![line.to_string(); 4].join("\n"));
    env.json(&["submit", "--json", "--yes", "--file", path_text(&file)]);
    let worker = env.command(&["worker"]).spawn().unwrap();
    // 1 MP of output and 16 MP of input: $0.27.
    assert_eq!(settle(&env, &env.data()), dollars("0.27"));
    stop(vec![worker]);
    // Held jobs show what they will cost.
    let held = text(&env.run(&["jobs", "list"]).stdout);
    assert_eq!(held.matches("~$0.27").count(), 3, "{held}");
}
