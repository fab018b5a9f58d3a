//! The books: what the store holds, what the provider bills, and the rules that both must keep at every step.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use darkroom::costs::{Basis, Budget, BudgetSettings, Charge, Credits, Usd};
use darkroom::jobs::{Attempt, Hold, Job, JobId, Outcome, Resolution, Stage, StageName, WorkerId};

use super::world::Violation;

/// What a submit came to, as the provider knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Not accepted, and the caller received that.
    Declined,
    /// Anything else: it may not be repeated without a decision of an operator.
    Binding,
}

/// One line of the provider's bill.
#[derive(Debug, Clone)]
pub struct BillLine {
    pub ticket: String,
    pub quoted: Option<Credits>,
    /// What the finished ticket costs.
    pub settled: Credits,
    /// What the price table says.
    pub estimate: Option<Usd>,
    /// The day of the record before the submit, by the worker's clock.
    pub day: DateTime<Utc>,
}

type AttemptKey = (JobId, u32);

/// The durable record before a submit.
#[derive(Debug, Clone)]
pub struct Record {
    pub attempt: u32,
    pub at: DateTime<Utc>,
    /// The ticket of an earlier attempt that this one must not be paid before, and since when it may be polled.
    pub old_ticket: Option<(String, i64)>,
}

/// What the store holds and what the provider bills.
#[derive(Default)]
pub struct Books {
    /// Each job as it was last saved.
    pub jobs: BTreeMap<JobId, Job>,
    pub bill: BTreeMap<AttemptKey, BillLine>,
    /// Submits that the provider received.
    posts: BTreeMap<AttemptKey, Vec<Reply>>,
    /// The durable records of each worker that no submit followed yet.
    records: BTreeMap<(WorkerId, JobId), Record>,
    /// When each attempt was last saved as failed or cancelled, in true time.
    ended: BTreeMap<AttemptKey, i64>,
    pub caps: BudgetSettings,
    /// How many saves there were.
    pub changes: u64,
    /// The highest cap that ever applied; `None` without one.
    highest_cap: Option<Usd>,
    was_unlimited: bool,
}

fn broken<T>(rule: &'static str, details: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { rule, details: details.into() })
}

impl Books {
    /// The caps of the store from now on.
    pub fn set_caps(&mut self, caps: BudgetSettings) {
        match caps.total.daily {
            Some(cap) => self.highest_cap = self.highest_cap.max(Some(cap)),
            None => self.was_unlimited = true,
        }
        self.caps = caps;
    }

    /// A job was created or saved by that worker; `budget` is the worker's own, where the save reserves money.
    pub fn on_saved(&mut self, worker: &WorkerId, job: Job, budget: Option<Budget>, now: i64) -> Result<(), Violation> {
        let id = job.id.clone();
        self.changes += 1;
        if matches!(job.stage_name(), StageName::Failed | StageName::Cancelled) {
            self.ended.entry((id.clone(), job.attempt_number())).or_insert(now);
        }
        if let Some(before) = self.jobs.get(&id) {
            keeps_history(before, &job)?;
        }
        if job.stage_name() == StageName::Submitting && budget.is_some() {
            let (attempt, at) = (job.attempt_number(), job.updated_at);
            // As of the record: no worker can poll a receipt that a suspended one receives after it.
            let old_ticket = self.old_ticket(&job, attempt);
            self.records.insert((worker.clone(), id.clone()), Record { attempt, at, old_ticket });
        } else if job.stage_name() != StageName::Submitting {
            // A save that leaves the job as it is, such as of an earlier attempt's charge, keeps the record.
            self.records.remove(&(worker.clone(), id.clone()));
        }
        self.jobs.insert(id.clone(), job);
        self.check_job(&id)?;
        match budget {
            Some(budget) => self.check_caps(&id, budget),
            None => Ok(()),
        }
    }

    /// The provider received a submit of that worker for that job. Returns its record.
    pub fn on_submit(&mut self, worker: &WorkerId, id: &JobId) -> Result<Record, Violation> {
        let Some(record) = self.records.remove(&(worker.clone(), id.clone())) else {
            return broken("a submit needs a durable record", format!("{worker} submitted {id} without one"));
        };
        let attempt = record.attempt;
        let earlier = self.posts.get(&(id.clone(), attempt)).map(Vec::as_slice).unwrap_or_default();
        if earlier.contains(&Reply::Binding) {
            return broken(
                "an attempt is submitted once",
                format!("{worker} submitted attempt {attempt} of {id} again"),
            );
        }
        Ok(record)
    }

    /// The ticket that must be polled after a time before this attempt is paid: that of the attempt before it, which requested the
    /// same image and ended without one.
    fn old_ticket(&self, job: &Job, number: u32) -> Option<(String, i64)> {
        let before = job.attempts.iter().rfind(|attempt| attempt.number < number)?;
        let receipt = before.receipt.as_ref()?;
        let is_same = before.spec.is_none() && !matches!(before.outcome, Some(Outcome::Done { .. }));
        let ended = self.ended.get(&(job.id.clone(), before.number)).copied();
        is_same.then(|| (receipt.ticket.id.clone(), ended.unwrap_or(i64::MAX)))
    }

    /// How the provider replied to it.
    pub fn on_reply(&mut self, id: &JobId, attempt: u32, reply: Reply) {
        self.posts.entry((id.clone(), attempt)).or_default().push(reply);
    }

    /// The provider accepted a submit and bills it.
    pub fn on_billed(&mut self, id: &JobId, attempt: u32, line: BillLine) -> Result<(), Violation> {
        self.bill.insert((id.clone(), attempt), line);
        self.check_job(id)?;
        self.check_bill()
    }

    /// The bill of a day, by the records before the submits, stays under the highest cap that applied.
    fn check_bill(&self) -> Result<(), Violation> {
        let Some(cap) = self.highest_cap.filter(|_| !self.was_unlimited) else { return Ok(()) };
        // What an operator released as not billed may be sent by a suspended worker later: the cap cannot know of it.
        let is_released = |(id, number): &AttemptKey| {
            let attempt = self.jobs.get(id).and_then(|job| job.attempts.iter().find(|one| one.number == *number));
            attempt.and_then(|one| one.resolution.as_ref()).is_some_and(|answer| !answer.billed)
        };
        let mut days: BTreeMap<_, Usd> = BTreeMap::new();
        for (_, line) in self.bill.iter().filter(|(key, _)| !is_released(key)) {
            *days.entry(line.day.date_naive()).or_default() += line.settled.to_usd();
        }
        match days.into_iter().find(|(_, sum)| *sum > cap) {
            Some((day, sum)) => broken(
                "the bill stays under the cap",
                format!("{day}: {} billed, cap {}", sum.display(), cap.display()),
            ),
            None => Ok(()),
        }
    }

    /// A reservation fits under each cap together with everything that is charged or reserved already.
    fn check_caps(&self, id: &JobId, process: Budget) -> Result<(), Violation> {
        let job = &self.jobs[id];
        let at = job.updated_at;
        if job.reservation().is_none() {
            let is_capped = self.caps.total.lower_of(process).is_limited();
            return if is_capped { broken("a cap needs a price", format!("{id} has no reservation")) } else { Ok(()) };
        }
        for period in self.caps.periods(process, &job.spec.model, at) {
            let is_counted = |model: &str| period.model.as_ref().is_none_or(|counted| counted == model);
            let is_inside = |charge: &&Charge| charge.at >= period.from && charge.at < period.to;
            let all = self.jobs.values().flat_map(Job::charges).filter(is_inside);
            let charged: Usd = all.filter(|one| is_counted(&one.model)).filter_map(|one| one.amount).sum();
            let running = self.jobs.values().filter(|job| is_counted(&job.spec.model));
            let reserved: Usd = running.filter_map(Job::reservation).sum();
            if charged + reserved > period.cap {
                let (sum, cap) = ((charged + reserved).display(), period.cap.display());
                return broken("a cap is never passed", format!("{id} reserved: {sum} of {cap} a {}", period.name));
            }
        }
        Ok(())
    }

    /// What must hold for one job after every step.
    fn check_job(&self, id: &JobId) -> Result<(), Violation> {
        let Some(job) = self.jobs.get(id) else { return Ok(()) };
        let mut last = 0;
        for attempt in &job.attempts {
            if attempt.number <= last {
                return broken("a charge is unique", format!("{id} has two attempts {last}"));
            }
            last = attempt.number;
            self.check_charges(job, attempt)?;
        }
        for ((_, number), line) in self.bill.range((id.clone(), 0)..=(id.clone(), u32::MAX)) {
            let attempt = job.attempts.iter().find(|attempt| attempt.number == *number);
            // An operator may answer "not billed" before a suspended worker sends its request.
            let is_charged = attempt.is_some_and(|one| one.charge.is_some() || one.resolution.is_some());
            let is_released = |resolution: &Resolution| !resolution.billed && resolution.by.starts_with("journal of ");
            if attempt.and_then(|one| one.resolution.as_ref()).is_some_and(is_released) {
                return broken("a journal releases only what was not accepted", format!("{id} attempt {number}"));
            }
            let is_pending = job.stage_name() == StageName::Submitting && job.attempt_number() == *number;
            if !is_charged && !is_pending {
                return broken(
                    "the bill has nothing that no charge mentions",
                    format!("{id} is {}, attempt {number} with {} is not charged", job.stage_name(), line.ticket),
                );
            }
        }
        Ok(())
    }

    /// The charges of an attempt are those of the bill, as far as they are known.
    fn check_charges(&self, job: &Job, attempt: &Attempt) -> Result<(), Violation> {
        let key = (job.id.clone(), attempt.number);
        let line = self.bill.get(&key);
        let place = || format!("{} attempt {}", job.id, attempt.number);
        if let Some(receipt) = &attempt.receipt
            && line.is_none_or(|line| line.ticket != receipt.ticket.id)
        {
            return broken("a receipt belongs to its attempt", format!("{}: {}", place(), receipt.ticket.id));
        }
        let Some(charge) = &attempt.charge else { return Ok(()) };
        if !charge.basis.is_counted() {
            return Ok(());
        }
        let Some(line) = line else {
            return broken("a known charge is on the bill", format!("{} is {}", place(), charge.basis.as_str()));
        };
        let expected = match charge.basis {
            Basis::Settled => Some(line.settled.to_usd()),
            Basis::Quoted => line.quoted.map(Credits::to_usd),
            _ => line.estimate,
        };
        if charge.amount != expected {
            let shown = |amount: Option<Usd>| amount.map_or_else(|| "nothing".to_owned(), Usd::display);
            return broken(
                "a known charge equals the bill",
                format!("{}: {} {}, billed {}", place(), charge.basis.as_str(), shown(charge.amount), shown(expected)),
            );
        }
        Ok(())
    }

    /// Jobs that neither ended nor are held by a cap.
    pub fn unfinished(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().filter(|job| {
            let is_held = matches!(&job.stage, Stage::Queued { hold: Some(Hold::Budget { .. }) });
            job.stage_name().is_active() && !is_held
        })
    }

    /// The sum of all charges by certainty: counted, unknown, unconfirmed.
    pub fn sums(&self) -> (Usd, Usd, Usd) {
        let sum = |is_wanted: &dyn Fn(Basis) -> bool| -> Usd {
            let charges = self.jobs.values().flat_map(Job::charges).filter(|charge| is_wanted(charge.basis));
            charges.filter_map(|charge| charge.amount).sum()
        };
        (
            sum(&|basis| basis.is_counted()),
            sum(&|basis| basis == Basis::Unknown),
            sum(&|basis| basis == Basis::Unconfirmed),
        )
    }

    /// Every finished attempt has the image of its own ticket.
    pub fn check_images(&self, objects: &BTreeMap<String, Bytes>) -> Result<(), Violation> {
        for job in self.jobs.values() {
            for attempt in &job.attempts {
                let Some(Outcome::Done { image }) = &attempt.outcome else { continue };
                let line = self.bill.get(&(job.id.clone(), attempt.number));
                let bytes = objects.get(image.object.as_str());
                if line.is_none() || bytes.map(|bytes| &bytes[..]) != line.map(|line| line.ticket.as_bytes()) {
                    return broken("a stored image is that of its ticket", format!("{}: {}", job.id, image.object));
                }
            }
        }
        Ok(())
    }
}

/// A save never loses money that was recorded, nor how to fetch what was paid.
fn keeps_history(before: &Job, after: &Job) -> Result<(), Violation> {
    for old in &before.attempts {
        let place = || format!("{} attempt {}", before.id, old.number);
        let new = after.attempts.iter().find(|attempt| attempt.number == old.number);
        if old.receipt.is_some() && new.is_none_or(|new| new.receipt != old.receipt) {
            return broken("a receipt is never lost", place());
        }
        for charge in old.charges() {
            let kept = new.and_then(|new| new.charges().find(|kept| kept.service == charge.service));
            // The answer of an operator replaces a charge, and a later reply of the provider replaces the answer.
            if new.is_some_and(|new| new.resolution.is_some()) {
                continue;
            }
            let Some(kept) = kept else {
                return broken("a charge is never lost", format!("{}: {}", place(), charge.basis.as_str()));
            };
            let is_worse = kept.basis == Basis::Unconfirmed && charge.basis != Basis::Unconfirmed
                || kept.basis != Basis::Settled && charge.basis == Basis::Settled;
            if is_worse {
                let (old, new) = (charge.basis.as_str(), kept.basis.as_str());
                return broken("a charge becomes more certain only", format!("{}: {old} to {new}", place()));
            }
        }
    }
    Ok(())
}
