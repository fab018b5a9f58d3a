//! Workflows of the same name that do other things than the recorded ones: what a careless change would look like.
#![allow(missing_docs)]

use std::time::Duration;

use darkroom::engine::temporal::payloads::{JobInput, JobReport, WorkflowInput};
use darkroom::engine::temporal::{Activities, policy};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{WorkflowContext, WorkflowResult};

const HEARTBEAT: Duration = Duration::from_secs(2);

fn task(order: WorkflowInput) -> JobInput {
    JobInput { job: order.job, simulated: order.simulated, store: order.store }
}

/// Ends after the first activity.
#[workflow]
#[derive(Default)]
pub struct WithoutMemo;

#[workflow_methods]
impl WithoutMemo {
    #[run(name = "image-gen")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, order: WorkflowInput) -> WorkflowResult<JobReport> {
        Ok(ctx.execute_activity(Activities::submit, task(order), policy::submit(HEARTBEAT)).await?)
    }
}

/// Waits before it orders.
#[workflow]
#[derive(Default)]
pub struct OtherOrder;

#[workflow_methods]
impl OtherOrder {
    #[run(name = "image-gen")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, order: WorkflowInput) -> WorkflowResult<JobReport> {
        ctx.execute_activity(Activities::wait, task(order.clone()), policy::poll(HEARTBEAT)).await?;
        Ok(ctx.execute_activity(Activities::submit, task(order), policy::submit(HEARTBEAT)).await?)
    }
}
