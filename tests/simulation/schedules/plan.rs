//! What a schedule consists of, derived from its seed; and what shrinking has removed from it.

use std::collections::BTreeSet;
use std::fmt;

use darkroom::costs::{Budget, Usd};

use super::rng::Rng;

/// A microsecond count of one second.
pub const SECOND: i64 = 1_000_000;

/// A fault by its place: the actor, and the number of the actor's call.
pub type FaultId = (u64, u64);

/// A defect of the store, to see that a rule notices it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// It confirms the record before a submit without writing it.
    UnwrittenRecord,
    /// It drops the charge of an accepted submit.
    ForgottenCharge,
    /// It does not check caps.
    IgnoredCaps,
}

/// One schedule.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// The workers that run.
    pub workers: Vec<u64>,
    /// The jobs that are created.
    pub jobs: Vec<u64>,
    /// What operators do.
    pub actions: Vec<u64>,
    /// Faults that would happen and do not.
    pub suppressed: BTreeSet<FaultId>,
    /// Faults among 1,000 calls.
    pub fault_rate: u64,
    /// Jobs that a worker runs at once.
    pub slots: usize,
    /// Whether the clocks of workers are wrong.
    pub skewed: bool,
    /// Until then things go wrong and operators act, in microseconds.
    pub horizon: i64,
    /// The start of the schedule, in seconds before a midnight that ends a month.
    pub before_midnight: i64,
    /// The caps of the store at the start.
    pub caps: Budget,
    /// A cap of the first worker's own.
    pub process_cap: Option<Usd>,
    /// Whether storing an image costs money.
    pub paid_bucket: bool,
    /// Whether workers notice at once that another one has died: they share a machine.
    pub one_machine: bool,
    /// What is wrong with the store.
    pub sabotage: Option<Sabotage>,
}

impl Plan {
    /// The schedule of that seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::of(&[seed, 1]);
        let workers = rng.pick(&[(5, 2), (3, 3), (2, 4)]);
        let jobs = rng.pick(&[(3, 1), (4, 2), (3, 3), (1, 5)]);
        let actions = rng.pick(&[(3, 0), (3, 2), (3, 4), (1, 8)]);
        let cap = rng.pick(&[(4, None), (1, Some("0.014")), (2, Some("0.03")), (2, Some("0.06")), (1, Some("0.12"))]);
        let cap: Option<Usd> = cap.and_then(|cap| cap.parse().ok());
        let (is_daily, is_monthly) = rng.pick(&[(6, (true, false)), (2, (false, true)), (1, (true, true))]);
        let caps = Budget { daily: cap.filter(|_| is_daily), monthly: cap.filter(|_| is_monthly) };
        Self {
            seed,
            workers: (0..workers).collect(),
            jobs: (0..jobs).collect(),
            actions: (0..actions).collect(),
            suppressed: BTreeSet::new(),
            fault_rate: rng.pick(&[(1, 0), (2, 15), (4, 40), (3, 120), (1, 250)]),
            skewed: rng.chance(300),
            horizon: rng.between(60, 1_800) * SECOND,
            before_midnight: rng.pick(&[(2, 43_200), (1, 20), (1, 120), (1, 600)]),
            caps,
            process_cap: rng.chance(150).then(|| "0.05".parse().ok()).flatten(),
            paid_bucket: rng.chance(300),
            one_machine: rng.chance(500),
            slots: rng.pick(&[(1, 1), (2, 2), (1, 3)]),
            sabotage: None,
        }
    }

    /// The cap of one worker's own.
    pub fn process_budget(&self, worker: u64) -> Budget {
        Budget { daily: self.process_cap.filter(|_| worker == 0), monthly: None }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "seed {}: workers {:?} with {} slots, jobs {:?}, operator actions {:?}, {} faults suppressed; cap {}, {} s of trouble, {} s before \
             midnight{}{}{}{}",
            self.seed,
            self.workers,
            self.slots,
            self.jobs,
            self.actions,
            self.suppressed.len(),
            self.caps.daily.or(self.caps.monthly).map_or_else(|| "none".to_owned(), Usd::display),
            self.horizon / SECOND,
            self.before_midnight,
            if self.process_cap.is_some() { ", worker 0 has a cap of its own" } else { "" },
            if self.skewed { ", skewed clocks" } else { "" },
            if self.paid_bucket { ", paid bucket" } else { "" },
            if self.one_machine { ", one machine" } else { "" },
        )
    }
}
