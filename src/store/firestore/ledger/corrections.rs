//! The entries of other programs on the days that differ, and the corrections of these days' rollups.
//!
//! Other programs record a charge when it is made, so a new entry is among the newest of its day. A few of these are read, and where
//! those that no rollup contains explain the whole difference, they are added. Everything else needs all entries of the day: a report
//! reads them at most once an hour, and shows the difference as not read yet meanwhile, so that reports beside a second backend do
//! not read a whole day again and again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta, Utc};
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use firestore::gcloud_sdk::prost_types::Timestamp;

use super::entries::{COSTS, OPEN_CHARGES, is_own, parse_entry, warn_excluded};
use super::external::{Difference, Month, Purpose, float, is_cost, of_days};
use super::months::{READ, ROLLUPS, SHARDS, SKIPPED, VERIFIED, day_field, month_id, shard_id, tags_field};
use super::rollup::{self, Key, Sum, Sums};
use crate::store::StoreError;
use crate::store::charges::{CAUSE_UNKNOWN, ChargeRow};
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::client::{Client, Totals};
use crate::store::firestore::documents::value::{self, Fields, Value};

/// New entries of a day that are searched for among the newest ones.
const MAX_NEW_ENTRIES: i64 = 500;

/// Entries that may be newer than the new ones, in a month of few entries and in one of many.
const NEWER_ENTRIES: [i64; 2] = [16, 4];

/// Entries from which on a month has many: counting them leaves few of the reads of a report.
const MANY_ENTRIES: i64 = 10_000;

/// A day of so few entries is read at once.
const FEW_ENTRIES: i64 = 20;

/// A day is read where so many of its entries are new: one in.
const NEW_SHARE: i64 = 4;

/// How far the clocks of other programs may be ahead.
const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// How often a report reads all entries of a day.
const FULL_READ_INTERVAL: Duration = Duration::from_hours(1);

/// A difference of dollars that only rounding makes.
const NEGLIGIBLE: f64 = 1e-9;

/// The line of entries that are counted, but not read.
const NOT_READ: &str = "(not read yet)";

/// The entries of a day that no rollup has.
#[derive(Debug)]
pub(crate) struct NewEntries {
    day: NaiveDate,
    rows: Vec<ChargeRow>,
    /// What the server counts of those that cannot be read.
    skipped: Totals,
    read_at: Timestamp,
}

impl FirestoreStore {
    /// The entries that explain these differences; `None` where the newest entries do not.
    pub(crate) async fn find_new_entries(
        &self,
        month: &Month,
        differences: &[Difference],
    ) -> Result<Option<Vec<NewEntries>>, StoreError> {
        let mut found = Vec::new();
        for difference in differences {
            let Some(of_day) = self.find_new_entries_of(month, difference).await? else { return Ok(None) };
            found.push(of_day);
        }
        Ok(Some(found))
    }

    async fn find_new_entries_of(
        &self,
        month: &Month,
        difference: &Difference,
    ) -> Result<Option<NewEntries>, StoreError> {
        let Difference { days, totals } = difference;
        let expected = month.expected(days);
        let new = totals.count - expected.count;
        if month.first_document().is_none() || !(1..=MAX_NEW_ENTRIES).contains(&new) {
            return Ok(None);
        }
        let has_many = month.expected(&(month.first..days.end)).count >= MANY_ENTRIES;
        if has_many && days.end < Utc::now().date_naive() {
            // Dated back: its time says nothing about its place among the others.
            return Ok(None);
        }
        let limit = usize::try_from(new + NEWER_ENTRIES[usize::from(has_many)]).unwrap_or(usize::MAX);
        // Entries that are dated ahead would hide them.
        let query = of_days(COSTS, days).at_most("timestamp", value::time(Utc::now() + MAX_CLOCK_SKEW));
        let query = query.order("timestamp", true).limit(limit);
        let documents = self.shared.client.query(query.build()).await?;
        let compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner).get(&days.start).copied();
        let known_until = month.read_times(days.start).at.max(compared.unwrap_or(0));
        let is_new = |document: &&Document| {
            document.create_time.as_ref().is_some_and(|at| value::nanoseconds(at) > known_until) && !is_own(document)
        };
        let documents: Vec<&Document> = documents.iter().filter(is_new).collect();
        let mut with_new = expected;
        for document in &documents {
            with_new.add(1, number(document));
        }
        if totals.read_at == 0 || !totals.agrees_with(&with_new) {
            return Ok(None);
        }
        let read_at = value::from_nanoseconds(totals.read_at);
        let mut found = NewEntries { day: days.start, rows: Vec::new(), skipped: Totals::default(), read_at };
        for document in documents {
            found.skipped.add(1, number(document));
            match parse_entry(document) {
                Ok((_, row)) if row.simulated => return Ok(None),
                Ok((_, row)) => {
                    if is_cost(&Key::of(&row)) {
                        found.skipped.add(-1, -row.amount.map_or(0.0, float));
                    }
                    found.rows.push(row);
                }
                Err(reason) => warn_excluded(COSTS, document, &reason),
            }
        }
        Ok(Some(found))
    }

    /// The month's real sums with these entries. The rollups take them in where no other process changed the month meanwhile.
    pub(crate) async fn add_new_entries(&self, month: &Month, found: Vec<NewEntries>) -> Sums {
        let mut sums = month.real();
        for row in found.iter().flat_map(|of_day| &of_day.rows) {
            rollup::add(&mut sums, row, 1);
        }
        if let Some(write) = addition(month, &found) {
            let entries: usize = found.iter().map(|of_day| of_day.rows.len()).sum();
            self.write_correction(month, vec![write], entries).await;
        }
        sums
    }

    /// The month's real sums, after days that differ were added up from their entries.
    pub(crate) async fn correct_month(
        &self,
        month: &Month,
        differences: Vec<Difference>,
        (is_past, purpose): (bool, Purpose),
    ) -> Result<Sums, StoreError> {
        let mut correction = Correction::default();
        let mut not_read = Vec::new();
        for difference in differences {
            match month.not_read_yet(&difference) {
                Some(rest) if purpose == Purpose::Report => not_read.push(rest),
                _ => self.add_up(difference.days, difference.totals, &mut correction).await?,
            }
        }
        let mut sums = month.real();
        sums.retain(|key, _| !correction.days.contains_key(&key.day));
        sums.extend(correction.days.values().flat_map(|[real, _]| real.clone()));
        if !correction.days.is_empty() {
            let writes = correction.writes(&self.shared.client, month, is_past && not_read.is_empty());
            self.write_correction(month, writes, correction.days.len()).await;
        }
        sums.extend(not_read);
        Ok(sums)
    }

    async fn write_correction(&self, month: &Month, writes: Vec<Write>, parts: usize) {
        match self.shared.client.commit(writes).await {
            Ok(Ok(_)) => {
                tracing::info!(month = %month_id(month.first, false), parts, "charges of other programs added to rollups");
            }
            // The report is right all the same; the next one tries again.
            Ok(Err(status)) => tracing::debug!(error = status.message(), "rollups not corrected"),
            Err(error) => tracing::debug!(%error, "rollups not corrected"),
        }
    }

    /// Adds up the entries of one day, of both kinds.
    async fn add_up(
        &self,
        day: Range<NaiveDate>,
        totals: Totals,
        correction: &mut Correction,
    ) -> Result<(), StoreError> {
        let mut sums = [Sums::new(), Sums::new()];
        let mut skipped = totals;
        for collection in [COSTS, OPEN_CHARGES] {
            let (documents, read_at) = self.shared.client.query_at(of_days(collection, &day).build()).await?;
            if collection == COSTS {
                correction.read.extend(read_at.map(|at| (day.start, at)));
            }
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
}

/// The number in the entry that the server's sum includes.
fn number(document: &Document) -> f64 {
    match value::content(&document.fields, "cost_usd") {
        Some(ValueType::DoubleValue(number)) => *number,
        Some(ValueType::IntegerValue(number)) => *number as f64,
        _ => 0.0,
    }
}

impl Month {
    /// The difference of a day as one line, where its entries were all read lately and few are new.
    pub(crate) fn not_read_yet(&self, difference: &Difference) -> Option<(Key, Sum)> {
        let Difference { days, totals } = difference;
        let expected = self.expected(days);
        let (new, amount) = (totals.count - expected.count, totals.sum - expected.sum);
        let read = value::instant(&value::from_nanoseconds(self.read_times(days.start).full))?;
        let is_recent = (Utc::now() - read).to_std().is_ok_and(|age| age < FULL_READ_INTERVAL);
        let is_costly = totals.count > FEW_ENTRIES && new.saturating_mul(NEW_SHARE) < totals.count;
        if !is_recent || !is_costly || new <= 0 || !(-NEGLIGIBLE..1e6).contains(&amount) {
            return None;
        }
        let key = Key {
            day: days.start,
            service: NOT_READ.to_owned(),
            class: "counted".to_owned(),
            cause: CAUSE_UNKNOWN.to_owned(),
            model: NOT_READ.to_owned(),
            tag: None,
        };
        // Sums of doubles are exact to about nine decimals.
        let pico = ((amount.max(0.0) * 1e9).round() as i64).saturating_mul(1_000);
        Some((key, Sum { count: new, pico, rest: 0 }))
    }
}

/// The write that adds these entries to the month's first document, under the condition that it is unchanged: another process may add
/// the same.
fn addition(month: &Month, found: &[NewEntries]) -> Option<Write> {
    let first = month.first_document()?;
    let rows: Vec<ChargeRow> = found.iter().flat_map(|of_day| of_day.rows.clone()).collect();
    let transforms = rollup::changes(&[], &rows).remove(&month_id(month.first, false)).unwrap_or_default();
    let (mut read, mut skipped, mut field_paths) = (Fields::new(), Fields::new(), Vec::new());
    for of_day in found {
        let field = day_field(of_day.day);
        field_paths.push(format!("{READ}.{field}.at"));
        read.insert(field.clone(), read_value(of_day.read_at, None));
        if is_kept(&of_day.skipped) {
            let mut totals = month.skipped(of_day.day);
            totals.add(of_day.skipped.count, of_day.skipped.sum);
            field_paths.push(format!("{SKIPPED}.{field}"));
            skipped.insert(field, totals_value(&totals));
        }
    }
    let maps = [(READ, read), (SKIPPED, skipped)].map(|(name, map)| (name.to_owned(), value::map(map)));
    Some(Write {
        update_mask: Some(DocumentMask { field_paths }),
        update_transforms: transforms,
        current_document: Some(Precondition { condition_type: first.update_time.map(ConditionType::UpdateTime) }),
        operation: Some(Operation::Update(Document {
            name: first.name.clone(),
            fields: Fields::from(maps),
            ..Default::default()
        })),
    })
}

/// The sums that replace those of some days of one month.
#[derive(Default)]
struct Correction {
    /// By day and `simulated`.
    days: BTreeMap<NaiveDate, [Sums; 2]>,
    skipped: BTreeMap<NaiveDate, Totals>,
    /// When the entries were read.
    read: BTreeMap<NaiveDate, Timestamp>,
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
                        field_paths.extend(self.read.keys().map(|day| format!("{READ}.{}", day_field(*day))));
                        let times = self.read.iter().map(|(day, at)| (day_field(*day), read_value(*at, Some(*at))));
                        fields.insert(READ.to_owned(), value::map(times.collect()));
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

    fn skipped_value(&self) -> Value {
        let skipped = self.skipped.iter().filter(|(_, totals)| is_kept(totals));
        value::map(skipped.map(|(day, totals)| (day_field(*day), totals_value(totals))).collect())
    }
}

/// An amount in text is counted, but is not in the server's sum.
fn is_kept(totals: &Totals) -> bool {
    totals.count != 0 || totals.sum.abs() > NEGLIGIBLE
}

fn totals_value(totals: &Totals) -> Value {
    value::map(Fields::from([
        ("count".to_owned(), value::integer(totals.count)),
        ("sum".to_owned(), value::double(totals.sum)),
    ]))
}

fn read_value(at: Timestamp, full: Option<Timestamp>) -> Value {
    let time = |at| Value { value_type: Some(ValueType::TimestampValue(at)) };
    let full = full.map(|full| ("full".to_owned(), time(full)));
    value::map(full.into_iter().chain([("at".to_owned(), time(at))]).collect())
}
