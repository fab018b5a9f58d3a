//! `darkroom jobs retry|cancel|approve|hide|unhide`: changes documents; a worker runs the jobs.

use std::sync::Arc;

use chrono::Utc;
use clap::Args;

use crate::catalog::Catalog;
use crate::cli::error::CliError;
use crate::cli::job_json::JobView;
use crate::cli::{Session, output, resolve_id, table};
use crate::engine::{CommandOutcome, OperatorCommands, RetryPrice};
use crate::jobs::{Job, JobId};
use crate::store::Store;
use crate::telemetry::logging::{self, ExtraSink};
use crate::time::SystemClock;
use crate::wiring;

/// Jobs to act on
#[derive(Debug, Args)]
pub struct IdArgs {
    /// Job ids, or unambiguous prefixes of them
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}

/// Jobs to retry
#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    pub which: IdArgs,
    /// Spend real money without confirmation
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// What each of these commands needs.
struct JobCommandContext {
    store: Arc<dyn Store>,
    commands: OperatorCommands,
    ids: Vec<JobId>,
}

impl JobCommandContext {
    async fn open(session: &Session, ids: &[String]) -> Result<Self, CliError> {
        let store = wiring::open_store_for_changes(&session.config).await?;
        let commands = OperatorCommands::new(store.clone(), Arc::new(SystemClock), session.config.is_simulated());
        let ids = resolve_id::jobs(store.as_ref(), ids).await?;
        Ok(Self { store, commands, ids })
    }

    async fn read(&self, ids: &[JobId]) -> Result<Vec<Job>, CliError> {
        let mut jobs = Vec::new();
        for id in ids {
            jobs.extend(self.store.get(id).await?);
        }
        Ok(jobs)
    }

    /// Prints the changed jobs, reports the rejected ones on standard error, and fails if there are any.
    async fn report(&self, session: &Session, outcome: CommandOutcome, what: &str) -> Result<(), CliError> {
        let jobs = self.read(&outcome.succeeded).await?;
        let now = Utc::now();
        for (id, why) in &outcome.rejected {
            output::eprint_line(&format!("job {id} was not {what}: {why}"));
        }
        if session.output.is_json() {
            output::write_json(&JobView::all(&jobs, now))?;
        } else if !jobs.is_empty() {
            output::write_text(&table::jobs(&jobs, now, session.output.columns()))?;
        }
        if outcome.rejected.is_empty() { Ok(()) } else { Err(CliError::AlreadyReported) }
    }
}

/// Retries jobs.
pub async fn retry(session: &Session, args: &RetryArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let context = JobCommandContext::open(session, &args.which.ids).await?;
    let jobs = context.read(&context.ids).await?;
    // A job that cannot be retried is rejected with its reason, without a question about money.
    let retryable: Vec<&Job> = jobs.iter().filter(|job| job.retry_kind().is_ok()).collect();
    if !args.yes && retryable.iter().any(|job| !job.simulated) {
        let paid = retryable.iter().copied().filter(|job| !job.simulated);
        let price = RetryPrice::of(paid, Catalog::builtin());
        // A script without --yes must not spend money.
        if !output::can_ask() {
            let facts = std::iter::once(price.line()).chain(price.facts()).collect::<Vec<_>>().join("; ");
            return Err(CliError::Usage(format!("this spends real money ({facts}); pass --yes to confirm")));
        }
        for fact in price.facts() {
            output::eprint_line(&fact);
        }
        let question = format!("Retry {} for real money, {}?", count(retryable.len()), price.line());
        if !output::confirm(&question) {
            return Err(CliError::Failed("nothing was retried".to_owned()));
        }
    }
    let other_provider = jobs.iter().filter(|job| job.simulated != session.config.is_simulated()).count();
    let outcome = context.commands.retry(context.ids.clone()).await?;
    if other_provider > 0 {
        let provider = session.config.provider;
        output::eprint_line(&format!(
            "{} of another provider than {provider} stay queued until a worker with that provider runs",
            count(other_provider)
        ));
    }
    context.report(session, outcome, "retried").await
}

/// Cancels jobs.
pub async fn cancel(session: &Session, args: &IdArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let context = JobCommandContext::open(session, &args.ids).await?;
    let outcome = context.commands.cancel(context.ids.clone()).await?;
    context.report(session, outcome, "cancelled").await
}

/// Approves finished jobs.
pub async fn approve(session: &Session, args: &IdArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let context = JobCommandContext::open(session, &args.ids).await?;
    let outcome = context.commands.approve(context.ids.clone()).await?;
    context.report(session, outcome, "approved").await
}

/// Hides jobs; nothing is deleted.
pub async fn hide(session: &Session, args: &IdArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let mut context = JobCommandContext::open(session, &args.ids).await?;
    let hidden: Vec<JobId> =
        context.read(&context.ids).await?.into_iter().filter(|job| job.hidden).map(|job| job.id).collect();
    context.ids.retain(|id| !hidden.contains(id));
    let mut outcome = context.commands.hide(context.ids.clone()).await?;
    outcome.rejected.extend(hidden.into_iter().map(|id| (id, "it is already hidden".to_owned())));
    if !outcome.succeeded.is_empty() {
        let jobs = count(outcome.succeeded.len());
        output::eprint_line(&format!("{jobs} hidden; nothing was deleted, `darkroom jobs unhide` shows them again"));
    }
    context.report(session, outcome, "hidden").await
}

/// Shows hidden jobs again.
pub async fn unhide(session: &Session, args: &IdArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let context = JobCommandContext::open(session, &args.ids).await?;
    let outcome = context.commands.unhide(context.ids.clone()).await?;
    context.report(session, outcome, "shown again").await
}

fn logs(session: &Session) -> logging::LoggingGuard {
    crate::cli::start_logging(&session.config, ExtraSink::None).0
}

fn count(jobs: usize) -> String {
    if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") }
}
