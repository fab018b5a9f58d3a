//! `darkroom jobs retry|cancel|approve|hide|unhide`: orders that change documents. Must not run a job: a worker does.

use std::sync::Arc;

use chrono::Utc;
use clap::Args;

use crate::catalog::Catalog;
use crate::cli::error::CliError;
use crate::cli::view::JobView;
use crate::cli::{Session, output, pick, table};
use crate::costs::Usd;
use crate::engine::{CommandOutcome, OperatorCommands};
use crate::jobs::{Job, JobId, RetryKind};
use crate::store::Store;
use crate::telemetry::logging::{self, Beside};
use crate::time::SystemClock;
use crate::wiring;

/// Which jobs
#[derive(Debug, Args)]
pub struct IdArgs {
    /// Ids of jobs, or unambiguous beginnings of them
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}

/// Which jobs to try once more
#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    pub which: IdArgs,
    /// Do not ask before real money is spent
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// What an order needs.
struct Counter {
    store: Arc<dyn Store>,
    desk: OperatorCommands,
    ids: Vec<JobId>,
}

impl Counter {
    async fn open(session: &Session, ids: &[String]) -> Result<Self, CliError> {
        let store = wiring::open_store(&session.config).await?;
        let desk = OperatorCommands::new(store.clone(), Arc::new(SystemClock), session.config.is_simulated());
        let ids = pick::jobs(store.as_ref(), ids).await?;
        Ok(Self { store, desk, ids })
    }

    async fn read(&self, ids: &[JobId]) -> Result<Vec<Job>, CliError> {
        let mut jobs = Vec::new();
        for id in ids {
            jobs.extend(self.store.get(id).await?);
        }
        Ok(jobs)
    }

    /// Prints the jobs that it was done to as they are now; those that it could not be done to are said, and make it fail.
    async fn report(&self, session: &Session, acted: CommandOutcome, what: &str) -> Result<(), CliError> {
        let jobs = self.read(&acted.succeeded).await?;
        let now = Utc::now();
        for (id, why) in &acted.rejected {
            output::note(&format!("{id} was not {what}: {why}"));
        }
        if session.output.is_json() {
            output::write_json(&JobView::all(&jobs, now))?;
        } else if !jobs.is_empty() {
            output::write_text(&table::jobs(&jobs, now, session.output.columns()))?;
        }
        if acted.rejected.is_empty() { Ok(()) } else { Err(CliError::Said) }
    }
}

/// Tries jobs once more.
pub async fn retry(session: &Session, args: &RetryArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let counter = Counter::open(session, &args.which.ids).await?;
    let jobs = counter.read(&counter.ids).await?;
    // What cannot be retried is refused with its reason, not with a question about money.
    if !args.yes && jobs.iter().any(|job| !job.simulated && job.retry_kind().is_ok()) {
        // A script that forgot it must not spend what nobody agreed to.
        if !output::can_ask() {
            return Err(CliError::Usage(format!("real money, {}: say --yes", price(&jobs))));
        }
        let question = format!("Try {} once more for real money, {}?", count(jobs.len()), price(&jobs));
        if !output::confirm(&question) {
            return Err(CliError::Failed("nothing was retried".to_owned()));
        }
    }
    let strangers = jobs.iter().filter(|job| job.simulated != session.config.is_simulated()).count();
    let acted = counter.desk.retry(counter.ids.clone()).await?;
    if strangers > 0 {
        let provider = session.config.provider;
        output::note(&format!(
            "{} made for another provider than {provider} wait for one of their own",
            count(strangers)
        ));
    }
    counter.report(session, acted, "retried").await
}

/// Stops jobs.
pub async fn cancel(session: &Session, args: &IdArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let counter = Counter::open(session, &args.ids).await?;
    let acted = counter.desk.cancel(counter.ids.clone()).await?;
    counter.report(session, acted, "cancelled").await
}

/// Marks jobs as good.
pub async fn approve(session: &Session, args: &IdArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let counter = Counter::open(session, &args.ids).await?;
    let acted = counter.desk.approve(counter.ids.clone()).await?;
    counter.report(session, acted, "approved").await
}

/// Puts jobs out of sight; nothing is deleted.
pub async fn hide(session: &Session, args: &IdArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let mut counter = Counter::open(session, &args.ids).await?;
    let hidden: Vec<JobId> =
        counter.read(&counter.ids).await?.into_iter().filter(|job| job.hidden).map(|job| job.id).collect();
    counter.ids.retain(|id| !hidden.contains(id));
    let mut acted = counter.desk.hide(counter.ids.clone()).await?;
    acted.rejected.extend(hidden.into_iter().map(|id| (id, "it is out of sight already".to_owned())));
    if !acted.succeeded.is_empty() {
        let jobs = count(acted.succeeded.len());
        output::note(&format!("out of sight: {jobs}; nothing was deleted, `darkroom jobs unhide` undoes it"));
    }
    counter.report(session, acted, "hidden").await
}

/// Brings jobs back that were put out of sight.
pub async fn unhide(session: &Session, args: &IdArgs) -> Result<(), CliError> {
    let _logging = logs(session);
    let counter = Counter::open(session, &args.ids).await?;
    let acted = counter.desk.unhide(counter.ids.clone()).await?;
    counter.report(session, acted, "brought back").await
}

fn logs(session: &Session) -> logging::LoggingGuard {
    crate::cli::start_logging(&session.config, Beside::Nothing).0
}

fn count(jobs: usize) -> String {
    if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") }
}

/// What the new attempts will cost, for the question.
fn price(jobs: &[Job]) -> String {
    let of = |job: &Job| match job.retry_kind() {
        Ok(RetryKind::OldTicket) | Err(_) => Some(Usd::ZERO),
        Ok(RetryKind::SameAttempt | RetryKind::NewAttempt) => Catalog::builtin().estimate(&job.spec).amount,
    };
    match jobs.iter().filter(|job| !job.simulated).map(of).sum::<Option<Usd>>() {
        Some(amount) => format!("about {}", amount.display()),
        None => "a price that is not known".to_owned(),
    }
}
