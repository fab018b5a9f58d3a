//! What the server reports about the task queue and its workflows, and the signal that wakes them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use temporalio_client::tonic::{IntoRequest, Status};
use temporalio_client::{Client, WorkflowListOptions, WorkflowSignalOptions};
use temporalio_common::protos::temporal::api::enums::v1::{TaskQueueKind, TaskQueueType};
use temporalio_common::protos::temporal::api::taskqueue::v1::{PollerInfo, TaskQueue};
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, DescribeTaskQueueRequest, DescribeTaskQueueResponse,
};

use super::options::TemporalOptions;
use super::workflow::ImageGeneration;
use crate::engine::{OtherWorkflow, QueuePoller, TemporalSurvey};
use crate::text::sanitize_line;

/// A worker that has not polled for this time is gone: each polls at least once a minute.
const POLLER_EXPIRY: Duration = Duration::from_secs(75);

/// How the identity of darkroom's connections begins.
const IDENTITY_PREFIX: &str = "darkroom ";

/// How the workflow id of a job begins; a contract.
pub(super) const WORKFLOW_ID_PREFIX: &str = "image-gen-";

/// Longest shown identity, id or type.
const MAX_SHOWN: usize = 120;

/// The state of the task queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskQueueStatus {
    pub(super) pollers: Vec<QueuePoller>,
    pub(super) backlog: u64,
}

impl TaskQueueStatus {
    /// The workers of darkroom that poll now.
    pub(super) fn workers(&self) -> usize {
        self.pollers.iter().filter(|poller| poller.is_ours && poller.is_live).count()
    }

    /// A poller of another program that polls now.
    pub(super) fn other_poller(&self) -> Option<&QueuePoller> {
        self.pollers.iter().find(|poller| !poller.is_ours && poller.is_live)
    }
}

/// The identity of a connection of darkroom.
pub(super) fn identity(name: &str) -> String {
    format!("{IDENTITY_PREFIX}{name}")
}

/// Describes the task queue.
pub(super) async fn describe(client: &Client, task_queue: &str) -> Result<TaskQueueStatus, Status> {
    let workflows = describe_type(client, task_queue, TaskQueueType::Workflow).await?;
    let activities = describe_type(client, task_queue, TaskQueueType::Activity).await?;
    let waiting =
        |queue: &DescribeTaskQueueResponse| queue.stats.as_ref().map_or(0, |stats| stats.approximate_backlog_count);
    let backlog = waiting(&workflows).saturating_add(waiting(&activities));
    let pollers = pollers(workflows.pollers.iter().chain(&activities.pollers), SystemTime::now());
    Ok(TaskQueueStatus { pollers, backlog: u64::try_from(backlog).unwrap_or(0) })
}

/// One entry for each identity, with its last poll.
fn pollers<'a>(infos: impl Iterator<Item = &'a PollerInfo>, now: SystemTime) -> Vec<QueuePoller> {
    let mut last: BTreeMap<&str, Option<SystemTime>> = BTreeMap::new();
    for info in infos {
        let at = info.last_access_time.and_then(|at| SystemTime::try_from(at).ok());
        let known = last.entry(&info.identity).or_default();
        *known = (*known).max(at);
    }
    let poller = |(identity, at): (&str, Option<SystemTime>)| QueuePoller {
        is_ours: identity.starts_with(IDENTITY_PREFIX),
        // A time in the future is one of a server whose clock is ahead.
        is_live: at.is_none_or(|at| now.duration_since(at).unwrap_or_default() < POLLER_EXPIRY),
        identity: sanitize_line(identity, MAX_SHOWN),
        last_access: at.map(DateTime::<Utc>::from),
    };
    last.into_iter().map(poller).collect()
}

async fn describe_type(
    client: &Client,
    task_queue: &str,
    kind: TaskQueueType,
) -> Result<DescribeTaskQueueResponse, Status> {
    let queue = TaskQueue { name: task_queue.to_owned(), kind: TaskQueueKind::Normal.into(), ..TaskQueue::default() };
    let request = DescribeTaskQueueRequest {
        namespace: client.options().namespace.clone(),
        task_queue: Some(queue),
        task_queue_type: kind.into(),
        report_stats: true,
        ..DescribeTaskQueueRequest::default()
    };
    let response = client.connection().workflow_service().describe_task_queue(request.into_request()).await?;
    Ok(response.into_inner())
}

/// Who polls the task queue, and the open workflows of other programs.
pub(super) async fn survey(client: &Client, options: &TemporalOptions) -> Result<TemporalSurvey, String> {
    let queue = describe(client, &options.task_queue).await.map_err(|status| status_line(&status))?;
    let query = format!(
        "WorkflowType != '{}' AND ExecutionStatus = 'Running' AND (TaskQueue = '{}' OR WorkflowId STARTS_WITH '{}')",
        ImageGeneration::name(),
        options.task_queue,
        WORKFLOW_ID_PREFIX,
    );
    let limit = TemporalSurvey::MAX_WORKFLOWS;
    let mut open = client.list_workflows(query, WorkflowListOptions::builder().limit(limit).build());
    let mut other_workflows = Vec::new();
    while let Some(workflow) = open.next().await {
        let workflow = workflow.map_err(|error| sanitize_line(&error.to_string(), 160))?;
        other_workflows.push(OtherWorkflow {
            id: sanitize_line(workflow.id(), 1_000),
            run_id: sanitize_line(workflow.run_id(), MAX_SHOWN),
            workflow_type: sanitize_line(workflow.workflow_type(), MAX_SHOWN),
            task_queue: sanitize_line(workflow.task_queue(), MAX_SHOWN),
            started: workflow.start_time().map(DateTime::from),
            terminate: options.terminate_command(workflow.id()),
        });
    }
    Ok(TemporalSurvey {
        address: options.address.clone(),
        namespace: options.namespace.clone(),
        task_queue: options.task_queue.clone(),
        pollers: queue.pollers,
        backlog: queue.backlog,
        other_workflows,
    })
}

/// How many workflows of this program are open in the namespace, by the server's index.
pub(super) async fn open_workflows(client: &Client, task_queue: &str) -> Result<i64, Status> {
    let (namespace, query) = (client.options().namespace.clone(), open_query(task_queue));
    let request = CountWorkflowExecutionsRequest { namespace, query };
    let response = client.connection().workflow_service().count_workflow_executions(request.into_request()).await?;
    Ok(response.into_inner().count)
}

/// Signals every open workflow of this program to read its document again.
pub(super) async fn wake_all(client: &Client, task_queue: &str) -> Result<(), String> {
    let mut open = client.list_workflows(open_query(task_queue), WorkflowListOptions::default());
    while let Some(workflow) = open.next().await {
        let workflow = workflow.map_err(|error| sanitize_line(&error.to_string(), 160))?;
        let handle = client.get_workflow_handle::<ImageGeneration>(workflow.id());
        // A workflow that has closed meanwhile needs no signal.
        if let Err(error) = handle.signal(ImageGeneration::retry, (), WorkflowSignalOptions::default()).await {
            tracing::debug!(%error, "open workflow not signalled");
        }
    }
    Ok(())
}

/// The server's query for the open workflows of this program.
fn open_query(task_queue: &str) -> String {
    format!(
        "WorkflowType = '{}' AND TaskQueue = '{task_queue}' AND ExecutionStatus = 'Running'",
        ImageGeneration::name()
    )
}

/// A status of the server, or of the connection to it, as one sanitized line.
pub(super) fn status_line(status: &Status) -> String {
    sanitize_line(&format!("{:?}: {}", status.code(), status.message()), 160)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pollers_are_ours_by_identity_live_by_age() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let info = |identity: &str, age: u64| PollerInfo {
            identity: identity.to_owned(),
            last_access_time: Some((now - Duration::from_secs(age)).into()),
            ..PollerInfo::default()
        };
        let infos = [
            info("darkroom worker-1", 90),
            info("darkroom worker-1", 3),
            info("darkroom worker-2", 200),
            info("4711@old-backend\u{7}", 70),
            info("darkroomer", 80),
        ];
        let found = pollers(infos.iter(), now);
        let shown: Vec<(&str, bool, bool)> =
            found.iter().map(|poller| (poller.identity.as_str(), poller.is_ours, poller.is_live)).collect();
        assert_eq!(
            shown,
            [
                ("4711@old-backend", false, true),
                ("darkroom worker-1", true, true),
                ("darkroom worker-2", true, false),
                ("darkroomer", false, false),
            ]
        );
        let queue = TaskQueueStatus { pollers: found, backlog: 0 };
        assert_eq!(queue.workers(), 1);
        assert_eq!(queue.other_poller().unwrap().identity, "4711@old-backend");
    }
}
