//! The check of a reservation against the caps. It writes nothing: it returns the condition under which the write is right.
//!
//! Every reservation moves the guard of its month and is written under the condition that no other reservation moved it since it was
//! read. So no reservation misses another. Charges do not touch the guard, so they never wait for it; what they do between two reads
//! is covered by the sequence of the reads: first what is reserved, then what is charged. A reservation that becomes a charge in
//! between is counted twice, never zero times; and a cap counts as reached only when a second read agrees.

use std::sync::atomic::Ordering;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;

use super::months::{ROLLUPS, guard_id, month_id};
use super::rollup::{self, Sums};
use super::shards;
use crate::costs::{Budget, BudgetExceeded, BudgetPeriod, Usd};
use crate::jobs::Job;
use crate::store::StoreError;
use crate::store::charges::ChargeRow;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value;
use crate::store::firestore::{FirestoreStore, JOBS};

/// Reads of the commitments until a cap counts as reached.
const MAX_READS: usize = 4;

/// The document that a reservation moves, and the state in which it must still be.
pub(crate) struct BudgetGuard {
    pub id: String,
    pub condition: ConditionType,
}

impl FirestoreStore {
    /// Whether what the job sets aside fits under the caps of the store and of this process; `None` where no cap applies. Errors:
    /// `BudgetExceeded`.
    pub(crate) async fn check_budget(
        &self,
        job: &Job,
        process: Budget,
        old: &[ChargeRow],
        new: &[ChargeRow],
    ) -> Result<Option<BudgetGuard>, StoreError> {
        // Caps may change while this runs: a change moves the guard, which then does not match the condition.
        let month = month_id(job.updated_at.date_naive(), job.simulated);
        let id = guard_id(&month);
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
        let (mut reads, mut seen) = (0, None);
        loop {
            let Commitments { reserved, mut sums, unrecorded } = self.read_commitments(job, &periods, &month).await?;
            for (rows, sign) in [(old, -1), (new, 1)] {
                for row in rows.iter().filter(|row| row.simulated == job.simulated) {
                    rollup::add(&mut sums, row, sign);
                }
            }
            let commitments = Commitments { reserved, sums, unrecorded };
            let Err(over) = fits(job, &periods, &commitments) else { break };
            reads += 1;
            if seen.as_ref() == Some(&commitments) || reads >= MAX_READS {
                return Err(StoreError::BudgetExceeded(over));
            }
            seen = Some(commitments);
        }
        Ok(Some(BudgetGuard { id, condition }))
    }

    async fn read_commitments(
        &self,
        job: &Job,
        periods: &[BudgetPeriod],
        month: &str,
    ) -> Result<Commitments, StoreError> {
        let reserved = self.reserved_by_others(job).await?;
        let client = &self.shared.client;
        let documents = client.query(shards::query_months(client, month, month)).await?;
        let periods = periods.iter().map(|period| period.from.date_naive()..period.to.date_naive());
        let periods: Vec<_> = periods.collect();
        // Other programs record real charges only.
        let unrecorded = if job.simulated { vec![Usd::ZERO; periods.len()] } else { self.unrecorded(&periods).await? };
        Ok(Commitments { reserved, sums: rollup::read(&documents), unrecorded })
    }

    /// Reservations are kept on the jobs, so that none can outlive its job. By model.
    async fn reserved_by_others(&self, job: &Job) -> Result<Vec<(String, Usd)>, StoreError> {
        let query = Query::of(JOBS).more_than("darkroom.reserved", value::integer(0));
        let documents = self.shared.client.query(query.build()).await?;
        let others = documents.iter().filter_map(|document| self.read(document)?.content.ok());
        Ok(others
            .map(|loaded| loaded.job)
            .filter(|other| other.id != job.id && other.simulated == job.simulated)
            .filter_map(|other| Some((other.spec.model.clone(), other.reservation()?)))
            .collect())
    }
}

/// The money that a reservation must leave room for.
#[derive(Debug, PartialEq)]
struct Commitments {
    /// By model.
    reserved: Vec<(String, Usd)>,
    sums: Sums,
    /// By period of the budget: the charges of other programs that no rollup has, of whatever model.
    unrecorded: Vec<Usd>,
}

fn fits(job: &Job, periods: &[BudgetPeriod], commitments: &Commitments) -> Result<(), BudgetExceeded> {
    let Commitments { reserved, sums, unrecorded } = commitments;
    for (period, unrecorded) in periods.iter().zip(unrecorded) {
        let counts = |model: &str| period.model.as_deref().is_none_or(|only| only == model);
        let reserved: Usd = reserved.iter().filter(|(model, _)| counts(model)).map(|(_, amount)| *amount).sum();
        let committed = rollup::committed(sums, period.from, period.to, counts) + reserved + *unrecorded;
        period.check(committed, job.reservation())?;
    }
    Ok(())
}
