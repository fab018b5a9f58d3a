//! Timeouts, retries and priorities of the activities.
//!
//! | activity | longest try | tries | priority | why |
//! | --- | --- | --- | --- | --- |
//! | `submit` | 15 min | unlimited | 3 | the POST has its own timeout; the save after it is retried until the store answers; an image that is ready at once is stored |
//! | `wait` | 75 min | unlimited | 2 | polling has its own deadline, at most ten times the model's usual time; then the image is stored |
//! | `store` | 15 min | unlimited | 1 | for workflows whose `wait` was performed by an earlier version |
//! | `cancel` | 2 min | unlimited | 1 | an operator waits |
//!
//! Tries are unlimited because a retry can lose nothing: the document decides what happens to the job, and a request with unknown
//! outcome is never sent again. A worker without heartbeats is presumed dead, and another continues.

use std::time::Duration;

use temporalio_client::Priority;
use temporalio_sdk::{ActivityOptions, WorkflowCancellationToken};
use temporalio_workflow::RetryPolicy;

/// After this time without a heartbeat a worker is presumed dead.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the next step of a workflow waits for the worker that caches it, before any worker may replay it.
pub fn sticky_timeout(heartbeat: Duration) -> Duration {
    (heartbeat / 4).clamp(Duration::from_secs(1), Duration::from_secs(10))
}

/// Retry delay for a job whose submit is in flight under another worker's claim.
pub const BUSY_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Retry delay for a submit while the account is at its task limit.
pub const TASK_LIMIT_DELAY: Duration = Duration::from_secs(2);

/// Retry delay for a job of another provider or store, which another worker may run.
pub const WRONG_PROVIDER_DELAY: Duration = Duration::from_secs(10);

/// Retry delay for what a worker that shuts down hands over.
pub const HANDOVER_DELAY: Duration = Duration::from_millis(20);

/// How long `submit` polls the ticket of its request before it leaves the rest to `wait`. A cancellation of the workflow is not
/// noticed meanwhile.
pub const READY_WINDOW: Duration = Duration::from_secs(3);

/// How long `submit` polls, downloads and stores, before it leaves the rest to `wait`, which begins again.
pub const READY_TIMEOUT: Duration = Duration::from_secs(15);

/// After so many deferrals a workflow continues with a new history.
pub const MAX_DEFERRALS: u32 = 100;

/// The options of `submit`. Never cancelled: a POST in flight is awaited, and what follows is short.
pub fn submit(heartbeat: Duration) -> ActivityOptions {
    let never = Some(WorkflowCancellationToken::new());
    options("submit the request, store an image that is ready at once", Duration::from_mins(15), heartbeat, 3, never)
}

/// The options of `wait`.
pub fn poll(heartbeat: Duration) -> ActivityOptions {
    options("wait for the image and store it", Duration::from_mins(75), heartbeat, 2, None)
}

/// The options of `store`.
pub fn store(heartbeat: Duration) -> ActivityOptions {
    options("download and store the image", Duration::from_mins(15), heartbeat, 1, None)
}

/// The options of `cancel`, which runs because the workflow is cancelled.
pub fn cancel(heartbeat: Duration) -> ActivityOptions {
    options("cancel the job", Duration::from_mins(2), heartbeat, 1, Some(WorkflowCancellationToken::new()))
}

fn options(
    summary: &str,
    timeout: Duration,
    heartbeat: Duration,
    priority: u32,
    cancellation: Option<WorkflowCancellationToken>,
) -> ActivityOptions {
    ActivityOptions::with_start_to_close_timeout(timeout)
        .heartbeat_timeout(heartbeat)
        .retry_policy(
            RetryPolicy::builder()
                .initial_interval(Duration::from_secs(1))
                .backoff_coefficient(2.0)
                .maximum_interval(Duration::from_secs(30))
                .build(),
        )
        .summary(summary.to_owned())
        .priority(Priority::builder().priority_key(priority).build())
        .maybe_cancellation_token(cancellation)
        .build()
}
