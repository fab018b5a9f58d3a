//! The sums of an import, for people and for `--json`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};

use serde::Serialize;

use super::super::records::RejectedRow;
use crate::costs::Usd;
use crate::store::schema::{Collection, CostEntry, ImportOutcome, Record, encode_costs};

/// Rejected rows that are kept for `--json`; all of them are reported on standard error.
const MAX_REJECTED_ROWS: usize = 10_000;

/// What an import did, or would do.
#[derive(Debug, Default, Serialize)]
pub struct ImportSummary {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether the whole file was read.
    pub complete: bool,
    /// The name under which `--undo` removes what was written; null where nothing was.
    pub batch: Option<String>,
    /// Jobs of the file.
    pub jobs: Counts,
    /// Costs of the file.
    pub costs: Counts,
    /// The real money of the new costs.
    pub new_usd: Usd,
    /// The simulated money of the new costs.
    pub new_simulated_usd: Usd,
    /// Whether uncertain money is among both.
    #[serde(skip)]
    has_uncertain: bool,
    /// What new jobs note, until the file has costs for them.
    #[serde(skip)]
    noted: NotedCosts,
    /// Charges that new jobs of darkroom's own brought along; their own lines are then unchanged.
    #[serde(skip)]
    charges_of_jobs: u64,
    /// Costs of the file that the store has under other ids; they are not imported.
    pub duplicates: Duplicates,
    /// New jobs of other programs that note a cost, while the file has no costs for them.
    pub jobs_without_costs: JobsWithoutCosts,
    /// Rows that were rejected.
    #[serde(rename = "refused_count")]
    pub rejected_count: u64,
    /// The first of them.
    #[serde(rename = "refused")]
    pub rejected: Vec<RejectedRow>,
}

/// The same charges under other ids.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// How many entries.
    pub count: u64,
    /// Their money.
    pub usd: Usd,
}

/// Costs that jobs note and no entry of the file counts: neither reports nor caps include them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct JobsWithoutCosts {
    /// How many jobs.
    pub count: u64,
    /// What they note.
    pub usd: Usd,
}

/// Documents of one collection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Written, or, in a dry run, to be written.
    pub new: u64,
    /// In the store already, with the same content.
    pub unchanged: u64,
}

/// What jobs note, by a digest of their ids; nothing where the file has costs for them.
#[derive(Debug, Default)]
struct NotedCosts {
    by_job: HashMap<u64, Option<Usd>>,
    hashes: RandomState,
}

impl NotedCosts {
    fn insert(&mut self, job_id: &str, usd: Option<Usd>) -> Option<Usd> {
        self.by_job.insert(self.hashes.hash_one(job_id), usd).flatten()
    }

    fn contains(&self, job_id: &str) -> bool {
        self.by_job.contains_key(&self.hashes.hash_one(job_id))
    }
}

impl JobsWithoutCosts {
    /// Takes in one record of the file, in any order: `noted` has what each new job notes, and nothing where the file has its costs.
    fn take(&mut self, record: &Record, is_new: bool, noted: &mut NotedCosts) {
        match record {
            Record::Cost(entry) => {
                if let Some(usd) = noted.insert(&entry.job_id, None) {
                    self.count -= 1;
                    self.usd = self.usd - usd;
                }
            }
            Record::Job(entry) if is_new && !entry.is_native => {
                let usd: Usd = entry.job.charges().filter_map(|charge| charge.amount).sum();
                if usd > Usd::ZERO && !noted.contains(entry.id.as_str()) {
                    noted.insert(entry.id.as_str(), Some(usd));
                    self.count += 1;
                    self.usd += usd;
                }
            }
            Record::Job(_) => {}
        }
    }
}

impl ImportSummary {
    /// Counts the outcome of one record. Returns the row where it was rejected.
    pub(super) fn count(&mut self, line: u64, record: &Record, outcome: ImportOutcome) -> Option<RejectedRow> {
        self.jobs_without_costs.take(record, outcome == ImportOutcome::Created, &mut self.noted);
        let counts = match record.collection() {
            Collection::Jobs => &mut self.jobs,
            Collection::Costs => &mut self.costs,
        };
        match outcome {
            ImportOutcome::Created => {
                counts.new += 1;
                match record {
                    Record::Cost(entry) => {
                        self.has_uncertain |= !entry.basis.is_counted();
                        *(if entry.simulated { &mut self.new_simulated_usd } else { &mut self.new_usd }) +=
                            entry.amount;
                    }
                    Record::Job(entry) if entry.is_native => {
                        self.charges_of_jobs += encode_costs(&entry.job).len() as u64;
                    }
                    Record::Job(_) => {}
                }
                None
            }
            ImportOutcome::Unchanged => {
                counts.unchanged += 1;
                None
            }
            ImportOutcome::Rejected(reason) => Some(RejectedRow::new(line, reason)),
        }
    }

    /// Counts a charge that the store has under another id.
    pub(super) fn count_duplicate(&mut self, record: &Record, entry: &CostEntry) {
        self.jobs_without_costs.take(record, false, &mut self.noted);
        self.duplicates.count += 1;
        self.duplicates.usd += entry.amount;
    }

    pub(super) fn reject(&mut self, row: &RejectedRow) {
        self.rejected_count += row.rows();
        if self.rejected.len() < MAX_REJECTED_ROWS {
            self.rejected.push(row.clone());
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, counts) in [("jobs", self.jobs), ("costs", self.costs)] {
            let _ = write!(text, "{name}: {} new, {} unchanged", counts.new, counts.unchanged);
            if name == "jobs" && self.charges_of_jobs > 0 {
                let _ = write!(text, ", including {} of the new jobs", counted(self.charges_of_jobs, "charge"));
            }
            if name == "costs" && self.costs.new > 0 {
                let _ = write!(text, "; new spending {}", self.new_usd.display());
                if self.new_simulated_usd > Usd::ZERO {
                    let _ = write!(text, " and {} simulated", self.new_simulated_usd.display());
                }
                if self.has_uncertain {
                    text.push_str(" (incl. unconfirmed)");
                }
            }
            text.push('\n');
        }
        if self.duplicates.count > 0 {
            let Duplicates { count, usd } = self.duplicates;
            let _ = writeln!(
                text,
                "warning: {} of {} skipped: the store has the same job, service, amount and time under another id; pass \
                 --allow-duplicates to import them all the same",
                counted(count, "cost"),
                usd.display()
            );
        }
        if self.jobs_without_costs.count > 0 {
            let JobsWithoutCosts { count, usd } = self.jobs_without_costs;
            let _ = writeln!(
                text,
                "warning: {} {} in costs, but this file has no cost entries for them; reports and caps count cost entries only, so \
                 import the costs, too",
                if count == 1 { "1 new job notes".to_owned() } else { format!("{count} new jobs note") },
                usd.display()
            );
        }
        if self.rejected_count > 0 {
            let _ = writeln!(text, "rejected: {}", counted(self.rejected_count, "line"));
        }
        if self.dry_run {
            text.push_str("Dry run: nothing was written.\n");
        }
        if let Some(batch) = self.batch.as_ref().filter(|_| self.jobs.new + self.costs.new > 0) {
            let _ = writeln!(text, "`darkroom import --undo {batch}` removes what was written");
        }
        text
    }

    /// The last line on standard error where rows were rejected. Rows that were never read are not among those imported.
    pub fn rejection_line(&self, file: &str) -> String {
        let lines = counted(self.rejected_count, "line");
        let were = if self.rejected_count == 1 { "was" } else { "were" };
        let has_imported =
            [self.jobs, self.costs].iter().any(|counts| counts.new + counts.unchanged > 0) || self.duplicates.count > 0;
        let rest = if self.complete { "the others" } else { "the lines before" };
        match (has_imported, self.dry_run) {
            (false, false) => format!("{lines} of {file} {were} rejected; nothing was imported"),
            (false, true) => format!("{lines} of {file} would be rejected; nothing would be imported"),
            (true, false) => format!("{lines} of {file} {were} rejected; {rest} were imported"),
            (true, true) => format!("{lines} of {file} would be rejected; {rest} would be imported"),
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejection_line_claims_only_what_was_imported() {
        let mut summary = ImportSummary { rejected_count: 1, complete: true, ..ImportSummary::default() };
        assert_eq!(summary.rejection_line("a.csv"), "1 line of a.csv was rejected; nothing was imported");
        summary.costs.new = 1;
        summary.rejected_count = 2;
        assert_eq!(summary.rejection_line("a.csv"), "2 lines of a.csv were rejected; the others were imported");
        summary.complete = false;
        assert!(summary.rejection_line("a.csv").ends_with("the lines before were imported"));
        summary.dry_run = true;
        assert!(summary.rejection_line("a.csv").ends_with("would be imported"));
        assert!(summary.text().contains("rejected: 2 lines"));
    }
}
