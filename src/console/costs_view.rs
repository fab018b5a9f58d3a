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

/// The amounts of one line or column with one number of decimals: that of the most exact one, from two to four.
pub fn aligned<const COUNT: usize>(amounts: [Usd; COUNT]) -> [String; COUNT] {
    let decimals = decimals(amounts);
    amounts.map(|usd| with_decimals(usd, decimals))
}

/// The same for a column of any length.
pub fn aligned_column(amounts: impl IntoIterator<Item = Usd> + Clone) -> Vec<String> {
    let decimals = decimals(amounts.clone());
    amounts.into_iter().map(|usd| with_decimals(usd, decimals)).collect()
}

fn decimals(amounts: impl IntoIterator<Item = Usd>) -> usize {
    let scales = amounts.into_iter().map(|usd| usd.decimal().round_dp(4).normalize().scale());
    scales.max().unwrap_or(0).max(2) as usize
}

fn with_decimals(usd: Usd, decimals: usize) -> String {
    let rounded = usd.decimal().round_dp(4);
    // What is below the last decimal is shown as such, and so is what is negative.
    if rounded <= Decimal::ZERO && usd != Usd::ZERO { usd.display() } else { format!("${rounded:.decimals$}") }
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

    /// ` 64% of $20.00`, with a note where there is room for it beside a bar.
    fn facts(&self, width: usize) -> String {
        let percent = if self.cap <= Usd::ZERO { 100 } else { percent(self.used, self.cap) };
        let facts = format!(" {percent}% of {}", self.cap.display());
        // Without this note the bar and the sum next to it seem to disagree.
        let annotated = format!("{facts}, incl. unconfirmed");
        if self.uncertain && PERIOD + annotated.width() + LEAST_BAR <= width { annotated } else { facts }
    }
}

/// Each cap as `day    ━━━━━━──── 64% of $20.00`: the tracks have one length, so that the bars can be compared.
pub fn cap_lines(caps: &[BudgetUse], width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let facts: Vec<String> = caps.iter().map(|cap| cap.facts(width)).collect();
    let longest = facts.iter().map(|facts| facts.width()).max().unwrap_or(0);
    let track = width.saturating_sub(PERIOD + longest).min(30);
    let lines = caps.iter().zip(facts).map(|(cap, facts)| {
        let filled = if cap.cap <= Usd::ZERO { "━".repeat(track) } else { bar(cap.used, cap.cap, track) };
        let empty = "─".repeat(track.saturating_sub(filled.width()));
        let style = cap.warning(theme).unwrap_or(theme.good);
        Line::from(vec![
            Span::styled(format!("{:<PERIOD$}", cap.period), theme.dim),
            Span::styled(filled, style),
            Span::styled(empty, theme.dim),
            Span::styled(format::cut(&facts, width.saturating_sub(PERIOD)), style),
        ])
    });
    lines.collect()
}

/// Cells of the name of a period.
const PERIOD: usize = 6;

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

/// The amounts of the groups, with one number of decimals: `$0.36?` where all of it may not be billed, `unknown` where no amount is known.
pub fn group_amounts(report: &CostReport) -> Vec<String> {
    let usd = |line: &CostLine| if line.usd == Usd::ZERO { line.uncertain_usd } else { line.usd };
    let amounts = aligned_column(report.by.iter().map(usd));
    let shown = report.by.iter().zip(amounts).map(|(line, amount)| match is_uncertain(line, report) {
        true if line.uncertain_usd == Usd::ZERO => "unknown".to_owned(),
        true => format!("{amount}?"),
        false => amount,
    });
    let mut shown: Vec<String> = shown.collect();
    // The points stand under each other, the mark behind them.
    if shown.iter().any(|amount| amount.ends_with('?')) {
        shown.iter_mut().filter(|amount| !amount.ends_with('?')).for_each(|amount| amount.push(' '));
    }
    shown
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
    fn amounts_of_one_line_have_one_format() {
        assert_eq!(aligned([usd("1.26"), usd("0.225")]), ["$1.260", "$0.225"]);
        assert_eq!(aligned([usd("3"), usd("0.5")]), ["$3.00", "$0.50"]);
        assert_eq!(aligned_column([usd("0.00001"), usd("2.5")]), ["<$0.0001", "$2.50"]);
    }

    #[test]
    fn tracks_of_all_caps_have_one_length() {
        let cap = |period, used, cap, uncertain| BudgetUse {
            period,
            used: usd(used),
            uncertain,
            cap: usd(cap),
            soft_percent: 80,
        };
        let caps = [cap("day", "2.551", "5", false), cap("month", "9.04", "50", true)];
        for width in [24, 38, 50, 60, 70] {
            let lines = cap_lines(&caps, width, &Theme::dark());
            let track = |line: &Line<'_>| line.spans[1].content.width() + line.spans[2].content.width();
            assert_eq!(track(&lines[0]), track(&lines[1]), "{width}");
            assert!(lines.iter().all(|line| line.width() <= width), "{width}");
        }
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
