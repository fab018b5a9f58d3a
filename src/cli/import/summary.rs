//! Owns the sums of an import and how they are told. Must not write anything.

use std::fmt::Write as _;

use serde::Serialize;

use super::reader::Refused;
use crate::costs::Usd;
use crate::store::schema::{Collection, ImportOutcome, Record, encode_costs};

/// Refused lines that are kept for the answer; each is said on standard error all the same.
const KEPT: usize = 10_000;

/// What became of an import.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// Whether all of the file was read.
    pub complete: bool,
    /// Jobs of the file.
    pub jobs: Counts,
    /// Costs of the file.
    pub costs: Counts,
    /// The real money of the new costs.
    pub new_usd: Usd,
    /// The simulator's money of the new costs.
    pub new_simulated_usd: Usd,
    /// Whether there is money among both that nobody is certain of.
    #[serde(skip)]
    pub(super) uncertain: bool,
    /// Costs that new jobs of darkroom's own brought along; their lines are there already when they come.
    #[serde(skip)]
    pub(super) brought: u64,
    /// Lines that were refused.
    pub refused_count: u64,
    /// The first of them.
    pub refused: Vec<Refused>,
}

/// Documents of one collection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Written, or, in a dry run, to be written.
    pub new: u64,
    /// There already, and the same.
    pub same: u64,
}

impl Summary {
    /// Takes in what became of one line. Returns the line for a person where it was refused.
    pub fn take(&mut self, line: u64, record: &Record, verdict: ImportOutcome) -> Option<Refused> {
        let counts = match record.collection() {
            Collection::Jobs => &mut self.jobs,
            Collection::Costs => &mut self.costs,
        };
        match verdict {
            ImportOutcome::Created => {
                counts.new += 1;
                match record {
                    Record::Cost(entry) => {
                        self.uncertain |= !entry.basis.is_counted();
                        *(if entry.simulated { &mut self.new_simulated_usd } else { &mut self.new_usd }) +=
                            entry.amount;
                    }
                    Record::Job(entry) if entry.is_native => self.brought += encode_costs(&entry.job).len() as u64,
                    Record::Job(_) => {}
                }
                None
            }
            ImportOutcome::Unchanged => {
                counts.same += 1;
                None
            }
            ImportOutcome::Rejected(reason) => Some(Refused { line, reason }),
        }
    }

    /// Takes in a refused line.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused_count += 1;
        if self.refused.len() < KEPT {
            self.refused.push(refused);
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, counts) in [("jobs", self.jobs), ("costs", self.costs)] {
            let _ = write!(text, "{name}: {} new, {} there already", counts.new, counts.same);
            if name == "jobs" && self.brought > 0 {
                let _ = write!(text, "; with the new come {} of their own", counted(self.brought, "cost"));
            }
            if name == "costs" && self.costs.new > 0 {
                let _ = write!(text, "; new are {}", self.new_usd.display());
                if self.new_simulated_usd > Usd::ZERO {
                    let _ = write!(text, " and {} of the simulator's money", self.new_simulated_usd.display());
                }
                if self.uncertain {
                    text.push_str(", what is not certain included");
                }
            }
            text.push('\n');
        }
        if self.refused_count > 0 {
            let _ = writeln!(text, "refused: {}", counted(self.refused_count, "line"));
        }
        if self.dry_run {
            text.push_str("This is what would happen; nothing was written.\n");
        }
        text
    }

    /// The last line where something was refused. It does not speak of what was never read: a file may have ended at a line that
    /// is broken.
    pub fn refused_in_words(&self, file: &str) -> String {
        let were = if self.refused_count == 1 { "was" } else { "were" };
        let lines = counted(self.refused_count, "line");
        let taken = [self.jobs, self.costs].iter().any(|counts| counts.new + counts.same > 0);
        match (taken, self.dry_run) {
            (false, false) => format!("{lines} of {file} {were} refused, nothing is in"),
            (false, true) => format!("{lines} of {file} would be refused, nothing would be taken"),
            (true, false) => format!("{lines} of {file} {were} refused, what else was read is in"),
            (true, true) => format!("{lines} of {file} would be refused, what else was read would be taken"),
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
    fn nothing_is_said_to_be_in_that_is_not() {
        let mut summary = Summary { refused_count: 1, ..Summary::default() };
        assert_eq!(summary.refused_in_words("a.csv"), "1 line of a.csv was refused, nothing is in");
        summary.costs.new = 1;
        summary.refused_count = 2;
        assert_eq!(summary.refused_in_words("a.csv"), "2 lines of a.csv were refused, what else was read is in");
        summary.dry_run = true;
        assert!(summary.refused_in_words("a.csv").ends_with("what else was read would be taken"));
        assert!(summary.text().contains("refused: 2 lines"));
    }
}
