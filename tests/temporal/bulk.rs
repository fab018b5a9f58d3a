//! Bulk actions of jobs that are workflows: retried once each, and undone before they run.

use crate::support::{TestEnv, ledger_check, temporal_server};

use super::worker::Worker;

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn bulk_retry_runs_each_job_once_more() {
    let server = temporal_server::shared();
    let mut env = TestEnv::new();
    let namespace = server.configure(&mut env);
    env.json(&["submit", "[sim:moderated] a fox", "--count", "12", "--model", "flux-2-klein-4b", "--yes", "--json"]);
    let all = |status: &str| env.jobs().iter().filter(|job| job["status"] == status).count();
    Worker::start(&env, &["--until-idle"]).done();
    assert_eq!(all("failed"), 12);
    let retry = ["jobs", "retry", "--filter", "error:moderated", "--yes", "--json"];
    assert_eq!(env.json(&retry).as_array().unwrap().len(), 12);
    assert_eq!(all("queued"), 12);
    let id = env.json(&["bulk", "--json"])[0]["id"].as_str().unwrap().to_owned();
    assert!(env.fails(2, &["bulk", "undo", &id]).contains("--yes"), "a script confirms nothing");
    let undo = env.json(&["bulk", "undo", &id, "--yes", "--json"]);
    assert_eq!((&undo["state"], &undo["changed"]), (&"done".into(), &12.into()), "{undo}");
    assert!(env.fails(1, &["bulk", "undo", &id, "--yes"]).contains("it is undone already"));
    Worker::start(&env, &["--until-idle"]).done();
    assert!(env.jobs().iter().all(|job| job["status"] == "failed" && job["attempts_total"] == 1), "nothing ran");

    env.json(&retry);
    let workers = [(); 2].map(|()| Worker::start(&env, &["--until-idle", "--slots", "6"]));
    workers.into_iter().for_each(Worker::done);
    assert!(env.jobs().iter().all(|job| job["status"] == "failed" && job["attempts_total"] == 2), "each once more");
    assert!(env.fails(1, &["bulk", "undo", &id[..8], "--yes"]).contains("a prefix of several ids of bulk actions"));
    let bill = ledger_check::bill(&env);
    let charges: usize = bill.values().map(|(count, _)| count).sum();
    assert_eq!(charges, 24, "each attempt is billed once: {bill:?}");
    assert_eq!(server.workflows(&namespace, "ExecutionStatus = 'Running'"), []);
}
