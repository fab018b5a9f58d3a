//! The bar chart of spending by day.

use std::collections::BTreeMap;

use chrono::{Datelike, Duration, NaiveDate};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::console::theme::Theme;
use crate::costs::{CostLine, CostReport, Usd};

/// Cells of one bar at most.
const MAX_BAR: usize = 8;
/// Cells of the amounts on the axis.
const AXIS: usize = 9;
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Draws a bar for each day of the range up to `today`; in a narrow area the oldest days are left out. A day with charges of which no amount
/// counts is marked `?`.
pub fn draw(frame: &mut Frame<'_>, area: Rect, by_day: &CostReport, today: NaiveDate, range: i64, theme: &Theme) {
    let width = usize::from(area.width);
    let height = usize::from(area.height).saturating_sub(2);
    if width < AXIS + 5 || height == 0 {
        return;
    }
    let range = usize::try_from(range).unwrap_or(1).max(1);
    let cell = ((width - AXIS) / range).clamp(1, MAX_BAR);
    let days = ((width - AXIS) / cell).min(range);
    let known: BTreeMap<&str, &CostLine> = by_day.by.iter().map(|line| (line.key.as_str(), line)).collect();
    let dates: Vec<NaiveDate> =
        (0..days).rev().map(|back| today - Duration::days(i64::try_from(back).unwrap_or(0))).collect();
    let lines: Vec<Option<&CostLine>> =
        dates.iter().map(|date| known.get(date.format("%Y-%m-%d").to_string().as_str()).copied()).collect();
    let largest = lines.iter().flatten().map(|line| line.usd).max().unwrap_or(Usd::ZERO);
    let levels: Vec<usize> =
        lines.iter().map(|line| level(line.map_or(Usd::ZERO, |line| line.usd), largest, height)).collect();

    let bar = |symbol: &str| {
        let solid = if cell > 1 { cell - 1 } else { 1 };
        format!("{}{}", symbol.repeat(solid), " ".repeat(cell - solid))
    };
    let mut rows = Vec::new();
    for row in 0..height {
        let below = (height - 1 - row) * 8;
        let label = if row == 0 { largest.display() } else { String::new() };
        let bars: String = levels.iter().map(|level| bar(EIGHTHS[level.saturating_sub(below).min(8)])).collect();
        rows.push(Line::from(vec![Span::styled(format!("{label:>8} "), theme.dim), Span::styled(bars, theme.accent)]));
    }
    let marks: String = lines
        .iter()
        .map(|line| match line {
            Some(line) if line.usd == Usd::ZERO && line.count > 0 => bar("?"),
            _ => bar("─"),
        })
        .collect();
    rows.push(Line::from(vec![Span::styled(format!("{:>8} ", "$0.00"), theme.dim), Span::styled(marks, theme.dim)]));
    rows.push(Line::styled(format!("{}{}", " ".repeat(AXIS), dates_line(&dates, cell)), theme.dim));
    frame.render_widget(Paragraph::new(rows), area);
}

/// Eighths of a cell that the amount is high; what exists has at least one.
fn level(amount: Usd, largest: Usd, height: usize) -> usize {
    if amount <= Usd::ZERO || largest <= Usd::ZERO {
        return 0;
    }
    let share = amount.decimal().checked_div(largest.decimal()).unwrap_or(Decimal::ZERO).min(Decimal::ONE);
    (share * Decimal::from(height * 8)).round().to_usize().unwrap_or(0).clamp(1, height * 8)
}

/// The days of the month under their bars, every seventh counted back from today, the months' names where they begin.
fn dates_line(dates: &[NaiveDate], cell: usize) -> String {
    let mut line: Vec<char> = vec![' '; dates.len() * cell + 6];
    for (index, date) in dates.iter().enumerate() {
        if !(dates.len() - 1 - index).is_multiple_of(7) {
            continue;
        }
        let label = if index < 7 { date.format("%-d %b").to_string() } else { date.day().to_string() };
        for (offset, character) in label.chars().enumerate() {
            if let Some(place) = line.get_mut(index * cell + offset) {
                *place = character;
            }
        }
    }
    line.into_iter().collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::test_fixtures::usd;

    #[test]
    fn chart_levels_scale_to_the_largest() {
        assert_eq!(level(usd("0"), usd("3"), 5), 0);
        assert_eq!(level(usd("0.0001"), usd("3"), 5), 1);
        assert_eq!(level(usd("1.5"), usd("3"), 5), 20);
        assert_eq!(level(usd("3"), usd("3"), 5), 40);
    }
}
