//! Owns the one table of time limits, retries and priorities of the activities. Must not know what they do.
//!
//! | activity | one try takes at most | tries | priority | why |
//! | --- | --- | --- | --- | --- |
//! | `submit` | 15 min | endless | 3 | the POST has its own limit; a save behind it is tried until the store answers |
//! | `wait` | 60 min | endless | 2 | the ticket's deadline is the effect's own, at most ten times the model's usual time |
//! | `store` | 15 min | endless | 1 | its link lasts ten minutes: never behind a new order |
//! | `cancel` | 2 min | endless | 1 | a person waits |
//!
//! Tries are endless because a try is repeated only where nothing can be lost by it: what becomes of a job is decided by its
//! document, and an order whose outcome is not known is never sent again. A worker that is silent for the heartbeat time is
//! taken for dead, and another goes on.

use std::time::Duration;

use temporalio_client::Priority;
use temporalio_sdk::{ActivityOptions, WorkflowCancellationToken};
use temporalio_workflow::RetryPolicy;

/// Silence after which a worker is taken for dead.
pub const HEARTBEAT: Duration = Duration::from_secs(20);

/// How long a job that runs under another worker's claim is left alone before the next look.
pub const BUSY: Duration = Duration::from_secs(5);

/// How long a job of the other provider is left for another worker.
pub const STRANGER: Duration = Duration::from_secs(10);

/// How soon what a leaving worker lets go of is taken up elsewhere.
pub const HANDOVER: Duration = Duration::from_millis(20);

/// After so many rests a workflow goes on with a fresh history.
pub const RESTS: u32 = 100;

/// What `submit` may take. Never cancelled: a POST on its way is waited for.
pub fn submit(heartbeat: Duration) -> ActivityOptions {
    options(Duration::from_mins(15), heartbeat, 3, Some(WorkflowCancellationToken::new()))
}

/// What `wait` may take.
pub fn wait(heartbeat: Duration) -> ActivityOptions {
    options(Duration::from_hours(1), heartbeat, 2, None)
}

/// What `store` may take.
pub fn store(heartbeat: Duration) -> ActivityOptions {
    options(Duration::from_mins(15), heartbeat, 1, None)
}

/// What `cancel` may take. It runs although, and because, the workflow is cancelled.
pub fn cancel(heartbeat: Duration) -> ActivityOptions {
    options(Duration::from_mins(2), heartbeat, 1, Some(WorkflowCancellationToken::new()))
}

fn options(
    longest: Duration,
    heartbeat: Duration,
    priority: u32,
    cancellation: Option<WorkflowCancellationToken>,
) -> ActivityOptions {
    ActivityOptions::with_start_to_close_timeout(longest)
        .heartbeat_timeout(heartbeat)
        .retry_policy(
            RetryPolicy::builder()
                .initial_interval(Duration::from_secs(1))
                .backoff_coefficient(2.0)
                .maximum_interval(Duration::from_secs(30))
                .build(),
        )
        .priority(Priority::builder().priority_key(priority).build())
        .maybe_cancellation_token(cancellation)
        .build()
}
