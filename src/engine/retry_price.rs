//! What a retry may cost, for the question before it: the same facts in the console and on the command line.

use crate::catalog::Catalog;
use crate::costs::Usd;
use crate::jobs::{FailureCode, Job, RetryKind, Stage};
use crate::text::format;

/// The price of retrying some jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryPrice {
    /// At most this much, as far as prices are known.
    pub at_most: Usd,
    /// Jobs without a known price; they are not in the sum.
    pub unpriced: usize,
    /// Jobs whose earlier task is checked first: they cost nothing unless the task is gone.
    pub old_tickets: usize,
    /// Jobs that may already be billed (`submit_unknown`): a retry may bill them twice.
    pub maybe_billed: usize,
    /// Jobs that the provider's moderation ended.
    pub moderated: usize,
}

impl RetryPrice {
    /// For these jobs.
    pub fn of<'a>(jobs: impl IntoIterator<Item = &'a Job>, catalog: &Catalog) -> Self {
        let mut price = Self::default();
        for job in jobs {
            price.add(job, catalog);
        }
        price
    }

    /// Adds one more job.
    pub fn add(&mut self, job: &Job, catalog: &Catalog) {
        match catalog.estimate(&job.spec).amount {
            Some(amount) => self.at_most += amount,
            None => self.unpriced += 1,
        }
        if job.retry_kind() == Ok(RetryKind::OldTicket) {
            self.old_tickets += 1;
        }
        if matches!(&job.stage, Stage::Failed { failure } if failure.code == FailureCode::SubmitUnknown) {
            self.maybe_billed += 1;
        }
        if job.is_moderated() {
            self.moderated += 1;
        }
    }

    /// `at most $0.12`, with what is not known.
    pub fn line(&self) -> String {
        match (self.at_most == Usd::ZERO, self.unpriced) {
            (_, 0) => format!("at most {}", self.at_most.display()),
            (true, _) => "price unknown".to_owned(),
            (false, unpriced) => format!("at most {}, plus {unpriced} of unknown price", self.at_most.display()),
        }
    }

    /// What else to know before confirming, as clauses without a full stop.
    pub fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if self.old_tickets > 0 {
            let tasks = format::count(self.old_tickets, "task");
            facts.push(format!("{tasks} checked first: a finished image is fetched at no extra cost"));
        }
        if self.maybe_billed > 0 {
            let jobs = format::count(self.maybe_billed, "job");
            facts.push(format!("{jobs} may already be billed (submit_unknown) and may be billed twice"));
        }
        if self.moderated > 0 {
            let jobs = format::count(self.moderated, "moderated job");
            facts.push(format!("{jobs} will probably fail again and may be billed again"));
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::jobs::{BillingStatus, Failure, JobId, Receipt, Spec, Ticket};

    fn job(model: &str) -> Job {
        Job::new(JobId::new("a").unwrap(), Spec::new(model, "x"), false, DateTime::UNIX_EPOCH)
    }

    fn failed(code: FailureCode) -> Job {
        let mut job = job("flux-2-klein-4b");
        job.stage = Stage::Failed { failure: Failure::new(code, "x", BillingStatus::Unknown, DateTime::UNIX_EPOCH) };
        job
    }

    #[test]
    fn a_retry_says_what_it_may_cost() {
        let jobs = [job("no-such-model"), job("no-such-model")];
        assert_eq!(RetryPrice::of(&jobs, Catalog::builtin()).line(), "price unknown");
        let price = RetryPrice { at_most: "0.12".parse().unwrap(), unpriced: 1, ..RetryPrice::default() };
        assert_eq!(price.line(), "at most $0.12, plus 1 of unknown price");
    }

    #[test]
    fn facts_name_what_may_be_billed_again() {
        let mut expired = failed(FailureCode::SampleExpired);
        expired.attempts[0].receipt = Some(Receipt {
            ticket: Ticket { id: "t".into(), polling_url: "https://api.example/t".into() },
            cost: None,
            input_megapixels: None,
            output_megapixels: None,
            accepted_at: DateTime::UNIX_EPOCH,
        });
        let jobs = [expired, failed(FailureCode::SubmitUnknown), failed(FailureCode::RequestModerated)];
        let each = Catalog::builtin().estimate(&jobs[0].spec).amount.unwrap();
        let price = RetryPrice::of(&jobs, Catalog::builtin());
        assert_eq!(price.at_most, each * 3_u64, "an old task may be gone");
        assert_eq!(
            price.facts(),
            [
                "1 task checked first: a finished image is fetched at no extra cost",
                "1 job may already be billed (submit_unknown) and may be billed twice",
                "1 moderated job will probably fail again and may be billed again",
            ]
        );
    }
}
