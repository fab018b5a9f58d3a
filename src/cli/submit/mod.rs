//! `darkroom submit`: jobs from a prompt or from a file of them. Must not run a job, unless it was asked to wait.

mod file;
mod orders;
mod parameters;
mod plan;
mod wait;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use clap::Args;

use super::error::CliError;
use super::job_json::JobView;
use super::{Session, output, start_logging, table};
use crate::engine::OperatorCommands;
use crate::engine::local::WorkerLock;
use crate::jobs::{Job, JobId, StageName};
use crate::store::Store;
use crate::telemetry::logging::ExtraSink;
use crate::time::{SystemClock, parse_duration};
use crate::wiring;
use orders::{Defaults, Line};
pub use parameters::{given, with_parameters};
use plan::Plan;

/// Make jobs from a prompt or from a file of them
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[derive(Debug, Args)]
#[command(
    after_help = "A line of FILE has `prompt` and, as it likes, `model`, `count`, `tags` and the parameters by their API \
                        names (safety_tolerance). CSV names its columns in the first line. Flags stand for what a line does \
                        not say."
)]
pub struct SubmitArgs {
    /// What the image shows; several words are one prompt
    #[arg(value_name = "PROMPT", conflicts_with = "file")]
    pub prompt: Vec<String>,
    /// The image model
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// How many images of each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(orders::MOST)))]
    pub count: u32,
    /// A word of your own to find jobs by; may be given several times
    #[arg(long = "tag", value_name = "WORD")]
    pub tags: Vec<String>,
    /// Many jobs: CSV with a heading, or JSON lines; - is standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Leave out lines of the file that are wrong, submit the others
    #[arg(long, requires = "file")]
    pub skip_invalid: bool,
    /// Say what it would cost, and create nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Stay until these jobs have ended, working on the queue here, these included, unless a worker lives already
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// Wait no longer than that: 90s, 15m, 2h; the jobs stay in the queue
    #[arg(long, value_name = "TIME", requires = "wait", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Do not ask before real money is spent
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Submits what was asked for. `given` are the model's parameters by API name, as they were typed.
pub async fn run(session: &Session, args: &SubmitArgs, given: &[(String, String)]) -> Result<(), CliError> {
    let plan = plan(session, args, given)?;
    plan.say_refused();
    let refused = !plan.refused.is_empty() && !args.skip_invalid;
    if args.dry_run {
        session.output.answer(&plan, || plan.text(session.output.columns()))?;
    }
    if refused {
        let what = if args.dry_run { "such a file would not be submitted" } else { "nothing was submitted" };
        output::eprint_line(&format!("darkroom: {what}; mend the lines, or leave them out with --skip-invalid"));
        return Err(CliError::AlreadyReported);
    }
    if args.dry_run {
        return Ok(());
    }
    if plan.orders.is_empty() {
        return Err(CliError::Failed("there is nothing to submit".to_owned()));
    }
    let real = !session.config.is_simulated();
    if real {
        session.config.api_key()?;
        // A script that forgot it must not spend what nobody agreed to.
        if !args.yes && !output::can_ask() {
            return Err(CliError::Usage(plan.needs_yes()));
        }
    }
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    let store = wiring::open_store(&session.config).await?;
    let others = if args.wait { others_in_line(session, store.as_ref()).await? } else { None };
    if real && !args.yes {
        if !output::confirm(&plan.question(others.as_deref())) {
            return Err(CliError::Failed("nothing was submitted".to_owned()));
        }
    } else if let Some(others) = others {
        output::eprint_line(&others);
    }
    let desk = OperatorCommands::new(store.clone(), Arc::new(SystemClock), session.config.is_simulated());
    let acted = desk.submit(plan.into_new_jobs()).await?;
    let waited = if args.wait {
        wait::until_ended(session, &store, &acted.succeeded, args.timeout).await
    } else {
        if WorkerLock::live_workers(&session.config.data_dir).is_empty() {
            output::eprint_line("queued; `darkroom` or `darkroom worker --until-idle` works on it");
        }
        Ok(())
    };
    // However the wait ended: whoever ordered these jobs needs their ids.
    let jobs = match read(store.as_ref(), &acted.succeeded).await {
        Ok(jobs) => jobs,
        Err(why) => return waited.and(Err(why)),
    };
    let now = Utc::now();
    session.output.answer(&JobView::all(&jobs, now), || table::jobs(&jobs, now, session.output.columns()))?;
    waited?;
    let ended_well = |job: &Job| matches!(job.stage_name(), StageName::Done | StageName::Approved);
    if args.wait && !jobs.iter().all(ended_well) { Err(CliError::AlreadyReported) } else { Ok(()) }
}

/// What is said of the jobs that `--wait` finds in the queue: without a worker, the engine that it starts works on them as well.
async fn others_in_line(session: &Session, store: &dyn Store) -> Result<Option<String>, CliError> {
    if !WorkerLock::live_workers(&session.config.data_dir).is_empty() {
        return Ok(None);
    }
    let provider = session.config.provider;
    Ok(match store.counts().await?.of(StageName::Queued) {
        0 => None,
        1 => Some(format!("1 other job is queued and is worked on too, if it is for {provider}")),
        others => Some(format!("{others} other jobs are queued and are worked on too, those for {provider}")),
    })
}

/// What is wrong with a prompt of the command line is wrong usage; what is wrong in a file is told by its line.
fn plan(session: &Session, args: &SubmitArgs, given: &[(String, String)]) -> Result<Plan, CliError> {
    let here =
        std::env::current_dir().map_err(|why| CliError::Failed(format!("the working directory is gone: {why}")))?;
    let defaults = Defaults::new(&session.config, args, given, here)?;
    let simulated = session.config.is_simulated();
    let Some(path) = &args.file else {
        let line = Line { prompt: Some(args.prompt.join(" ")), ..Line::default() };
        let order = orders::order(&line, &defaults).map_err(CliError::Usage)?;
        return Ok(Plan::new(vec![order], Vec::new(), simulated));
    };
    let (orders, refused) = file::read(path, &defaults)?;
    Ok(Plan::new(orders, refused, simulated))
}

async fn read(store: &dyn Store, ids: &[JobId]) -> Result<Vec<Job>, CliError> {
    let mut jobs = Vec::with_capacity(ids.len());
    for id in ids {
        jobs.extend(store.get(id).await?);
    }
    Ok(jobs)
}
