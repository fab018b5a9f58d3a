//! The lines above and below the table of the cost screen.

use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::console::costs_view;
use crate::console::theme::Theme;
use crate::costs::{CostReport, Usd};
use crate::engine::{CostOverview, FleetUsage};
use crate::text::format;

/// `total $31.02  890 charges · $0.12 uncertain`.
pub fn total_line(report: &CostReport, range: &str, width: usize, theme: &Theme) -> Line<'static> {
    if report.count == 0 {
        let words = match range {
            "today" | "this month" => format!("No charges {range}"),
            _ => format!("No charges in the last {range}"),
        };
        return Line::styled(format::cut(&words, width), theme.dim);
    }
    let total = report.total_usd.display();
    let charges = if report.count == 1 { "1 charge".to_owned() } else { format!("{} charges", report.count) };
    let beside = report.unknown_usd + report.unconfirmed_usd;
    let beside = match (beside == Usd::ZERO, report.unpriced_count) {
        (true, 0) => String::new(),
        (false, 0) => format!(" · {} uncertain", beside.display()),
        (true, unpriced) => format!(" · {unpriced} unpriced"),
        (false, unpriced) => format!(" · {} uncertain, {unpriced} unpriced", beside.display()),
    };
    let used = "total ".len() + total.len();
    let facts = if width < 56 { String::new() } else { format!("  {charges}") };
    let beside = format::cut(&beside, width.saturating_sub(used + facts.width()));
    Line::from(vec![
        Span::styled("total ", theme.dim),
        Span::styled(total, theme.accent.add_modifier(Modifier::BOLD)),
        Span::styled(facts, theme.text),
        Span::styled(beside, theme.warning),
    ])
}

/// `this month $12.30, $1.10 a day, forecast $38.00 of $100.00 · $18.42 left on the account`.
pub fn outlook_line(costs: &CostOverview, width: usize, theme: &Theme) -> Line<'static> {
    let outlook = &costs.outlook;
    let cap = costs.monthly_cap.map(|cap| format!(" of {}", cap.display())).unwrap_or_default();
    let credits = costs.credits.map(|left| format!(" · {} left on the account", left.display())).unwrap_or_default();
    // An average and a forecast are not more exact than what they follow from.
    let month = outlook.month_usd.display();
    let decimals = month.split_once('.').map_or(2, |(_, decimals)| decimals.len() as u32);
    let rounded = |usd: Usd| Usd::new(usd.decimal().round_dp(decimals));
    let [month, per_day, forecast] =
        costs_view::aligned([outlook.month_usd, rounded(outlook.usd_per_day), rounded(outlook.forecast_usd)]);
    let line = format!("this month {month}, {per_day} a day, forecast {forecast}{cap}{credits}");
    let is_over = costs.monthly_cap.is_some_and(|cap| outlook.forecast_usd > cap);
    Line::styled(format::cut(&line, width), if is_over { theme.warning } else { theme.dim })
}

/// `store: 24 reads, 3 writes an hour here · 4 processes 900 reads, 120 writes an hour, $0.0008 an hour, $0.55 a month`.
pub fn usage_line(usage: &FleetUsage, width: usize, theme: &Theme) -> Line<'static> {
    let here = usage.processes.iter().find(|process| process.is_this_process);
    let mut parts = Vec::new();
    if let Some(here) = here {
        parts.push(format!("{} reads, {} writes an hour here", here.reads_per_hour, here.writes_per_hour));
    }
    let money = |usd: Option<Usd>| usd.map_or_else(|| "?".to_owned(), Usd::display);
    parts.push(format!(
        "{} {}: {} reads, {} writes, {} an hour, {} a month",
        usage.processes.len(),
        if usage.processes.len() == 1 { "process" } else { "processes" },
        usage.reads_per_hour,
        usage.writes_per_hour,
        money(usage.usd_per_hour),
        money(usage.usd_per_month),
    ));
    let line = format!("store {}", parts.join(" · "));
    Line::styled(format::cut(&line, width), theme.dim)
}

/// The keys of the screen, as many as fit.
pub fn keys_line(width: usize, in_jobs: bool) -> String {
    let keys = if in_jobs {
        ["Enter open job", "Esc lines", "↑↓ select", "Tab range"]
    } else {
        ["←→ group by", "Tab range", "Enter jobs", "Esc back"]
    };
    let mut line = String::new();
    for words in keys {
        if line.is_empty() {
            words.clone_into(&mut line);
        } else if line.width() + words.width() + 3 <= width {
            line.push_str(" · ");
            line.push_str(words);
        }
    }
    line
}
