//! The workflow `image-gen`: which activity follows which report. Deterministic: its only inputs are reports, signals and Temporal's
//! clock. Read "Changing the workflow" in the parent module before you change it.
#![allow(missing_docs, reason = "the macros generate items that cannot be documented")]

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::workflows::select;
use temporalio_sdk::{
    ActivityExecutionError, ApplicationFailure, CancellableFuture, ContinueAsNewOptions, MemoValue,
    SyncWorkflowContext, TimerResult, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use super::activities::Activities;
use super::payloads::{JobInput, JobReport, NextStep, StepsQueryResult, StoreInput, WorkflowInput};
use super::policy;

/// One job's workflow.
#[workflow]
pub struct ImageGeneration {
    input: WorkflowInput,
    /// How often the signal `retry` was received.
    retry_signals: u32,
    /// Whether the signal `cancel` was received.
    cancelled: bool,
    current: String,
    report: Option<JobReport>,
}

/// The workflow was cancelled while an activity ran.
struct Cancelled;

#[workflow_methods]
impl ImageGeneration {
    #[init]
    fn new(_ctx: &WorkflowContextView, input: WorkflowInput) -> Self {
        Self { input, retry_signals: 0, cancelled: false, current: "begin".to_owned(), report: None }
    }

    #[run(name = "image-gen")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<JobReport> {
        let mut next = NextStep::Submit;
        let mut deferrals = 0;
        loop {
            // A signal from here on may be about a change that the activity has missed.
            let seen_signals = ctx.state(|state| state.retry_signals);
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
                NextStep::None => return Self::end(ctx, report),
                NextStep::Defer { until } => {
                    if deferrals >= policy::MAX_DEFERRALS || ctx.continue_as_new_suggested() {
                        let input = ctx.state(|state| state.input.clone());
                        ctx.continue_as_new(input, ContinueAsNewOptions::default())?;
                    }
                    deferrals += 1;
                    Self::defer(ctx, until, seen_signals).await;
                    NextStep::Submit
                }
                other => other,
            };
        }
    }

    /// Read the document again, now.
    #[signal(name = "retry")]
    pub fn retry(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.retry_signals = self.retry_signals.wrapping_add(1);
    }

    /// Cancel the job, if it can still be cancelled.
    #[signal(name = "cancel")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.cancelled = true;
    }

    /// The current step and the last report.
    #[query(name = "steps")]
    pub fn steps(&self, _ctx: &WorkflowContextView) -> StepsQueryResult {
        StepsQueryResult { current: self.current.clone(), report: self.report.clone() }
    }

    /// Performs the activity of that step.
    async fn perform(ctx: &WorkflowContext<Self>, next: NextStep) -> WorkflowResult<Result<JobReport, Cancelled>> {
        let (workflow_input, job_input, heartbeat) = Self::inputs(ctx);
        match next {
            NextStep::Store { link, charged } => {
                Self::set_current(ctx, "store");
                let attempt = ctx.state(|state| state.report.as_ref().map_or(0, |report| report.attempt));
                let WorkflowInput { job, simulated, store, .. } = workflow_input;
                let input = StoreInput { job, simulated, store, attempt, link, charged };
                let mut activity = ctx.execute_activity(Activities::store, input, policy::store(heartbeat));
                select! {
                    report = activity => unless_cancelled(report),
                    _ = ctx.wait_condition(|state| state.cancelled) => {
                        activity.cancel();
                        Ok(Err(Cancelled))
                    }
                }
            }
            NextStep::Poll => {
                Self::set_current(ctx, "wait");
                let mut activity = ctx.execute_activity(Activities::wait, job_input, policy::poll(heartbeat));
                select! {
                    report = activity => unless_cancelled(report),
                    _ = ctx.wait_condition(|state| state.cancelled) => {
                        activity.cancel();
                        Ok(Err(Cancelled))
                    }
                }
            }
            NextStep::Submit | NextStep::Defer { .. } | NextStep::None => {
                Self::set_current(ctx, "submit");
                Ok(Ok(ctx.execute_activity(Activities::submit, job_input, policy::submit(heartbeat)).await?))
            }
        }
    }

    async fn cancel_job(ctx: &WorkflowContext<Self>) -> WorkflowResult<JobReport> {
        Self::set_current(ctx, "cancel");
        let (_, job_input, heartbeat) = Self::inputs(ctx);
        Ok(ctx.execute_activity(Activities::cancel, job_input, policy::cancel(heartbeat)).await?)
    }

    /// Sleeps until that time, or until a signal or a cancellation.
    async fn defer(ctx: &WorkflowContext<Self>, until: DateTime<Utc>, seen_signals: u32) {
        Self::set_current(ctx, &format!("rest until {}", until.to_rfc3339()));
        let now = ctx.workflow_time().unwrap_or(SystemTime::UNIX_EPOCH);
        let time = SystemTime::from(until).duration_since(now).unwrap_or(Duration::ZERO);
        let mut timer = ctx.timer(time);
        let fired = select! {
            result = timer => result == TimerResult::Fired,
            _ = ctx.wait_condition(|state| state.cancelled || state.retry_signals != seen_signals) => false,
        };
        if !fired {
            timer.cancel();
        }
    }

    /// Closes the workflow with the status of its job. A cancelled workflow is closed as cancelled even if its document continued:
    /// then another run follows.
    fn end(ctx: &WorkflowContext<Self>, report: JobReport) -> WorkflowResult<JobReport> {
        Self::set_current(ctx, "ended");
        ctx.state_mut(|state| state.report = Some(report.clone()));
        let cost = report.cost_usd.map_or_else(|| "none".to_owned(), |cost| cost.decimal().to_string());
        ctx.upsert_memo([
            ("status", Some(MemoValue::new(report.status.clone()))),
            ("cost_usd", Some(MemoValue::new(cost))),
        ])?;
        match report.status.as_str() {
            "cancelled" => Err(WorkflowTermination::cancelled_with_details(report)),
            _ if report.next != NextStep::None => Err(WorkflowTermination::cancelled_with_details(report)),
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

    fn inputs(ctx: &WorkflowContext<Self>) -> (WorkflowInput, JobInput, Duration) {
        let input = ctx.state(|state| state.input.clone());
        let job_input = JobInput { job: input.job.clone(), simulated: input.simulated, store: input.store.clone() };
        let heartbeat = Duration::from_secs(input.heartbeat_seconds.max(1));
        (input, job_input, heartbeat)
    }

    fn set_current(ctx: &WorkflowContext<Self>, step: &str) {
        // Shown on the server's page of the workflow; not a part of the history.
        ctx.set_current_details(step);
        ctx.state_mut(|state| step.clone_into(&mut state.current));
    }
}

fn unless_cancelled(report: Result<JobReport, ActivityExecutionError>) -> WorkflowResult<Result<JobReport, Cancelled>> {
    match report {
        Ok(report) => Ok(Ok(report)),
        Err(ActivityExecutionError::Cancelled(_)) => Ok(Err(Cancelled)),
        Err(error) => Err(error.into()),
    }
}
