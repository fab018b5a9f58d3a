//! Owns the workflow `image-gen`: which activity follows on which report. Deterministic; must not look at anything but reports,
//! signals and Temporal's own clock. Read "Changing the workflow" in the parent before you change it.
#![allow(missing_docs, reason = "the macros make items that nobody can write a word on")]

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::workflows::select;
use temporalio_sdk::{
    ActivityExecutionError, ApplicationFailure, CancellableFuture, ContinueAsNewOptions, MemoValue,
    SyncWorkflowContext, TimerResult, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use super::payloads::{Next, Order, Pickup, Report, Task, Told};
use super::{Activities, policy};

/// One job's workflow.
#[workflow]
pub struct ImageGeneration {
    order: Order,
    /// How often somebody asked to look at the document again.
    wakes: u32,
    /// Somebody signalled that it shall be cancelled.
    cancelled: bool,
    doing: String,
    report: Option<Report>,
}

/// The workflow was cancelled while an activity ran.
struct Cancelled;

#[workflow_methods]
impl ImageGeneration {
    #[init]
    fn new(_ctx: &WorkflowContextView, order: Order) -> Self {
        Self { order, wakes: 0, cancelled: false, doing: "begin".to_owned(), report: None }
    }

    #[run(name = "image-gen")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Report> {
        let mut next = Next::Submit;
        let mut rests = 0;
        loop {
            // Who wakes the workflow from here on has seen something that the activity may have missed.
            let woken = ctx.state(|state| state.wakes);
            let performed = if Self::is_cancelled(ctx) { Err(Cancelled) } else { Self::perform(ctx, next).await? };
            let report = match performed {
                Ok(report) if !Self::is_cancelled(ctx) => report,
                Ok(_) | Err(Cancelled) => {
                    let report = Self::cancel_job(ctx).await?;
                    return Self::end(ctx, report);
                }
            };
            ctx.state_mut(|state| state.report = Some(report.clone()));
            next = match report.next.clone() {
                Next::None => return Self::end(ctx, report),
                Next::Rest { until } => {
                    if rests >= policy::RESTS || ctx.continue_as_new_suggested() {
                        let order = ctx.state(|state| state.order.clone());
                        ctx.continue_as_new(order, ContinueAsNewOptions::default())?;
                    }
                    rests += 1;
                    Self::rest(ctx, until, woken).await;
                    Next::Submit
                }
                other => other,
            };
        }
    }

    /// Look at the document again, now.
    #[signal(name = "retry")]
    pub fn retry(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.wakes = self.wakes.wrapping_add(1);
    }

    /// Cancel the job, where it can still be cancelled.
    #[signal(name = "cancel")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.cancelled = true;
    }

    /// What was done so far, and what is done now.
    #[query(name = "steps")]
    pub fn steps(&self, _ctx: &WorkflowContextView) -> Told {
        Told { doing: self.doing.clone(), report: self.report.clone() }
    }

    /// Performs the activity that is due.
    async fn perform(ctx: &WorkflowContext<Self>, next: Next) -> WorkflowResult<Result<Report, Cancelled>> {
        let (order, task, heartbeat) = Self::task(ctx);
        match next {
            Next::Store { sample, charged } => {
                Self::say(ctx, "store");
                let attempt = ctx.state(|state| state.report.as_ref().map_or(0, |report| report.attempt));
                let pickup =
                    Pickup { job: order.job, simulated: order.simulated, store: order.store, attempt, sample, charged };
                let mut activity = ctx.execute_activity(Activities::store, pickup, policy::store(heartbeat));
                select! {
                    report = activity => unless_cancelled(report),
                    _ = ctx.wait_condition(|state| state.cancelled) => {
                        activity.cancel();
                        Ok(Err(Cancelled))
                    }
                }
            }
            Next::Wait => {
                Self::say(ctx, "wait");
                let mut activity = ctx.execute_activity(Activities::wait, task, policy::wait(heartbeat));
                select! {
                    report = activity => unless_cancelled(report),
                    _ = ctx.wait_condition(|state| state.cancelled) => {
                        activity.cancel();
                        Ok(Err(Cancelled))
                    }
                }
            }
            Next::Submit | Next::Rest { .. } | Next::None => {
                Self::say(ctx, "submit");
                Ok(Ok(ctx.execute_activity(Activities::submit, task, policy::submit(heartbeat)).await?))
            }
        }
    }

    async fn cancel_job(ctx: &WorkflowContext<Self>) -> WorkflowResult<Report> {
        Self::say(ctx, "cancel");
        let (_, task, heartbeat) = Self::task(ctx);
        Ok(ctx.execute_activity(Activities::cancel, task, policy::cancel(heartbeat)).await?)
    }

    /// Sleeps until that time, or until somebody wakes or cancels the workflow.
    async fn rest(ctx: &WorkflowContext<Self>, until: DateTime<Utc>, woken: u32) {
        Self::say(ctx, &format!("rest until {}", until.to_rfc3339()));
        let now = ctx.workflow_time().unwrap_or(SystemTime::UNIX_EPOCH);
        let time = SystemTime::from(until).duration_since(now).unwrap_or(Duration::ZERO);
        let mut timer = ctx.timer(time);
        let fired = select! {
            result = timer => result == TimerResult::Fired,
            _ = ctx.wait_condition(|state| state.cancelled || state.wakes != woken) => false,
        };
        if !fired {
            timer.cancel();
        }
    }

    /// Closes the workflow as its job has ended. One that was cancelled is closed as cancelled also where its document went on:
    /// then another run is another person's wish.
    fn end(ctx: &WorkflowContext<Self>, report: Report) -> WorkflowResult<Report> {
        Self::say(ctx, "ended");
        ctx.state_mut(|state| state.report = Some(report.clone()));
        let cost = report.cost_usd.map_or_else(|| "none".to_owned(), |cost| cost.decimal().to_string());
        ctx.upsert_memo([
            ("status", Some(MemoValue::new(report.status.clone()))),
            ("cost_usd", Some(MemoValue::new(cost))),
        ])?;
        match report.status.as_str() {
            "cancelled" => Err(WorkflowTermination::cancelled_with_details(report)),
            _ if report.next != Next::None => Err(WorkflowTermination::cancelled_with_details(report)),
            "failed" => {
                let note = report.note.clone().unwrap_or_default();
                let code = note.split(':').next().unwrap_or_default().to_owned();
                let failure = ApplicationFailure::builder(note).type_name(code).non_retryable(true).details(report);
                Err(failure.build().into())
            }
            _ => Ok(report),
        }
    }

    fn is_cancelled(ctx: &WorkflowContext<Self>) -> bool {
        ctx.cancellation_token().is_cancelled() || ctx.state(|state| state.cancelled)
    }

    fn task(ctx: &WorkflowContext<Self>) -> (Order, Task, Duration) {
        let order = ctx.state(|state| state.order.clone());
        let task = Task { job: order.job.clone(), simulated: order.simulated, store: order.store.clone() };
        let heartbeat = Duration::from_secs(order.heartbeat_seconds.max(1));
        (order, task, heartbeat)
    }

    fn say(ctx: &WorkflowContext<Self>, doing: &str) {
        ctx.state_mut(|state| doing.clone_into(&mut state.doing));
    }
}

fn unless_cancelled(report: Result<Report, ActivityExecutionError>) -> WorkflowResult<Result<Report, Cancelled>> {
    match report {
        Ok(report) => Ok(Ok(report)),
        Err(ActivityExecutionError::Cancelled(_)) => Ok(Err(Cancelled)),
        Err(error) => Err(error.into()),
    }
}
