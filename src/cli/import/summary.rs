//! Owns the sums of an import and how they are told. Must not write anything.

use std::fmt::Write as _;

use serde::Serialize;

use super::reader::Refused;
use crate::costs::Usd;
use crate::store::contract::{Collection, Record, Verdict};

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
    pub fn take(&mut self, line: u64, record: &Record, verdict: Verdict) -> Option<Refused> {
        let counts = match record.collection() {
            Collection::Jobs => &mut self.jobs,
            Collection::Costs => &mut self.costs,
        };
        match verdict {
            Verdict::New => {
                counts.new += 1;
                if let Record::Cost(entry) = record {
                    *(if entry.simulated { &mut self.new_simulated_usd } else { &mut self.new_usd }) += entry.amount;
                }
                None
            }
            Verdict::Same => {
                counts.same += 1;
                None
            }
            Verdict::Refused(reason) => Some(Refused { line, reason }),
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
            if name == "costs" && self.costs.new > 0 {
                let _ = write!(text, "; new are {}", self.new_usd.display());
                if self.new_simulated_usd > Usd::ZERO {
                    let _ = write!(text, " and {} of the simulator's money", self.new_simulated_usd.display());
                }
            }
            text.push('\n');
        }
        if self.refused_count > 0 {
            let _ = writeln!(text, "refused: {} lines", self.refused_count);
        }
        if self.dry_run {
            text.push_str("This is what would happen; nothing was written.\n");
        }
        text
    }
}
