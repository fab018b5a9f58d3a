//! Export: the documents of a store as a file that an import reads, and other programs, too. No document is changed.

mod csv_spool;
mod output_file;
mod writer;

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use self::output_file::OutputFile;
pub use self::writer::{Format, Writer};
use crate::store::schema::{Collection, ExportQuery};
use crate::store::{Store, StoreError};

/// Documents that are read at once.
const BATCH_SIZE: usize = 300;

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store does not return the documents.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output does not take them.
    #[error("cannot write output: {0}")]
    Output(io::Error),
    /// A file cannot be made.
    #[error("{0}")]
    File(String),
}

/// What was written, for `--json`.
#[derive(Debug, Default, Serialize)]
pub struct ExportSummary {
    /// Jobs.
    pub jobs: u64,
    /// Costs.
    pub costs: u64,
    /// Documents that could not be exported.
    pub skipped: u64,
    /// The file; absent for standard output.
    pub output: Option<String>,
}

/// The documents to export.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Of which collections.
    pub collections: Vec<Collection>,
    /// First instant inside.
    pub from: Option<DateTime<Utc>>,
    /// First instant outside.
    pub to: Option<DateTime<Utc>>,
}

/// What is reported while an export runs.
pub enum Progress<'a> {
    /// So many are written.
    Written(&'a ExportSummary),
    /// A document that could not be exported.
    Skipped {
        /// Where it is.
        collection: Collection,
        /// Its id.
        id: &'a str,
        /// Why.
        reason: &'a str,
    },
}

/// Writes the documents.
pub async fn write<W: Write>(
    store: &dyn Store,
    selection: Selection,
    writer: &mut Writer<W>,
    mut report: impl FnMut(Progress<'_>),
) -> Result<ExportSummary, ExportError> {
    let mut summary = ExportSummary::default();
    let Selection { collections, from, to } = selection;
    for collection in collections {
        writer.begin_collection(collection)?;
        let mut query = ExportQuery { collection, from, to, after: None, limit: BATCH_SIZE };
        loop {
            let page = store.export(query.clone()).await?;
            for (id, reason) in &page.skipped {
                report(Progress::Skipped { collection, id, reason });
                summary.skipped += 1;
            }
            for document in page.documents {
                writer.document(document)?;
                match collection {
                    Collection::Jobs => summary.jobs += 1,
                    Collection::Costs => summary.costs += 1,
                }
            }
            report(Progress::Written(&summary));
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
    }
    Ok(summary)
}
