//! `darkroom jobs list`. Must not change a job.

use chrono::Utc;
use clap::Args;

use crate::cli::error::CliError;
use crate::cli::view::JobView;
use crate::cli::{Session, output, since, table};
use crate::jobs::{JobId, StageName};
use crate::store::PageQuery;
use crate::wiring;

/// How many are shown where nobody says how many.
const LIMIT: u32 = 50;

/// Jobs, newest first
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only these: queued, submitting, generating, done, approved, failed, cancelled; several with commas
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub status: Vec<StageName>,
    /// At most that many
    #[arg(long, value_name = "N", default_value_t = LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Only those created since then: a date, a time (RFC 3339), or an age such as 2h or 3d
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only those whose prompt, id, model or tags contain this text
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Those that were put out of sight, too
    #[arg(long)]
    pub hidden: bool,
}

impl Default for ListArgs {
    fn default() -> Self {
        Self { status: Vec::new(), limit: LIMIT, since: None, search: None, hidden: false }
    }
}

/// How many unreadable documents are said one by one.
const SAID: usize = 20;

/// How many jobs are read at once.
const PAGE: usize = 500;

/// Prints the jobs.
pub async fn run(session: &Session, args: &ListArgs) -> Result<(), CliError> {
    let now = Utc::now();
    let since = args.since.as_deref().map(|text| since::parse(text, now)).transpose();
    let since = since.map_err(|why| CliError::Usage(format!("--since: {why}")))?;
    let store = wiring::open_store(&session.config).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut query = PageQuery {
        stages: args.status.clone(),
        since,
        search: args.search.clone(),
        hidden: args.hidden,
        limit: limit.min(PAGE),
        ..PageQuery::default()
    };
    let (mut jobs, mut unreadable) = (Vec::new(), Vec::new());
    loop {
        let page = store.page(query.clone()).await?;
        let end = page.len() < query.limit;
        jobs.extend(page);
        unreadable.extend(store.unreadable(query.clone()).await?);
        if end || jobs.len() >= limit {
            break;
        }
        query.after = jobs.last().map(|job| (job.created_at, job.id.clone()));
        query.limit = (limit - jobs.len()).min(PAGE);
    }
    say_unreadable(&unreadable);
    let filtered = since.is_some() || args.search.is_some() || !args.status.is_empty();
    if jobs.is_empty() && !session.output.is_json() {
        return output::write_text(if filtered || !unreadable.is_empty() {
            "No such jobs."
        } else {
            "No jobs yet. `darkroom submit a red fox in the snow --wait` makes the first picture."
        });
    }
    session.output.answer(&JobView::all(&jobs, now), || table::jobs(&jobs, now, session.output.columns()))
}

/// On standard error, so that the JSON stays a list of jobs.
fn say_unreadable(unreadable: &[(JobId, String)]) {
    for (id, reason) in unreadable.iter().take(SAID) {
        output::note(&format!("job {id} cannot be read and is left as it is: {reason}"));
    }
    if unreadable.len() > SAID {
        output::note(&format!("and {} more jobs that cannot be read", unreadable.len() - SAID));
    }
}
