//! The shape of a cost report. The stores compute the sums.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;

use super::grouping::is_waste;
use super::{Basis, CostGrouping, CostRow, PriceTable, TagRow, Usd};
use crate::time::midnight;

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CostLine {
    /// The group.
    pub key: String,
    /// Its money that counts, in dollars.
    pub usd: Usd,
    /// Its money that may or may not be billed.
    #[serde(skip)]
    pub uncertain_usd: Usd,
    /// How many charges, those of unknown or unconfirmed amount included.
    pub count: u64,
}

/// What was spent between two times. Unknown and unconfirmed money is listed separately, never in the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CostReport {
    /// Estimated, quoted and settled charges.
    pub total_usd: Usd,
    /// Accepted, but it is not documented whether such an outcome is billed.
    pub unknown_usd: Usd,
    /// Submits whose outcome is not known.
    pub unconfirmed_usd: Usd,
    /// Charges that no price is known for; they are in no sum.
    pub unpriced_count: u64,
    /// All charges in the span.
    pub count: u64,
    /// How many of them other programs recorded in a shared store.
    pub others_count: u64,
    /// By the requested grouping; the largest first, times in order. By tag: a charge with several tags is in each of their lines.
    pub by: Vec<CostLine>,
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant outside.
    pub to: DateTime<Utc>,
    /// Whether this is the simulator's money.
    pub simulated: bool,
}

/// What was spent between two times, in enough detail to be reported by any grouping: one query to a store answers all the
/// reports of a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostTable {
    rows: Vec<CostRow>,
    tags: Vec<TagRow>,
    others: BTreeMap<NaiveDate, u64>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    simulated: bool,
}

impl CostTable {
    /// A table of the charges in `span` (first instant inside, first instant outside). A model is one line, however it was spelled.
    pub fn new(span: (DateTime<Utc>, DateTime<Utc>), simulated: bool, mut rows: Vec<CostRow>) -> Self {
        for row in &mut rows {
            let canonical = PriceTable::builtin().canonical(&row.model);
            if canonical != row.model {
                row.model = canonical.to_owned();
            }
        }
        Self { rows, tags: Vec::new(), others: BTreeMap::new(), from: span.0, to: span.1, simulated }
    }

    /// The same with the charges that have tags.
    #[must_use]
    pub fn with_tags(self, tags: Vec<TagRow>) -> Self {
        Self { tags, ..self }
    }

    /// The same with the number of charges of each day that other programs recorded.
    #[must_use]
    pub fn with_others(self, others: BTreeMap<NaiveDate, u64>) -> Self {
        Self { others, ..self }
    }

    /// First instant inside, first instant outside.
    pub fn span(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.from, self.to)
    }

    /// Whether this is the simulator's money.
    pub fn is_simulated(&self) -> bool {
        self.simulated
    }

    /// The report by that grouping.
    pub fn report(&self, grouping: CostGrouping) -> CostReport {
        self.report_from(self.from, grouping)
    }

    /// The same report of the part from the UTC midnight `from` on.
    pub fn report_from(&self, from: DateTime<Utc>, grouping: CostGrouping) -> CostReport {
        self.report_between((from, self.to), grouping)
    }

    /// The same report of the part between two UTC midnights.
    pub fn report_between(&self, span: (DateTime<Utc>, DateTime<Utc>), grouping: CostGrouping) -> CostReport {
        let span = self.clip(span);
        let rows = self.rows_of(span);
        let rows = rows.map(|row| (grouping.key_of(row), row.basis, row.amount, row.count));
        let mut report = CostReport::from_rows(span, self.simulated, grouping, rows);
        let days = days_of(span.0, span.1);
        report.others_count = self.others.iter().filter(|(day, _)| days.contains(day)).map(|(_, count)| count).sum();
        if grouping == CostGrouping::Tag {
            report.by = self.tag_lines(span, &report);
        }
        report
    }

    /// What paid for no image, by cause.
    pub fn wasted(&self, span: (DateTime<Utc>, DateTime<Utc>)) -> CostReport {
        let span = self.clip(span);
        let rows = self.rows_of(span).filter(|row| is_waste(&row.cause));
        let rows = rows.map(|row| (row.cause.clone(), row.basis, row.amount, row.count));
        CostReport::from_rows(span, self.simulated, CostGrouping::Cause, rows)
    }

    /// What the caps of a model count between two UTC midnights.
    pub fn committed_of(&self, model: &str, span: (DateTime<Utc>, DateTime<Utc>)) -> Usd {
        let (span, model) = (self.clip(span), PriceTable::builtin().canonical(model));
        let rows = self.rows_of(span).filter(|row| row.model == model);
        let rows = rows.map(|row| (row.model.clone(), row.basis, row.amount, row.count));
        CostReport::from_rows(span, self.simulated, CostGrouping::Model, rows).committed()
    }

    fn clip(&self, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> (DateTime<Utc>, DateTime<Utc>) {
        (from.max(self.from), to.min(self.to))
    }

    fn rows_of(&self, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> impl Iterator<Item = &CostRow> {
        let days = days_of(from, to);
        self.rows.iter().filter(move |row| days.contains(&row.day))
    }

    /// A charge with several tags counts in the line of each; the charges without one have a line of their own.
    fn tag_lines(&self, (from, to): (DateTime<Utc>, DateTime<Utc>), all: &CostReport) -> Vec<CostLine> {
        let days = days_of(from, to);
        let mut lines: BTreeMap<&str, CostLine> = BTreeMap::new();
        let mut untagged = CostLine {
            key: NO_TAG.to_owned(),
            usd: all.total_usd,
            uncertain_usd: all.unknown_usd + all.unconfirmed_usd,
            count: all.count,
        };
        for row in self.tags.iter().filter(|row| days.contains(&row.day)) {
            let amount = row.amount.map_or(Usd::ZERO, |one| one * row.count);
            let (usd, unsure) = if row.basis.is_counted() { (amount, Usd::ZERO) } else { (Usd::ZERO, amount) };
            match &row.tag {
                None => {
                    untagged.usd = untagged.usd - usd;
                    untagged.uncertain_usd = untagged.uncertain_usd - unsure;
                    untagged.count = untagged.count.saturating_sub(row.count);
                }
                Some(tag) => {
                    let new = || CostLine { key: tag.clone(), usd: Usd::ZERO, uncertain_usd: Usd::ZERO, count: 0 };
                    let line = lines.entry(tag).or_insert_with(new);
                    line.usd += usd;
                    line.uncertain_usd += unsure;
                    line.count += row.count;
                }
            }
        }
        let mut lines: Vec<CostLine> = lines.into_values().collect();
        if untagged.count > 0 {
            lines.push(untagged);
        }
        lines.sort_by(|left, right| right.usd.cmp(&left.usd).then(left.key.cmp(&right.key)));
        lines
    }
}

/// The days whose charges are in a span, the partial ones at its ends included.
fn days_of(from: DateTime<Utc>, to: DateTime<Utc>) -> std::ops::Range<NaiveDate> {
    let last = to.date_naive();
    from.date_naive()..if midnight(last) < to { last + Days::new(1) } else { last }
}

/// The line of charges without a tag.
pub(crate) const NO_TAG: &str = "(no tag)";

/// The line of charges without a model.
pub(crate) const NO_MODEL: &str = "(no model)";

impl CostReport {
    /// What a cap counts; a charge of unknown price counts as the highest published one.
    pub fn committed(&self) -> Usd {
        let unpriced = PriceTable::builtin().highest() * self.unpriced_count;
        self.total_usd + self.unknown_usd + self.unconfirmed_usd + unpriced
    }

    /// A report made of equal charges added up by the store: group, basis, amount of one, how many.
    pub fn from_rows(
        span: (DateTime<Utc>, DateTime<Utc>),
        simulated: bool,
        grouping: CostGrouping,
        rows: impl IntoIterator<Item = (String, Basis, Option<Usd>, u64)>,
    ) -> Self {
        let mut report = Self {
            total_usd: Usd::ZERO,
            unknown_usd: Usd::ZERO,
            unconfirmed_usd: Usd::ZERO,
            unpriced_count: 0,
            count: 0,
            others_count: 0,
            by: Vec::new(),
            from: span.0,
            to: span.1,
            simulated,
        };
        let mut lines: BTreeMap<String, CostLine> = BTreeMap::new();
        for (key, basis, amount, count) in rows {
            let key = if key.is_empty() && grouping == CostGrouping::Model { NO_MODEL.to_owned() } else { key };
            report.count += count;
            let new = CostLine { key: key.clone(), usd: Usd::ZERO, uncertain_usd: Usd::ZERO, count: 0 };
            let line = lines.entry(key).or_insert(new);
            line.count += count;
            let Some(amount) = amount.map(|one| one * count) else {
                report.unpriced_count += count;
                continue;
            };
            if !basis.is_counted() {
                line.uncertain_usd += amount;
            }
            match basis {
                Basis::Unknown => report.unknown_usd += amount,
                Basis::Unconfirmed => report.unconfirmed_usd += amount,
                Basis::Estimated | Basis::Quoted | Basis::Settled => {
                    report.total_usd += amount;
                    line.usd += amount;
                }
            }
        }
        report.by = lines.into_values().collect();
        if !grouping.is_time() {
            report.by.sort_by(|left, right| right.usd.cmp(&left.usd).then(left.key.cmp(&right.key)));
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_reports_any_grouping_and_later_part() {
        let row = |day: u32, model: &str, cause: &str, amount: &str, count| CostRow {
            day: NaiveDate::from_ymd_opt(2026, 11, day).unwrap(),
            model: model.to_owned(),
            service: "bfl_api".to_owned(),
            cause: cause.to_owned(),
            basis: Basis::Settled,
            amount: Some(amount.parse().unwrap()),
            count,
        };
        let at = |day: u32| NaiveDate::from_ymd_opt(2026, 11, day).unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
        let rows = vec![
            row(20, "a", "image", "0.01", 2),
            row(22, "a", "timed_out", "0.02", 1),
            row(22, "b", "image", "0.05", 1),
        ];
        let others = [20, 22].map(|day| (NaiveDate::from_ymd_opt(2026, 11, day).unwrap(), 1));
        let table = CostTable::new((at(20), at(23)), false, rows).with_others(others.into());
        let lines = |report: &CostReport| -> Vec<(String, String, u64)> {
            report.by.iter().map(|line| (line.key.clone(), line.usd.to_string(), line.count)).collect()
        };
        let line = |key: &str, usd: &str, count| (key.to_owned(), usd.to_owned(), count);
        let by_model = table.report(CostGrouping::Model);
        assert_eq!(lines(&by_model), [line("b", "0.05", 1), line("a", "0.04", 3)]);
        let by_day = table.report(CostGrouping::Day);
        assert_eq!(lines(&by_day), [line("2026-11-20", "0.02", 2), line("2026-11-22", "0.07", 2)]);
        let later = table.report_from(at(22), CostGrouping::Cause);
        assert_eq!(lines(&later), [line("image", "0.05", 1), line("timed_out", "0.02", 1)]);
        assert_eq!((later.from, later.to, later.count), (at(22), at(23), 2));
        assert_eq!((by_day.others_count, later.others_count), (2, 1));
    }

    #[test]
    fn report_keeps_uncertain_money_out_of_total() {
        let four: Usd = "0.04".parse().unwrap();
        let rows = [
            ("a".to_owned(), Basis::Settled, Some(four), 2),
            ("a".to_owned(), Basis::Unknown, Some(four), 1),
            ("b".to_owned(), Basis::Unconfirmed, Some(four), 3),
            ("b".to_owned(), Basis::Estimated, None, 1),
            (String::new(), Basis::Settled, None, 1),
        ];
        let span = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        let report = CostReport::from_rows(span, true, CostGrouping::Model, rows);
        assert_eq!(report.total_usd.to_string(), "0.08");
        assert_eq!(report.unknown_usd.to_string(), "0.04");
        assert_eq!(report.unconfirmed_usd.to_string(), "0.12");
        assert_eq!((report.unpriced_count, report.count), (2, 8));
        let keys: Vec<&str> = report.by.iter().map(|line| line.key.as_str()).collect();
        assert_eq!(keys, ["a", "(no model)", "b"]);
    }
}
