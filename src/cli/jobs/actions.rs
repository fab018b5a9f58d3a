//! `darkroom jobs retry|cancel|approve|reject|hide|unhide`: changes documents; a worker runs the jobs.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::Utc;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::list::parse_filter;
use crate::catalog::Catalog;
use crate::cli::error::CliError;
use crate::cli::job_json::JobView;
use crate::cli::operator::operator_here;
use crate::cli::{Session, output, resolve_id, table};
use crate::config::ProviderKind;
use crate::engine::{
    BulkAction, BulkExecutor, BulkPlan, BulkStart, BulkState, BulkTarget, CommandKind, CommandOutcome,
    OperatorCommands, RetryPrice, fingerprint, is_submit_unknown,
};
use crate::jobs::{Job, JobId, StageName};
use crate::store::{Store, StoreError};
use crate::telemetry::logging::{self, ExtraSink};
use crate::text::format;
use crate::time::SystemClock;
use crate::wiring;

/// Rejected jobs that are read for a hint.
const MAX_HINTED: usize = 20;

/// Jobs to act on
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// Job ids, or unambiguous prefixes of them
    #[arg(value_name = "ID", required_unless_present = "filter", conflicts_with = "filter")]
    pub ids: Vec<String>,
    /// All jobs of the store that match, as in `jobs list --filter`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Do not ask: neither about real money nor about the number of jobs that match
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Jobs to retry
#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// Of several ids, also retry jobs whose last submit may already be billed
    #[arg(long, conflicts_with = "filter")]
    pub maybe_billed: bool,
}

/// What each of these commands needs.
pub(super) struct JobCommandContext {
    store: Arc<dyn Store>,
    commands: OperatorCommands,
    simulated: bool,
    action: BulkAction,
    ids: Vec<JobId>,
    /// What the jobs were when the price of their retry was shown.
    fingerprints: HashMap<JobId, i64>,
    /// The confirmed plan, where a filter chose the jobs, and the filter.
    plan: Option<(BulkPlan, String)>,
    /// Whether a filter chose the jobs: they are counted, not listed.
    is_bulk: bool,
}

impl JobCommandContext {
    /// Finds the jobs. Those that a filter matches are counted and priced, and one question is asked.
    pub(super) async fn open(session: &Session, args: &TargetArgs, action: BulkAction) -> Result<Self, CliError> {
        let filter = args.filter.as_deref().map(|text| parse_filter(text, Utc::now())).transpose()?;
        let store = wiring::open_store_for_changes(&session.config).await?;
        let commands = OperatorCommands::new(store.clone(), Arc::new(SystemClock), session.config.is_simulated())
            .recorded_as(Some(operator_here()));
        let target = match filter {
            Some(filter) => BulkTarget::Matching(filter),
            None => BulkTarget::Jobs(resolve_id::jobs(store.as_ref(), &args.ids).await?),
        };
        let is_bulk = args.filter.is_some();
        let chosen = args.filter.clone().unwrap_or_else(|| "chosen by id".to_owned());
        let (ids, plan) = match target {
            // Commands on single jobs name what they cannot change, job by job.
            BulkTarget::Jobs(ids) if !matches!(action, BulkAction::Clone { .. }) => (ids, None),
            target => {
                let plan = BulkPlan::make(store.as_ref(), action.clone(), target).await?;
                check_provider(session, &plan, args.yes)?;
                confirm_plan(&plan, args.yes)?;
                (plan.ids.clone(), Some((plan, chosen)))
            }
        };
        let fingerprints = plan.iter().flat_map(|(plan, _)| plan.items()).collect();
        let simulated = session.config.is_simulated();
        Ok(Self { store, commands, simulated, action, ids, fingerprints, plan, is_bulk })
    }

    /// Carries the action out: on many jobs as a bulk action, which another worker completes if this process ends.
    pub(super) async fn apply(&mut self) -> Result<CommandOutcome, CliError> {
        if let Some((plan, chosen)) = self.plan.take().filter(|(plan, _)| plan.is_long() && !plan.ids.is_empty()) {
            let worker = format!("cli-{}-{:08x}", std::process::id(), rand::random::<u32>());
            let record = self.commands.start_bulk(plan, &chosen, BulkStart::By(worker.clone())).await?;
            let executor = BulkExecutor::new(self.store.clone(), Arc::new(SystemClock), worker, self.simulated);
            let end = executor.run(&record.id, &CancellationToken::new(), |_| {}).await?;
            let end = end
                .ok_or_else(|| CliError::Failed(format!("bulk action {} was stopped by another process", record.id)))?;
            if end.record.state != BulkState::Done {
                let (state, id) = (end.record.state, &record.id);
                output::eprint_line(&format!(
                    "bulk action {id} is {state}: {} of {} jobs handled",
                    end.record.position, end.record.total
                ));
            }
            return Ok(end.outcome);
        }
        let ids = std::mem::take(&mut self.ids);
        let commands = &self.commands;
        Ok(match &self.action {
            BulkAction::Retry => {
                // A job that was not read has no price: it is rejected.
                let known = |id: &JobId| self.fingerprints.get(id).copied().unwrap_or_default();
                commands.retry(ids.into_iter().map(|id| (id.clone(), known(&id))).collect()).await?
            }
            BulkAction::Cancel => commands.cancel(ids).await?,
            BulkAction::Approve => commands.approve(ids).await?,
            BulkAction::Reject => commands.reject_images(ids).await?,
            BulkAction::Hide => commands.hide(ids).await?,
            BulkAction::Unhide => commands.unhide(ids).await?,
            BulkAction::Tag(edit) => commands.tag(ids, edit).await?,
            BulkAction::Clone { .. } | BulkAction::Undo { .. } | BulkAction::Mark => {
                CommandOutcome::nothing(CommandKind::Submitted)
            }
        })
    }

    /// The jobs that can be read: the command itself names the others, and no one of them hides what became of the rest.
    async fn read(&self, ids: &[JobId]) -> Result<Vec<Job>, CliError> {
        let mut jobs = Vec::new();
        for id in ids {
            match self.store.get(id).await {
                Err(StoreError::Unreadable { .. }) => {}
                job => jobs.extend(job?),
            }
        }
        Ok(jobs)
    }

    /// The next step for a job that a later attempt left without a review, although it has an image.
    fn hint(&self, job: &Job) -> Option<String> {
        let is_review = matches!(self.action, BulkAction::Approve | BulkAction::Reject);
        let is_over = matches!(job.stage_name(), StageName::Cancelled | StageName::Failed);
        (is_review && is_over && job.image().is_some()).then(|| {
            let id = &job.id;
            format!("; an earlier attempt stored an image (`darkroom jobs show {id}`); `darkroom jobs retry {id}` requests another one")
        })
    }

    /// Prints the changed jobs, reports the rejected ones on standard error, and fails if there are any.
    pub(super) async fn report(&self, session: &Session, outcome: CommandOutcome, what: &str) -> Result<(), CliError> {
        let rejected: Vec<JobId> = outcome.rejected.iter().take(MAX_HINTED).map(|(id, _)| id.clone()).collect();
        let rejected = self.read(&rejected).await?;
        for (id, why) in &outcome.rejected {
            let hint = rejected.iter().find(|job| job.id == *id).and_then(|job| self.hint(job)).unwrap_or_default();
            output::eprint_line(&format!("job {id} was not {what}: {why}{hint}"));
        }
        if self.is_bulk && !session.output.is_json() {
            output::write_text(&format!("{} {what}", count(outcome.succeeded.len())))?;
            return if outcome.rejected.is_empty() { Ok(()) } else { Err(CliError::AlreadyReported) };
        }
        let jobs = self.read(&outcome.succeeded).await?;
        let now = Utc::now();
        if session.output.is_json() {
            output::write_json(&JobView::all(&jobs, now))?;
        } else if !jobs.is_empty() {
            output::write_text(&table::jobs(&jobs, now, session.output.columns()))?;
        }
        if outcome.rejected.is_empty() { Ok(()) } else { Err(CliError::AlreadyReported) }
    }
}

/// Warns before jobs of the other provider are retried: no worker with this provider runs them. Errors: none is for this one, and
/// that was not confirmed.
fn check_provider(session: &Session, plan: &BulkPlan, yes: bool) -> Result<(), CliError> {
    let is_simulated = session.config.is_simulated();
    let others = if is_simulated { plan.real } else { plan.ids.len() - plan.real };
    if plan.action != BulkAction::Retry || others == 0 {
        return Ok(());
    }
    let provider = session.config.provider;
    let line = other_provider_line(others, provider);
    if others < plan.ids.len() || yes {
        output::eprint_line(&line);
        return Ok(());
    }
    let other = if is_simulated { "bfl" } else { "simulator" };
    Err(CliError::Usage(format!("{line}; retry with --provider {other}, or pass --yes")))
}

fn other_provider_line(jobs: usize, provider: ProviderKind) -> String {
    let (were, they, their) = if jobs == 1 { ("was", "it stays", "its") } else { ("were", "they stay", "their") };
    format!(
        "{} {were} made for another provider than {provider}: {they} held until a worker with {their} provider runs",
        count(jobs)
    )
}

/// States what the plan contains, and asks once where it spends real money or changes what cannot be taken back by one command.
pub(in crate::cli) fn confirm_plan(plan: &BulkPlan, yes: bool) -> Result<(), CliError> {
    let facts = plan.facts();
    for fact in &facts {
        output::eprint_line(fact);
    }
    let asks = !plan.action.may_pay() || plan.real > 0 || plan.ids.len() > 1 && plan.action != BulkAction::Retry;
    if yes || plan.ids.is_empty() || !asks {
        return Ok(());
    }
    let jobs = count(plan.ids.len());
    if !output::can_ask() {
        return Err(CliError::Usage(format!("this would {} {jobs}; pass --yes to confirm", plan.action.verb())));
    }
    if output::confirm(&plan.question()) { Ok(()) } else { Err(CliError::Failed("nothing was changed".to_owned())) }
}

/// Retries jobs.
pub async fn retry(session: &Session, args: &RetryArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let mut context = JobCommandContext::open(session, &args.target, BulkAction::Retry).await?;
    if context.is_bulk {
        let outcome = context.apply().await?;
        return context.report(session, outcome, "retried").await;
    }
    let jobs = context.read(&context.ids).await?;
    context.fingerprints = jobs.iter().map(|job| (job.id.clone(), fingerprint(job))).collect();
    let mut unconfirmed: Vec<JobId> = Vec::new();
    if context.ids.len() > 1 && !args.maybe_billed {
        unconfirmed = jobs.iter().filter(|job| is_submit_unknown(job)).map(|job| job.id.clone()).collect();
    }
    // A job that cannot be retried is rejected with its reason, without a question about money.
    let retryable: Vec<&Job> = jobs.iter().filter(|job| job.retry_kind().is_ok()).collect();
    let is_paid = retryable.iter().any(|job| !job.simulated);
    let price = RetryPrice::of(retryable.iter().copied(), Catalog::builtin());
    if !args.target.yes && (is_paid || !unconfirmed.is_empty()) && output::can_ask() {
        for fact in price.facts() {
            output::eprint_line(&fact);
        }
        let money = if is_paid { " for real money" } else { "" };
        if !output::confirm(&format!("{}. Retry{money}?", price.line())) {
            return Err(CliError::Failed("nothing was retried".to_owned()));
        }
        // The question has named the jobs that may be billed a second time.
        unconfirmed.clear();
    } else if !args.target.yes && is_paid {
        // A script without --yes must not spend money.
        let facts = std::iter::once(price.line()).chain(price.facts()).collect::<Vec<_>>().join("; ");
        return Err(CliError::Usage(format!("this spends real money ({facts}); pass --yes to confirm")));
    } else if !retryable.is_empty() {
        context.ids.retain(|id| !unconfirmed.contains(id));
        let included = retryable.iter().copied().filter(|job| !unconfirmed.contains(&job.id));
        output::eprint_line(&RetryPrice::of(included, Catalog::builtin()).line());
    }
    let other_provider = jobs.iter().filter(|job| job.simulated != session.config.is_simulated()).count();
    if other_provider > 0 {
        output::eprint_line(&other_provider_line(other_provider, session.config.provider));
    }
    let mut outcome = context.apply().await?;
    let why = "it may already be billed (submit_unknown); name it alone, or pass --maybe-billed";
    outcome.rejected.extend(unconfirmed.into_iter().map(|id| (id, why.to_owned())));
    context.report(session, outcome, "retried").await
}

/// Cancels jobs.
pub async fn cancel(session: &Session, args: &TargetArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let mut context = JobCommandContext::open(session, args, BulkAction::Cancel).await?;
    let outcome = context.apply().await?;
    context.report(session, outcome, "cancelled").await
}

/// Approves finished jobs.
pub async fn approve(session: &Session, args: &TargetArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let mut context = JobCommandContext::open(session, args, BulkAction::Approve).await?;
    let outcome = context.apply().await?;
    context.report(session, outcome, "approved").await
}

/// Rejects the images of finished jobs.
pub async fn reject(session: &Session, args: &TargetArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let mut context = JobCommandContext::open(session, args, BulkAction::Reject).await?;
    let outcome = context.apply().await?;
    context.report(session, outcome, "rejected").await
}

/// Hides jobs; nothing is deleted.
pub async fn hide(session: &Session, args: &TargetArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let mut context = JobCommandContext::open(session, args, BulkAction::Hide).await?;
    // A filter that does not request hidden jobs finds none.
    let chosen = if context.is_bulk { &[][..] } else { &context.ids };
    let hidden: Vec<JobId> =
        context.read(chosen).await?.into_iter().filter(|job| job.hidden).map(|job| job.id).collect();
    context.ids.retain(|id| !hidden.contains(id));
    let mut outcome = context.apply().await?;
    outcome.rejected.extend(hidden.into_iter().map(|id| (id, "it is already hidden".to_owned())));
    if !outcome.succeeded.is_empty() {
        let jobs = count(outcome.succeeded.len());
        output::eprint_line(&format!("{jobs} hidden; nothing was deleted, `darkroom jobs unhide` shows them again"));
    }
    context.report(session, outcome, "hidden").await
}

/// Shows hidden jobs again.
pub async fn unhide(session: &Session, args: &TargetArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let mut context = JobCommandContext::open(session, args, BulkAction::Unhide).await?;
    let outcome = context.apply().await?;
    context.report(session, outcome, "shown again").await
}

pub(super) fn logs(session: &Session) -> logging::LoggingGuard {
    crate::cli::start_logging(&session.config, ExtraSink::None).0
}

fn count(jobs: usize) -> String {
    format::count(jobs, "job")
}
