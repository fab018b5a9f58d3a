//! `darkroom submit`: jobs from a prompt or from a file. With `--wait` it also runs them where no worker does.

mod budget;
mod file;
mod job_request;
mod matrix;
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
use super::operator::operator_here;
use super::{Session, output, presets, start_logging, table};
use crate::console::Preset;
use crate::engine::OperatorCommands;
use crate::engine::local::WorkerLock;
use crate::jobs::{Job, JobId, StageName};
use crate::store::Store;
use crate::telemetry::logging::ExtraSink;
use crate::time::{SystemClock, parse_duration};
use crate::wiring;
use job_request::{Defaults, InputRow, JobRequest};
pub use parameters::{given, with_parameters};
use plan::Plan;

/// Create jobs from a prompt or a file
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[derive(Debug, Args)]
#[command(
    after_help = "Each line of FILE needs `prompt`; `model`, `count`, `tags` and model parameters (by their API names, \
                        such as safety_tolerance) are optional. A CSV file names its columns in its first line. Flags supply \
                        defaults for missing values."
)]
pub struct SubmitArgs {
    /// What the image shows; several words are one prompt
    #[arg(value_name = "PROMPT", conflicts_with = "file")]
    pub prompt: Vec<String>,
    /// The image model
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Number of images of each [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(job_request::MAX_COUNT)))]
    pub count: Option<u32>,
    /// Tag to find jobs by; may be repeated
    #[arg(long = "tag", value_name = "WORD")]
    pub tags: Vec<String>,
    /// Parameter set saved in the console's form; flags and lines of a file precede it
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Make a job of every choice in the prompt: 'a {fox|owl} in {snow|rain}' is four. \{ \| \} \\ are the characters
    #[arg(long, conflicts_with = "file")]
    pub matrix: bool,
    /// Models of the matrix, separated by commas
    #[arg(long, value_name = "LIST", requires = "matrix", conflicts_with = "model")]
    pub models: Option<String>,
    /// Sizes of the matrix: 1024x1024,768x1344 or 1:1,9:16
    #[arg(long, value_name = "LIST", requires = "matrix")]
    pub sizes: Option<String>,
    /// Seeds of the matrix: 7,9 or 1..4
    #[arg(long, value_name = "LIST", requires = "matrix")]
    pub seeds: Option<String>,
    /// Many jobs: CSV with a heading, JSON lines, or JSON; - is standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Skip invalid lines of the file, submit the others
    #[arg(long, requires = "file")]
    pub skip_invalid: bool,
    /// Read numbers of CSV cells with a decimal comma (3,5)
    #[arg(long, requires = "file")]
    pub decimal_comma: bool,
    /// Show the price, create nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until these jobs have finished, or a cap or a pause holds all that are left; runs the queue in this process unless a
    /// worker is running
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// Wait at most this long (90s, 15m, 2h); the jobs stay in the queue
    #[arg(long, value_name = "TIME", requires = "wait", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Do not ask before spending real money
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Submits the jobs. `given` are the model's parameters by API name, as they were typed.
pub async fn run(session: &Session, args: &SubmitArgs, given: &[(String, String)]) -> Result<(), CliError> {
    let mut plan = plan(session, args, given)?;
    plan.report_rejected();
    if plan.requests.is_empty() && plan.rejected.is_empty() {
        return Err(CliError::Failed("nothing to submit: the file has no jobs".to_owned()));
    }
    let is_rejected = !plan.rejected.is_empty() && !args.skip_invalid;
    if args.dry_run {
        match budget::shortfall_of_dry_run(session, &plan.requests).await {
            Ok(shortfall) => plan.budget_note = shortfall.map(|shortfall| shortfall.note()),
            Err(why) => output::eprint_line(&format!("caps not checked: {why}")),
        }
        session.output.answer(&plan, || plan.text(session.output.columns()))?;
    }
    if is_rejected {
        let what = if args.dry_run { "nothing would be submitted" } else { "nothing was submitted" };
        output::eprint_line(&format!("darkroom: {what}: fix the lines above, or pass --skip-invalid to skip them"));
        return Err(CliError::AlreadyReported);
    }
    if args.dry_run && args.matrix && plan.budget_note.is_some() {
        output::eprint_line("darkroom: nothing would be submitted: the matrix does not fit under the budget");
        return Err(CliError::AlreadyReported);
    }
    if plan.requests.is_empty() {
        return Err(CliError::Failed("nothing to submit: no line of the file is valid".to_owned()));
    }
    if args.dry_run {
        return Ok(());
    }
    let real = !session.config.is_simulated();
    if real {
        session.config.api_key()?;
        // A script without --yes must not spend money that no person confirmed.
        if !args.yes && !output::can_ask() {
            return Err(CliError::Usage(plan.needs_yes()));
        }
    }
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    let store = wiring::open_store_for_changes(&session.config).await?;
    // A matrix that its caps would hold is refused: nothing of it is queued.
    if args.matrix
        && let Some(shortfall) = budget::shortfall(session, store.as_ref(), &plan.requests).await?
    {
        return Err(CliError::Failed(format!(
            "budget exceeded: {}; nothing was submitted; raise the cap with 'darkroom budget set', or submit less",
            shortfall.line("the matrix needs")
        )));
    }
    // Before the question: a job that a cap holds spends nothing yet. Without the sums, the caps still apply.
    if !args.matrix
        && let Ok(Some(shortfall)) = budget::shortfall(session, store.as_ref(), &plan.requests).await
    {
        output::eprint_line(&shortfall.note());
    }
    let others = if args.wait { other_queued_jobs(session, store.as_ref()).await? } else { None };
    if real && !args.yes {
        if !output::confirm(&plan.question(others.as_deref())) {
            return Err(CliError::Failed("nothing was submitted".to_owned()));
        }
    } else if let Some(others) = others {
        output::eprint_line(&others);
    }
    let commands = OperatorCommands::new(store.clone(), Arc::new(SystemClock), session.config.is_simulated())
        .recorded_as(Some(operator_here()));
    let outcome = commands.submit(plan.into_new_jobs()).await?;
    let waited = if args.wait {
        wait::until_finished(session, &store, &outcome.succeeded, args.timeout).await
    } else {
        if WorkerLock::live_workers(&session.config.data_dir).is_empty() {
            output::eprint_line("queued; run `darkroom` or `darkroom worker --until-idle` to process the queue");
        }
        Ok(())
    };
    // The ids are needed whatever the wait returned.
    let jobs = match read(store.as_ref(), &outcome.succeeded).await {
        Ok(jobs) => jobs,
        Err(why) => return waited.and(Err(why)),
    };
    let now = Utc::now();
    session.output.answer(&JobView::all(&jobs, now), || table::jobs(&jobs, now, session.output.columns()))?;
    waited?;
    let succeeded = |job: &Job| matches!(job.stage_name(), StageName::Done | StageName::Approved);
    if args.wait && !jobs.iter().all(succeeded) { Err(CliError::AlreadyReported) } else { Ok(()) }
}

/// The notice about other queued jobs: without a worker, the engine that `--wait` starts runs them as well.
async fn other_queued_jobs(session: &Session, store: &dyn Store) -> Result<Option<String>, CliError> {
    if !WorkerLock::live_workers(&session.config.data_dir).is_empty() {
        return Ok(None);
    }
    let provider = session.config.provider;
    Ok(match store.counts().await?.of(StageName::Queued) {
        0 => None,
        1 => Some(format!("1 other job is queued and runs as well if it is for {provider}")),
        others => Some(format!("{others} other jobs are queued; those for {provider} run as well")),
    })
}

/// A wrong prompt on the command line is a usage error; a wrong row of a file is rejected by its line.
fn plan(session: &Session, args: &SubmitArgs, given: &[(String, String)]) -> Result<Plan, CliError> {
    let base_dir =
        std::env::current_dir().map_err(|error| CliError::Failed(format!("no working directory: {error}")))?;
    let preset = match &args.preset {
        Some(name) => presets::file(session).find(name).map_err(CliError::Usage)?,
        None => Preset::default(),
    };
    let defaults = Defaults::new(&session.config, args, given, preset, base_dir)?;
    let prompt = args.prompt.join(" ");
    let needs_prompt = |why: String| {
        let is_missing = prompt.trim().is_empty() && why.starts_with("prompt: ");
        CliError::Usage(if is_missing {
            format!("{why}: submit \"PROMPT\", or --file FILE for many jobs")
        } else {
            why
        })
    };
    let (requests, rejected) = match &args.file {
        Some(path) => file::read(path, &defaults, args.decimal_comma)?,
        None if args.matrix => (matrix::requests(&prompt, args, &defaults)?, Vec::new()),
        None => {
            let row = InputRow { prompt: Some(prompt.clone()), ..InputRow::default() };
            (vec![JobRequest::new(&row, &defaults).map_err(needs_prompt)?], Vec::new())
        }
    };
    Ok(Plan::new(requests, rejected, session.config.is_simulated(), session.config.slots))
}

async fn read(store: &dyn Store, ids: &[JobId]) -> Result<Vec<Job>, CliError> {
    let mut jobs = Vec::with_capacity(ids.len());
    for id in ids {
        jobs.extend(store.get(id).await?);
    }
    Ok(jobs)
}
