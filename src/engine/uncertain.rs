//! The uncertain charges with what their jobs know of them: the same facts in the console and on the command line.

use chrono::{DateTime, Utc};
use futures::StreamExt;

use super::balance::balance_history;
use crate::costs::{BalanceHistory, BalanceReading, Basis, Usd};
use crate::jobs::{Job, JobId, StageName};
use crate::store::{Store, StoreError, UncertainCharge};
use crate::text::sanitize_line;

/// Charges that are loaded at once: in a shared store each costs two reads.
const MAX_CHARGES: usize = 200;

/// Jobs that are read at once.
const CONCURRENCY: usize = 16;

/// Charges that may or may not be billed, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UncertainCharges {
    /// The newest of them.
    pub items: Vec<UncertainItem>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A charge that may or may not be billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncertainItem {
    /// Its job's id.
    pub job_id: String,
    /// The attempt of darkroom's own; `None` for an entry of another program.
    pub attempt: Option<u32>,
    /// Dollars; `None` where no price is known.
    pub amount: Option<Usd>,
    /// Unknown or unconfirmed.
    pub basis: Basis,
    /// The model.
    pub model: String,
    /// When it was charged, or the request was sent.
    pub at: DateTime<Utc>,
    /// Why it is uncertain: one clean line.
    pub why: String,
    /// Whether an operator can resolve it now.
    pub can_resolve: bool,
    /// The balance of the account before the charge, where it is known.
    pub balance_before: Option<BalanceReading>,
    /// The balance after it, where it is known.
    pub balance_after: Option<BalanceReading>,
}

impl UncertainCharges {
    /// The newest uncertain charges of the store: the simulator's, or real ones.
    pub async fn load(store: &dyn Store, simulated: bool) -> Result<Self, StoreError> {
        let mut charges = store.uncertain_charges(simulated, MAX_CHARGES + 1).await?;
        let has_more = charges.len() > MAX_CHARGES;
        charges.truncate(MAX_CHARGES);
        let balances =
            if charges.is_empty() { BalanceHistory::default() } else { balance_history(store, simulated).await? };
        let items = futures::stream::iter(charges)
            .map(|charge| async {
                let job = match JobId::new(charge.job_id.as_str()) {
                    Ok(id) => store.get(&id).await,
                    Err(_) => Ok(None),
                };
                match job {
                    Ok(job) => Ok(UncertainItem::new(charge, job.as_ref())),
                    Err(StoreError::Unreadable { reason, .. }) => {
                        let why = format!("its job cannot be read: {}", sanitize_line(&reason, 200));
                        Ok(UncertainItem { why, ..UncertainItem::new(charge, None) })
                    }
                    Err(error) => Err(error),
                }
            })
            .buffered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        let mut items: Vec<UncertainItem> = items.into_iter().collect::<Result<_, _>>()?;
        for item in &mut items {
            (item.balance_before, item.balance_after) = balances.around(item.at);
        }
        Ok(Self { items, has_more })
    }
}

impl UncertainItem {
    /// `$10.00 → $9.97`; `None` where neither balance is known.
    pub fn balance_line(&self) -> Option<String> {
        match (self.balance_before, self.balance_after) {
            (Some(before), Some(after)) => Some(format!("{} → {}", before.usd.display(), after.usd.display())),
            (Some(before), None) => Some(format!("{} before", before.usd.display())),
            (None, Some(after)) => Some(format!("{} after", after.usd.display())),
            (None, None) => None,
        }
    }

    fn new(charge: UncertainCharge, job: Option<&Job>) -> Self {
        let UncertainCharge { job_id, attempt, amount, basis, model, at, .. } = charge;
        let of_job = job.zip(attempt).and_then(|(job, number)| {
            let attempt = job.attempt_numbered(number)?;
            let is_running = number == job.attempt_number() && job.stage_name() == StageName::Generating;
            Some((attempt.uncertainty()?, !is_running))
        });
        let (why, can_resolve) = of_job.unwrap_or_else(|| {
            let why = match (attempt, job) {
                (None, _) => "recorded by another program",
                (Some(_), None) => "its job is not in this store",
                (Some(_), Some(_)) => "its job does not have this charge",
            };
            (why.to_owned(), false)
        });
        let why = sanitize_line(&why, 300);
        let (balance_before, balance_after) = (None, None);
        Self { job_id, attempt, amount, basis, model, at, why, can_resolve, balance_before, balance_after }
    }
}
