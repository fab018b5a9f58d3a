//! The check of the Temporal server.

use super::Check;
use crate::config::{Config, EngineKind};
use crate::engine::TemporalSurvey;
use crate::text::format;
use crate::wiring;

const NAME: &str = "temporal";

/// Checks the server, its workers, and other programs on it; `None` with the local engine.
pub async fn check(config: &Config) -> Option<Check> {
    let advice = "check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the key or the certificates; start a local server with \
                  `temporal server start-dev`, or use DARKROOM_ENGINE=local";
    if config.engine != EngineKind::Temporal {
        return None;
    }
    Some(match wiring::survey_temporal(config).await? {
        Ok(survey) => judge(&survey),
        Err(why) => Check::problem(NAME, why, advice),
    })
}

fn judge(survey: &TemporalSurvey) -> Check {
    let TemporalSurvey { address, namespace, task_queue, backlog, other_workflows, .. } = survey;
    let workers = format::count(survey.workers(), "worker");
    let line = format!("{address} answers, namespace {namespace}, {workers} on {task_queue}, {backlog} tasks waiting");
    let others = survey.other_pollers();
    if let Some(first) = others.first() {
        let pollers = format::count(others.len(), "poller");
        return Check::problem(
            NAME,
            format!("{line}; {pollers} of another program ({first}) on the same task queue, so no job starts"),
            "stop the other program (see `darkroom takeover`), or set DARKROOM_TEMPORAL_QUEUE to another name",
        );
    }
    let Some(first) = other_workflows.first() else { return Check::ok(NAME, line) };
    let open = if other_workflows.len() < TemporalSurvey::MAX_WORKFLOWS {
        format::count(other_workflows.len(), "open workflow")
    } else {
        format!("{} or more open workflows", other_workflows.len())
    };
    Check::problem(
        NAME,
        format!("{line}; {open} of another program ({}, {}) in the way of jobs", first.workflow_type, first.id),
        format!("terminate each: `{}`", first.terminate),
    )
}
