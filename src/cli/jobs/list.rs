//! `darkroom jobs list`.

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::error::CliError;
use crate::cli::job_json::JobRow;
use crate::cli::{Session, output, table};
use crate::jobs::filter::Filter;
use crate::jobs::{JobId, StageName};
use crate::store::{PageCursor, PageQuery, cursor_text, parse_cursor};
use crate::text::{format, sanitize_line};
use crate::time::parse_time;
use crate::wiring;

/// Jobs that are listed by default.
const DEFAULT_LIMIT: u32 = 50;

/// List jobs, newest first
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only jobs with these statuses, separated by commas: queued, submitting, generating, done, approved, failed, cancelled
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status)]
    pub status: Vec<StageName>,
    /// At most N jobs
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Only jobs created since this date, time (RFC 3339) or age (2h, 3d)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only jobs created before this date, time or age, or after the position that a stopped search reported
    #[arg(long, value_name = "WHEN")]
    pub before: Option<String>,
    /// Only jobs whose prompt, id, model or tags contain this text
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Only jobs that match, as in the console: status:failed model:pro cost>0.05 since:2h tag:cover "neon fox" -portrait
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Include hidden jobs
    #[arg(long)]
    pub hidden: bool,
}

impl Default for ListArgs {
    fn default() -> Self {
        Self {
            status: Vec::new(),
            limit: DEFAULT_LIMIT,
            since: None,
            before: None,
            search: None,
            filter: None,
            hidden: false,
        }
    }
}

/// Parses a filter of the command line. Errors: what is wrong, and the term.
pub(super) fn parse_filter(text: &str, now: DateTime<Utc>) -> Result<Filter, CliError> {
    Filter::parse(text, now).map_err(|error| {
        let wrong = sanitize_line(&text[error.at.clone()], 60);
        CliError::Usage(format!("--filter: {error} (at '{wrong}')"))
    })
}

/// Tables show `held`, which is not a status of documents.
fn status(text: &str) -> Result<StageName, String> {
    if text == "held" {
        return Err("held is not a status: a held job is queued; use queued".to_owned());
    }
    text.parse()
}

/// Unreadable documents that are reported one by one.
const MAX_UNREADABLE_LINES: usize = 20;

/// Jobs of one query.
const PAGE_SIZE: usize = 500;

/// Prints the jobs.
pub async fn run(session: &Session, args: &ListArgs) -> Result<(), CliError> {
    let now = Utc::now();
    let time = |flag: &str, text: &Option<String>| {
        let time = text.as_deref().map(|text| parse_time(text, now)).transpose();
        time.map_err(|why| CliError::Usage(format!("{flag}: {why}")))
    };
    let since = time("--since", &args.since)?;
    let before = match args.before.as_deref().and_then(parse_cursor) {
        Some(position) => Some(position),
        // The smallest id: jobs of that very instant are excluded.
        None => time("--before", &args.before)?.zip(JobId::new("!").ok()),
    };
    let filter = args.filter.as_deref().map(|text| parse_filter(text, now)).transpose()?.unwrap_or_default();
    let store = wiring::open_store(&session.config).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut query = PageQuery {
        stages: args.status.clone(),
        since,
        after: before,
        search: args.search.clone(),
        filter,
        hidden: args.hidden,
        limit: limit.min(PAGE_SIZE),
        ..PageQuery::default()
    };
    let (mut jobs, mut unreadable) = (Vec::new(), Vec::new());
    loop {
        let page = store.list(query.clone()).await?;
        let stopped = page.jobs.len() < query.limit;
        jobs.extend(page.jobs);
        unreadable.extend(page.unreadable);
        let Some(next) = page.next.filter(|_| jobs.len() < limit) else { break };
        if stopped {
            report_stopped(&next);
            break;
        }
        query.after = Some(next);
        query.limit = (limit - jobs.len()).min(PAGE_SIZE);
    }
    if !session.output.is_json() {
        report_unreadable(&unreadable);
    }
    let by_text = args.search.is_some() || args.filter.is_some();
    let filtered = since.is_some() || args.before.is_some() || by_text || !args.status.is_empty();
    if jobs.is_empty() && !session.output.is_json() {
        return output::write_text(if filtered || !unreadable.is_empty() {
            "No matching jobs."
        } else {
            "No jobs yet. Create the first image with `darkroom submit a red fox in the snow --wait`."
        });
    }
    session.output.answer(&JobRow::all(&jobs, &unreadable, now), || table::jobs(&jobs, now, session.output.columns()))
}

/// Reports that a search stopped early, because each document that is read costs money.
fn report_stopped(next: &PageCursor) {
    let position = cursor_text(next);
    output::eprint_line(&format!("stopped to limit billed reads; continue with --before '{position}'"));
}

/// On standard error: the table has jobs only. In JSON each is a row.
fn report_unreadable(unreadable: &[(JobId, String)]) {
    for (id, reason) in unreadable.iter().take(MAX_UNREADABLE_LINES) {
        output::eprint_line(&format!("job {id} cannot be read: {reason}"));
    }
    if unreadable.len() > MAX_UNREADABLE_LINES {
        let more = format::count(unreadable.len() - MAX_UNREADABLE_LINES, "more job");
        output::eprint_line(&format!("{more} cannot be read"));
    }
}
