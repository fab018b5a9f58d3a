//! `darkroom budget`: the caps that every process on this store applies.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::error::CliError;
use super::operator::operator;
use super::{Session, output, table};
use crate::catalog::Catalog;
use crate::costs::{Budget, BudgetEdit, BudgetRecord, BudgetSettings, CostGrouping, Usd};
use crate::jobs::filter::Filter;
use crate::jobs::{Hold, Job, StageName};
use crate::store::{BudgetChange, CostQuery, PageQuery, Store, StoreError};
use crate::text::sanitize_line;
use crate::time::{day_of, month_of};
use crate::wiring;

/// Recorded changes that `budget show` prints.
const HISTORY: usize = 20;

/// Held jobs that are read before a cap is lifted.
const SEARCHED: usize = 200;

/// Caps on spending for every process on this store
#[derive(Debug, Args)]
pub struct BudgetArgs {
    /// Without one: show
    #[command(subcommand)]
    pub command: Option<BudgetCommand>,
}

/// What to do with the caps.
#[derive(Debug, Subcommand)]
pub enum BudgetCommand {
    /// Show the caps, what is spent under them, and who changed them
    Show,
    /// Set caps in US dollars; running processes apply them at once
    Set(SetArgs),
    /// Remove all caps, those of one model, or a single one
    Clear(ClearArgs),
}

/// Set caps
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Cap for one UTC day, in US dollars
    #[arg(long, value_name = "USD", value_parser = parse_usd)]
    pub daily: Option<Usd>,
    /// Cap for one UTC month, in US dollars
    #[arg(long, value_name = "USD", value_parser = parse_usd)]
    pub monthly: Option<Usd>,
    /// Warn from this share of a cap on, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub soft: Option<u8>,
    /// Only for this model, in addition to the caps of all models
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    pub model: Option<String>,
    /// Do not ask before held jobs spend real money
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Remove caps
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[derive(Debug, Args)]
pub struct ClearArgs {
    /// Only the cap for one UTC day
    #[arg(long)]
    pub daily: bool,
    /// Only the cap for one UTC month
    #[arg(long)]
    pub monthly: bool,
    /// Only the mark from which to warn
    #[arg(long, conflicts_with = "model")]
    pub soft: bool,
    /// Only the caps of this model
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    pub model: Option<String>,
    /// Do not ask before held jobs spend real money
    #[arg(long, short = 'y')]
    pub yes: bool,
}

impl SetArgs {
    fn edit(&self) -> BudgetEdit {
        let caps = Budget { daily: self.daily, monthly: self.monthly };
        BudgetEdit::Set { model: self.model.clone(), caps, soft_percent: self.soft }
    }

    fn question(&self) -> String {
        let named = [("daily", self.daily), ("monthly", self.monthly)];
        let caps = named.iter().filter_map(|(name, cap)| Some(format!("the {name} cap to {}", (*cap)?.display())));
        format!("Set {}{}?", caps.collect::<Vec<_>>().join(" and "), of(self.model.as_ref()))
    }
}

impl ClearArgs {
    fn edit(&self) -> BudgetEdit {
        let Self { daily, monthly, soft, ref model, .. } = *self;
        let model = model.clone();
        if daily || monthly || soft {
            BudgetEdit::Remove { model, daily, monthly, soft }
        } else {
            BudgetEdit::Clear { model }
        }
    }

    fn question(&self) -> String {
        let caps = match (self.daily, self.monthly) {
            (true, true) => "the daily and the monthly cap",
            (true, false) => "the daily cap",
            (false, true) => "the monthly cap",
            (false, false) => "all caps",
        };
        format!(
            "Remove {caps}{}?",
            if self.model.is_some() { of(self.model.as_ref()) } else { " of this store".to_owned() }
        )
    }
}

fn of(model: Option<&String>) -> String {
    model.map(|model| format!(" of {}", sanitize_line(model, 60))).unwrap_or_default()
}

pub(super) fn parse_usd(text: &str) -> Result<Usd, String> {
    let text = text.trim();
    match text.strip_prefix('$').unwrap_or(text).parse::<Usd>() {
        Ok(amount) if amount >= Usd::ZERO => Ok(amount),
        Ok(_) => Err("an amount must not be negative".to_owned()),
        Err(_) => Err("not a valid amount in dollars (example: 20 or 0.50)".to_owned()),
    }
}

/// A misspelt model would be a cap that never applies.
fn parse_model(text: &str) -> Result<String, String> {
    match Catalog::builtin().model(text) {
        Some(model) => Ok(model.name.clone()),
        None => Err("not a known model; `darkroom submit --help` lists the models".to_owned()),
    }
}

/// Shows or changes the caps, then prints them.
pub async fn run(session: &Session, args: &BudgetArgs) -> Result<(), CliError> {
    if let Some(BudgetCommand::Set(set)) = &args.command
        && set.daily.is_none()
        && set.monthly.is_none()
        && (set.soft.is_none() || set.model.is_some())
    {
        return Err(CliError::Usage("nothing to set: pass --daily or --monthly, or --soft for all models".to_owned()));
    }
    let shows = matches!(args.command, None | Some(BudgetCommand::Show));
    let store = if shows {
        wiring::open_store(&session.config).await?
    } else {
        wiring::open_store_for_changes(&session.config).await?
    };
    let edit = match &args.command {
        None | Some(BudgetCommand::Show) => None,
        Some(BudgetCommand::Set(set)) => Some((set.edit(), set.question(), set.yes)),
        Some(BudgetCommand::Clear(clear)) => Some((clear.edit(), clear.question(), clear.yes)),
    };
    if let Some((edit, question, yes)) = edit {
        // Whatever the provider of this process: a worker with the real one submits them.
        if !yes && releases_held_jobs(store.as_ref(), &edit).await? {
            confirm(&question)?;
        }
        let (_guard, _) = super::start_logging(&session.config, super::ExtraSink::None);
        let change = BudgetChange { at: Utc::now(), by: operator(), edit };
        tracing::info!(by = %change.by, change = %change.edit.summary(), "budget changed");
        store.change_budget(change).await?;
    }
    let simulated = session.config.is_simulated();
    let view = View::load(store.as_ref(), session.config.budget, simulated).await?;
    session.output.answer(&view, || view.text())
}

/// Whether the change lifts a cap while real jobs are held by one. A search that does not reach every held job counts as yes.
async fn releases_held_jobs(store: &dyn Store, edit: &BudgetEdit) -> Result<bool, StoreError> {
    let settings = store.budget_history(1).await?.into_iter().next().map(|record| record.settings);
    if !edit.raises(&settings.unwrap_or_default()) {
        return Ok(false);
    }
    let filter = Filter::parse("status:held", Utc::now()).unwrap_or_default();
    let query =
        PageQuery { stages: vec![StageName::Queued], filter, hidden: true, limit: SEARCHED, ..PageQuery::default() };
    let page = store.list(query).await?;
    let is_released = |job: &Job| !job.simulated && matches!(job.hold(), Some(Hold::Budget { .. }));
    Ok(page.next.is_some() || page.jobs.iter().any(is_released))
}

/// Asks as the console does. Errors: not confirmed.
fn confirm(question: &str) -> Result<(), CliError> {
    if !output::can_ask() {
        let line =
            format!("held jobs that fit are submitted, which spends real money ({question}); pass --yes to confirm");
        return Err(CliError::Usage(line));
    }
    output::eprint_line("Every process on this store applies it at once, without a restart.");
    output::eprint_line("Held jobs that fit are submitted, which spends real money.");
    if output::confirm(question) { Ok(()) } else { Err(CliError::Failed("nothing was changed".to_owned())) }
}

/// The answer of every `budget` command.
#[derive(Debug, Serialize)]
struct View {
    /// The caps that the store keeps.
    daily_usd: Option<Usd>,
    monthly_usd: Option<Usd>,
    soft_percent: Option<u8>,
    models: Vec<ModelCaps>,
    /// The caps of this process, which can only lower those of the store.
    process: Caps,
    /// What applies to a submit of this process.
    effective: Caps,
    /// What the caps count: uncertain charges included, and the highest known price for each charge of unknown amount.
    spent_today_usd: Usd,
    spent_this_month_usd: Usd,
    simulated: bool,
    /// Newest first.
    history: Vec<RecordedChange>,
}

#[derive(Debug, Serialize)]
struct Caps {
    daily_usd: Option<Usd>,
    monthly_usd: Option<Usd>,
}

#[derive(Debug, Serialize)]
struct ModelCaps {
    model: String,
    #[serde(flatten)]
    caps: Caps,
}

#[derive(Debug, Serialize)]
struct RecordedChange {
    at: DateTime<Utc>,
    by: String,
    change: String,
}

impl From<Budget> for Caps {
    fn from(budget: Budget) -> Self {
        Self { daily_usd: budget.daily, monthly_usd: budget.monthly }
    }
}

impl View {
    async fn load(store: &dyn Store, process: Budget, simulated: bool) -> Result<Self, StoreError> {
        let history = store.budget_history(HISTORY).await?;
        let settings = history.first().map_or_else(BudgetSettings::default, |record| record.settings.clone());
        let now = Utc::now();
        let ((from, to), (today, _)) = (month_of(now), day_of(now));
        let table = store.costs(CostQuery { from, to, simulated }).await?;
        let BudgetSettings { total, models, soft_percent } = settings;
        Ok(Self {
            daily_usd: total.daily,
            monthly_usd: total.monthly,
            soft_percent,
            models: models.into_iter().map(|(model, caps)| ModelCaps { model, caps: caps.into() }).collect(),
            process: process.into(),
            effective: total.lower_of(process).into(),
            spent_today_usd: table.report_from(today, CostGrouping::Model).committed(),
            spent_this_month_usd: table.report(CostGrouping::Model).committed(),
            simulated,
            history: history
                .into_iter()
                .map(|BudgetRecord { at, by, change, .. }| RecordedChange { at, by, change })
                .collect(),
        })
    }

    fn text(&self) -> String {
        let cap = |cap: Option<Usd>| cap.map_or_else(|| "no cap".to_owned(), Usd::display);
        let mut text = String::new();
        // Writing to a string cannot fail.
        for (name, stored, effective, spent) in [
            ("daily", self.daily_usd, self.effective.daily_usd, self.spent_today_usd),
            ("monthly", self.monthly_usd, self.effective.monthly_usd, self.spent_this_month_usd),
        ] {
            let _ = write!(text, "{name:<8} {}, spent {}", cap(stored), spent.display());
            if effective != stored {
                let _ = write!(text, "; this process is limited to {}", cap(effective));
            }
            text.push('\n');
        }
        for ModelCaps { model, caps } in &self.models {
            let model = sanitize_line(model, 60);
            let _ = writeln!(text, "{model}: daily {}, monthly {}", cap(caps.daily_usd), cap(caps.monthly_usd));
        }
        if let Some(percent) = self.soft_percent {
            let _ = writeln!(text, "warning from {percent}% of a cap on");
        }
        text.push_str("days and months are UTC; uncertain charges count");
        for change in &self.history {
            let at = change.at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let _ = write!(text, "\n{at}  {}  {}", sanitize_line(&change.by, 60), sanitize_line(&change.change, 100));
        }
        if self.simulated {
            let _ = write!(text, "\n{}", table::SIMULATED);
        }
        text
    }
}
