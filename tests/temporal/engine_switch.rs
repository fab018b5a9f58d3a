//! Jobs that begin under one engine end under the other: nothing but the document decides.

use crate::support::{TestEnv, ledger_check, temporal_server};

use super::worker::{Worker, job, until, until_status};

/// Three jobs that are half done when their worker leaves or dies.
fn half_done(env: &TestEnv, dies: bool) -> Vec<String> {
    let ids = env.queue(3);
    let worker = Worker::start(env, &[]);
    for id in &ids {
        until_status(env, id, "generating");
    }
    if dies {
        worker.kill();
    } else {
        assert!(worker.leave().status.success());
    }
    ids
}

fn check(env: &TestEnv, ids: &[String]) {
    assert_eq!(ledger_check::check(env, ids.len()), ids.len());
    for id in ids {
        assert_eq!(job(env, id)["attempt"], 1, "the same attempt, the same ticket");
    }
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn local_jobs_finish_as_workflows() {
    for dies in [false, true] {
        let server = temporal_server::shared();
        let mut env = TestEnv::new();
        env.set("DARKROOM_SIMULATOR_SPEED", "0.5");
        let ids = half_done(&env, dies);
        let namespace = server.configure(&mut env);
        Worker::start(&env, &["--until-idle"]).done();
        check(&env, &ids);
        assert_eq!(server.workflows(&namespace, "ExecutionStatus = 'Completed'").len(), 3);
    }
}

#[cfg_attr(not(temporal_server_installed), ignore = "the Temporal server is not installed")]
#[test]
fn workflow_jobs_finish_locally_and_close() {
    for dies in [false, true] {
        let server = temporal_server::shared();
        let mut env = TestEnv::new();
        env.set("DARKROOM_SIMULATOR_SPEED", "0.5");
        env.set("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "1");
        let namespace = server.configure(&mut env);
        let ids = half_done(&env, dies);
        env.set("DARKROOM_ENGINE", "local");
        Worker::start(&env, &["--until-idle"]).done();
        check(&env, &ids);
        // A worker of Temporal that comes back finds nothing to do, and closes what it finds open.
        env.set("DARKROOM_ENGINE", "temporal");
        Worker::start(&env, &["--until-idle"]).done();
        until("the last word", || server.workflows(&namespace, "ExecutionStatus = 'Completed'").len() == 3);
        check(&env, &ids);
    }
}
