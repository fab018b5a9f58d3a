//! The check of a reservation against the caps and the task limits. It writes nothing: it returns the condition under which the
//! write is right.
//!
//! Every reservation moves the guard of its month and is written under the condition that no other reservation moved it since it was
//! read. So no reservation misses another. Charges do not touch the guard, so they never wait for it; what they do between two reads
//! is covered by the sequence of the reads: first what is reserved, then what is charged. A reservation that becomes a charge in
//! between is counted twice, never zero times; and a cap counts as reached only when a second read agrees.

use chrono::Days;
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;

use super::external::Month;
use super::months::{ROLLUPS, guard_id, month_id};
use super::rollup::{self, Sums};
use super::shards;
use crate::costs::{Budget, BudgetExceeded, BudgetPeriod, PriceTable, Usd};
use crate::jobs::Job;
use crate::store::charges::ChargeRow;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value::{self, map_of};
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::{StoreError, TaskLimits};
use crate::text::sanitize_line;

/// Reads of the commitments until a cap counts as reached.
const MAX_READS: usize = 4;

/// What each job under way sets aside.
const RESERVED: &str = "darkroom.reserved";

/// The document that a reservation moves, and the state in which it must still be.
pub(crate) struct BudgetGuard {
    pub id: String,
    pub condition: ConditionType,
}

impl FirestoreStore {
    /// Whether what the job sets aside fits under the caps of the store and of this process, and its task beside the unfinished ones;
    /// `None` where neither applies. Errors: `BudgetExceeded`, `TaskLimit`.
    pub(crate) async fn check_reservation(
        &self,
        job: &Job,
        (process, limits): (Option<Budget>, Option<TaskLimits>),
        old: &[ChargeRow],
        new: &[ChargeRow],
    ) -> Result<Option<BudgetGuard>, StoreError> {
        if process.is_none() && limits.is_none() {
            return Ok(None);
        }
        // First of all: a reservation, or a change of the caps, that is made while this runs moves the guard, which then does not
        // match the condition.
        let month = month_id(job.updated_at.date_naive(), job.simulated);
        let id = guard_id(&month);
        let found = self.shared.client.get(vec![self.shared.client.name(ROLLUPS, &id)]).await?;
        let condition = match found.first().and_then(|document| document.update_time) {
            Some(at) => ConditionType::UpdateTime(at),
            None => ConditionType::Exists(false),
        };
        if let Some(limits) = limits {
            self.check_tasks(job, limits).await?;
        }
        let is_capped = match process {
            Some(process) => self.check_budget(job, process, &month, (old, new)).await?,
            None => false,
        };
        Ok((is_capped || limits.is_some_and(|limits| limits.is_limited())).then_some(BudgetGuard { id, condition }))
    }

    /// Whether a cap applies, under which the job fits. Errors: `BudgetExceeded`.
    async fn check_budget(
        &self,
        job: &Job,
        process: Budget,
        month: &str,
        (old, new): (&[ChargeRow], &[ChargeRow]),
    ) -> Result<bool, StoreError> {
        let periods = self.budget_settings().await?.periods(process, &job.spec.model, job.updated_at);
        if periods.is_empty() {
            return Ok(false);
        }
        let (mut reads, mut seen) = (0, None);
        loop {
            let Commitments { reserved, mut sums, unrecorded } = self.read_commitments(job, &periods, month).await?;
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
        Ok(true)
    }

    async fn read_commitments(
        &self,
        job: &Job,
        periods: &[BudgetPeriod],
        month: &str,
    ) -> Result<Commitments, StoreError> {
        let reserved = self.reserved_by_others(job).await?;
        let periods: Vec<_> = periods.iter().map(|period| period.from.date_naive()..period.to.date_naive()).collect();
        if job.simulated {
            // Other programs record real charges only.
            let client = &self.shared.client;
            let documents = client.query(shards::query_months(client, month, month)).await?;
            let unrecorded = vec![Usd::ZERO; periods.len()];
            return Ok(Commitments { reserved, sums: rollup::read(&documents), unrecorded });
        }
        let today = job.updated_at.date_naive();
        let months = self.read_months(&(today..today + Days::new(1))).await?;
        let sums = months.iter().flat_map(Month::real).collect();
        let unrecorded = self.unrecorded(&months, &periods).await?;
        Ok(Commitments { reserved, sums, unrecorded })
    }

    /// Reservations are kept on the jobs, so that none can outlive its job.
    async fn reserved_by_others(&self, job: &Job) -> Result<Vec<Reserved>, StoreError> {
        let query = Query::of(JOBS).more_than(RESERVED, value::integer(0));
        let documents = self.shared.client.query(query.build()).await?;
        let others = documents.iter().filter(|document| document.name.rsplit('/').next() != Some(job.id.as_str()));
        Ok(others
            .filter_map(|document| match self.read(document).map(|parsed| parsed.content) {
                Some(Ok(loaded)) => {
                    let other = loaded.job;
                    let amount = other.reservation().filter(|_| other.simulated == job.simulated)?;
                    Some(Reserved { model: Some(other.spec.model), amount })
                }
                unreadable => {
                    let reserved = unreadable_reservation(document, job.simulated)?;
                    let reason = unreadable.and_then(Result::err).unwrap_or_default();
                    let id = sanitize_line(document.name.rsplit('/').next().unwrap_or_default(), 80);
                    tracing::error!(
                        job = %id, reason, amount = %reserved.amount, "reservation of an unreadable job counted under every cap",
                    );
                    Some(reserved)
                }
            })
            .collect())
    }
}

/// The reservation of a document that cannot be read, as the fields beside the job show it: money may be spent under it.
fn unreadable_reservation(document: &Document, simulated: bool) -> Option<Reserved> {
    let native = map_of(&document.fields, "darkroom")?;
    let is_simulated = match value::content(native, "simulated") {
        Some(ValueType::BooleanValue(is_simulated)) => *is_simulated,
        _ => simulated,
    };
    let pico = match value::content(native, "reserved")? {
        ValueType::IntegerValue(pico) => *pico,
        // Saturates.
        ValueType::DoubleValue(pico) => pico.ceil() as i64,
        _ => return None,
    };
    (is_simulated == simulated).then(|| Reserved { model: None, amount: value::from_pico(pico, 0) })
}

/// Money that another job sets aside.
#[derive(Debug, PartialEq)]
struct Reserved {
    /// `None` where it is not known: then it counts under the caps of every model.
    model: Option<String>,
    amount: Usd,
}

/// The money that a reservation must leave room for.
#[derive(Debug, PartialEq)]
struct Commitments {
    reserved: Vec<Reserved>,
    sums: Sums,
    /// By period of the budget: the charges of other programs that no rollup has, of whatever model.
    unrecorded: Vec<Usd>,
}

fn fits(job: &Job, periods: &[BudgetPeriod], commitments: &Commitments) -> Result<(), BudgetExceeded> {
    let Commitments { reserved, sums, unrecorded } = commitments;
    for (period, unrecorded) in periods.iter().zip(unrecorded) {
        let counts =
            |model: &str| period.model.as_deref().is_none_or(|only| only == PriceTable::builtin().canonical(model));
        let reserved = reserved.iter().filter(|reserved| reserved.model.as_deref().is_none_or(counts));
        let reserved: Usd = reserved.map(|reserved| reserved.amount).sum();
        let committed = rollup::committed(sums, period.from, period.to, counts) + reserved + *unrecorded;
        period.check(committed, job.reservation())?;
    }
    Ok(())
}
