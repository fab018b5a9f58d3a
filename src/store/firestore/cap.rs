//! Owns the check of a reservation against the caps. Must not write anything: it says under which condition the write is right.
//!
//! Every reservation moves the guard of its month and is written under the condition that nobody else moved it since it was read.
//! So no reservation passes unseen. Bookings do not touch the guard, so they never wait for it; what they do between two looks is
//! covered by the order of the looks: first what is reserved, then what is booked. A reservation that becomes a charge in between is
//! counted twice, never not at all; and a cap is called used up only when a second look says the same.

use std::sync::atomic::Ordering;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;

use super::super::StoreError;
use super::ledger::ChargeRow;
use super::query::Query;
use super::rollup::{self, ROLLUPS, Sums};
use super::{FirestoreStore, JOBS, shards, value};
use crate::costs::{Budget, BudgetExceeded, BudgetPeriod, Usd};
use crate::jobs::Job;

/// How often it is looked again before a cap is called used up.
const LOOKS: usize = 4;

/// The document that a reservation moves, and the state of it that must still hold when it is written.
pub(super) struct Guard {
    pub id: String,
    pub condition: ConditionType,
}

impl FirestoreStore {
    /// Whether what the job sets aside fits under the caps of the store and of this process; `None` where no cap applies. Errors:
    /// `BudgetExceeded`.
    pub(super) async fn check_budget(
        &self,
        job: &Job,
        process: Budget,
        old: &[ChargeRow],
        new: &[ChargeRow],
    ) -> Result<Option<Guard>, StoreError> {
        // Caps may change while this runs: a change moves the guard, which then does not match the condition.
        let month = rollup::month_id(job.updated_at.date_naive(), job.simulated);
        let id = shards::guard_id(&month);
        let found = self.shared.client.get(vec![self.shared.client.name(ROLLUPS, &id)]).await?;
        let condition = match found.first().and_then(|document| document.update_time) {
            Some(at) => ConditionType::UpdateTime(at),
            None => ConditionType::Exists(false),
        };
        let periods = self.budget_settings().await?.periods(process, &job.spec.model, job.updated_at);
        self.capped.store(!periods.is_empty(), Ordering::Relaxed);
        if periods.is_empty() {
            return Ok(None);
        }
        let (mut looks, mut seen) = (0, None);
        loop {
            let (reserved, mut sums) = self.look(job, &month).await?;
            for (rows, sign) in [(old, -1), (new, 1)] {
                for row in rows.iter().filter(|row| row.simulated == job.simulated) {
                    rollup::add(&mut sums, row, sign);
                }
            }
            let Err(over) = fits(job, &periods, &sums, &reserved) else { break };
            let look = Some((reserved, sums));
            looks += 1;
            if look == seen || looks >= LOOKS {
                return Err(StoreError::BudgetExceeded(over));
            }
            seen = look;
        }
        Ok(Some(Guard { id, condition }))
    }

    async fn look(&self, job: &Job, month: &str) -> Result<(Vec<(String, Usd)>, Sums), StoreError> {
        let reserved = self.reserved_by_others(job).await?;
        let client = &self.shared.client;
        let documents = client.query(shards::of_months(client, month, month)).await?;
        Ok((reserved, rollup::read(&documents)))
    }

    /// Reservations are kept on the jobs, so that none can outlive its job. By model.
    async fn reserved_by_others(&self, job: &Job) -> Result<Vec<(String, Usd)>, StoreError> {
        let query = Query::of(JOBS).more_than("darkroom.reserved", value::integer(0));
        let documents = self.shared.client.query(query.build()).await?;
        let others = documents.iter().filter_map(|document| self.read(document)?.content.ok());
        Ok(others
            .map(|known| known.job)
            .filter(|other| other.id != job.id && other.simulated == job.simulated)
            .filter_map(|other| Some((other.spec.model.clone(), other.reservation()?)))
            .collect())
    }
}

fn fits(job: &Job, periods: &[BudgetPeriod], sums: &Sums, reserved: &[(String, Usd)]) -> Result<(), BudgetExceeded> {
    for period in periods {
        let counts = |model: &str| period.model.as_deref().is_none_or(|only| only == model);
        let reserved: Usd = reserved.iter().filter(|(model, _)| counts(model)).map(|(_, amount)| *amount).sum();
        let committed = rollup::committed(sums, period.from, period.to, counts) + reserved;
        period.check(committed, job.reservation())?;
    }
    Ok(())
}
