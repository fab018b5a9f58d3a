//! Whether requests fit under the caps, before they are queued: counted as a store counts each submit, with what is reserved now.

use std::time::Duration;

use super::job_request::JobRequest;
use crate::cli::Session;
use crate::cli::error::CliError;
use crate::config::Config;
use crate::costs::{BudgetExceeded, BudgetPeriod, BudgetSettings, CostGrouping, CostTable, PriceTable, Usd};
use crate::jobs::{Job, StageName};
use crate::store::{CostQuery, PageQuery, Store};
use crate::time::{Clock, SystemClock, month_of};
use crate::wiring;

/// How long a dry run waits for the caps.
const DRY_RUN_TIMEOUT: Duration = Duration::from_secs(10);

/// Jobs of one page.
const PAGE_SIZE: usize = 500;

/// A cap that requests do not fit under.
#[derive(Debug)]
pub struct Shortfall {
    exceeded: BudgetExceeded,
    left: Usd,
    /// The most that the requests can cost; `None` where that is not known.
    needed: Option<Usd>,
}

impl Shortfall {
    /// `daily budget has $0.10 left, the matrix needs $0.24`.
    pub fn line(&self, what: &str) -> String {
        let needed = self.needed.map_or("an unknown price".to_owned(), Usd::display);
        format!("{} has {} left, {what} {needed}", self.exceeded.name(), self.left.display())
    }

    /// What that does to jobs that are queued all the same.
    pub fn note(&self) -> String {
        let until = self.exceeded.until.format("%Y-%m-%d %H:%M UTC");
        let held = match self.needed {
            Some(_) => format!("jobs beyond it are held until {until}, or until the cap is raised"),
            None => "jobs of unknown price are held while a cap is set".to_owned(),
        };
        format!("{}: {held}", self.line("these images need at most"))
    }
}

/// The same for a dry run, which creates no store. Errors: one line why the caps are not known.
pub async fn shortfall_of_dry_run(session: &Session, requests: &[JobRequest]) -> Result<Option<Shortfall>, String> {
    let (config, simulated) = (&session.config, session.config.is_simulated());
    if !wiring::has_store(config) {
        let table = CostTable::new(month_of(SystemClock.now()), simulated, Vec::new());
        let caps = Caps::new(BudgetSettings::default(), config);
        return Ok(caps.shortfall(requests, &table, &[]));
    }
    let check = async {
        let store = wiring::open_store(config).await?;
        shortfall(session, store.as_ref(), requests).await
    };
    match tokio::time::timeout(DRY_RUN_TIMEOUT, check).await {
        Ok(shortfall) => shortfall.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the store did not respond within {} s", DRY_RUN_TIMEOUT.as_secs())),
    }
}

/// The first cap that the requests do not fit under.
pub async fn shortfall(
    session: &Session,
    store: &dyn Store,
    requests: &[JobRequest],
) -> Result<Option<Shortfall>, CliError> {
    let simulated = session.config.is_simulated();
    let record = store.budget_history(1).await?.into_iter().next();
    let settings = record.map_or_else(BudgetSettings::default, |record| record.settings);
    let caps = Caps::new(settings, &session.config);
    if requests.iter().all(|request| caps.periods(request).is_empty()) {
        return Ok(None);
    }
    let (from, to) = month_of(SystemClock.now());
    let table = store.costs(CostQuery { from, to, simulated }).await?;
    let reserving = reserving_jobs(store, simulated).await?;
    Ok(caps.shortfall(requests, &table, &reserving))
}

/// The jobs that money is set aside for.
async fn reserving_jobs(store: &dyn Store, simulated: bool) -> Result<Vec<Job>, CliError> {
    let stages = vec![StageName::Submitting, StageName::Generating];
    let mut query = PageQuery { stages, hidden: true, limit: PAGE_SIZE, ..PageQuery::default() };
    let mut jobs = Vec::new();
    loop {
        let page = store.list(query.clone()).await?;
        jobs.extend(page.jobs.into_iter().filter(|job| job.simulated == simulated && job.reservation().is_some()));
        let Some(next) = page.next else { return Ok(jobs) };
        query.after = Some(next);
    }
}

struct Caps {
    settings: BudgetSettings,
    process: crate::costs::Budget,
    /// The most that storing one image costs.
    storage: Usd,
}

impl Caps {
    fn new(settings: BudgetSettings, config: &Config) -> Self {
        let storage = wiring::storage_bound(config).unwrap_or(Usd::ZERO);
        Self { settings, process: config.budget, storage }
    }

    fn periods(&self, request: &JobRequest) -> Vec<BudgetPeriod> {
        self.settings.periods(self.process, &request.spec.model, SystemClock.now())
    }

    fn shortfall(&self, requests: &[JobRequest], table: &CostTable, reserving: &[Job]) -> Option<Shortfall> {
        let mut checked: Vec<BudgetPeriod> = Vec::new();
        for request in requests {
            for period in self.periods(request) {
                if checked.contains(&period) {
                    continue;
                }
                let counts = |model: &str| {
                    let only = period.model.as_deref();
                    only.is_none_or(|only| only == model || only == PriceTable::builtin().canonical(model))
                };
                let span = (period.from, period.to);
                let charged = match &period.model {
                    Some(model) => table.committed_of(model, span),
                    None => table.report_between(span, CostGrouping::Model).committed(),
                };
                let reserved = reserving.iter().filter(|job| counts(&job.spec.model)).filter_map(Job::reservation);
                let committed = charged + reserved.sum::<Usd>();
                let counted = requests.iter().filter(|request| counts(&request.spec.model));
                let at_most =
                    |request: &JobRequest| Some((request.estimate.at_most? + self.storage) * u64::from(request.count));
                let needed: Option<Usd> = counted.map(at_most).sum();
                if let Err(exceeded) = period.check(committed, needed) {
                    return Some(Shortfall { exceeded, left: (period.cap - committed).max(Usd::ZERO), needed });
                }
                checked.push(period);
            }
        }
        None
    }
}
