//! The daily rollups that make a cost report and a cap cheap: a document (or a few: `shards`) for each month and kind of money, one
//! map in it for each day, one counter in that for each combination of a report's dimensions. Pure.
//!
//! The server increments them in the commit that records the charge, so no reader has to add up a history. A double cannot be
//! incremented exactly: amounts are whole numbers of 1e-12 dollars plus a rest in whole 1e-24 dollars, so a sum is
//! exact for every amount of at most 24 decimals. One integer holds nine million dollars.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::field_transform::TransformType;

use super::months::{day_field, month_id, month_of, tags_field};
use crate::costs::{Basis, CostRow, PriceTable, TagRow, Usd};
use crate::store::charges::ChargeRow;
use crate::store::firestore::documents::value;
use crate::store::firestore::documents::value::{Fields, integer_of, map_of, quoted};

/// Sums of equal kind within one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub count: i64,
    pub pico: i64,
    pub rest: i64,
}

impl Sum {
    pub(crate) fn usd(self) -> Usd {
        value::from_pico(self.pico, self.rest)
    }

    /// Saturates, as the server's own increments do: a damaged document must not end the process.
    fn add(&mut self, count: i64, pico: i64, rest: i64) {
        self.count = self.count.saturating_add(count);
        self.pico = self.pico.saturating_add(pico);
        self.rest = self.rest.saturating_add(rest);
    }
}

/// The class of the sum of what other programs recorded.
const BY_OTHERS: &str = "others";

/// What all charges of one kind have in common. A charge with tags is also in the sum of each of its tags, and in that of any tag: such
/// a sum has no service, cause and model, and is in no total. So is the sum of the charges of other programs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub day: NaiveDate,
    pub service: String,
    /// `counted`, `unknown`, `unconfirmed` or `unpriced`; `others` is the sum of the charges of other programs.
    pub class: String,
    pub cause: String,
    pub model: String,
    /// A sum of charges with this tag; empty for those with any.
    pub tag: Option<String>,
}

impl Key {
    pub(crate) fn of(row: &ChargeRow) -> Self {
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
            tag: None,
        }
    }

    /// All sums that the charge is in.
    pub(crate) fn all_of(row: &ChargeRow) -> Vec<Self> {
        let key = Self::of(row);
        let tags = if row.tags.is_empty() { None } else { Some(String::new()) };
        let tags = tags.into_iter().chain(row.tags.iter().cloned());
        let mut keys: Vec<Self> = tags.map(|tag| Self::beside_total(key.day, &key.class, tag)).collect();
        if row.attempt == 0 {
            keys.push(Self::beside_total(key.day, BY_OTHERS, String::new()));
        }
        keys.push(key);
        keys
    }

    /// Whether it is the sum of the charges of other programs.
    pub(crate) fn is_by_others(&self) -> bool {
        self.class == BY_OTHERS
    }

    /// A sum that is in no total.
    fn beside_total(day: NaiveDate, class: &str, tag: String) -> Self {
        let empty = String::new;
        Self { day, service: empty(), class: class.to_owned(), cause: empty(), model: empty(), tag: Some(tag) }
    }

    /// A sum as equal charges: basis, amount of one and how many.
    fn charges(&self, sum: Sum) -> Vec<(Basis, Option<Usd>, u64)> {
        let count = u64::try_from(sum.count).unwrap_or(0);
        let basis = match self.class.as_str() {
            "unknown" => Basis::Unknown,
            "unconfirmed" => Basis::Unconfirmed,
            "unpriced" => return vec![(Basis::Unknown, None, count)],
            _ => Basis::Settled,
        };
        // Equal charges: the whole sum stands for the first one, zero for the others.
        vec![(basis, Some(sum.usd()), 1), (basis, Some(Usd::ZERO), count.saturating_sub(1))]
    }

    /// The field of its day in the month's documents.
    fn group(&self) -> String {
        if self.tag.is_some() { tags_field(self.day) } else { day_field(self.day) }
    }

    fn field(&self) -> String {
        if let Some(tag) = &self.tag {
            return format!("{}|{tag}", self.class);
        }
        format!("{}|{}|{}|{}", self.service, self.class, self.cause, self.model)
    }

    fn from_field(day: NaiveDate, field: &str) -> Option<Self> {
        let mut parts = field.splitn(4, '|').map(str::to_owned);
        let (service, class, cause, model) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self { day, service, class, cause, model, tag: None })
    }

    fn from_tags_field(day: NaiveDate, field: &str) -> Option<Self> {
        let (class, tag) = field.split_once('|')?;
        Some(Self::beside_total(day, class, tag.to_owned()))
    }
}

/// Sums by kind.
pub(crate) type Sums = BTreeMap<Key, Sum>;

/// Adds a charge, or takes it back.
pub(crate) fn add(sums: &mut Sums, row: &ChargeRow, sign: i64) {
    let (pico, rest) = row.amount.map_or((0, 0), value::to_pico);
    for key in Key::all_of(row) {
        let sum = sums.entry(key).or_default();
        sum.add(sign, sign.saturating_mul(pico), sign.saturating_mul(rest));
    }
}

/// What turns the sums of `old` into those of `new`, by month document.
pub(crate) fn changes(old: &[ChargeRow], new: &[ChargeRow]) -> BTreeMap<String, Vec<FieldTransform>> {
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
    let path = format!("{}.{}", key.group(), quoted(&key.field()));
    [("n", sum.count), ("a", sum.pico), ("r", sum.rest)]
        .into_iter()
        .filter(|(_, by)| *by != 0)
        .map(|(name, by)| increment(format!("{path}.{name}"), by))
        .collect()
}

pub(crate) fn increment(field_path: String, by: i64) -> FieldTransform {
    FieldTransform { field_path, transform_type: Some(TransformType::Increment(value::integer(by))) }
}

/// The sums in those documents, added up.
pub(crate) fn read<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Sums {
    let mut sums = Sums::new();
    for document in documents {
        add_document(&mut sums, document);
    }
    // A charge that was added in one document and subtracted in another.
    sums.retain(|_, sum| *sum != Sum::default());
    sums
}

fn add_document(sums: &mut Sums, document: &Document) {
    let month = month_of(document).and_then(|month| month.split_once('-')).map(|(_, month)| month);
    let Some((year, month)) = month.and_then(|month| month.split_once('-')) else { return };
    for number in 1..=31_u32 {
        let day = year
            .parse()
            .ok()
            .zip(month.parse().ok())
            .and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month, number));
        let Some(day) = day else { continue };
        let groups = [(day_field(day), Key::from_field as fn(_, &str) -> _), (tags_field(day), Key::from_tags_field)];
        for (group, key_of) in groups {
            let Some(lines) = map_of(&document.fields, &group) else { continue };
            for field in lines.keys() {
                let Some((key, line)) = key_of(day, field).zip(map_of(lines, field)) else { continue };
                let part = |name: &str| integer_of(line, name).unwrap_or(0);
                sums.entry(key).or_default().add(part("n"), part("a"), part("r"));
            }
        }
    }
}

/// A month's document made of these sums, all of that month.
pub(crate) fn month_fields(sums: &Sums) -> Fields {
    let mut days: BTreeMap<String, Fields> = BTreeMap::new();
    for (key, sum) in sums {
        let parts = [("n", sum.count), ("a", sum.pico), ("r", sum.rest)];
        let line = parts.into_iter().filter(|(_, part)| *part != 0);
        let line = value::map(line.map(|(name, part)| (name.to_owned(), value::integer(part))).collect());
        days.entry(key.group()).or_default().insert(key.field(), line);
    }
    days.into_iter().map(|(day, lines)| (day, value::map(lines))).collect()
}

/// Everything in that span whose model counts, however certain: it may be billed. A charge of unknown amount counts as the highest
/// published price. The span begins and ends at midnight.
pub(crate) fn committed(sums: &Sums, from: DateTime<Utc>, to: DateTime<Utc>, counts: impl Fn(&str) -> bool) -> Usd {
    let days = from.date_naive()..to.date_naive();
    let amount = |(key, sum): (&Key, &Sum)| match key.class.as_str() {
        "unpriced" => PriceTable::builtin().highest() * u64::try_from(sum.count).unwrap_or(0),
        _ => sum.usd(),
    };
    let of_period = |key: &Key| key.tag.is_none() && days.contains(&key.day) && counts(&key.model);
    sums.iter().filter(|(key, _)| of_period(key)).map(amount).sum()
}

/// The sums as rows of a cost table.
pub(crate) fn cost_rows(sums: &Sums) -> Vec<CostRow> {
    let mut rows = Vec::new();
    for (key, sum) in sums.iter().filter(|(key, _)| key.tag.is_none()) {
        rows.extend(key.charges(*sum).into_iter().map(|(basis, amount, count)| CostRow {
            day: key.day,
            model: key.model.clone(),
            service: key.service.clone(),
            cause: key.cause.clone(),
            basis,
            amount,
            count,
        }));
    }
    rows
}

/// How many charges of each day other programs recorded.
pub(crate) fn counts_by_others(sums: &Sums) -> BTreeMap<NaiveDate, u64> {
    let by_others = sums.iter().filter(|(key, _)| key.is_by_others());
    by_others.map(|(key, sum)| (key.day, u64::try_from(sum.count).unwrap_or(0))).collect()
}

/// The sums by tag as rows of a cost table.
pub(crate) fn tag_rows(sums: &Sums) -> Vec<TagRow> {
    let mut rows = Vec::new();
    for (key, sum) in sums.iter().filter(|(key, _)| !key.is_by_others()) {
        let Some(tag) = &key.tag else { continue };
        let tag = Some(tag.clone()).filter(|tag| !tag.is_empty());
        let row = |(basis, amount, count)| TagRow { day: key.day, tag: tag.clone(), basis, amount, count };
        rows.extend(key.charges(*sum).into_iter().map(row));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::months::{ROLLUPS, shard_id};
    use super::*;

    #[test]
    fn sums_saturate() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let key = Key {
            day,
            service: "bfl_api".to_owned(),
            class: "counted".to_owned(),
            cause: "picture".to_owned(),
            model: "flux-dev".to_owned(),
            tag: None,
        };
        let sums = Sums::from([(key, Sum { count: i64::MAX, pico: i64::MAX, rest: i64::MAX })]);
        let month = month_id(day, false);
        let document = |number: usize| Document {
            name: format!("projects/p/databases/d/documents/{ROLLUPS}/{}", shard_id(&month, number)),
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
            tags: Vec::new(),
        };
        let mut sums = sums;
        add(&mut sums, &row, 1);
        let sum = sums.values().next().unwrap();
        assert_eq!((sums.len(), sum.count, sum.pico), (1, i64::MAX, i64::MAX));
    }
}
