//! Owns what the server tells of the task queue: who works on it, and how much waits. Must not change anything.

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

use super::options::{TASK_QUEUE, TemporalOptions};
use super::workflow::ImageGeneration;
use crate::text::sanitize_line;

/// A worker that has not asked for work for so long is gone: each asks anew at least once a minute.
const GONE: Duration = Duration::from_secs(75);

/// What the task queue is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) workers: usize,
    pub(super) backlog: u64,
}

/// Looks at the task queue.
pub(super) async fn look(client: &Client) -> Result<Queue, Status> {
    let workflows = describe(client, TaskQueueType::Workflow).await?;
    let activities = describe(client, TaskQueueType::Activity).await?;
    let alive: HashSet<String> = workflows
        .pollers
        .iter()
        .filter(|poller| {
            let at = poller.last_access_time.and_then(|at| SystemTime::try_from(at).ok());
            at.is_none_or(|at| at.elapsed().is_ok_and(|age| age < GONE))
        })
        .map(|poller| poller.identity.clone())
        .collect();
    let waits =
        |queue: &DescribeTaskQueueResponse| queue.stats.as_ref().map_or(0, |stats| stats.approximate_backlog_count);
    let backlog = waits(&workflows).saturating_add(waits(&activities));
    Ok(Queue { workers: alive.len(), backlog: u64::try_from(backlog).unwrap_or(0) })
}

async fn describe(client: &Client, kind: TaskQueueType) -> Result<DescribeTaskQueueResponse, Status> {
    let queue = TaskQueue { name: TASK_QUEUE.to_owned(), kind: TaskQueueKind::Normal.into(), ..TaskQueue::default() };
    let request = DescribeTaskQueueRequest {
        namespace: client.options().namespace.clone(),
        task_queue: Some(queue),
        task_queue_type: kind.into(),
        report_stats: true,
        ..DescribeTaskQueueRequest::default()
    };
    let answer = client.connection().workflow_service().describe_task_queue(request.into_request()).await?;
    Ok(answer.into_inner())
}

/// How many workflows of this program are open in the namespace, as the server's list knows it.
pub(super) async fn open_workflows(client: &Client) -> Result<i64, Status> {
    let request = CountWorkflowExecutionsRequest { namespace: client.options().namespace.clone(), query: open_query() };
    let answer = client.connection().workflow_service().count_workflow_executions(request.into_request()).await?;
    Ok(answer.into_inner().count)
}

/// Asks every open workflow of this program to look at its document again.
pub(super) async fn wake_all(client: &Client) -> Result<(), String> {
    let mut open = client.list_workflows(open_query(), WorkflowListOptions::default());
    while let Some(workflow) = open.next().await {
        let workflow = workflow.map_err(|error| sanitize_line(&error.to_string(), 160))?;
        let handle = client.get_workflow_handle::<ImageGeneration>(workflow.id());
        // One that has ended meanwhile needs no word.
        if let Err(error) = handle.signal(ImageGeneration::retry, (), WorkflowSignalOptions::default()).await {
            tracing::debug!("an open workflow was not woken: {error}");
        }
    }
    Ok(())
}

/// The server's own words for the open workflows of this program.
fn open_query() -> String {
    format!(
        "WorkflowType = '{}' AND TaskQueue = '{TASK_QUEUE}' AND ExecutionStatus = 'Running'",
        ImageGeneration::name()
    )
}

/// One clean line on what the server, or the way to it, answered.
pub(super) fn words(status: &Status) -> String {
    sanitize_line(&format!("{:?}: {}", status.code(), status.message()), 160)
}

/// Looks once whether the server answers and somebody works: one clean line either way.
pub async fn probe(options: &TemporalOptions) -> Result<String, String> {
    let at = |why: String| format!("{}, namespace {}: {why}", options.address, options.namespace);
    let client = super::worker::connect(options, "doctor").await.map_err(at)?;
    let queue = look(&client).await.map_err(|status| at(words(&status)))?;
    let workers = if queue.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", queue.workers) };
    Ok(format!(
        "{} answers, namespace {}, {workers} on {TASK_QUEUE}, {} tasks wait",
        options.address, options.namespace, queue.backlog
    ))
}
