//! `darkroom bulk`: actions on many jobs, which any worker of the store carries out.

use std::sync::Arc;

use chrono::SecondsFormat;
use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::jobs::confirm_plan;
use super::operator::operator_here;
use super::{Session, start_logging, table};
use crate::costs::Usd;
use crate::engine::{BulkControl, BulkExecutor, BulkPlan, BulkRecord, BulkStart, BulkTarget, OperatorCommands};
use crate::store::Store;
use crate::telemetry::logging::ExtraSink;
use crate::text::sanitize_line;
use crate::time::SystemClock;
use crate::wiring;

/// Actions on many jobs
#[derive(Debug, Args)]
pub struct BulkArgs {
    /// Without one: list
    #[command(subcommand)]
    pub command: Option<BulkCommand>,
    /// At most the N newest actions are listed
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

/// What to do with the actions.
#[derive(Debug, Subcommand)]
pub enum BulkCommand {
    /// List the actions, newest first
    List,
    /// Handle no further jobs until the action is resumed
    Pause(ActionArgs),
    /// Continue a paused action
    Resume(ActionArgs),
    /// Handle no further jobs; what was changed stays
    Stop(ActionArgs),
    /// Restore the jobs that an action changed, where nothing has happened to them since
    Undo(UndoArgs),
}

/// Which action
#[derive(Debug, Args)]
pub struct ActionArgs {
    /// Its id, or an unambiguous beginning of it
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Which action to undo
#[derive(Debug, Args)]
pub struct UndoArgs {
    #[command(flatten)]
    pub action: ActionArgs,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Lists the actions, or changes one.
pub async fn run(session: &Session, args: &BulkArgs) -> Result<(), CliError> {
    let (control, id) = match &args.command {
        None | Some(BulkCommand::List) => {
            let store = wiring::open_store(&session.config).await?;
            let records = BulkRecord::newest(store.as_ref(), args.limit).await?;
            return session.output.answer(&records, || text(&records));
        }
        Some(BulkCommand::Pause(action)) => (BulkControl::Pause, &action.id),
        Some(BulkCommand::Resume(action)) => (BulkControl::Resume, &action.id),
        Some(BulkCommand::Stop(action)) => (BulkControl::Stop, &action.id),
        Some(BulkCommand::Undo(args)) => return undo(session, args).await,
    };
    let store = wiring::open_store_for_changes(&session.config).await?;
    let id = resolve(store.as_ref(), id).await?;
    let commands = OperatorCommands::new(store, Arc::new(SystemClock), session.config.is_simulated())
        .recorded_as(Some(operator_here()));
    let record = commands.control_bulk(&id, control).await?.map_err(CliError::Failed)?;
    session.output.answer(&record, || text(std::slice::from_ref(&record)))
}

/// Carries the undo out; another worker completes it if this process ends.
async fn undo(session: &Session, args: &UndoArgs) -> Result<(), CliError> {
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    let store = wiring::open_store_for_changes(&session.config).await?;
    let id = resolve(store.as_ref(), &args.action.id).await?;
    let missing = || CliError::Failed(format!("bulk action {id} does not exist"));
    let action = BulkRecord::read(store.as_ref(), &id).await?.ok_or_else(missing)?.undo_action();
    let plan = BulkPlan::make(store.as_ref(), action, BulkTarget::ChangedBy(id.clone())).await?;
    if plan.ids.is_empty() {
        let why = plan.reason.as_deref().unwrap_or("none of its jobs is known");
        return Err(CliError::Failed(format!("bulk action {id} cannot be undone: {why}")));
    }
    confirm_plan(&plan, args.yes)?;
    let simulated = session.config.is_simulated();
    let commands =
        OperatorCommands::new(store.clone(), Arc::new(SystemClock), simulated).recorded_as(Some(operator_here()));
    let worker = format!("cli-{}-{:08x}", std::process::id(), rand::random::<u32>());
    let chosen = format!("bulk action {id}");
    let record = commands.start_bulk(plan, &chosen, BulkStart::By(worker.clone())).await?;
    let executor = BulkExecutor::new(store.clone(), Arc::new(SystemClock), worker, simulated);
    let end = executor.run(&record.id, &CancellationToken::new(), |_| {}).await?;
    let record = end.map_or(record, |end| end.record);
    session.output.answer(&record, || text(std::slice::from_ref(&record)))
}

async fn resolve(store: &dyn Store, text: &str) -> Result<String, CliError> {
    let shown = sanitize_line(text, 60);
    let records = BulkRecord::newest(store, 200).await?;
    if records.iter().any(|record| record.id == text) {
        return Ok(text.to_owned());
    }
    let mut matching = records.into_iter().filter(|record| record.id.starts_with(text)).map(|record| record.id);
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(CliError::Failed(format!(
            "'{shown}' is a prefix of several ids of bulk actions; `darkroom bulk` lists them"
        ))),
        (None, _) => {
            Err(CliError::Failed(format!("no id of a bulk action starts with '{shown}'; `darkroom bulk` lists them")))
        }
    }
}

fn text(records: &[BulkRecord]) -> String {
    let now = chrono::Utc::now();
    if records.is_empty() {
        return "No bulk actions.".to_owned();
    }
    let rows = records.iter().map(|record| {
        let price = record.price_usd.map(Usd::display).unwrap_or_default();
        let at = record.created_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let progress = format!("{}/{}", record.position, record.total);
        let left = if record.unchanged > 0 {
            format!("{}: {}", record.unchanged, record.reasons.join("; "))
        } else {
            String::new()
        };
        let undone = record.undo_progress(records, now).map(|undone| format!(", {undone}")).unwrap_or_default();
        let (id, state) = (record.id.clone(), format!("{}{undone}", record.state));
        vec![id, at, record.by.clone(), state, progress, price, record.title(), record.chosen.clone(), left]
    });
    let heading = ["ID", "TIME", "WHO", "STATE", "JOBS", "PRICE", "ACTION", "FILTER", "UNCHANGED"];
    table::plain(&heading, &[4, 5], rows)
}
