//! Several workers share the account's tasks: none is submitted that the provider would reject.
#![cfg(unix)]

use darkroom::engine::{AccountTasks, Event, Settings};
use darkroom::jobs::{JobId, StageName};
use darkroom::simulator::{self, SimulatorOptions, Speed};
use darkroom::store::{PageQuery, Store as _};
use serde_json::{Value, json};

use super::harness::{Engine, WorkflowHarness};
use crate::support::{TestEnv, ledger_check, path_text, text};

/// Runs that many workers until nothing is left, and returns the jobs.
async fn run_workers(env: &TestEnv, workers: usize) -> Vec<Value> {
    // The simulator lives here, so that all workers have one account.
    let options = SimulatorOptions { speed: Speed::Times(40.0), ..SimulatorOptions::default() };
    let simulator = simulator::shared(&env.data(), options).await.unwrap();
    let workers: Vec<_> = (0..workers).map(|_| env.command(&["worker", "--until-idle"]).spawn().unwrap()).collect();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    simulator.shutdown().await;
    env.jobs()
}

/// How often the submits were sent, beyond once.
fn rejected(jobs: &[Value]) -> u64 {
    let tries = |job: &Value| {
        let steps = job["steps"].as_array().unwrap();
        steps.iter().find(|step| step["name"] == "submit").unwrap()["tries"].as_u64().unwrap()
    };
    jobs.iter().map(|job| tries(job) - 1).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_the_tasks_of_the_account() {
    let env = TestEnv::new();
    env.queue(120);
    let jobs = run_workers(&env, 3).await;
    assert_eq!(rejected(&jobs), 0, "the provider was never full");
    assert_eq!(ledger_check::check(&env, 120), 120);
}

#[test]
fn limit_in_the_store_applies_to_every_process() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_ACCOUNT_TASKS", "7");
    let shown = env.json(&["tasks", "--json"]);
    assert_eq!(
        (&shown["limit"], &shown["origin"], &shown["unfinished"]),
        (&7.into(), &"configuration".into(), &0.into())
    );
    let set = env.json(&["tasks", "set", "3", "--json"]);
    assert_eq!((&set["limit"], &set["origin"]), (&3.into(), &"store".into()));
    assert!(set["set_by"].as_str().unwrap().contains('@') && set["set_at"].is_string(), "{set}");
    assert_eq!(env.json(&["tasks", "show", "--json"]), set, "of another process");
    assert_eq!(env.json(&["tasks", "clear", "--json"])["limit"], 7);
    assert!(env.fails(2, &["tasks", "set", "0"]).contains("1..=9999"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_in_the_store_bounds_the_tasks() {
    let harness = WorkflowHarness::new(Speed::Times(0.01)).await;
    AccountTasks::change(harness.store.as_ref(), Some(2), "a@b", chrono::Utc::now()).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(harness.submit(&format!("image {number}")).await);
    }
    let mut engine = harness.engine(Settings::default());
    until_stages(&harness, &mut engine, &ids, (0, 2)).await;
    // Room for the others is only when these are finished.
    harness.simulated_clock.forward(600);
    until_stages(&harness, &mut engine, &ids, (2, 2)).await;
    engine.stop().await;
    let (mut submitted, mut finished) = (Vec::new(), Vec::new());
    for id in &ids {
        let job = harness.job(id).await;
        submitted.push(job.attempt().unwrap().submitted_at.unwrap());
        finished.extend((job.stage_name() == StageName::Done).then_some(job.updated_at));
    }
    submitted.sort();
    assert!(submitted[2] >= finished.into_iter().min().unwrap(), "{submitted:?}");
}

/// Waits until so many jobs are done and generating, and the others are queued.
async fn until_stages(harness: &WorkflowHarness, engine: &mut Engine, ids: &[JobId], expected: (usize, usize)) {
    loop {
        let (mut found, mut submitting) = ((0, 0), 0);
        // One read of all: a job that is read after another one may have begun when that one finished.
        let page = harness.store.list(PageQuery { limit: ids.len(), ..PageQuery::default() }).await.unwrap();
        assert_eq!(page.jobs.len(), ids.len());
        for job in &page.jobs {
            match job.stage_name() {
                StageName::Done => found.0 += 1,
                StageName::Generating => found.1 += 1,
                // Its task may begin after the simulator's clock was moved.
                StageName::Submitting => submitting += 1,
                stage => assert_eq!(stage, StageName::Queued),
            }
        }
        assert!(found.1 + submitting <= 2, "{found:?} {submitting}");
        if found == expected {
            return;
        }
        engine.until("a change", |event| matches!(event, Event::Jobs(_) | Event::Slots { .. })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_of_a_model_delays_only_its_jobs() {
    let env = TestEnv::new();
    let image = super::harness::small_image(&env.path("in.png"));
    let line = |index: usize| match index % 2 {
        0 => json!({"model": "flux-kontext-max", "prompt": format!("job {index}"), "input_image": image}),
        _ => json!({"model": "flux-2-klein-4b", "prompt": format!("job {index}"), "width": 64, "height": 64}),
    };
    let lines: Vec<String> = (0..40).map(|index| line(index).to_string()).collect();
    let file = env.file("jobs.jsonl", &lines.join("\n"));
    env.json(&["submit", "--json", "--file", path_text(&file)]);
    let jobs = run_workers(&env, 2).await;
    assert!(jobs.iter().all(|job| job["status"] == "done"), "{jobs:?}");
    assert_eq!(rejected(&jobs), 0, "never more than six at once");
}
