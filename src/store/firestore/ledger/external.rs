//! Charges that other programs record in `costs`: no rollup counts them until they are found here.
//!
//! The server's own count and sum of the entries (about one read for every thousand) are compared with the rollups, in spans of a
//! few thousand entries, so that a difference is found without counting everything once more. Where they agree, the rollups are
//! complete. Where they differ, the new entries are searched for among the newest ones of the day; where these do not explain the
//! difference, the day is added up from all its entries. Other programs' charges are real money, so only real reports and caps are
//! checked.
//!
//! Entries that cannot be read are in no sum; each day's `skipped` holds their number and the server's sum of them, so that they are
//! read again only when something else changes. A past month that agrees is marked `verified` and not compared again.

use std::ops::Range;
use std::sync::PoisonError;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use futures::future::try_join_all;

use super::entries::COSTS;
use super::months::{READ, SKIPPED, VERIFIED, day_field, month_id, month_of};
use super::rollup::{self, Key, Sum, Sums};
use super::shards;
use crate::costs::Usd;
use crate::store::StoreError;
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::client::Totals;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value::{self, Fields, integer_of, map_of};
use crate::time::midnight;

/// How long after its end a month is still compared: late entries of other programs.
const LATE_ENTRIES: TimeDelta = TimeDelta::days(3);

/// Rounds of reading until a difference counts as real: own charges may be recorded between two reads.
const ROUNDS: usize = 2;

/// Entries of a span that is compared as one, unless it is a single day.
const SPAN_ENTRIES: i64 = 3_000;

/// What the sums are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A report: entries that are expensive to find may be shown as not read yet.
    Report,
    /// A cap: every amount counts.
    Cap,
}

/// A span whose entries are not what the rollups say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    pub(crate) days: Range<NaiveDate>,
    pub(crate) totals: Totals,
}

impl Difference {
    fn is_one_day(&self) -> bool {
        self.days.start + Days::new(1) == self.days.end
    }
}

/// When the entries of a day were read, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReadTimes {
    /// Every entry that existed then is in the rollups.
    pub(crate) at: u64,
    /// All of them were read.
    pub(crate) full: u64,
}

/// The rollup documents of one month, of both kinds of money.
pub(crate) struct Month {
    pub(crate) first: NaiveDate,
    /// By `simulated`.
    pub(crate) documents: [Vec<Document>; 2],
}

impl Month {
    pub(crate) fn real(&self) -> Sums {
        rollup::read(&self.documents[0])
    }

    pub(crate) fn first_document(&self) -> Option<&Document> {
        let id = month_id(self.first, false);
        self.documents[0].iter().find(|document| document.name.ends_with(&format!("/{id}")))
    }

    fn is_verified(&self) -> bool {
        let fields = self.first_document().map(|document| &document.fields);
        fields.and_then(|fields| value::content(fields, VERIFIED)) == Some(&ValueType::BooleanValue(true))
    }

    /// What the server should count and add up in `costs` on these days.
    pub(crate) fn expected(&self, days: &Range<NaiveDate>) -> Totals {
        let mut totals = Totals::default();
        for documents in &self.documents {
            for (key, sum) in rollup::read(documents) {
                if days.contains(&key.day) && is_cost(&key) {
                    totals.add(sum.count, float(sum.usd()));
                }
            }
        }
        for day in days_of(days) {
            let skipped = self.skipped(day);
            totals.add(skipped.count, skipped.sum);
        }
        totals
    }

    /// The entries of that day that cannot be read.
    pub(crate) fn skipped(&self, day: NaiveDate) -> Totals {
        let days = self.first_document().and_then(|document| map_of(&document.fields, SKIPPED));
        let Some(skipped) = days.and_then(|days| map_of(days, &day_field(day))) else { return Totals::default() };
        let sum = match value::content(skipped, "sum") {
            Some(ValueType::DoubleValue(sum)) => *sum,
            _ => 0.0,
        };
        Totals { count: integer_of(skipped, "count").unwrap_or(0), sum, read_at: 0 }
    }

    /// When the entries of that day were read; never, for a day without entries of other programs so far.
    pub(crate) fn read_times(&self, day: NaiveDate) -> ReadTimes {
        let days = self.first_document().and_then(|document| map_of(&document.fields, READ));
        let times = days.and_then(|days| map_of(days, &day_field(day)));
        let time = |name: &str| match times.and_then(|times| value::content(times, name)) {
            Some(ValueType::TimestampValue(at)) => value::nanoseconds(at),
            _ => 0,
        };
        ReadTimes { at: time("at"), full: time("full") }
    }

    /// These days in spans of a few thousand entries, the newest day alone: most charges are recorded on the day on which they are
    /// looked at.
    fn spans(&self, days: &Range<NaiveDate>) -> Vec<Range<NaiveDate>> {
        let Some(newest) = days.end.checked_sub_days(Days::new(1)).filter(|newest| *newest > days.start) else {
            return vec![days.clone()];
        };
        let mut spans: Vec<Range<NaiveDate>> = Vec::new();
        let mut entries = 0;
        for day in days_of(&(days.start..newest)) {
            let next = day + Days::new(1);
            let more = self.expected(&(day..next)).count;
            entries += more;
            match spans.last_mut() {
                Some(span) if entries <= SPAN_ENTRIES => span.end = next,
                _ => {
                    entries = more;
                    spans.push(day..next);
                }
            }
        }
        spans.push(newest..days.end);
        spans
    }
}

/// Whether the charges of this kind are entries of `costs`.
pub(crate) fn is_cost(key: &Key) -> bool {
    key.tag.is_none() && matches!(key.class.as_str(), "counted" | "unknown")
}

pub(crate) fn float(amount: Usd) -> f64 {
    amount.to_string().parse().unwrap_or(0.0)
}

fn days_of(days: &Range<NaiveDate>) -> impl Iterator<Item = NaiveDate> {
    let end = days.end;
    days.start.iter_days().take_while(move |day| *day < end)
}

fn next_month(day: NaiveDate) -> NaiveDate {
    first_of(day).checked_add_months(chrono::Months::new(1)).unwrap_or(NaiveDate::MAX)
}

fn first_of(day: NaiveDate) -> NaiveDate {
    use chrono::Datelike;
    day.with_day(1).unwrap_or(day)
}

impl FirestoreStore {
    /// The real sums of these days, with the charges of other programs.
    pub(crate) async fn complete_sums(&self, days: Range<NaiveDate>, purpose: Purpose) -> Result<Sums, StoreError> {
        let mut sums = Sums::new();
        let today = Utc::now().date_naive();
        for month in self.read_months(&days).await? {
            shards::compact(&self.shared.client, &self.shards, &month.documents[0], today).await;
            let all = month.first..next_month(month.first);
            let is_past = midnight(all.end) + LATE_ENTRIES < Utc::now();
            // A past month is compared as a whole, so that it can be marked.
            let compared = if is_past { all } else { days.start.max(all.start)..days.end.min(all.end) };
            let month_sums = if is_past && month.is_verified() {
                month.real()
            } else {
                self.complete_month(month, compared, (is_past, purpose)).await?
            };
            sums.extend(month_sums.into_iter().filter(|(key, _)| days.contains(&key.day)));
        }
        Ok(sums)
    }

    /// The amounts that other programs spent in each of these periods and that these months do not have: never negative. The caller
    /// adds them to the sums of the same months: documents that were read again could have a charge that those sums lack.
    pub(crate) async fn unrecorded(
        &self,
        months: &[Month],
        periods: &[Range<NaiveDate>],
    ) -> Result<Vec<Usd>, StoreError> {
        let mut amounts = Vec::new();
        for period in periods {
            let mut expected = Totals::default();
            for month in months {
                let totals = month.expected(period);
                expected.add(totals.count, totals.sum);
            }
            // The rollups were read before: a charge that is recorded in between is counted twice, never zero times.
            let amount = if self.totals(period).await?.agrees_with(&expected) {
                Usd::ZERO
            } else {
                // The server's sum has no amounts in text, and has those that no charge can have: only the entries show the difference.
                let known: Usd = months.iter().map(|month| spent(&month.real(), period)).sum();
                let complete = spent(&self.complete_sums(period.clone(), Purpose::Cap).await?, period);
                if complete > known { complete - known } else { Usd::ZERO }
            };
            amounts.push(amount);
        }
        Ok(amounts)
    }

    /// The rollups of the months that these days touch, of both kinds.
    pub(crate) async fn read_months(&self, days: &Range<NaiveDate>) -> Result<Vec<Month>, StoreError> {
        let client = &self.shared.client;
        let last_day = days.end - Days::new(1);
        let of_kind = async |simulated: bool| {
            let (from, to) = (month_id(days.start, simulated), month_id(last_day, simulated));
            Box::pin(client.query(shards::query_months(client, &from, &to))).await
        };
        let (real, simulated) = futures::try_join!(of_kind(false), of_kind(true))?;
        let mut months = Vec::new();
        let mut first = first_of(days.start);
        while first <= last_day {
            let of_month = |documents: &[Document], simulated: bool| {
                let id = month_id(first, simulated);
                let is_of = |document: &&Document| month_of(document) == Some(id.as_str());
                documents.iter().filter(is_of).cloned().collect()
            };
            months.push(Month { first, documents: [of_month(&real, false), of_month(&simulated, true)] });
            first = next_month(first);
        }
        Ok(months)
    }

    /// The server's count and sum of the entries of these days.
    async fn totals(&self, days: &Range<NaiveDate>) -> Result<Totals, StoreError> {
        let query = of_days(COSTS, days);
        self.shared.client.totals(query.build(), "cost_usd").await
    }

    /// The month's real sums, with the entries of the days that differ.
    async fn complete_month(
        &self,
        mut month: Month,
        days: Range<NaiveDate>,
        (is_past, purpose): (bool, Purpose),
    ) -> Result<Sums, StoreError> {
        let mut spans = month.spans(&days);
        let mut remaining = Vec::new();
        for _ in 0..ROUNDS {
            let differences = self.differences(&month, &spans).await?;
            if differences.is_empty() {
                if is_past {
                    self.mark_verified(&month).await;
                }
                return Ok(month.real());
            }
            let (mut daily, longer): (Vec<_>, Vec<_>) = differences.into_iter().partition(Difference::is_one_day);
            let each: Vec<_> =
                longer.iter().flat_map(|span| days_of(&span.days)).map(|day| day..day + Days::new(1)).collect();
            daily.extend(self.differences(&month, &each).await?);
            if let Some(found) = self.find_new_entries(&month, &daily).await? {
                return Ok(self.add_new_entries(&month, found).await);
            }
            let again = self.read_months(&(month.first..next_month(month.first))).await?.into_iter().next();
            let Some(again) = again else { break };
            // Charges that this or another process recorded between the reads are no difference.
            daily.retain(|one| !one.totals.is_between(&month.expected(&one.days), &again.expected(&one.days)));
            let before = std::mem::replace(&mut month, again);
            if daily.is_empty() {
                return Ok(month.real());
            }
            let rest = daily.iter().map(|one| before.not_read_yet(one)).collect::<Option<Vec<_>>>();
            if let Some(rest) = rest.filter(|_| purpose == Purpose::Report) {
                let mut sums = before.real();
                sums.extend(rest);
                return Ok(sums);
            }
            spans = daily.iter().map(|one| one.days.clone()).collect();
            remaining = daily;
        }
        self.correct_month(&month, remaining, (is_past, purpose)).await
    }

    /// Those of these spans whose entries are not what the rollups of the month say.
    async fn differences(&self, month: &Month, spans: &[Range<NaiveDate>]) -> Result<Vec<Difference>, StoreError> {
        let totals = try_join_all(spans.iter().map(|span| self.totals(span))).await?;
        let mut differences = Vec::new();
        for (days, totals) in spans.iter().cloned().zip(totals) {
            if totals.agrees_with(&month.expected(&days)) {
                let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
                compared.extend(days_of(&days).map(|day| (day, totals.read_at)));
            } else {
                differences.push(Difference { days, totals });
            }
        }
        Ok(differences)
    }

    async fn mark_verified(&self, month: &Month) {
        let Some(document) = month.first_document() else { return };
        let Some(at) = document.update_time else { return };
        let fields = Fields::from([(VERIFIED.to_owned(), value::boolean(true))]);
        let write = Write {
            update_mask: Some(DocumentMask { field_paths: vec![VERIFIED.to_owned()] }),
            current_document: Some(Precondition { condition_type: Some(ConditionType::UpdateTime(at)) }),
            operation: Some(Operation::Update(Document { name: document.name.clone(), fields, ..Default::default() })),
            ..Default::default()
        };
        if let Err(error) = self.shared.client.commit(vec![write]).await {
            tracing::debug!(%error, "month not marked as verified");
        }
    }
}

pub(crate) fn of_days(collection: &str, days: &Range<NaiveDate>) -> Query {
    let at = |day: NaiveDate| -> DateTime<Utc> { midnight(day) };
    let query = Query::of(collection).at_least("timestamp", value::time(at(days.start)));
    query.less_than("timestamp", value::time(at(days.end)))
}

fn spent(sums: &Sums, days: &Range<NaiveDate>) -> Usd {
    let counts = |key: &Key| key.tag.is_none() && days.contains(&key.day);
    sums.iter().filter(|(key, _)| counts(key)).map(|(_, sum): (_, &Sum)| sum.usd()).sum()
}
