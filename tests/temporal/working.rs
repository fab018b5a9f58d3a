//! Jobs through real workers on a real server: what is made, what it costs, and what a person reads in Temporal afterwards.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::temporal_server::{self, TemporalServer};
use crate::support::{House, books, text};

/// How long anything may take before a test calls it stuck.
const PATIENCE: Duration = Duration::from_mins(2);

fn finish(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
}

#[test]
fn two_workers_share_twenty_jobs_and_every_workflow_is_closed() {
    let Some(server) = temporal_server::shared() else { return };
    let mut house = House::new();
    let namespace = server.furnish(&mut house);
    let ids = house.queue(20);
    let worker = || house.command(&["worker", "--until-idle", "--slots", "6"]).spawn().unwrap();
    let workers = [worker(), worker()];
    workers.into_iter().for_each(finish);
    assert_eq!(books::check(&house, 20), 20);
    let workflows = server.workflows(&namespace, "");
    assert_eq!(workflows.len(), 20, "one each: {workflows:?}");
    for (id, status) in &workflows {
        assert_eq!(status, "WORKFLOW_EXECUTION_STATUS_COMPLETED", "{id}");
    }
    let history = server.history(&namespace, &format!("image-gen-{}", ids[0]));
    let scheduled: Vec<&str> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["activityTaskScheduledEventAttributes"]["activityType"]["name"].as_str())
        .collect();
    assert_eq!(scheduled, ["submit", "wait", "store"], "a job that goes well is three activities");
}
