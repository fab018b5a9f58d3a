//! Owns how money is drawn: bars and the use of the caps. Must not add up charges, and must not make a float of an amount.

use chrono::Datelike;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use unicode_width::UnicodeWidthStr;

use super::theme::Theme;
use crate::costs::{CostLine, CostReport, Usd};
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
    /// Whether more may be used than is known: the report does not reach back to the first of a month of 31 days.
    pub at_least: bool,
    /// Whether some of it may not have been billed: then it is more than what is shown as spent.
    pub uncertain: bool,
    /// The cap.
    pub cap: Usd,
}

impl CapUse {
    /// Whether it is worth a warning: four fifths are used.
    pub fn is_close(&self) -> bool {
        self.used * 5 >= self.cap * 4
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
        let mark = if self.at_least { "≥" } else { "" };
        let facts = format!(" {mark}{percent}% of {}", self.cap.display());
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
    let mut caps = Vec::new();
    if let Some(cap) = costs.daily_cap {
        caps.push(CapUse {
            period: "day",
            used: committed(&costs.today),
            at_least: false,
            uncertain: committed(&costs.today) > costs.today.total_usd,
            cap,
        });
    }
    if let Some(cap) = costs.monthly_cap {
        let month = costs.at.format("%Y-%m").to_string();
        let days = costs.by_day.by.iter().filter(|line| line.key.starts_with(&month));
        let beside = costs.by_day.unknown_usd + costs.by_day.unconfirmed_usd;
        let used = days.map(|line| line.usd).sum::<Usd>() + beside;
        let uncertain = beside > Usd::ZERO;
        caps.push(CapUse { period: "month", used, at_least: costs.at.day() == 31, uncertain, cap });
    }
    caps
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

fn committed(report: &CostReport) -> Usd {
    report.total_usd + report.unknown_usd + report.unconfirmed_usd
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
    fn a_month_counts_from_its_first_day() {
        let mut costs = costs(false);
        costs.monthly_cap = Some(usd("100"));
        let october = usd("3");
        assert_eq!(caps(&costs)[0].used, costs.by_day.total_usd - october + costs.by_day.unknown_usd);
        assert!(!caps(&costs)[0].at_least);
        costs.at = "2026-12-31T10:00:00Z".parse().unwrap();
        assert!(caps(&costs)[0].at_least, "30 days do not reach back to the first of December");
    }
}
