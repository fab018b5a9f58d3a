//! Charges that other programs record in `costs`: no rollup counts them until they are found here.
//!
//! The server's own count and sum of the entries (about one read for every thousand) are compared with the rollups. Where they
//! agree, the rollups are complete. Where they differ, the days that differ are added up from their entries, and their rollups are
//! replaced. Other programs' charges are real money, so only real reports and caps are checked.
//!
//! Entries that cannot be read are in no sum; each day's `skipped` holds their number and the server's sum of them, so that they are
//! read again only when something else changes. A past month that agrees is marked `verified` and not compared again.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use futures::future::try_join_all;

use super::entries::{COSTS, OPEN_CHARGES, parse_entry, warn_excluded};
use super::months::{ROLLUPS, SHARDS, SKIPPED, VERIFIED, day_field, month_id, month_of, shard_id, tags_field};
use super::rollup::{self, Key, Sum, Sums};
use super::shards;
use crate::costs::Usd;
use crate::store::StoreError;
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::client::{Client, Totals};
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value::{self, Fields, integer_of, map_of};
use crate::time::midnight;

/// How long after its end a month is still compared: late entries of other programs.
const LATE_ENTRIES: TimeDelta = TimeDelta::days(3);

/// Rounds of reading until a difference counts as real: own charges may be recorded between two reads.
const ROUNDS: usize = 2;

/// A difference of dollars that only rounding makes.
const NEGLIGIBLE: f64 = 1e-9;

/// The rollup documents of one month, of both kinds of money.
pub(crate) struct Month {
    first: NaiveDate,
    /// By `simulated`.
    documents: [Vec<Document>; 2],
}

impl Month {
    pub(crate) fn real(&self) -> Sums {
        rollup::read(&self.documents[0])
    }

    fn first_document(&self) -> Option<&Document> {
        let id = month_id(self.first, false);
        self.documents[0].iter().find(|document| document.name.ends_with(&format!("/{id}")))
    }

    fn is_verified(&self) -> bool {
        let fields = self.first_document().map(|document| &document.fields);
        fields.and_then(|fields| value::content(fields, VERIFIED)) == Some(&ValueType::BooleanValue(true))
    }

    /// What the server should count and add up in `costs` on these days.
    fn expected(&self, days: &std::ops::Range<NaiveDate>) -> Totals {
        let mut totals = Totals::default();
        for documents in &self.documents {
            for (key, sum) in rollup::read(documents) {
                if days.contains(&key.day) && is_cost(&key) {
                    totals.add(sum.count, float(sum.usd()));
                }
            }
        }
        let skipped = self.first_document().and_then(|document| map_of(&document.fields, SKIPPED));
        for day in days_of(days) {
            let Some(skipped) = skipped.and_then(|skipped| map_of(skipped, &day_field(day))) else { continue };
            let sum = match value::content(skipped, "sum") {
                Some(ValueType::DoubleValue(sum)) => *sum,
                _ => 0.0,
            };
            totals.add(integer_of(skipped, "count").unwrap_or(0), sum);
        }
        totals
    }
}

/// Whether the charges of this kind are entries of `costs`.
fn is_cost(key: &Key) -> bool {
    key.tag.is_none() && matches!(key.class.as_str(), "counted" | "unknown")
}

fn float(amount: Usd) -> f64 {
    amount.to_string().parse().unwrap_or(0.0)
}

fn days_of(days: &std::ops::Range<NaiveDate>) -> impl Iterator<Item = NaiveDate> {
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
    pub(crate) async fn complete_sums(&self, days: std::ops::Range<NaiveDate>) -> Result<Sums, StoreError> {
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
                self.complete_month(month, compared, is_past).await?
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
        periods: &[std::ops::Range<NaiveDate>],
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
                let complete = spent(&self.complete_sums(period.clone()).await?, period);
                if complete > known { complete - known } else { Usd::ZERO }
            };
            amounts.push(amount);
        }
        Ok(amounts)
    }

    /// The rollups of the months that these days touch, of both kinds.
    pub(crate) async fn read_months(&self, days: &std::ops::Range<NaiveDate>) -> Result<Vec<Month>, StoreError> {
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
    async fn totals(&self, days: &std::ops::Range<NaiveDate>) -> Result<Totals, StoreError> {
        let query = of_days(COSTS, days);
        self.shared.client.totals(query.build(), "cost_usd").await
    }

    /// The month's real sums, after the days that differ were added up from their entries.
    async fn complete_month(
        &self,
        mut month: Month,
        days: std::ops::Range<NaiveDate>,
        is_past: bool,
    ) -> Result<Sums, StoreError> {
        for round in 1..=ROUNDS {
            let totals = self.totals(&days).await?;
            if totals.agrees_with(&month.expected(&days)) {
                if is_past {
                    self.mark_verified(&month).await;
                }
                return Ok(month.real());
            }
            let again = self.read_months(&(month.first..next_month(month.first))).await?.into_iter().next();
            let Some(again) = again else { break };
            // Charges that this or another process recorded between the reads are no difference.
            let agrees = totals.is_between(&month.expected(&days), &again.expected(&days));
            month = again;
            if agrees {
                return Ok(month.real());
            }
            if round == ROUNDS {
                break;
            }
        }
        self.correct_month(month, days, is_past).await
    }

    async fn correct_month(
        &self,
        month: Month,
        days: std::ops::Range<NaiveDate>,
        is_past: bool,
    ) -> Result<Sums, StoreError> {
        let each: Vec<NaiveDate> = days_of(&days).collect();
        let totals = each.iter().map(|day| async { self.totals(&(*day..*day + Days::new(1))).await });
        let totals = try_join_all(totals).await?;
        let mut correction = Correction::default();
        for (day, totals) in each.into_iter().zip(totals) {
            let one = day..day + Days::new(1);
            if !totals.agrees_with(&month.expected(&one)) {
                self.add_up(one, totals, &mut correction).await?;
            }
        }
        let mut sums = month.real();
        let before = spent(&sums, &days);
        sums.retain(|key, _| !correction.days.contains_key(&key.day));
        sums.extend(correction.days.values().flat_map(|[real, _]| real.clone()));
        let writes = correction.writes(&self.shared.client, &month, is_past);
        match self.shared.client.commit(writes).await {
            Ok(Ok(_)) => {
                let (before, after) = (before.to_string(), spent(&sums, &days).to_string());
                tracing::info!(month = %month_id(month.first, false), before, after, "charges of other programs added to rollups");
            }
            // The report is right all the same; the next one tries again.
            Ok(Err(status)) => tracing::debug!(error = status.message(), "rollups not corrected"),
            Err(error) => tracing::debug!(%error, "rollups not corrected"),
        }
        Ok(sums)
    }

    /// Adds up the entries of one day, of both kinds.
    async fn add_up(
        &self,
        day: std::ops::Range<NaiveDate>,
        totals: Totals,
        correction: &mut Correction,
    ) -> Result<(), StoreError> {
        let mut sums = [Sums::new(), Sums::new()];
        let mut skipped = totals;
        for collection in [COSTS, OPEN_CHARGES] {
            let documents = self.shared.client.query(of_days(collection, &day).build()).await?;
            let mut entries = Vec::new();
            for document in &documents {
                match parse_entry(document) {
                    Ok(entry) => entries.push(entry),
                    Err(reason) => warn_excluded(collection, document, &reason),
                }
            }
            for (_, row) in self.with_causes(entries).await? {
                if collection == COSTS && is_cost(&Key::of(&row)) {
                    skipped.add(-1, -row.amount.map_or(0.0, float));
                }
                rollup::add(&mut sums[usize::from(row.simulated)], &row, 1);
            }
        }
        correction.days.insert(day.start, sums);
        correction.skipped.insert(day.start, skipped);
        Ok(())
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

/// The sums that replace those of some days of one month.
#[derive(Default)]
struct Correction {
    /// By day and `simulated`.
    days: BTreeMap<NaiveDate, [Sums; 2]>,
    skipped: BTreeMap<NaiveDate, Totals>,
}

impl Correction {
    /// The writes, under the condition that no charge was recorded in the month since its documents were read.
    fn writes(&self, client: &Client, month: &Month, is_past: bool) -> Vec<Write> {
        let mut writes = Vec::new();
        for (kind, documents) in month.documents.iter().enumerate() {
            let simulated = kind == 1;
            let new: Sums = self.days.values().flat_map(|sums| sums[kind].clone()).collect();
            let mut old = rollup::read(documents);
            old.retain(|key, _| self.days.contains_key(&key.day));
            if simulated && old == new {
                continue;
            }
            let id = month_id(month.first, simulated);
            for number in 0..SHARDS {
                let name = client.name(ROLLUPS, &shard_id(&id, number));
                let stored = documents.iter().find(|document| document.name == name);
                let condition = match stored.and_then(|document| document.update_time) {
                    Some(at) => ConditionType::UpdateTime(at),
                    None => ConditionType::Exists(false),
                };
                let of_day = |day: &NaiveDate| [day_field(*day), tags_field(*day)];
                let mut field_paths: Vec<String> = self.days.keys().flat_map(of_day).collect();
                let mut fields = Fields::new();
                if number == 0 {
                    fields = rollup::month_fields(&new);
                    if !simulated {
                        field_paths.extend(self.skipped.keys().map(|day| format!("{SKIPPED}.{}", day_field(*day))));
                        fields.insert(SKIPPED.to_owned(), self.skipped_value());
                        if is_past {
                            field_paths.push(VERIFIED.to_owned());
                            fields.insert(VERIFIED.to_owned(), value::boolean(true));
                        }
                    }
                }
                writes.push(Write {
                    update_mask: Some(DocumentMask { field_paths }),
                    current_document: Some(Precondition { condition_type: Some(condition) }),
                    operation: Some(Operation::Update(Document { name, fields, ..Default::default() })),
                    ..Default::default()
                });
            }
        }
        writes
    }

    fn skipped_value(&self) -> value::Value {
        // An amount in text is counted, but is not in the server's sum.
        let is_kept = |totals: &Totals| totals.count != 0 || totals.sum.abs() > NEGLIGIBLE;
        let skipped = self.skipped.iter().filter(|(_, totals)| is_kept(totals));
        value::map(
            skipped
                .map(|(day, totals)| {
                    let fields = Fields::from([
                        ("count".to_owned(), value::integer(totals.count)),
                        ("sum".to_owned(), value::double(totals.sum)),
                    ]);
                    (day_field(*day), value::map(fields))
                })
                .collect(),
        )
    }
}

fn of_days(collection: &str, days: &std::ops::Range<NaiveDate>) -> Query {
    let at = |day: NaiveDate| -> DateTime<Utc> { midnight(day) };
    let query = Query::of(collection).at_least("timestamp", value::time(at(days.start)));
    query.less_than("timestamp", value::time(at(days.end)))
}

fn spent(sums: &Sums, days: &std::ops::Range<NaiveDate>) -> Usd {
    let counts = |key: &Key| key.tag.is_none() && days.contains(&key.day);
    sums.iter().filter(|(key, _)| counts(key)).map(|(_, sum): (_, &Sum)| sum.usd()).sum()
}
