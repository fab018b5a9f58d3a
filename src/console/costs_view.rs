//! How money looks on the screen: the cost of a job, bars, and the use of the budgets.
//!
//! Sums come from the engine's reports; amounts stay exact decimals.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use unicode_width::UnicodeWidthStr;

use super::theme::Theme;
use crate::catalog::Catalog;
use crate::costs::{Basis, CostLine, CostReport, DEFAULT_SOFT_PERCENT, Usd};
use crate::engine::CostOverview;
use crate::jobs::{Job, StageName};
use crate::text::format;

/// What a job costs, as far as it is known.
struct CellCost {
    /// Not charged yet.
    is_estimate: bool,
    /// `None` where no price is known.
    amount: Option<Usd>,
    /// Some of it, or all, may not be billed.
    is_unsure: bool,
}

impl CellCost {
    fn of(job: &Job, catalog: &Catalog) -> Self {
        if let Some(amount) = job.cost() {
            let is_unsure = job.charges().any(|charge| !charge.basis.is_counted());
            return Self { is_estimate: job.cost_basis() == Some(Basis::Estimated), amount: Some(amount), is_unsure };
        }
        if job.charges().next().is_some() {
            let unsure: Usd = job.charges().filter_map(|charge| charge.amount).sum();
            return Self { is_estimate: false, amount: Some(unsure).filter(|usd| *usd > Usd::ZERO), is_unsure: true };
        }
        if !job.stage_name().is_active() {
            return Self { is_estimate: false, amount: Some(Usd::ZERO), is_unsure: false };
        }
        let reserved = job.attempt().and_then(|attempt| attempt.reserved);
        Self {
            is_estimate: true,
            amount: reserved.or(job.known_estimate()).or_else(|| catalog.estimate(&job.spec).amount),
            is_unsure: false,
        }
    }

    fn text(&self, amount: impl Fn(Usd) -> String) -> String {
        let Some(usd) = self.amount else { return "?".to_owned() };
        let (before, behind) = (if self.is_estimate { "~" } else { "" }, if self.is_unsure { "?" } else { "" });
        format!("{before}{}{behind}", amount(usd))
    }
}

/// `$0.04` charged, `~$0.04` estimated, `$0.04?` may be billed, `?` price unknown.
pub fn cell(job: &Job, catalog: &Catalog) -> String {
    CellCost::of(job, catalog).text(Usd::display)
}

/// The same for a column: amounts with three decimals whose points stand under each other, the mark behind them.
pub fn column_cell(job: &Job, catalog: &Catalog) -> String {
    let text = CellCost::of(job, catalog).text(|usd| {
        let amount = usd.decimal().round_dp(3);
        if amount.is_zero() && usd > Usd::ZERO { "<$0.001".to_owned() } else { format!("${amount:.3}") }
    });
    if text.ends_with('?') { text } else { text + " " }
}

/// Whether a job in this stage can be cancelled.
pub fn can_cancel(job: &Job) -> bool {
    matches!(job.stage_name(), StageName::Queued | StageName::Generating)
}

/// A bar of at most `cells` cells for `amount` out of `whole`; what exists has at least one cell.
pub fn bar(amount: Usd, whole: Usd, cells: usize) -> String {
    if amount <= Usd::ZERO || whole <= Usd::ZERO || cells == 0 {
        return String::new();
    }
    let share = amount.decimal().checked_div(whole.decimal()).unwrap_or(Decimal::ZERO).min(Decimal::ONE);
    let filled = (share * Decimal::from(cells)).round().to_usize().unwrap_or(0).clamp(1, cells);
    "━".repeat(filled)
}

/// Whole percent of `amount` out of `whole`, rounded down: 100 only when it is reached.
pub fn percent(amount: Usd, whole: Usd) -> u64 {
    let share = amount.decimal().checked_div(whole.decimal()).unwrap_or(Decimal::ZERO);
    share.checked_mul(Decimal::ONE_HUNDRED).and_then(|share| share.floor().to_u64()).unwrap_or(0)
}

/// How much of a cap is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetUse {
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

impl BudgetUse {
    /// Whether the soft mark is reached.
    pub fn is_close(&self) -> bool {
        self.used * 100 >= self.cap * u64::from(self.soft_percent)
    }

    /// The style of a warning, where the use of the budget deserves one.
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
        // Without this note the bar and the sum next to it seem to disagree.
        let annotated = format!("{facts}, incl. unconfirmed");
        let facts =
            if self.uncertain && name.len() + annotated.width() + LEAST_BAR <= width { annotated } else { facts };
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
pub fn caps(costs: &CostOverview) -> Vec<BudgetUse> {
    let soft_percent = costs.soft_percent.unwrap_or(DEFAULT_SOFT_PERCENT);
    [("day", costs.daily_cap, &costs.today), ("month", costs.monthly_cap, &costs.calendar_month)]
        .into_iter()
        .filter_map(|(period, cap, report)| {
            let used = report.committed();
            Some(BudgetUse { period, used, uncertain: used > report.total_usd, cap: cap?, soft_percent })
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

/// The amount of a group, or `unknown`.
pub fn group_amount(line: &CostLine, report: &CostReport) -> String {
    if is_uncertain(line, report) { "unknown".to_owned() } else { line.usd.display() }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::console::test_fixtures::{costs, usd};
    use crate::costs::{Charge, Service};
    use crate::jobs::{BillingStatus, Failure, FailureCode, JobId, Spec};

    fn job() -> Job {
        Job::new(JobId::new("a").unwrap(), Spec::new("no-such-model", "x"), true, DateTime::UNIX_EPOCH)
    }

    fn charged(amount: Option<&str>, basis: Basis) -> Job {
        let mut job = job();
        let charge = Charge {
            service: Service::BflApi,
            amount: amount.map(|text| text.parse().unwrap()),
            basis,
            model: String::new(),
            at: DateTime::UNIX_EPOCH,
            simulated: true,
        };
        job.attempts[0].charge = Some(charge);
        job
    }

    #[test]
    fn job_cost_shows_its_certainty() {
        let catalog = Catalog { models: Vec::new() };
        assert_eq!(cell(&charged(Some("0.04"), Basis::Settled), &catalog), "$0.04");
        assert_eq!(cell(&charged(Some("0.04"), Basis::Estimated), &catalog), "~$0.04");
        assert_eq!(cell(&charged(Some("0.04"), Basis::Unconfirmed), &catalog), "$0.04?");
        assert_eq!(cell(&charged(None, Basis::Unknown), &catalog), "?");
        assert_eq!(cell(&job(), &catalog), "?", "an unknown price is never zero");
        let mut failed = job();
        let failure = Failure::new(FailureCode::InvalidRequest, "x", BillingStatus::No, DateTime::UNIX_EPOCH);
        failed.reject(failure, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(cell(&failed, &catalog), "$0.00", "nothing was sent");
    }

    #[test]
    fn costs_of_a_column_have_one_format() {
        let catalog = Catalog { models: Vec::new() };
        let cell = |amount, basis| column_cell(&charged(amount, basis), &catalog);
        assert_eq!(cell(Some("0.694"), Basis::Settled), "$0.694 ");
        assert_eq!(cell(Some("0.33"), Basis::Estimated), "~$0.330 ");
        assert_eq!(cell(Some("12"), Basis::Unconfirmed), "$12.000?");
        assert_eq!(cell(Some("0.0004"), Basis::Settled), "<$0.001 ");
        assert_eq!(cell(None, Basis::Unknown), "?");
    }

    #[test]
    fn bar_and_percent_round_visibly() {
        assert_eq!(bar(usd("0.0001"), usd("10"), 20), "━");
        assert_eq!(bar(usd("0"), usd("10"), 20), "");
        assert_eq!(bar(usd("30"), usd("10"), 4), "━━━━");
        assert_eq!(percent(usd("9.999"), usd("10")), 99);
        assert_eq!(percent(usd("1"), usd("0")), 0);
    }

    #[test]
    fn unconfirmed_money_counts_against_budget() {
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
