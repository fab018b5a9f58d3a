//! `darkroom costs rebuild`: the check of the stored daily sums.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::{Session, table};
use crate::store::schema::{RollupCheck, UnreadableEntry};
use crate::text::sanitize_line;
use crate::wiring;

/// Recalculate the daily sums from the entries, report differences, and correct them
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// Report differences without correcting them
    #[arg(long)]
    pub dry_run: bool,
}

/// The result of `costs rebuild`.
#[derive(Debug, Serialize)]
struct Rebuilt {
    /// Whether this store keeps daily sums in addition to its entries.
    keeps_sums: bool,
    /// Whether the sums agree with the entries now, and include all of them.
    agree: bool,
    differences: Vec<MismatchView>,
    /// Entries that no sum includes.
    unreadable: Vec<UnreadableEntry>,
}

#[derive(Debug, Serialize)]
struct MismatchView {
    what: String,
    stored: Sum,
    computed: Sum,
}

#[derive(Debug, Serialize)]
struct Sum {
    charges: i64,
    usd: String,
}

/// Checks the sums and prints the differences.
pub async fn run(session: &Session, args: &RebuildArgs) -> Result<(), CliError> {
    let store = wiring::open_store(&session.config).await?;
    let found = store.verify_rollups(!args.dry_run).await?;
    let keeps_sums = found.is_some();
    let sum = |(charges, usd): (i64, String)| Sum { charges, usd };
    let RollupCheck { mismatches, unreadable } = found.unwrap_or_default();
    let differences: Vec<MismatchView> = mismatches
        .into_iter()
        .map(|found| MismatchView { what: found.what, stored: sum(found.stored), computed: sum(found.computed) })
        .collect();
    let agree = unreadable.is_empty() && (differences.is_empty() || !args.dry_run);
    let rebuilt = Rebuilt { keeps_sums, agree, differences, unreadable };
    session.output.answer(&rebuilt, || text_of(&rebuilt, args.dry_run))?;
    // Money is missing from every report until an operator has fixed these entries.
    if rebuilt.unreadable.is_empty() { Ok(()) } else { Err(CliError::AlreadyReported) }
}

fn text_of(rebuilt: &Rebuilt, dry_run: bool) -> String {
    if !rebuilt.keeps_sums {
        return "Nothing to rebuild: this store updates its sums together with each entry.".to_owned();
    }
    let mut text = if rebuilt.differences.is_empty() {
        let which = if rebuilt.unreadable.is_empty() { "the entries" } else { "the entries that can be read" };
        format!("The daily sums agree with {which}.")
    } else {
        let rows = rebuilt.differences.iter().map(|difference| {
            let MismatchView { what, stored, computed } = difference;
            vec![
                sanitize_line(what, 120),
                stored.charges.to_string(),
                stored.usd.clone(),
                computed.charges.to_string(),
                computed.usd.clone(),
            ]
        });
        let heading = ["SUM", "STORED CHARGES", "STORED USD", "ENTRIES", "ENTRIES USD"];
        let end = if dry_run { "Nothing was changed." } else { "The sums were corrected." };
        format!("{}\n\n{end}", table::plain(&heading, &[1, 2, 3, 4], rows))
    };
    if rebuilt.unreadable.is_empty() {
        return text;
    }
    let entries = match rebuilt.unreadable.len() {
        1 => "1 entry cannot be read and is".to_owned(),
        count => format!("{count} entries cannot be read and are"),
    };
    let _ = write!(text, "\n\n{entries} in no sum; correct or delete what is listed:\n");
    let rows = rebuilt.unreadable.iter().map(|entry| {
        let UnreadableEntry { collection, id, cost_usd, reason } = entry;
        vec![sanitize_line(&format!("{collection}/{id}"), 80), sanitize_line(cost_usd, 40), sanitize_line(reason, 120)]
    });
    text.push_str(&table::plain(&["ENTRY", "COST_USD", "REASON"], &[1], rows));
    text
}
