//! `darkroom jobs list`. Must not change a job.

use chrono::{SecondsFormat, Utc};
use clap::Args;

use crate::cli::error::CliError;
use crate::cli::view::JobView;
use crate::cli::{Session, output, table};
use crate::jobs::{JobId, StageName};
use crate::store::{PageCursor, PageQuery};
use crate::time::parse_time;
use crate::wiring;

/// How many are shown where nobody says how many.
const LIMIT: u32 = 50;

/// Jobs, newest first
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only these: queued, submitting, generating, done, approved, failed, cancelled; several with commas
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status)]
    pub status: Vec<StageName>,
    /// At most that many
    #[arg(long, value_name = "N", default_value_t = LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Only those created since then: a date, a time (RFC 3339), or an age such as 2h or 3d
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only those created before then
    #[arg(long, value_name = "WHEN")]
    pub before: Option<String>,
    /// Only those whose prompt, id, model or tags contain this text
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Those that were put out of sight, too
    #[arg(long)]
    pub hidden: bool,
}

impl Default for ListArgs {
    fn default() -> Self {
        Self { status: Vec::new(), limit: LIMIT, since: None, before: None, search: None, hidden: false }
    }
}

/// Tables show `held`, the documents do not know it.
fn status(text: &str) -> Result<StageName, String> {
    if text == "held" {
        return Err(
            "held is not a status of its own: these are queued jobs that something holds; ask for queued".to_owned()
        );
    }
    text.parse()
}

/// How many unreadable documents are said one by one.
const SAID: usize = 20;

/// How many jobs are read at once.
const PAGE: usize = 500;

/// Prints the jobs.
pub async fn run(session: &Session, args: &ListArgs) -> Result<(), CliError> {
    let now = Utc::now();
    let time = |flag: &str, text: &Option<String>| {
        let time = text.as_deref().map(|text| parse_time(text, now)).transpose();
        time.map_err(|why| CliError::Usage(format!("{flag}: {why}")))
    };
    let since = time("--since", &args.since)?;
    // Before all ids, so that nothing of that instant itself is meant.
    let before = time("--before", &args.before)?.zip(JobId::new("!").ok());
    let store = wiring::open_store(&session.config).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut query = PageQuery {
        stages: args.status.clone(),
        since,
        after: before,
        search: args.search.clone(),
        hidden: args.hidden,
        limit: limit.min(PAGE),
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
            say_stopped(&next);
            break;
        }
        query.after = Some(next);
        query.limit = (limit - jobs.len()).min(PAGE);
    }
    say_unreadable(&unreadable);
    let filtered = since.is_some() || args.before.is_some() || args.search.is_some() || !args.status.is_empty();
    if jobs.is_empty() && !session.output.is_json() {
        return output::write_text(if filtered || !unreadable.is_empty() {
            "No such jobs."
        } else {
            "No jobs yet. `darkroom submit a red fox in the snow --wait` makes the first image."
        });
    }
    session.output.answer(&JobView::all(&jobs, now), || table::jobs(&jobs, now, session.output.columns()))
}

/// Looking at documents costs money: how far it went, and how it goes on.
fn say_stopped((at, _): &PageCursor) {
    let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    output::note(&format!(
        "looked back to {at} only, since each document that is looked at costs: --before {at} goes on"
    ));
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
