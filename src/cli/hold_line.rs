//! What holds a job, as text: of a cap also what the job needs at most.

use crate::catalog::Catalog;
use crate::jobs::{Hold, Job};

/// With what the cap had left at the last check.
pub fn at_check(job: &Job, hold: &Hold) -> String {
    let needs = Catalog::builtin().reservation(job);
    hold.summary_with(needs, needs.and_then(|needs| hold.left_at_check(needs)))
}

/// The same with the command that ends it.
pub fn with_command(job: &Job, hold: &Hold) -> String {
    format!("{}{}", at_check(job, hold), command(hold))
}

/// One text for all jobs that need the same, whenever each was checked; with the command that ends it.
pub fn of_all(job: &Job, hold: &Hold) -> String {
    let line = hold.summary_with(Catalog::builtin().reservation(job), None);
    format!("{line}{}", command(hold))
}

fn command(hold: &Hold) -> &'static str {
    match hold {
        Hold::Budget { .. } => "; 'darkroom budget set' raises the cap",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::jobs::{JobId, Spec};

    #[test]
    fn need_includes_the_storage_of_the_image() {
        let now = DateTime::UNIX_EPOCH;
        let mut job = Job::new(JobId::new("a").unwrap(), Spec::new("flux-2-pro", "a fox"), true, now);
        job.reserve_storage("0.005".parse().ok());
        let hold = Hold::Budget { period: "day".into(), model: None, over: "0.02".parse().ok() };
        // The cap was checked for $0.08, of which the image's storage is a part.
        assert_eq!(at_check(&job, &hold), "needs up to $0.08, $0.06 of the daily budget left");
    }
}
