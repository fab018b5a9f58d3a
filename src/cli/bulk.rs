//! `darkroom bulk`: actions on many jobs, which any worker of the store carries out.

use std::sync::Arc;

use chrono::SecondsFormat;
use clap::{Args, Subcommand};

use super::error::CliError;
use super::operator::operator_here;
use super::{Session, table};
use crate::costs::Usd;
use crate::engine::{BulkControl, BulkRecord, OperatorCommands};
use crate::store::Store;
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
}

/// Which action
#[derive(Debug, Args)]
pub struct ActionArgs {
    /// Its id, or an unambiguous beginning of it
    #[arg(value_name = "ID")]
    pub id: String,
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
    };
    let store = wiring::open_store_for_changes(&session.config).await?;
    let id = resolve(store.as_ref(), id).await?;
    let commands = OperatorCommands::new(store, Arc::new(SystemClock), session.config.is_simulated())
        .recorded_as(Some(operator_here()));
    let record = commands.control_bulk(&id, control).await?.map_err(CliError::Failed)?;
    session.output.answer(&record, || text(std::slice::from_ref(&record)))
}

async fn resolve(store: &dyn Store, text: &str) -> Result<String, CliError> {
    let records = BulkRecord::newest(store, 200).await?;
    let mut matching = records.into_iter().filter(|record| record.id.starts_with(text)).map(|record| record.id);
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => {
            Err(CliError::Failed("several bulk actions begin like that; `darkroom bulk` lists them".to_owned()))
        }
        (None, _) => Err(CliError::Failed("no bulk action begins like that; `darkroom bulk` lists them".to_owned())),
    }
}

fn text(records: &[BulkRecord]) -> String {
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
        let (id, state) = (record.id.clone(), record.state.to_string());
        vec![id, at, record.by.clone(), state, progress, price, record.title(), record.chosen.clone(), left]
    });
    let heading = ["ID", "TIME", "WHO", "STATE", "JOBS", "PRICE", "ACTION", "FILTER", "UNCHANGED"];
    table::plain(&heading, &[4, 5], rows)
}
