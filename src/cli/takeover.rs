//! `darkroom takeover`: what another backend left in the store, what a takeover would do, and the record that lets darkroom write.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::operator::operator;
use super::{Session, output, start_logging};
use crate::catalog::Catalog;
use crate::costs::Usd;
use crate::engine::{TakeoverPlan, TemporalSurvey};
use crate::jobs::JobId;
use crate::store::{DefaultChoice, DefaultChoices, Ownership, StoreError};
use crate::telemetry::logging::ExtraSink;
use crate::text::{format, sanitize_line};
use crate::wiring;

/// Stands for "no setting of the store".
const BUILT_IN: &str = "none";

/// Jobs that a plan lists in its text.
const LISTED: usize = 20;

/// Take over a store from another backend
#[derive(Debug, Args)]
#[command(
    after_help = "A store that holds documents of another backend is read-only until this command has run: beside a running backend every \
                  job would be paid twice. The plan lists waiting jobs with their price, jobs that the other backend has taken up, its \
                  pollers and open workflows on Temporal, former defaults, costs and caps. Nothing else is changed: the record is the \
                  only write."
)]
pub struct TakeoverArgs {
    /// Model of other programs' requests that name none; `none` is the built-in default [default: as before]
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    pub model: Option<DefaultChoice>,
    /// Image format of other programs' requests: png, jpeg or webp; `none` is each model's own [default: as before]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub output_format: Option<DefaultChoice>,
    /// Show the plan and the price of the backlog, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y', conflicts_with = "dry_run")]
    pub yes: bool,
    /// Take over although another backend still polls the task queue or wrote within the last 5 minutes, or Temporal cannot be inspected
    #[arg(long, conflicts_with = "dry_run")]
    pub force: bool,
}

fn parse_model(text: &str) -> Result<DefaultChoice, String> {
    match Catalog::builtin().model(text) {
        _ if text == BUILT_IN => Ok(DefaultChoice::BuiltIn),
        Some(model) => Ok(DefaultChoice::Named(model.name.clone())),
        None => Err("not a known model; `darkroom submit --help` lists the models".to_owned()),
    }
}

fn parse_format(text: &str) -> Result<DefaultChoice, String> {
    match text {
        BUILT_IN => Ok(DefaultChoice::BuiltIn),
        "png" | "jpeg" | "webp" => Ok(DefaultChoice::Named(text.to_owned())),
        _ => Err("expected png, jpeg, webp or none".to_owned()),
    }
}

/// Shows the plan and takes the store over.
pub async fn run(session: &Session, args: &TakeoverArgs) -> Result<(), CliError> {
    let config = &session.config;
    let (_logging, _) = start_logging(config, ExtraSink::None);
    let store = wiring::open_store(config).await?;
    let temporal = wiring::survey_temporal(config).await;
    let choices = DefaultChoices {
        model: args.model.clone().unwrap_or_default(),
        output_format: args.output_format.clone().unwrap_or_default(),
    };
    let Some(plan) = TakeoverPlan::make(store.as_ref(), &choices, temporal, Utc::now()).await? else {
        let view = View::of_own_store();
        return session.output.answer(&view, || "nothing to take over: no other program uses this store".to_owned());
    };
    let blockers = plan.blockers();
    let state = match plan.owner() {
        Some(_) => State::Owned,
        None if args.dry_run => State::Planned,
        None if !blockers.is_empty() && !args.force => State::Refused,
        None => State::TakenOver,
    };
    let mut view = View::of(&plan, state);
    match state {
        State::Owned if plan.changes_defaults() && !args.dry_run => {
            let changed = plan.change_defaults(store.as_ref(), Utc::now(), &operator()).await;
            changed.map_err(|error| conflict(error, "nothing was changed"))?;
            let line = "settings changed: running workers apply them at once".to_owned();
            session.output.answer(&view, || line)
        }
        State::Owned | State::Planned => session.output.answer(&view, || view.text(&plan)),
        State::Refused => {
            session.output.answer(&view, || view.text(&plan))?;
            let reason = blockers.join("; ");
            Err(CliError::Failed(format!("not taken over: {reason}, or pass --force")))
        }
        State::TakenOver => {
            if !args.yes {
                if !output::can_ask() {
                    let line = format!("a takeover releases {}; pass --yes to confirm", plan.backlog_line());
                    return Err(CliError::Usage(line));
                }
                // Standard output is for the result.
                output::eprint_line(&View::of(&plan, State::Planned).text(&plan));
                let question =
                    format!("Take the store over? Workers with --provider bfl then submit {}.", plan.backlog_line());
                if !output::confirm(&question) {
                    return Err(CliError::Failed("nothing was taken over".to_owned()));
                }
            }
            let ownership = plan.carry_out(store.as_ref(), Utc::now(), &operator()).await;
            let ownership = ownership.map_err(|error| conflict(error, "not taken over"))?;
            view.owner = Some(ownership);
            session.output.answer(&view, || view.text(&plan))
        }
    }
}

/// Another process changed the settings since they were read.
fn conflict(error: StoreError, outcome: &str) -> CliError {
    match error {
        StoreError::RecordConflict { .. } => {
            CliError::Failed(format!("{outcome}: another process changed the settings; run the command again"))
        }
        error => error.into(),
    }
}

/// What the command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Darkroom owned the store before.
    Owned,
    /// Nothing was written.
    Planned,
    /// Something must be resolved first: nothing was written.
    Refused,
    /// The record was written.
    TakenOver,
}

/// The answer of the command.
#[derive(Debug, Serialize)]
struct View {
    state: State,
    owner: Option<Ownership>,
    #[serde(flatten)]
    plan: Option<PlanView>,
}

#[derive(Debug, Serialize)]
struct PlanView {
    jobs: Counts,
    backlog: Backlog,
    /// Jobs that another backend has taken up.
    in_progress: Vec<JobId>,
    /// Requests that cannot be read.
    unreadable: Vec<Unreadable>,
    defaults: Defaults,
    costs: Costs,
    caps: Caps,
    /// The newest write of another backend that was found.
    last_write: Option<DateTime<Utc>>,
    temporal: Option<TemporalView>,
    blockers: Vec<String>,
    warnings: Vec<String>,
    steps: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Counts {
    total: u64,
    other_programs: u64,
}

#[derive(Debug, Serialize)]
struct Backlog {
    count: u64,
    /// At most, as far as prices are known.
    usd: Usd,
    unpriced_count: usize,
    /// Jobs that were not read and are not in the price.
    not_read_count: u64,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    id: JobId,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Defaults {
    /// What a request without a model becomes; null is the built-in default.
    model: Option<String>,
    output_format: Option<String>,
    /// Results of another backend that were read.
    results: usize,
}

#[derive(Debug, Serialize)]
struct Costs {
    #[serde(flatten)]
    entries: Counts,
    last_charge: Option<DateTime<Utc>>,
    /// Real money of all programs.
    last_30_days_usd: Usd,
}

#[derive(Debug, Serialize)]
struct Caps {
    daily_usd: Option<Usd>,
    monthly_usd: Option<Usd>,
}

#[derive(Debug, Serialize)]
struct TemporalView {
    /// Why the server was not inspected.
    error: Option<String>,
    address: Option<String>,
    task_queue: Option<String>,
    /// Pollers of other programs.
    pollers: Vec<String>,
    open_workflows: Vec<OpenWorkflow>,
}

#[derive(Debug, Serialize)]
struct OpenWorkflow {
    id: String,
    workflow_type: String,
    terminate: String,
}

impl TemporalView {
    fn of(survey: &Result<TemporalSurvey, String>) -> Self {
        let error = survey.as_ref().err().cloned();
        let survey = survey.as_ref().ok();
        let open = survey.map(|survey| survey.other_workflows.as_slice()).unwrap_or_default();
        Self {
            error,
            address: survey.map(|survey| survey.address.clone()),
            task_queue: survey.map(|survey| survey.task_queue.clone()),
            pollers: survey.iter().flat_map(|survey| survey.other_pollers()).map(str::to_owned).collect(),
            open_workflows: open
                .iter()
                .map(|workflow| OpenWorkflow {
                    id: workflow.id.clone(),
                    workflow_type: workflow.workflow_type.clone(),
                    terminate: workflow.terminate.clone(),
                })
                .collect(),
        }
    }
}

impl View {
    /// The view of a store that no other program uses.
    fn of_own_store() -> Self {
        Self { state: State::Owned, owner: None, plan: None }
    }

    fn of(plan: &TakeoverPlan, state: State) -> Self {
        let inspection = &plan.inspection;
        let (settings, former) = (&inspection.next_settings, &inspection.former_defaults);
        let unreadable = inspection.unreadable.iter();
        let view = PlanView {
            jobs: Counts { total: inspection.jobs.all, other_programs: inspection.jobs.others() },
            backlog: Backlog {
                count: inspection.waiting_count.saturating_sub(inspection.unreadable.len() as u64),
                usd: plan.price.at_most,
                unpriced_count: plan.price.unpriced,
                not_read_count: plan.unread(),
            },
            in_progress: inspection.in_progress.iter().map(|job| job.id.clone()).collect(),
            unreadable: unreadable.map(|(id, reason)| Unreadable { id: id.clone(), reason: reason.clone() }).collect(),
            defaults: Defaults {
                model: settings.default_model.clone(),
                output_format: settings.default_output_format.clone(),
                results: former.results,
            },
            costs: Costs {
                entries: Counts { total: inspection.costs.all, other_programs: inspection.costs.others() },
                last_charge: inspection.last_charge,
                last_30_days_usd: plan.spent.total_usd,
            },
            caps: Caps { daily_usd: plan.budget.total.daily, monthly_usd: plan.budget.total.monthly },
            last_write: inspection.last_write,
            temporal: plan.temporal.as_ref().map(TemporalView::of),
            blockers: plan.blockers(),
            warnings: plan.warnings(),
            steps: plan.steps(),
        };
        Self { state, owner: plan.owner().cloned(), plan: Some(view) }
    }

    fn text(&self, plan: &TakeoverPlan) -> String {
        if let Some(owner) = &self.owner {
            let by = sanitize_line(&owner.by, 60);
            let at = owner.at.to_rfc3339_opts(SecondsFormat::Secs, true);
            return match self.state {
                State::TakenOver => {
                    format!("taken over by {by}\nnext: {}", plan.steps().last().cloned().unwrap_or_default())
                }
                _ => format!(
                    "darkroom owns this store since {at}, by {by} ({}); nothing to do",
                    sanitize_line(&owner.how, 40)
                ),
            };
        }
        let inspection = &plan.inspection;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let mut line = |name: &str, value: &str| _ = writeln!(text, "{name:<13} {value}");
        line("jobs", &format!("{}, {} of other programs", inspection.jobs.all, inspection.jobs.others()));
        line("backlog", &plan.backlog_line());
        for (id, reason) in inspection.unreadable.iter().take(LISTED) {
            line("", &format!("job {id} cannot be read: {reason}"));
        }
        line("in progress", &format!("{} with another backend", inspection.in_progress.len()));
        for job in inspection.in_progress.iter().take(LISTED) {
            line("", &format!("job {} since {}", job.id, job.updated_at.to_rfc3339_opts(SecondsFormat::Secs, true)));
        }
        line("charges", &format!("{}, {} of other programs", inspection.costs.all, inspection.costs.others()));
        line("30 days", &format!("{} of real money", plan.spent.total_usd.display()));
        let cap = |cap: Option<Usd>| cap.map_or_else(|| "none".to_owned(), Usd::display);
        line("caps", &format!("daily {}, monthly {}", cap(plan.budget.total.daily), cap(plan.budget.total.monthly)));
        if let Some(Ok(survey)) = &plan.temporal {
            let (pollers, open) = (survey.other_pollers().len(), survey.other_workflows.len());
            line(
                "temporal",
                &format!(
                    "{} and {} of other programs on {}",
                    format::count(pollers, "poller"),
                    format::count(open, "open workflow"),
                    survey.task_queue
                ),
            );
        }
        for (title, lines) in [("danger", plan.blockers()), ("warning", plan.warnings()), ("step", plan.steps())] {
            for each in lines {
                line(title, &each);
            }
        }
        text.push_str("nothing was written");
        text
    }
}
