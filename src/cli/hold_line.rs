//! What holds a job, as text: of a cap also what the job needs at most.

use crate::catalog::Catalog;
use crate::jobs::{Hold, Job};

/// With what the cap had left at the last check.
pub fn at_check(job: &Job, hold: &Hold) -> String {
    let needs = Catalog::builtin().reservation(&job.spec);
    hold.summary_with(needs, needs.and_then(|needs| hold.left_at_check(needs)))
}

/// The same with the command that ends it.
pub fn with_command(job: &Job, hold: &Hold) -> String {
    format!("{}{}", at_check(job, hold), command(hold))
}

/// One text for all jobs that need the same, whenever each was checked; with the command that ends it.
pub fn of_all(job: &Job, hold: &Hold) -> String {
    let line = hold.summary_with(Catalog::builtin().reservation(&job.spec), None);
    format!("{line}{}", command(hold))
}

fn command(hold: &Hold) -> &'static str {
    match hold {
        Hold::Budget { .. } => "; 'darkroom budget set' raises the cap",
        _ => "",
    }
}
