//! `darkroom costs rebuild`: the check of the stored daily sums.

use clap::Args;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::{Session, table};
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
    /// Whether the sums agree with the entries now.
    agree: bool,
    differences: Vec<MismatchView>,
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
    let differences: Vec<MismatchView> = found
        .unwrap_or_default()
        .into_iter()
        .map(|found| MismatchView { what: found.what, stored: sum(found.stored), computed: sum(found.computed) })
        .collect();
    let agree = differences.is_empty() || !args.dry_run;
    let rebuilt = Rebuilt { keeps_sums, agree, differences };
    session.output.answer(&rebuilt, || text(&rebuilt))
}

fn text(rebuilt: &Rebuilt) -> String {
    if !rebuilt.keeps_sums {
        return "Nothing to rebuild: this store updates its sums together with each entry.".to_owned();
    }
    if rebuilt.differences.is_empty() {
        return "The daily sums agree with the entries.".to_owned();
    }
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
    let mut text = table::plain(&heading, &[1, 2, 3, 4], rows);
    text.push_str(if rebuilt.agree { "\n\nThe sums were corrected." } else { "\n\nNothing was changed." });
    text
}
