//! Jobs that begin under one engine end under the other: nothing but the document decides.

use crate::support::{House, books, temporal_server};

use super::worker::{Worker, job, until, until_status};

/// Three jobs that are half done when their worker leaves or dies.
fn half_done(house: &House, dies: bool) -> Vec<String> {
    let ids = house.queue(3);
    let worker = Worker::start(house, &[]);
    for id in &ids {
        until_status(house, id, "generating");
    }
    if dies {
        worker.kill();
    } else {
        assert!(worker.leave().status.success());
    }
    ids
}

fn check(house: &House, ids: &[String]) {
    assert_eq!(books::check(house, ids.len()), ids.len());
    for id in ids {
        assert_eq!(job(house, id)["attempt"], 1, "the same attempt, the same ticket");
    }
}

#[test]
fn what_was_begun_in_one_process_ends_as_workflows() {
    for dies in [false, true] {
        let Some(server) = temporal_server::shared() else { return };
        let mut house = House::new();
        house.set("DARKROOM_SIMULATOR_SPEED", "0.5");
        let ids = half_done(&house, dies);
        let namespace = server.furnish(&mut house);
        Worker::start(&house, &["--until-idle"]).done();
        check(&house, &ids);
        assert_eq!(server.workflows(&namespace, "ExecutionStatus = 'Completed'").len(), 3);
    }
}

#[test]
fn what_was_begun_as_workflows_ends_in_one_process_and_the_workflows_close() {
    for dies in [false, true] {
        let Some(server) = temporal_server::shared() else { return };
        let mut house = House::new();
        house.set("DARKROOM_SIMULATOR_SPEED", "0.5");
        house.set("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "1");
        let namespace = server.furnish(&mut house);
        let ids = half_done(&house, dies);
        house.set("DARKROOM_ENGINE", "local");
        Worker::start(&house, &["--until-idle"]).done();
        check(&house, &ids);
        // A worker of Temporal that comes back finds nothing to do, and closes what it finds open.
        house.set("DARKROOM_ENGINE", "temporal");
        Worker::start(&house, &["--until-idle"]).done();
        until("the last word", || server.workflows(&namespace, "ExecutionStatus = 'Completed'").len() == 3);
        check(&house, &ids);
    }
}
