//! `darkroom costs`: the report as text, CSV or JSON, with the outlook for the month and the jobs behind it.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Days, SecondsFormat, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::{Session, output, table};
use crate::costs::{
    AccountCheck, BudgetSettings, CAUSE_IMAGE, CostGrouping, CostLine, CostReport, Outlook, RATE_DAYS, Usd,
};
use crate::engine::check_account;
use crate::store::{CostJobsQuery, CostQuery, JobCost, Store};
use crate::text::{format, is_formula_start, sanitize_line};
use crate::time::{day_of, last_days, midnight, month_of, parse_time};
use crate::wiring;

/// The line of paid images in a report by cause. The recorded key is older than the word.
const SHOWN_IMAGE: &str = "image";

/// Jobs of one line that are listed.
const LISTED_JOBS: usize = 200;

/// What to report
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Last N days, including today (UTC)
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_660))]
    pub days: u16,
    /// A calendar period instead (UTC)
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["days", "from", "to"])]
    pub period: Option<Period>,
    /// Only from this time on: a date, a time (RFC 3339), or an age such as 2h or 3d
    #[arg(long, value_name = "WHEN", conflicts_with = "days")]
    pub from: Option<String>,
    /// Only before this time, which is not included [default: now]
    #[arg(long, value_name = "WHEN", conflicts_with = "days")]
    pub to: Option<String>,
    /// Group by
    #[arg(long, value_name = "WHAT", default_value = "model")]
    pub by: CostGrouping,
    /// Name the N most expensive jobs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub top: u16,
    /// List the jobs of one line of the report, the most expensive first
    #[arg(long, value_name = "KEY", conflicts_with = "csv")]
    pub jobs_of: Option<String>,
    /// Print the lines as CSV
    #[arg(long)]
    pub csv: bool,
    /// Report real money although the simulator generates the images: imported costs are real
    #[arg(long)]
    pub real: bool,
}

/// A span of the calendar that contains now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Period {
    /// Since midnight
    Today,
    /// Since Monday
    Week,
    /// Since the first of the month
    Month,
    /// Since the first of the year
    Year,
}

/// The answer of `costs`.
#[derive(Debug, Serialize)]
struct View {
    #[serde(flatten)]
    report: CostReport,
    /// Money of the span that paid for no image, by cause.
    wasted_usd: Usd,
    wasted_by: Vec<CostLine>,
    /// The calendar month and its forecast, whatever the span.
    #[serde(flatten)]
    outlook: Outlook,
    /// The change of the account's balance against the charges, where both are known.
    account: Option<AccountCheck>,
    daily_cap_usd: Option<Usd>,
    monthly_cap_usd: Option<Usd>,
    /// The most expensive jobs of the span.
    jobs: Vec<JobView>,
}

#[derive(Debug, Serialize)]
struct JobView {
    job: String,
    usd: Usd,
    uncertain_usd: Usd,
    count: u64,
}

/// The answer of `costs --jobs-of`.
#[derive(Debug, Serialize)]
struct LineView<'a> {
    key: &'a str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    simulated: bool,
    jobs: Vec<JobView>,
}

impl From<JobCost> for JobView {
    fn from(cost: JobCost) -> Self {
        let JobCost { job_id, usd, uncertain_usd, count } = cost;
        Self { job: job_id, usd, uncertain_usd, count }
    }
}

/// Prints the report.
pub async fn run(session: &Session, args: &ReportArgs) -> Result<(), CliError> {
    if args.csv && session.output.is_json() {
        return Err(CliError::Usage("--csv and --json exclude each other".to_owned()));
    }
    let now = Utc::now();
    let (from, to) = span(args, now)?;
    let simulated = session.config.is_simulated() && !args.real;
    let store = wiring::open_store(&session.config).await?;
    if let Some(key) = &args.jobs_of {
        return print_line(session, store.as_ref(), args.by, key, (from, to, simulated)).await;
    }
    let table = store.costs(CostQuery { from, to, simulated }).await?;
    let report = table.report(args.by);
    if args.csv {
        return output::write_text(&csv(&report, args.by)?);
    }
    // A table that reaches back far enough has the month too.
    let first = Outlook::first_instant(now);
    let outlook = if from <= first && to >= now {
        Outlook::of(&table, now)
    } else {
        let query = CostQuery { from: first, to: day_of(now).1, simulated };
        Outlook::of(&store.costs(query).await?, now)
    };
    let settings = store.budget_history(1).await?.into_iter().next().map(|record| record.settings);
    let caps = settings.unwrap_or_else(BudgetSettings::default).total.lower_of(session.config.budget);
    let query = CostJobsQuery { from, to, simulated, only: None, limit: args.top.into() };
    let jobs = if args.top > 0 { store.cost_jobs(query).await? } else { Vec::new() };
    let wasted = table.wasted(table.span());
    let view = View {
        report,
        wasted_usd: wasted.total_usd,
        wasted_by: wasted.by,
        outlook,
        account: check_account(store.as_ref(), &table).await?,
        daily_cap_usd: caps.daily,
        monthly_cap_usd: caps.monthly,
        jobs: jobs.into_iter().map(JobView::from).collect(),
    };
    // Real and simulated money are never added together, but real spending is always mentioned.
    let real = if simulated && !session.output.is_json() {
        let real = store.costs(CostQuery { from, to, simulated: false }).await?.report(args.by);
        Some(real).filter(|real| real.count > 0)
    } else {
        None
    };
    session.output.answer(&view, || text(&view, real.as_ref(), args))
}

/// The requested span. Errors: a time that cannot be read, or an empty span.
fn span(args: &ReportArgs, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), CliError> {
    let tomorrow = day_of(now).1;
    if let Some(period) = args.period {
        let today = now.date_naive();
        let from = match period {
            Period::Today => day_of(now).0,
            Period::Week => midnight(today - Days::new(today.weekday().num_days_from_monday().into())),
            Period::Month => month_of(now).0,
            Period::Year => today.with_ordinal(1).map_or(now, midnight),
        };
        return Ok((from, tomorrow));
    }
    if args.from.is_none() && args.to.is_none() {
        return Ok(last_days(now, args.days.into()));
    }
    let time = |text: &Option<String>| text.as_ref().map(|text| parse_time(text, now)).transpose();
    let to = time(&args.to).map_err(CliError::Usage)?.unwrap_or(tomorrow);
    // The span excludes its end, so its last day ends there.
    let last = to.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(to);
    let from = time(&args.from).map_err(CliError::Usage)?.unwrap_or_else(|| last_days(last, args.days.into()).0);
    if from >= to {
        let shown = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Err(CliError::Usage(format!("the span is empty: from {} to {}", shown(from), shown(to))));
    }
    Ok((from, to))
}

async fn print_line(
    session: &Session,
    store: &dyn Store,
    by: CostGrouping,
    key: &str,
    (from, to, simulated): (DateTime<Utc>, DateTime<Utc>, bool),
) -> Result<(), CliError> {
    if by.is_time() && by.span_of(key).is_none() {
        let shown = sanitize_line(key, 40);
        return Err(CliError::Usage(format!(
            "'{shown}' is not a line of this report: see the first column of `costs`"
        )));
    }
    let recorded = if by == CostGrouping::Cause && key == SHOWN_IMAGE { CAUSE_IMAGE } else { key };
    let only = Some((by, recorded.to_owned()));
    let jobs = store.cost_jobs(CostJobsQuery { from, to, simulated, only, limit: LISTED_JOBS }).await?;
    let view = LineView { key: recorded, from, to, simulated, jobs: jobs.into_iter().map(JobView::from).collect() };
    session.output.answer(&view, || {
        if view.jobs.is_empty() {
            return format!("No charges of {} in this span", sanitize_line(key, 60));
        }
        let mut text = jobs_table(&view.jobs);
        text.push_str("\n\n`darkroom jobs show JOB` shows one with its attempts and charges");
        if view.jobs.len() == LISTED_JOBS {
            let _ = write!(text, "\nonly the first {LISTED_JOBS} are listed");
        }
        if simulated {
            let _ = write!(text, "\n{}", table::SIMULATED);
        }
        text
    })
}

fn jobs_table(jobs: &[JobView]) -> String {
    let rows = jobs.iter().map(|job| {
        let uncertain = if job.uncertain_usd > Usd::ZERO { job.uncertain_usd.display() } else { String::new() };
        vec![sanitize_line(&job.job, 60), job.count.to_string(), job.usd.display(), uncertain]
    });
    table::plain(&["JOB", "CHARGES", "USD", "UNCERTAIN"], &[1, 2, 3], rows)
}

/// A heading and one record for each line. Text that a spreadsheet would run as a formula is guarded.
fn csv(report: &CostReport, by: CostGrouping) -> Result<String, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| CliError::Failed(format!("cannot write the report: {error}"));
    let heading = heading(by).to_lowercase();
    writer.write_record([heading.as_str(), "charges", "usd"]).map_err(failed)?;
    for line in &report.by {
        let shown = sanitize_line(&line.key, 200);
        let key = if shown.starts_with(is_formula_start) { format!("'{shown}") } else { shown };
        writer.write_record([key, line.count.to_string(), line.usd.to_string()]).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| CliError::Failed(format!("cannot write the report: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn heading(by: CostGrouping) -> &'static str {
    match by {
        CostGrouping::Model => "MODEL",
        CostGrouping::Day => "DAY",
        CostGrouping::Week => "WEEK",
        CostGrouping::Month => "MONTH",
        CostGrouping::Service => "SERVICE",
        CostGrouping::Status => "STATUS",
        CostGrouping::Tag => "TAG",
        CostGrouping::Cause => "CAUSE",
    }
}

/// How people read a key. `--json` and CSV keep the recorded one.
fn shown_key(by: CostGrouping, key: &str) -> String {
    if by == CostGrouping::Cause && key == CAUSE_IMAGE { SHOWN_IMAGE.to_owned() } else { sanitize_line(key, 60) }
}

fn text(view: &View, real: Option<&CostReport>, args: &ReportArgs) -> String {
    let by = args.by;
    let report = &view.report;
    let line = |key: String, usd: Usd, count: u64| vec![key, count.to_string(), usd.display()];
    let mut rows: Vec<Vec<String>> =
        report.by.iter().map(|group| line(shown_key(by, &group.key), group.usd, group.count)).collect();
    rows.push(line("total".to_owned(), report.total_usd, report.count));
    let mut text = table::plain(&[heading(by), "CHARGES", "USD"], &[1, 2], rows);
    let day = |at: DateTime<Utc>| at.format("%Y-%m-%d").to_string();
    // The last instant inside: a span of whole days ends with its last day.
    let last = report.to - TimeDelta::microseconds(1);
    let _ = write!(text, "\n\n{} to {}, UTC", day(report.from), day(last));
    if let Some(to) = &args.to {
        let _ = write!(text, " (--to {} is not included)", sanitize_line(to, 40));
    }
    if by == CostGrouping::Tag {
        text.push_str("; a charge with several tags counts for each of them");
    }
    if view.wasted_usd > Usd::ZERO {
        let causes: Vec<String> = view
            .wasted_by
            .iter()
            .filter(|line| line.usd > Usd::ZERO)
            .take(4)
            .map(|line| format!("{} {}", sanitize_line(&line.key, 30), line.usd.display()))
            .collect();
        let _ = write!(text, "\nwasted: {} without an image ({})", view.wasted_usd.display(), causes.join(", "));
    }
    let Outlook { month_usd, usd_per_day, forecast_usd } = view.outlook;
    let of_cap = view.monthly_cap_usd.map(|cap| format!(" of {}", cap.display())).unwrap_or_default();
    let _ = write!(
        text,
        "\nthis month {}, {} a day in the last {RATE_DAYS} days, forecast {}{of_cap}",
        month_usd.display(),
        usd_per_day.display(),
        forecast_usd.display()
    );
    if let Some(account) = &view.account {
        let _ = write!(text, "\n{}", account.line());
    }
    if report.others_count > 0 {
        let others = format::count(report.others_count, "charge");
        let _ = write!(text, "\nin the total: {others} that other programs recorded");
    }
    if report.unknown_usd > Usd::ZERO {
        let _ = write!(text, "\nnot in the total: {} that may or may not be billed", report.unknown_usd.display());
    }
    if report.unconfirmed_usd > Usd::ZERO {
        let amount = report.unconfirmed_usd.display();
        let _ = write!(text, "\nnot in the total: {amount} for requests without a confirmed outcome");
    }
    if report.unpriced_count > 0 {
        let _ = write!(text, "\nnot in the total: {} of unknown price", format::count(report.unpriced_count, "charge"));
    }
    if report.unknown_usd + report.unconfirmed_usd > Usd::ZERO || report.unpriced_count > 0 {
        text.push_str("\n`darkroom costs uncertain` lists them, `darkroom costs resolve` settles them");
    }
    if !view.jobs.is_empty() {
        let _ = write!(text, "\n\nmost expensive jobs\n{}", jobs_table(&view.jobs));
        text.push_str("\n\n`--jobs-of KEY` lists the jobs of one line");
    }
    if report.simulated {
        text.push('\n');
        text.push_str(table::SIMULATED);
    }
    if let Some(real) = real {
        let amount = real.total_usd.display();
        let _ = write!(text, "\nplus {amount} of real spending in {} (--real)", format::count(real.count, "charge"));
    }
    text
}
