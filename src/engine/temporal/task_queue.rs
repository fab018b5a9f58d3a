//! What the server reports about the task queue and its workflows, and the signal that wakes them.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use temporalio_client::tonic::{IntoRequest, Status};
use temporalio_client::{Client, WorkflowListOptions, WorkflowSignalOptions};
use temporalio_common::protos::temporal::api::enums::v1::{TaskQueueKind, TaskQueueType};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, DescribeTaskQueueRequest, DescribeTaskQueueResponse,
};

use super::options::TASK_QUEUE;
use super::workflow::ImageGeneration;
use crate::text::sanitize_line;

/// A worker that has not polled for this time is gone: each polls at least once a minute.
const POLLER_EXPIRY: Duration = Duration::from_secs(75);

/// The state of the task queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskQueueStatus {
    pub(super) workers: usize,
    pub(super) backlog: u64,
}

/// Describes the task queue.
pub(super) async fn describe(client: &Client) -> Result<TaskQueueStatus, Status> {
    let workflows = describe_type(client, TaskQueueType::Workflow).await?;
    let activities = describe_type(client, TaskQueueType::Activity).await?;
    let pollers: HashSet<String> = workflows
        .pollers
        .iter()
        .filter(|poller| {
            let at = poller.last_access_time.and_then(|at| SystemTime::try_from(at).ok());
            at.is_none_or(|at| at.elapsed().is_ok_and(|age| age < POLLER_EXPIRY))
        })
        .map(|poller| poller.identity.clone())
        .collect();
    let waiting =
        |queue: &DescribeTaskQueueResponse| queue.stats.as_ref().map_or(0, |stats| stats.approximate_backlog_count);
    let backlog = waiting(&workflows).saturating_add(waiting(&activities));
    Ok(TaskQueueStatus { workers: pollers.len(), backlog: u64::try_from(backlog).unwrap_or(0) })
}

async fn describe_type(client: &Client, kind: TaskQueueType) -> Result<DescribeTaskQueueResponse, Status> {
    let queue = TaskQueue { name: TASK_QUEUE.to_owned(), kind: TaskQueueKind::Normal.into(), ..TaskQueue::default() };
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

/// How many workflows of this program are open in the namespace, by the server's index.
pub(super) async fn open_workflows(client: &Client) -> Result<i64, Status> {
    let request = CountWorkflowExecutionsRequest { namespace: client.options().namespace.clone(), query: open_query() };
    let response = client.connection().workflow_service().count_workflow_executions(request.into_request()).await?;
    Ok(response.into_inner().count)
}

/// Signals every open workflow of this program to read its document again.
pub(super) async fn wake_all(client: &Client) -> Result<(), String> {
    let mut open = client.list_workflows(open_query(), WorkflowListOptions::default());
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
fn open_query() -> String {
    format!(
        "WorkflowType = '{}' AND TaskQueue = '{TASK_QUEUE}' AND ExecutionStatus = 'Running'",
        ImageGeneration::name()
    )
}

/// A status of the server, or of the connection to it, as one sanitized line.
pub(super) fn status_line(status: &Status) -> String {
    sanitize_line(&format!("{:?}: {}", status.code(), status.message()), 160)
}
