//! The check of a reservation against the caps. It writes nothing: it returns the condition under which the write is right.
//!
//! Every reservation moves the guard of its month and is written under the condition that no other reservation moved it since it was
//! read. So no reservation misses another. Charges do not touch the guard, so they never wait for it; what they do between two reads
//! is covered by the sequence of the reads: first what is reserved, then what is charged. A reservation that becomes a charge in
//! between is counted twice, never zero times; and a cap counts as reached only when a second read agrees.

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;

use super::months::{ROLLUPS, guard_id, month_id};
use super::rollup::{self, Sums};
use super::shards;
use crate::costs::{Budget, BudgetExceeded, Usd};
use crate::jobs::{Job, StageName};
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
    /// Whether the job's reservation fits under the caps. Errors: `BudgetExceeded`.
    pub(crate) async fn check_budget(
        &self,
        job: &Job,
        budget: &Budget,
        old: &[ChargeRow],
        new: &[ChargeRow],
    ) -> Result<BudgetGuard, StoreError> {
        let month = month_id(job.updated_at.date_naive(), job.simulated);
        let id = guard_id(&month);
        let found = self.shared.client.get(vec![self.shared.client.name(ROLLUPS, &id)]).await?;
        let condition = match found.first().and_then(|document| document.update_time) {
            Some(at) => ConditionType::UpdateTime(at),
            None => ConditionType::Exists(false),
        };
        let (mut reads, mut seen) = (0, None);
        loop {
            let Commitments { reserved, mut sums, unrecorded } = self.read_commitments(job, budget, &month).await?;
            for (rows, sign) in [(old, -1), (new, 1)] {
                for row in rows.iter().filter(|row| row.simulated == job.simulated) {
                    rollup::add(&mut sums, row, sign);
                }
            }
            let commitments = Commitments { reserved, sums, unrecorded };
            let Err(over) = fits(job, budget, &commitments) else { break };
            reads += 1;
            if seen.as_ref() == Some(&commitments) || reads >= MAX_READS {
                return Err(StoreError::BudgetExceeded(over));
            }
            seen = Some(commitments);
        }
        Ok(BudgetGuard { id, condition })
    }

    async fn read_commitments(&self, job: &Job, budget: &Budget, month: &str) -> Result<Commitments, StoreError> {
        let reserved = self.reserved_by_others(job).await?;
        let client = &self.shared.client;
        let documents = client.query(shards::query_months(client, month, month)).await?;
        let periods = budget.periods(job.updated_at).into_iter();
        let periods: Vec<_> = periods.map(|period| period.from.date_naive()..period.to.date_naive()).collect();
        // Other programs record real charges only.
        let unrecorded = if job.simulated { vec![Usd::ZERO; periods.len()] } else { self.unrecorded(&periods).await? };
        Ok(Commitments { reserved, sums: rollup::read(&documents), unrecorded })
    }

    /// Reservations are on the jobs that are submitting, so that one can never outlive its job.
    async fn reserved_by_others(&self, job: &Job) -> Result<Usd, StoreError> {
        let query = Query::of(JOBS).more_than("darkroom.reserved", value::integer(0));
        let documents = self.shared.client.query(query.build()).await?;
        let others = documents.iter().filter_map(|document| self.read(document)?.content.ok());
        Ok(others
            .map(|loaded| loaded.job)
            .filter(|other| other.id != job.id && other.simulated == job.simulated)
            .filter(|other| other.stage_name() == StageName::Submitting)
            .filter_map(|other| other.attempt()?.reserved)
            .sum())
    }
}

/// The money that a reservation must leave room for.
#[derive(Debug, PartialEq)]
struct Commitments {
    reserved: Usd,
    sums: Sums,
    /// By period of the budget: the charges of other programs that no rollup has.
    unrecorded: Vec<Usd>,
}

fn fits(job: &Job, budget: &Budget, commitments: &Commitments) -> Result<(), BudgetExceeded> {
    let wanted = job.attempt().filter(|_| job.stage_name() == StageName::Submitting).and_then(|last| last.reserved);
    let Commitments { reserved, sums, unrecorded } = commitments;
    for (period, unrecorded) in budget.periods(job.updated_at).into_iter().zip(unrecorded) {
        let committed = rollup::committed(sums, period.from, period.to) + *reserved + *unrecorded;
        period.check(committed, wanted)?;
    }
    Ok(())
}
