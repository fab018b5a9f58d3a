//! Trouble of the account: no more orders are sent, nothing is lost, and one line says what to do.

use darkroom::simulator::{self, SimulatorOptions, Speed};

use crate::support::{TestEnv, ledger_check, path_text, text};

fn queue(env: &TestEnv, trouble: &str) {
    let lines: Vec<String> = ["first", trouble, "third", "fourth"]
        .iter()
        .map(|prompt| format!(r#"{{"prompt": "{prompt}", "model": "flux-2-klein-4b", "width": 64, "height": 64}}"#))
        .collect();
    let file = env.file("jobs.jsonl", &lines.join("\n"));
    env.json(&["submit", "--json", "--file", path_text(&file)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn account_failure_blocks_intake_bills_nothing() {
    for (directive, line) in [("402", "no credits left"), ("403", "the API key is refused")] {
        let env = TestEnv::new();
        // The simulator lives here, so that it remembers between two workers what it has spoilt already.
        let options = SimulatorOptions { speed: Speed::Instant, ..SimulatorOptions::default() };
        let simulator = simulator::shared(&env.data(), options).await.unwrap();
        queue(&env, &format!("second [sim:{directive}*1]"));
        let output = env.run(&["worker", "--until-idle", "--slots", "1"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let printed = text(&output.stderr);
        let last = printed.lines().last().unwrap();
        assert!(last.starts_with("darkroom: jobs remain in the queue:") && last.contains(line), "{printed}");
        assert!(!printed.contains("press p"), "a worker has no keys: {printed}");
        assert_eq!(printed.matches("intake paused: ").count(), 1, "{printed}");
        let jobs = env.jobs();
        let held: Vec<&str> = jobs.iter().filter_map(|job| job["hold"]["kind"].as_str()).collect();
        assert_eq!(held, ["account"], "{directive}");
        let queued = jobs.iter().filter(|job| job["status"] == "queued").count();
        assert_eq!(queued, 3, "one was done before, the others wait");
        assert!(jobs.iter().filter(|job| job["status"] == "queued").all(|job| job["cost_basis"].is_null()));
        assert_eq!(ledger_check::bill(&env).keys().collect::<Vec<_>>(), ["first"]);
        // The fault is over (it occurs once): a restart releases all of them.
        let output = env.run(&["worker", "--until-idle"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(ledger_check::check(&env, 4), 4);
        simulator.shutdown().await;
    }
}
