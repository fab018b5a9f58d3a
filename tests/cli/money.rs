//! What spends real money, or records it, asks first: caps over held jobs, answers about the bill, jobs of the other provider.

use chrono::Utc;
use darkroom::costs::{PriceTable, Usd};
use darkroom::jobs::{Claim, Hold, Job, JobId, Spec, WorkerId};
use darkroom::store::Store;
use darkroom::store::sqlite::SqliteStore;
use serde_json::{Value, json};

use crate::support::{TestEnv, ids, text};

/// An environment with real money, where the provider cannot be reached.
fn real() -> TestEnv {
    let mut env = TestEnv::new();
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_KEY", "not-a-key");
    env.set("BFL_API_URL", "http://127.0.0.1:9");
    env
}

/// Creates a real job that the daily cap holds.
fn hold_real_job(env: &TestEnv) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = SqliteStore::open(&env.data().join("darkroom.db")).unwrap();
    let mut job = Job::new(JobId::new("held").unwrap(), Spec::new("flux-2-pro", "a fox"), false, Utc::now());
    job.set_hold(Some(Hold::Budget { period: "day".to_owned(), model: None, over: None }), None, Utc::now()).unwrap();
    runtime.block_on(store.create(vec![job])).unwrap();
}

#[test]
fn raised_cap_asks_while_real_jobs_are_held() {
    let env = real();
    env.json(&["budget", "set", "--daily", "2", "--json"]);
    env.json(&["budget", "set", "--daily", "3", "--json"]);
    hold_real_job(&env);
    for arguments in [&["budget", "set", "--daily", "5"][..], &["budget", "clear"], &["budget", "clear", "--daily"]] {
        let refused = env.fails(2, arguments);
        assert!(refused.contains("held jobs that fit are submitted, which spends real money"), "{refused}");
        assert!(refused.contains("--yes"), "{refused}");
    }
    assert_eq!(env.json(&["budget", "--json"])["daily_usd"], "3");
    for arguments in [&["budget", "set", "--daily", "1"][..], &["budget", "set", "--monthly", "9"]] {
        env.json(&[arguments, &["--json"]].concat());
    }
    env.json(&["budget", "set", "--daily", "5", "--yes", "--json"]);
    env.json(&["budget", "clear", "--yes", "--json"]);
}

#[test]
fn raised_cap_asks_in_a_simulator_context_too() {
    let env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "3", "--json"]);
    hold_real_job(&env);
    let refused = env.fails(2, &["budget", "set", "--daily", "5"]);
    assert!(refused.contains("which spends real money") && refused.contains("--yes"), "{refused}");
    env.json(&["budget", "set", "--daily", "5", "--yes", "--json"]);
}

#[test]
fn spent_is_what_the_caps_count() {
    let env = real();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = SqliteStore::open(&env.data().join("darkroom.db")).unwrap();
    let now = Utc::now();
    let mut job = Job::new(JobId::new("unpriced").unwrap(), Spec::new("flux-2-pro", "a fox"), false, now);
    job.begin_submit(Claim { worker: WorkerId::new("w"), until: now }, None, now).unwrap();
    job.mark_submit_unknown("no reply", now).unwrap();
    runtime.block_on(store.create(vec![job])).unwrap();
    let spent: Usd = env.json(&["budget", "--json"])["spent_today_usd"].as_str().unwrap().parse().unwrap();
    assert_eq!(spent, PriceTable::builtin().highest(), "a charge of unknown amount takes room under a cap");
}

#[test]
fn budget_text_ends_with_the_simulated_line() {
    let env = TestEnv::new();
    let shown = text(&env.run(&["budget", "set", "--daily", "5"]).stdout);
    assert!(shown.ends_with("set daily $5.00\nsimulated: no real money, no real images\n"), "{shown}");
}

#[test]
fn one_cap_is_removed_and_recorded() {
    let env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "5", "--monthly", "50", "--soft", "70", "--json"]);
    env.json(&["budget", "set", "--daily", "2", "--model", "flux-2-max", "--json"]);
    let cleared = env.json(&["budget", "clear", "--daily", "--json"]);
    assert_eq!((&cleared["daily_usd"], &cleared["monthly_usd"]), (&Value::Null, &json!("50")));
    assert_eq!((&cleared["soft_percent"], &cleared["models"][0]["daily_usd"]), (&json!(70), &json!("2")));
    assert_eq!(cleared["history"][0]["change"], "clear daily");
    let cleared = env.json(&["budget", "clear", "--daily", "--model", "flux-2-max", "--json"]);
    assert_eq!((&cleared["models"], &cleared["monthly_usd"]), (&json!([]), &json!("50")));
    assert_eq!(env.json(&["budget", "clear", "--soft", "--json"])["soft_percent"], Value::Null);
}

#[test]
fn negative_number_is_a_wrong_value() {
    let env = TestEnv::new();
    for arguments in
        [&["budget", "set", "--daily", "-3"][..], &["jobs", "list", "--limit", "-1"], &["costs", "--days", "-2"]]
    {
        let line = env.fails(2, arguments);
        assert!(line.contains("invalid value '-") && !line.contains("unexpected argument"), "{arguments:?}: {line}");
    }
}

#[test]
fn simulated_jobs_are_marked_among_real_ones() {
    let mut env = TestEnv::new();
    env.queue(2);
    assert!(text(&env.run(&["jobs", "list"]).stdout).contains("\nsimulated: no real money"));
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_KEY", "not-a-key");
    let real = ids(&env.json(&["submit", "a boat", "--yes", "--json"])).remove(0);
    let listed = text(&env.run(&["jobs", "list"]).stdout);
    for line in listed.lines().filter(|line| line.contains("queued")) {
        assert_eq!(line.contains("sim ~$"), !line.starts_with(&real), "{listed}");
    }
    assert!(listed.ends_with("sim: 2 of 3 jobs; simulated: no real money, no real images\n"), "{listed}");
}

#[test]
fn retry_by_filter_names_the_other_provider() {
    let mut env = TestEnv::new();
    env.run(&["submit", "a fox", "--width", "64", "--height", "64", "--wait"]);
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_KEY", "not-a-key");
    let refused = env.fails(2, &["jobs", "retry", "--filter", "status:done"]);
    assert!(refused.contains("1 job was made for another provider than bfl"), "{refused}");
    assert!(refused.contains("--provider simulator"), "{refused}");
    assert_eq!(env.jobs()[0]["status"], "done");
    let retried = env.run(&["jobs", "retry", "--filter", "status:done", "--yes"]);
    assert!(text(&retried.stderr).contains("it stays held until a worker with its provider runs"));
}

#[test]
fn review_after_cancel_names_the_next_step() {
    let env = TestEnv::new();
    env.run(&["submit", "a fox", "--width", "64", "--height", "64", "--wait"]);
    let id = env.jobs()[0]["id"].as_str().unwrap().to_owned();
    env.json(&["jobs", "retry", &id, "--json"]);
    env.json(&["jobs", "cancel", &id, "--json"]);
    let refused = env.fails(1, &["jobs", "approve", &id]);
    assert!(refused.contains(&format!("`darkroom jobs retry {id}` requests another one")), "{refused}");
}
