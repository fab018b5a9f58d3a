//! `darkroom costs usage`: what the documents cost that the processes of a shared store read and write.

use chrono::Utc;
use clap::Args;
use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::{Session, table};
use crate::costs::{PriceTable, Usd};
use crate::engine::FleetUsage;
use crate::wiring;

/// The processes of the last 40 minutes on this store
#[derive(Debug, Args)]
pub struct UsageArgs {}

/// Prints the processes and their sum.
pub async fn run(session: &Session, _args: &UsageArgs) -> Result<(), CliError> {
    let store = wiring::open_store(&session.config).await?;
    let usage = FleetUsage::load(store.as_ref(), None, Utc::now()).await?;
    let price = PriceTable::builtin().database();
    let document = json!({
        "billed": usage.is_some(),
        "processes": usage.as_ref().map(|usage| &usage.processes),
        "reads_per_hour": usage.as_ref().map(|usage| usage.reads_per_hour),
        "writes_per_hour": usage.as_ref().map(|usage| usage.writes_per_hour),
        "usd_per_hour": usage.as_ref().and_then(|usage| usage.usd_per_hour),
        "usd_per_month": usage.as_ref().and_then(|usage| usage.usd_per_month),
        "price_source": price.map(|price| &price.source),
        "price_date": price.map(|price| &price.date),
    });
    session.output.answer(&document, || text(usage.as_ref()))
}

fn text(usage: Option<&FleetUsage>) -> String {
    let Some(usage) = usage else { return "The embedded store bills no reads and no writes.".to_owned() };
    if usage.processes.is_empty() {
        return "No process published its usage in the last 40 minutes. A worker or console does so 5 minutes after its start, then \
                every 15 minutes."
            .to_owned();
    }
    let money = |usd: Option<Usd>| usd.map_or_else(|| "unknown".to_owned(), Usd::display);
    let rows = usage.processes.iter().map(|process| {
        let numbers = [process.reads_per_hour, process.writes_per_hour, process.reads, process.writes];
        std::iter::once(process.worker.clone()).chain(numbers.map(|number| number.to_string())).collect()
    });
    let lines = table::plain(&["PROCESS", "READS/H", "WRITES/H", "READS", "WRITES"], &[1, 2, 3, 4], rows);
    format!(
        "{lines}\n{} reads and {} writes an hour: {} an hour, {} a month at the price of a multi-region database, without the free quota",
        usage.reads_per_hour,
        usage.writes_per_hour,
        money(usage.usd_per_hour),
        money(usage.usd_per_month),
    )
}
