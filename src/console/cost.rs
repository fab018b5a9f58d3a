//! Owns how the money of one job, or of a retry, is said on the screen. Must not add up reports: the engine does.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::costs::{Basis, Usd};
use crate::jobs::{FailureCode, Job, RetryKind, Stage, StageName};

/// `$0.04` booked, `~$0.04` estimated, `$0.04?` nobody knows whether it is billed, `?` no price is known.
pub fn cell(job: &Job, catalog: &Catalog) -> String {
    if let Some(amount) = job.cost() {
        let mark = if job.cost_basis() == Some(Basis::Estimated) { "~" } else { "" };
        let unsure = job.charges().any(|charge| !charge.basis.is_counted());
        return format!("{mark}{}{}", amount.display(), if unsure { "?" } else { "" });
    }
    let unsure: Usd = job.charges().filter_map(|charge| charge.amount).sum();
    if job.charges().next().is_some() {
        return if unsure == Usd::ZERO { "?".to_owned() } else { format!("{}?", unsure.display()) };
    }
    if !job.stage_name().is_active() {
        return Usd::ZERO.display();
    }
    let reserved = job.attempt().and_then(|attempt| attempt.reserved);
    match reserved.or_else(|| catalog.estimate(&job.spec).amount) {
        Some(amount) => format!("~{}", amount.display()),
        None => "?".to_owned(),
    }
}

/// What trying some jobs again comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RetryPrice {
    /// At most this much, as far as prices are known.
    pub at_most: Usd,
    /// Jobs without a known price; they are not in the sum.
    pub unpriced: usize,
    /// Jobs whose old ticket is asked first: they cost nothing unless it is dead.
    pub old_tickets: usize,
    /// Jobs that may be on the bill already although nobody knows (`submit_unknown`): tried again, they may be paid twice.
    pub maybe_billed: usize,
}

impl RetryPrice {
    /// For these jobs.
    pub fn of<'a>(jobs: impl IntoIterator<Item = &'a Arc<Job>>, catalog: &Catalog) -> Self {
        let mut price = Self::default();
        for job in jobs {
            match catalog.estimate(&job.spec).amount {
                Some(amount) => price.at_most += amount,
                None => price.unpriced += 1,
            }
            if job.retry_kind() == Ok(RetryKind::OldTicket) {
                price.old_tickets += 1;
            }
            if matches!(&job.stage, Stage::Failed { failure } if failure.code == FailureCode::SubmitUnknown) {
                price.maybe_billed += 1;
            }
        }
        price
    }

    /// `at most $0.12`, with what is not known.
    pub fn line(&self) -> String {
        match (self.at_most == Usd::ZERO, self.unpriced) {
            (_, 0) => format!("at most {}", self.at_most.display()),
            (true, _) => "no price is known".to_owned(),
            (false, unpriced) => format!("at most {}, and {unpriced} of unknown price", self.at_most.display()),
        }
    }
}

/// Whether `u`, `x` and the like make sense for a job in this stage.
pub fn can_cancel(job: &Job) -> bool {
    matches!(job.stage_name(), StageName::Queued | StageName::Generating)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::costs::{Charge, Service};
    use crate::jobs::{BillingStatus, Failure, JobId, Spec};

    fn job() -> Job {
        Job::new(JobId::new("a").unwrap(), Spec::new("no-such-model", "x"), true, DateTime::UNIX_EPOCH)
    }

    fn charged(amount: Option<&str>, basis: Basis) -> Job {
        let mut job = job();
        let charge = Charge {
            service: Service::BflApi,
            amount: amount.map(|text| text.parse().unwrap()),
            basis,
            model: String::new(),
            at: DateTime::UNIX_EPOCH,
            simulated: true,
        };
        job.attempts[0].charge = Some(charge);
        job
    }

    #[test]
    fn how_sure_the_money_is_can_be_seen() {
        let catalog = Catalog { models: Vec::new() };
        assert_eq!(cell(&charged(Some("0.04"), Basis::Settled), &catalog), "$0.04");
        assert_eq!(cell(&charged(Some("0.04"), Basis::Estimated), &catalog), "~$0.04");
        assert_eq!(cell(&charged(Some("0.04"), Basis::Unconfirmed), &catalog), "$0.04?");
        assert_eq!(cell(&charged(None, Basis::Unknown), &catalog), "?");
        assert_eq!(cell(&job(), &catalog), "?", "an unknown price is never zero");
        let mut failed = job();
        let failure = Failure::new(FailureCode::InvalidRequest, "x", BillingStatus::No, DateTime::UNIX_EPOCH);
        failed.reject(failure, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(cell(&failed, &catalog), "$0.00", "nothing was sent");
    }

    #[test]
    fn a_retry_says_what_it_may_cost() {
        let jobs = [Arc::new(job()), Arc::new(job())];
        let price = RetryPrice::of(&jobs, &Catalog { models: Vec::new() });
        assert_eq!(price.line(), "no price is known");
        let price = RetryPrice { at_most: "0.12".parse().unwrap(), unpriced: 1, ..RetryPrice::default() };
        assert_eq!(price.line(), "at most $0.12, and 1 of unknown price");
    }
}
