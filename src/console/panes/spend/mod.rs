//! The spend pane: spending of today, 7 and 30 days, and the budgets. Sums come from the engine's reports.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use crate::console::theme::Theme;
use crate::console::{costs_view, widgets};
use crate::costs::{CostReport, Usd};
use crate::engine::CostOverview;
use crate::text;
use crate::text::format;

/// A line of the pane, and how soon it is dropped where there is no room.
struct Row {
    /// 0 stays longest.
    rank: u8,
    line: Line<'static>,
}

/// Draws the pane. The most important lines stay where there is little room.
pub fn draw(frame: &mut Frame<'_>, area: Rect, costs: Option<&CostOverview>, focused: bool, theme: &Theme) {
    let simulated = costs.is_some_and(|costs| costs.today.simulated);
    let facts = if simulated { "simulated · days in UTC" } else { "days in UTC" };
    let block = widgets::padded_pane("Spend", facts, area.width, focused, theme);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines = match costs {
        None => vec![Line::styled("Loading costs…", theme.dim)],
        Some(costs) => fit(rows(costs, usize::from(inner.width), theme), usize::from(inner.height)),
    };
    frame.render_widget(Paragraph::new(lines), inner);
    widgets::fold_to_ascii(frame, area, theme);
}

/// The most important rows that fit, in display order.
fn fit(rows: Vec<Row>, height: usize) -> Vec<Line<'static>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|index| rows[*index].rank);
    order.truncate(height);
    let kept = |index: &usize| order.contains(index);
    rows.into_iter().enumerate().filter(|(index, _)| kept(index)).map(|(_, row)| row.line).collect()
}

fn rows(costs: &CostOverview, width: usize, theme: &Theme) -> Vec<Row> {
    let mut rows = vec![Row { rank: 0, line: totals(costs, width, theme) }];
    let caps = costs_view::caps(costs);
    let ranks = caps.iter().map(|cap| if cap.is_close() { 1 } else { 3 });
    rows.extend(ranks.zip(costs_view::cap_lines(&caps, width, theme)).map(|(rank, line)| Row { rank, line }));
    if costs.month.count == 0 {
        let line = Line::styled("No charges yet", theme.dim);
        rows.push(Row { rank: 4, line });
    } else {
        let (report, span) =
            if costs.today.by.is_empty() { (&costs.month, Some("30 days")) } else { (&costs.today, None) };
        if let Some(span) = span {
            rows.push(Row { rank: 6, line: Line::styled(format!("nothing today; last {span}:"), theme.dim) });
        }
        rows.extend(bars(report, width, theme));
        if !costs_view::is_certain(&costs.month) {
            rows.push(Row { rank: 2, line: beside(&costs.month, width, theme) });
        }
    }
    if let Some(credits) = costs.credits {
        rows.push(Row { rank: 5, line: Line::styled(format!("{} credit left", credits.display()), theme.dim) });
    }
    rows
}

/// `today $1.28   7 d $8.10   30 d $31.02`: with smaller gaps, then without the last sums, where there is no room.
fn totals(costs: &CostOverview, width: usize, theme: &Theme) -> Line<'static> {
    let amounts = costs_view::aligned([costs.today.total_usd, costs.week.total_usd, costs.month.total_usd]);
    let mut sums: Vec<(&str, String)> = ["today", "7 d", "30 d"].into_iter().zip(amounts).collect();
    let cells = |sums: &[(&str, String)], gap: usize| {
        let sum: usize = sums.iter().map(|(name, amount)| name.len() + 1 + amount.len() + gap).sum();
        sum.saturating_sub(gap)
    };
    let gap = loop {
        match (1..=3).rev().find(|gap| cells(&sums, *gap) <= width) {
            Some(gap) => break gap,
            None if sums.len() > 1 => _ = sums.pop(),
            None => break 1,
        }
    };
    let mut spans = Vec::new();
    for (name, amount) in sums {
        let before = if spans.is_empty() { 0 } else { gap };
        let style = if name == "today" { theme.accent } else { theme.text };
        spans.push(Span::styled(format!("{}{name} ", " ".repeat(before)), theme.dim));
        spans.push(Span::styled(amount, style));
    }
    Line::from(spans)
}

/// `flux-2-pro  ━━━━━━━━━ $0.91  23`, the longest bar for the largest amount.
fn bars(report: &CostReport, width: usize, theme: &Theme) -> Vec<Row> {
    let largest = report.by.iter().map(|line| line.usd).max().unwrap_or(Usd::ZERO);
    let names: Vec<String> =
        report.by.iter().map(|line| format::cut(&text::sanitize_line(&line.key, 60), 22)).collect();
    let name_width = names.iter().map(|name| name.width()).max().unwrap_or(0).min(width / 2);
    let amounts = costs_view::group_amounts(report);
    let amount_width = amounts.iter().map(String::len).max().unwrap_or(0);
    let room = width.saturating_sub(name_width + amount_width + 3).min(40);
    let drawn = names.iter().zip(&amounts).zip(&report.by).zip(0_u8..=200);
    drawn
        .map(|(((name, amount), line), index)| {
            let name = format::cut(name, name_width);
            let bar = costs_view::bar(line.usd, largest, room);
            let spans = vec![
                Span::styled(format!("{name}{}  ", " ".repeat(name_width.saturating_sub(name.width()))), theme.text),
                Span::styled(format!("{bar}{} ", " ".repeat(room.saturating_sub(bar.width()))), theme.accent),
                Span::styled(format!("{amount:>amount_width$}"), theme.text),
            ];
            Row { rank: 10 + index, line: Line::from(spans) }
        })
        .collect()
}

/// `30 d may be billed $0.12 · 3 unpriced`: money that is not in the total of 30 days. An amount is whole or absent.
fn beside(report: &CostReport, width: usize, theme: &Theme) -> Line<'static> {
    let usd = report.unknown_usd + report.unconfirmed_usd;
    let amount = (usd != Usd::ZERO).then(|| usd.display());
    let unpriced = (report.unpriced_count > 0).then(|| format!("{} unpriced", report.unpriced_count));
    let parts: Vec<String> = amount.into_iter().chain(unpriced).collect();
    let (all, first) = (parts.join(" · "), parts.first().cloned().unwrap_or_default());
    let forms = [
        format!("30 d may be billed as well {all}"),
        format!("30 d may be billed {all}"),
        format!("30 d may be billed {first}"),
        format!("may be billed {first}"),
        String::new(),
    ];
    Line::styled(format::fitting(forms, width), theme.warning)
}

#[cfg(test)]
mod tests;
