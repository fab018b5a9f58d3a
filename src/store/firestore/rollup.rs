//! Owns the daily sums that make a cost report and a cap cheap: a document (or a few: `shards`) for each month and kind of money, one
//! map in it for each day, one counter in that for each combination that a report can ask for. Pure.
//!
//! Sums are kept by the server's own increments, in the commit that books the charge, so no reader has to add up a history. A
//! double cannot be incremented exactly: amounts are whole numbers of 1e-12 dollars plus a rest in whole 1e-24 dollars, so a sum is
//! exact for every amount of at most 24 decimals. One integer holds nine million dollars.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::field_transform::TransformType;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::ledger::ChargeRow;
use super::shards;
use super::value::{self, Fields, integer_of, map_of, quoted};
use crate::costs::{Basis, CostRow, Usd};
use crate::time::month_key;

/// The collection of the months.
pub(super) const ROLLUPS: &str = "darkroom_rollups";

const PICO: i64 = 1_000_000_000_000;

/// The month of that day, and the name of its first document.
pub(super) fn month_id(day: NaiveDate, simulated: bool) -> String {
    let kind = if simulated { "simulated" } else { "real" };
    format!("{kind}-{}", month_key(day))
}

/// The amount in whole 1e-12 dollars, and the rest in whole 1e-24 dollars. Digits behind the 24th are cut off.
pub(super) fn parts(amount: Usd) -> (i64, i64) {
    let pico = Decimal::from(PICO);
    let whole = amount.decimal().checked_mul(pico).map_or(Decimal::MAX, |scaled| scaled.trunc());
    let rest = amount.decimal().checked_mul(pico).map_or(Decimal::ZERO, |scaled| (scaled - scaled.trunc()) * pico);
    (whole.to_i64().unwrap_or(i64::MAX), rest.trunc().to_i64().unwrap_or(0))
}

fn amount(pico: i64, rest: i64) -> Usd {
    Usd::new(Decimal::new(pico, 12)) + Usd::new(Decimal::new(rest, 24))
}

/// Sums of equal kind within one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub count: i64,
    pub pico: i64,
    pub rest: i64,
}

impl Sum {
    pub(super) fn usd(self) -> Usd {
        amount(self.pico, self.rest)
    }

    /// Stops at the largest number, as the server's own increments do: what a damaged document says must not end the process.
    fn add(&mut self, count: i64, pico: i64, rest: i64) {
        self.count = self.count.saturating_add(count);
        self.pico = self.pico.saturating_add(pico);
        self.rest = self.rest.saturating_add(rest);
    }
}

/// What all charges of one kind have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub day: NaiveDate,
    pub service: String,
    /// `counted`, `unknown`, `unconfirmed` or `unpriced`.
    pub class: String,
    pub cause: String,
    pub model: String,
}

impl Key {
    pub(super) fn of(row: &ChargeRow) -> Self {
        let class = match (row.amount, row.basis) {
            (None, _) => "unpriced",
            (_, Basis::Unknown) => "unknown",
            (_, Basis::Unconfirmed) => "unconfirmed",
            _ => "counted",
        };
        Self {
            day: row.at.date_naive(),
            service: row.service.as_str().to_owned(),
            class: class.to_owned(),
            cause: row.cause.clone(),
            model: row.model.chars().take(200).collect(),
        }
    }

    fn field(&self) -> String {
        format!("{}|{}|{}|{}", self.service, self.class, self.cause, self.model)
    }

    fn from_field(day: NaiveDate, field: &str) -> Option<Self> {
        let mut parts = field.splitn(4, '|').map(str::to_owned);
        Some(Self { day, service: parts.next()?, class: parts.next()?, cause: parts.next()?, model: parts.next()? })
    }
}

/// Sums by kind.
pub(super) type Sums = BTreeMap<Key, Sum>;

/// Adds a charge, or takes it back.
pub(super) fn add(sums: &mut Sums, row: &ChargeRow, sign: i64) {
    let (pico, rest) = row.amount.map_or((0, 0), parts);
    let sum = sums.entry(Key::of(row)).or_default();
    sum.add(sign, sign.saturating_mul(pico), sign.saturating_mul(rest));
}

/// What turns the sums of `old` into those of `new`, by month document.
pub(super) fn changes(old: &[ChargeRow], new: &[ChargeRow]) -> BTreeMap<String, Vec<FieldTransform>> {
    let mut months: BTreeMap<String, Vec<FieldTransform>> = BTreeMap::new();
    for simulated in [false, true] {
        let mut sums = Sums::new();
        let of_kind =
            |rows: &[ChargeRow]| rows.iter().filter(|row| row.simulated == simulated).cloned().collect::<Vec<_>>();
        for row in of_kind(old) {
            add(&mut sums, &row, -1);
        }
        for row in of_kind(new) {
            add(&mut sums, &row, 1);
        }
        for (key, sum) in sums {
            let transforms = increments(&key, sum);
            if !transforms.is_empty() {
                months.entry(month_id(key.day, simulated)).or_default().extend(transforms);
            }
        }
    }
    months
}

fn increments(key: &Key, sum: Sum) -> Vec<FieldTransform> {
    let path = format!("{}.{}", day_field(key.day), quoted(&key.field()));
    [("n", sum.count), ("a", sum.pico), ("r", sum.rest)]
        .into_iter()
        .filter(|(_, by)| *by != 0)
        .map(|(name, by)| increment(format!("{path}.{name}"), by))
        .collect()
}

pub(super) fn increment(field_path: String, by: i64) -> FieldTransform {
    FieldTransform { field_path, transform_type: Some(TransformType::Increment(value::integer(by))) }
}

fn day_field(day: NaiveDate) -> String {
    format!("d{:02}", day.day())
}

/// The sums in those documents, added up.
pub(super) fn read<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Sums {
    let mut sums = Sums::new();
    for document in documents {
        add_document(&mut sums, document);
    }
    // What was booked in one document and taken back in another is nothing.
    sums.retain(|_, sum| *sum != Sum::default());
    sums
}

fn add_document(sums: &mut Sums, document: &Document) {
    let month = shards::month_of(document).and_then(|month| month.split_once('-')).map(|(_, month)| month);
    let Some((year, month)) = month.and_then(|month| month.split_once('-')) else { return };
    for number in 1..=31_u32 {
        let day = year
            .parse()
            .ok()
            .zip(month.parse().ok())
            .and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month, number));
        let Some(day) = day else { continue };
        let Some(lines) = map_of(&document.fields, &day_field(day)) else { continue };
        for field in lines.keys() {
            let Some((key, line)) = Key::from_field(day, field).zip(map_of(lines, field)) else { continue };
            let part = |name: &str| integer_of(line, name).unwrap_or(0);
            sums.entry(key).or_default().add(part("n"), part("a"), part("r"));
        }
    }
}

/// A month's document made of these sums, all of that month.
pub(super) fn month_fields(sums: &Sums) -> Fields {
    let mut days: BTreeMap<String, Fields> = BTreeMap::new();
    for (key, sum) in sums {
        let parts = [("n", sum.count), ("a", sum.pico), ("r", sum.rest)];
        let line = parts.into_iter().filter(|(_, part)| *part != 0);
        let line = value::map(line.map(|(name, part)| (name.to_owned(), value::integer(part))).collect());
        days.entry(day_field(key.day)).or_default().insert(key.field(), line);
    }
    days.into_iter().map(|(day, lines)| (day, value::map(lines))).collect()
}

/// Everything with an amount in that span, however sure: it may be billed. The span begins and ends at midnight.
pub(super) fn committed(sums: &Sums, from: DateTime<Utc>, to: DateTime<Utc>) -> Usd {
    let days = from.date_naive()..to.date_naive();
    sums.iter().filter(|(key, _)| days.contains(&key.day)).map(|(_, sum)| sum.usd()).sum()
}

/// The sums as rows of a cost table.
pub(super) fn cost_rows(sums: &Sums) -> Vec<CostRow> {
    let mut rows = Vec::new();
    for (key, sum) in sums {
        let count = u64::try_from(sum.count).unwrap_or(0);
        let row = |basis, amount, count| CostRow {
            day: key.day,
            model: key.model.clone(),
            service: key.service.clone(),
            cause: key.cause.clone(),
            basis,
            amount,
            count,
        };
        let basis = match key.class.as_str() {
            "unknown" => Basis::Unknown,
            "unconfirmed" => Basis::Unconfirmed,
            "unpriced" => {
                rows.push(row(Basis::Unknown, None, count));
                continue;
            }
            _ => Basis::Settled,
        };
        // A row holds equal charges: the whole sum stands for the first charge, zero for the others.
        rows.push(row(basis, Some(sum.usd()), 1));
        rows.push(row(basis, Some(Usd::ZERO), count.saturating_sub(1)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_comes_back_exactly() {
        for text in ["0", "0.04", "0.0000050003452102343246", "1234567.890000000001", "0.000000000000000000000001"] {
            let usd: Usd = text.parse().unwrap();
            let (pico, rest) = parts(usd);
            assert_eq!(amount(pico, rest), usd, "{text}");
        }
    }

    #[test]
    fn sums_stop_at_the_largest_number() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let key = Key {
            day,
            service: "bfl_api".to_owned(),
            class: "counted".to_owned(),
            cause: "picture".to_owned(),
            model: "flux-dev".to_owned(),
        };
        let sums = Sums::from([(key, Sum { count: i64::MAX, pico: i64::MAX, rest: i64::MAX })]);
        let month = month_id(day, false);
        let document = |number: usize| Document {
            name: format!("projects/p/databases/d/documents/{ROLLUPS}/{}", shards::id(&month, number)),
            fields: month_fields(&sums),
            ..Default::default()
        };
        assert_eq!(read(&[document(0), document(1)]), sums);
        let row = ChargeRow {
            attempt: 1,
            service: crate::costs::Service::BflApi,
            amount: Some("9000000".parse().unwrap()),
            basis: Basis::Settled,
            model: "flux-dev".to_owned(),
            at: day.and_hms_opt(12, 0, 0).unwrap().and_utc(),
            simulated: false,
            cause: "picture".to_owned(),
        };
        let mut sums = sums;
        add(&mut sums, &row, 1);
        let sum = sums.values().next().unwrap();
        assert_eq!((sums.len(), sum.count, sum.pico), (1, i64::MAX, i64::MAX));
    }
}
