//! The table of the cost screen: one row for each group, with its share.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use crate::console::costs_view;
use crate::console::theme::Theme;
use crate::costs::{CostGrouping, CostLine, CostReport, Service, Usd};
use crate::text;
use crate::text::format;

/// One group, ready to be drawn.
pub struct TableRow {
    name: String,
    usd: Usd,
    /// The same for people.
    amount: String,
    count: u64,
    /// The group has charges, but none of known amount: no sum is shown for it, certainly not zero.
    uncertain: bool,
    /// What 100 % is.
    whole: Usd,
}

/// The lines of a report; spans of time with the newest first.
pub fn rows(report: &CostReport, grouping: CostGrouping) -> Vec<TableRow> {
    let lines = report.by.iter().zip(costs_view::group_amounts(report));
    let mut rows: Vec<TableRow> = lines.map(|(line, amount)| row(line, amount, grouping, report)).collect();
    if grouping.is_time() {
        rows.reverse();
    }
    rows
}

fn row(line: &CostLine, amount: String, grouping: CostGrouping, report: &CostReport) -> TableRow {
    let (name, uncertain) = (name_of(&line.key, grouping), costs_view::is_uncertain(line, report));
    TableRow { name, usd: line.usd, amount, count: line.count, uncertain, whole: report.total_usd }
}

/// The name of a line on the screen.
pub fn name_of(key: &str, grouping: CostGrouping) -> String {
    match grouping {
        CostGrouping::Service if key == Service::BflApi.as_str() => "FLUX API".to_owned(),
        CostGrouping::Service if key == Service::GoogleStorage.as_str() => "Google Cloud Storage".to_owned(),
        // The stored name of the cause is older than the word on the screen.
        CostGrouping::Cause if key == "picture" => "image".to_owned(),
        CostGrouping::Cause => text::sanitize_line(&key.replace('_', " "), 60),
        _ => text::sanitize_line(key, 60),
    }
}

/// Draws the head and as many rows as fit around the row `place`, which is marked where it is `selected`.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    what: &str,
    rows: &[TableRow],
    place: usize,
    selected: Option<usize>,
    theme: &Theme,
) {
    if area.height == 0 || rows.is_empty() {
        return;
    }
    let width = usize::from(area.width);
    let amount_width = rows.iter().map(|row| row.amount.width()).max().unwrap_or(0).max("spent".len());
    let count_width = rows.iter().map(|row| row.count.to_string().len()).max().unwrap_or(0).max("charges".len());
    let visible = usize::from(area.height) - 1;
    let scroll = (place + 1).saturating_sub(visible);
    let last = (scroll + visible).min(rows.len());
    let head = if rows.len() > visible {
        format!("{what} {}–{last} of {}", scroll + 1, rows.len())
    } else {
        what.to_owned()
    };
    let longest = rows.iter().map(|row| row.name.width()).max().unwrap_or(0).max(head.width()) + 1;
    let bar_width = match width {
        0..56 => 0,
        _ => (width - 56 + 10).min(40),
    };
    let fixed = amount_width + count_width + 4 + if bar_width > 0 { bar_width + 7 } else { 0 };
    let name_width = longest.min(width.saturating_sub(fixed)).max(6);

    let line = |name: &str, amount: &str, bar: &str, share: &str, count: &str, style| {
        let name = format::cut(name, name_width);
        let gap = " ".repeat(name_width.saturating_sub(name.width()));
        let mut spans = vec![Span::styled(format!("{name}{gap}  {amount:>amount_width$}  "), style)];
        if bar_width > 0 {
            let rest = " ".repeat(bar_width.saturating_sub(bar.width()));
            spans.push(Span::styled(format!("{bar}{rest} "), theme.accent));
            spans.push(Span::styled(format!("{share:>4}  "), theme.dim));
        }
        spans.push(Span::styled(format!("{count:>count_width$}"), style));
        Line::from(spans)
    };
    let mut lines = vec![line(&format!(" {head}"), "spent", "", "", "charges", theme.dim)];
    for (index, row) in rows.iter().enumerate().skip(scroll).take(visible) {
        let share = match costs_view::percent(row.usd, row.whole) {
            _ if row.uncertain => "?".to_owned(),
            0 if row.usd > Usd::ZERO => "<1%".to_owned(),
            percent => format!("{percent}%"),
        };
        let bar = costs_view::bar(row.usd, row.whole, bar_width);
        let style = if row.uncertain { theme.warning } else { theme.text };
        let is_selected = selected == Some(index);
        let name = format!("{}{}", if is_selected { "▸" } else { " " }, row.name);
        let line = line(&name, &row.amount, &bar, &share, &row.count.to_string(), style);
        lines.push(if is_selected { line.style(theme.selected) } else { line });
    }
    frame.render_widget(Paragraph::new(lines), area);
}
