//! Owns how money is drawn: bars and the use of the caps. Must not add up charges, and must not make a float of an amount.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use unicode_width::UnicodeWidthStr;

use super::theme::Theme;
use crate::costs::{CostLine, CostReport, PriceTable, Usd};
use crate::engine::CostOverview;
use crate::text::format;

/// A bar of at most `cells` cells for `amount` out of `whole`; what exists has at least one cell.
pub fn bar(amount: Usd, whole: Usd, cells: usize) -> String {
    if amount <= Usd::ZERO || whole <= Usd::ZERO || cells == 0 {
        return String::new();
    }
    let share = amount.decimal().checked_div(whole.decimal()).unwrap_or(Decimal::ZERO).min(Decimal::ONE);
    let filled = (share * Decimal::from(cells)).round().to_usize().unwrap_or(0).clamp(1, cells);
    "━".repeat(filled)
}

/// Whole percent of `amount` out of `whole`, rounded down: 100 is only said when it is reached.
pub fn percent(amount: Usd, whole: Usd) -> u64 {
    let share = amount.decimal().checked_div(whole.decimal()).unwrap_or(Decimal::ZERO);
    share.checked_mul(Decimal::ONE_HUNDRED).and_then(|share| share.floor().to_u64()).unwrap_or(0)
}

/// How much of a cap is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapUse {
    /// `day` or `month`.
    pub period: &'static str,
    /// What counts against it: also unknown and unconfirmed money, which may have been billed.
    pub used: Usd,
    /// Whether some of it may not have been billed: then it is more than what is shown as spent.
    pub uncertain: bool,
    /// The cap.
    pub cap: Usd,
    /// The share of the cap, in percent, from which to warn.
    pub soft_percent: u8,
}

/// The share of a cap from which to warn, where the store has none.
const DEFAULT_SOFT_PERCENT: u8 = 80;

impl CapUse {
    /// Whether the soft mark is reached.
    pub fn is_close(&self) -> bool {
        self.used * 100 >= self.cap * u64::from(self.soft_percent)
    }

    /// How loud it is to be said, where it is worth a warning.
    pub fn warning(&self, theme: &Theme) -> Option<Style> {
        match () {
            () if self.used >= self.cap => Some(theme.bad),
            () if self.is_close() => Some(theme.warning),
            () => None,
        }
    }

    /// `day    ━━━━━━──── 64% of $20.00`.
    pub fn line(&self, width: usize, theme: &Theme) -> Line<'static> {
        let percent = if self.cap <= Usd::ZERO { 100 } else { percent(self.used, self.cap) };
        let facts = format!(" {percent}% of {}", self.cap.display());
        let name = format!("{:<6}", self.period);
        // Without these words the bar and the sum beside it seem to disagree.
        let told = format!("{facts}, uncertain counted");
        let facts = if self.uncertain && name.len() + told.width() + LEAST_BAR <= width { told } else { facts };
        let room = width.saturating_sub(name.len() + facts.width()).min(30);
        let filled = if self.cap <= Usd::ZERO { "━".repeat(room) } else { bar(self.used, self.cap, room) };
        let empty = "─".repeat(room.saturating_sub(filled.width()));
        let style = self.warning(theme).unwrap_or(theme.good);
        let facts = format::cut(&facts, width.saturating_sub(name.len()));
        Line::from(vec![
            Span::styled(name, theme.dim),
            Span::styled(filled, style),
            Span::styled(empty, theme.dim),
            Span::styled(facts, style),
        ])
    }
}

/// Cells of a bar that is still worth looking at.
const LEAST_BAR: usize = 12;

/// The caps that are set, with their use.
pub fn caps(costs: &CostOverview) -> Vec<CapUse> {
    let soft_percent = costs.soft_percent.unwrap_or(DEFAULT_SOFT_PERCENT);
    [("day", costs.daily_cap, &costs.today), ("month", costs.monthly_cap, &costs.calendar_month)]
        .into_iter()
        .filter_map(|(period, cap, report)| {
            let used = committed(report);
            Some(CapUse { period, used, uncertain: used > report.total_usd, cap: cap?, soft_percent })
        })
        .collect()
}

/// Whether every charge of the report has an amount that counts.
pub fn is_certain(report: &CostReport) -> bool {
    report.unknown_usd == Usd::ZERO && report.unconfirmed_usd == Usd::ZERO && report.unpriced_count == 0
}

/// Whether a group has charges, but none of an amount that counts: then no sum is shown for it, certainly not zero.
pub fn is_uncertain(line: &CostLine, report: &CostReport) -> bool {
    line.usd == Usd::ZERO && line.count > 0 && !is_certain(report)
}

/// What a group spent, or that nobody knows.
pub fn group_amount(line: &CostLine, report: &CostReport) -> String {
    if is_uncertain(line, report) { "not known".to_owned() } else { line.usd.display() }
}

/// What a cap counts; a charge of unknown price counts as the highest published one.
fn committed(report: &CostReport) -> Usd {
    let unpriced = PriceTable::builtin().highest() * report.unpriced_count;
    report.total_usd + report.unknown_usd + report.unconfirmed_usd + unpriced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::samples::{costs, usd};

    #[test]
    fn what_exists_is_seen_and_nothing_is_rounded_up_to_a_whole() {
        assert_eq!(bar(usd("0.0001"), usd("10"), 20), "━");
        assert_eq!(bar(usd("0"), usd("10"), 20), "");
        assert_eq!(bar(usd("30"), usd("10"), 4), "━━━━");
        assert_eq!(percent(usd("9.999"), usd("10")), 99);
        assert_eq!(percent(usd("1"), usd("0")), 0);
    }

    #[test]
    fn money_that_may_have_been_billed_counts_against_a_cap() {
        let mut costs = costs(false);
        costs.daily_cap = Some(usd("2"));
        costs.today.unconfirmed_usd = usd("0.20");
        let cap = &caps(&costs)[0];
        assert_eq!(cap.used, usd("1.485"));
        assert!(!cap.is_close());
        costs.today.unknown_usd = usd("0.115");
        assert!(caps(&costs)[0].is_close(), "four fifths");
    }

    #[test]
    fn month_gauge_counts_the_calendar_month() {
        let mut costs = costs(false);
        costs.monthly_cap = Some(usd("100"));
        costs.calendar_month.unknown_usd = usd("0.05");
        costs.month.unknown_usd = usd("99");
        let expected = costs.calendar_month.total_usd + usd("0.05") + costs.calendar_month.unconfirmed_usd;
        let month = &caps(&costs)[0];
        assert_eq!((month.period, month.used, month.is_close()), ("month", expected, false));
    }

    #[test]
    fn soft_mark_of_the_store_warns() {
        let mut costs = costs(false);
        costs.daily_cap = Some(usd("2"));
        assert!(!caps(&costs)[0].is_close());
        costs.soft_percent = Some(50);
        assert!(caps(&costs)[0].is_close());
    }

    #[test]
    fn unpriced_charge_counts_toward_the_gauge() {
        let mut costs = costs(false);
        costs.daily_cap = Some(usd("2"));
        let before = caps(&costs)[0].used;
        costs.today.unpriced_count += 1;
        assert_eq!(caps(&costs)[0].used, before + usd("0.607"));
    }
}
