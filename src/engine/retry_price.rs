//! What a retry may cost, for the question before it: the same facts in the console and on the command line.

use crate::catalog::{Catalog, InputSizes};
use crate::costs::{Estimate, Usd};
use crate::jobs::{BillingStatus, FailureCode, Job, RetryKind, Spec, Stage};
use crate::text::format;

/// The price of retrying some jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryPrice {
    /// All jobs.
    pub jobs: usize,
    /// Jobs of which only the earlier task is checked: they cost nothing, whatever the check finds.
    pub free: usize,
    /// Jobs of known price that may be submitted.
    pub paid: usize,
    /// The likely price of these.
    pub amount: Usd,
    /// The most that these can cost.
    pub at_most: Usd,
    /// Jobs without a known price that may be submitted; they are in no sum.
    pub unpriced: usize,
    /// Jobs whose image may be billed already (`submit_unknown`, or a task that may still run): a retry may bill it a second time.
    pub maybe_billed: usize,
    /// Jobs that the provider's moderation ended.
    pub moderated: usize,
}

impl RetryPrice {
    /// For these jobs, whose input images are measured as far as their headers show their sizes: one of unknown size counts as one
    /// megapixel, and at most as the largest that its model takes. Reads files: run it where blocking is allowed.
    pub fn of<'a>(jobs: impl IntoIterator<Item = &'a Job>, catalog: &Catalog) -> Self {
        let mut price = Self::default();
        for job in jobs {
            price.add(job, catalog);
        }
        price
    }

    /// Adds one more job. Reads files.
    pub fn add(&mut self, job: &Job, catalog: &Catalog) {
        self.jobs += 1;
        let kind = job.retry_kind();
        if kind == Ok(RetryKind::OldTicket) {
            self.free += 1;
            return;
        }
        self.add_submit(&job.spec, catalog);
        if is_submit_unknown(job) || kind == Ok(RetryKind::OldTicketThenNewAttempt) {
            self.maybe_billed += 1;
        }
        if job.is_moderated() {
            self.moderated += 1;
        }
    }

    /// Adds a new job. Reads files.
    pub fn add_new(&mut self, spec: &Spec, catalog: &Catalog) {
        self.add_new_sized(spec, &catalog.measure_inputs(spec), catalog);
    }

    /// Adds a new job with what is known of the sizes of its input images.
    pub fn add_new_sized(&mut self, spec: &Spec, sizes: &InputSizes, catalog: &Catalog) {
        self.jobs += 1;
        self.add_estimate(&catalog.estimate_sized(spec, sizes));
    }

    fn add_submit(&mut self, spec: &Spec, catalog: &Catalog) {
        self.add_estimate(&catalog.estimate_sized(spec, &catalog.measure_inputs(spec)));
    }

    fn add_estimate(&mut self, estimate: &Estimate) {
        match estimate.amount {
            Some(amount) => {
                self.paid += 1;
                self.amount += amount;
                self.at_most += estimate.at_most.unwrap_or(amount);
            }
            None => self.unpriced += 1,
        }
    }

    /// `1 job: costs $0.03`, `14 jobs: 3 may be fetched for free, 11 cost $0.44, 2 may be billed a second time`.
    pub fn line(&self) -> String {
        let mut parts = Vec::new();
        if self.free > 0 {
            parts.push(format!("{} may be fetched for free", self.free));
        }
        if self.paid > 0 {
            let cost = if self.paid == 1 { "costs" } else { "cost" };
            let bound = if self.at_most > self.amount {
                format!(", at most {}", self.at_most.display())
            } else {
                String::new()
            };
            let which = if self.jobs == 1 { String::new() } else { format!("{} ", self.paid) };
            parts.push(format!("{which}{cost} {}{bound}", self.amount.display()));
        }
        if self.unpriced > 0 {
            let has = if self.unpriced == 1 { "has" } else { "have" };
            parts.push(format!("{} {has} no known price", self.unpriced));
        }
        if self.maybe_billed > 0 {
            parts.push(format!("{} may be billed a second time", self.maybe_billed));
        }
        format!("{}: {}", format::count(self.jobs, "job"), parts.join(", "))
    }

    /// What else to know before confirming, as clauses without a full stop.
    pub fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if self.free > 0 {
            let tasks = format::count(self.free, "earlier task");
            facts.push(format!("{tasks} checked free of charge: without an image the job fails again, unpaid"));
        }
        if self.moderated > 0 {
            let jobs = format::count(self.moderated, "moderated job");
            facts.push(format!("{jobs} will probably fail again and may be billed again"));
        }
        facts
    }
}

/// The likely price of these submits, with their input images measured; `None` where one has no known price.
pub(super) async fn likely_price(specs: Vec<Spec>) -> Option<Usd> {
    let catalog = Catalog::builtin();
    let has_inputs = specs.iter().any(|spec| catalog.has_inputs(spec));
    let price =
        move || specs.iter().map(|spec| catalog.estimate_sized(spec, &catalog.measure_inputs(spec)).amount).sum();
    if has_inputs { tokio::task::spawn_blocking(price).await.unwrap_or(None) } else { price() }
}

/// Whether the job's last submit has an unknown outcome: a retry of several jobs includes it only if it was named. One that was
/// resolved as not billed is known.
pub fn is_submit_unknown(job: &Job) -> bool {
    matches!(&job.stage, Stage::Failed { failure } if failure.code == FailureCode::SubmitUnknown
        && failure.billed != BillingStatus::No)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::jobs::{Failure, JobId, Receipt, Ticket};

    fn job(model: &str) -> Job {
        Job::new(JobId::new("a").unwrap(), Spec::new(model, "x"), false, DateTime::UNIX_EPOCH)
    }

    fn failed(code: FailureCode) -> Job {
        let mut job = job("flux-2-klein-4b");
        job.stage = Stage::Failed { failure: Failure::new(code, "x", BillingStatus::Unknown, DateTime::UNIX_EPOCH) };
        job
    }

    fn with_ticket(mut job: Job) -> Job {
        job.attempts[0].receipt = Some(Receipt {
            ticket: Ticket { id: "t".into(), polling_url: "https://api.example/t".into() },
            cost: None,
            input_megapixels: None,
            output_megapixels: None,
            accepted_at: DateTime::UNIX_EPOCH,
        });
        job
    }

    #[test]
    fn a_retry_says_what_it_may_cost() {
        let jobs = [job("no-such-model"), job("no-such-model")];
        assert_eq!(RetryPrice::of(&jobs, Catalog::builtin()).line(), "2 jobs: 2 have no known price");
        let (amount, at_most) = ("0.12".parse().unwrap(), "0.24".parse().unwrap());
        let price = RetryPrice { jobs: 3, paid: 2, amount, at_most, unpriced: 1, ..RetryPrice::default() };
        assert_eq!(price.line(), "3 jobs: 2 cost $0.12, at most $0.24, 1 has no known price");
    }

    #[tokio::test]
    async fn reference_images_are_priced_by_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.png");
        image::GrayImage::new(4_000, 4_000).save(&path).unwrap();
        let mut job = job("flux-2-pro");
        job.spec = job.spec.with("width", 1024).with("height", 1024).with("input_image", path.to_str().unwrap());
        let (catalog, spec) = (Catalog::builtin(), job.spec.clone());
        let submitted = catalog.estimate_sized(&spec, &catalog.measure_inputs(&spec));
        assert!(submitted.amount > catalog.estimate(&spec).amount, "16 MP cost more than 1 MP");
        let price = RetryPrice::of([&job], catalog);
        assert_eq!((Some(price.amount), Some(price.at_most)), (submitted.amount, submitted.at_most));
        assert_eq!(likely_price(vec![spec]).await, submitted.amount);
    }

    #[test]
    fn free_checks_are_not_in_the_price() {
        let mut checked_before = with_ticket(failed(FailureCode::TicketLost));
        checked_before.attempts[0].failed_rechecks = 1;
        let jobs = [
            with_ticket(failed(FailureCode::SampleExpired)),
            checked_before,
            failed(FailureCode::SubmitUnknown),
            failed(FailureCode::RequestModerated),
        ];
        let each = Catalog::builtin().estimate(&jobs[0].spec).amount.unwrap();
        let price = RetryPrice::of(&jobs, Catalog::builtin());
        assert_eq!(price.amount, each * 3_u64);
        assert_eq!(
            price.line(),
            format!(
                "4 jobs: 1 may be fetched for free, 3 cost {}, at most {}, 2 may be billed a second time",
                price.amount.display(),
                price.at_most.display()
            )
        );
        assert_eq!(
            price.facts(),
            [
                "1 earlier task checked free of charge: without an image the job fails again, unpaid",
                "1 moderated job will probably fail again and may be billed again",
            ]
        );
    }
}
