//! The cost screen: spending by model, day, service or cause. Sums come from the engine's reports.

mod chart;
mod table;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use crate::console::theme::Theme;
use crate::console::{costs_view, widgets};
use crate::costs::{CostGrouping, CostReport, Usd};
use crate::engine::CostOverview;
use crate::text::format;

/// The time range of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CostRange {
    Today,
    Week,
    Month,
}

const GROUPINGS: [(CostGrouping, &str); 4] = [
    (CostGrouping::Model, "model"),
    (CostGrouping::Day, "day"),
    (CostGrouping::Service, "service"),
    (CostGrouping::Cause, "cause"),
];

const RANGES: [(CostRange, &str, i64); 3] =
    [(CostRange::Today, "today", 1), (CostRange::Week, "7 days", 7), (CostRange::Month, "30 days", 30)];

/// The cost screen and its own state.
#[derive(Debug)]
pub struct CostScreen {
    grouping: usize,
    range: usize,
    scroll: usize,
    /// Rows of the table that had room at the last draw.
    page: usize,
}

impl Default for CostScreen {
    fn default() -> Self {
        Self::new()
    }
}

impl CostScreen {
    /// By model, over 30 days.
    pub fn new() -> Self {
        Self { grouping: 0, range: 2, scroll: 0, page: 1 }
    }

    /// Takes a key; false where the key is not for this screen.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release || key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return false;
        }
        match key.code {
            KeyCode::Right | KeyCode::Char('l') => self.group(1),
            KeyCode::Left | KeyCode::Char('h') => self.group(GROUPINGS.len() - 1),
            KeyCode::Tab => self.change_range(1),
            KeyCode::BackTab => self.change_range(RANGES.len() - 1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll += 1,
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(self.page),
            KeyCode::PageDown => self.scroll += self.page,
            KeyCode::Home | KeyCode::Char('g') => self.scroll = 0,
            KeyCode::End | KeyCode::Char('G') => self.scroll = usize::MAX / 2,
            _ => return false,
        }
        true
    }

    fn group(&mut self, by: usize) {
        self.grouping = (self.grouping + by) % GROUPINGS.len();
        self.scroll = 0;
    }

    fn change_range(&mut self, by: usize) {
        self.range = (self.range + by) % RANGES.len();
        self.scroll = 0;
    }

    /// Draws the screen over whatever is in the area.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, costs: Option<&CostOverview>, theme: &Theme) {
        widgets::clear(frame, area, theme);
        let simulated = costs.is_some_and(|costs| costs.today.simulated);
        let facts = if simulated { "simulated · days in UTC" } else { "days in UTC" };
        let keys = keys_line(usize::from(area.width).saturating_sub(4));
        let block = widgets::pane("Costs", facts, area.width, true, theme)
            .title_bottom(Line::styled(format!(" {keys} "), theme.accent));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let inner = if inner.width > 30 { Rect { x: inner.x + 1, width: inner.width - 2, ..inner } } else { inner };
        match costs {
            None => frame.render_widget(Line::styled("Loading costs…", theme.dim), inner),
            Some(costs) => self.draw_costs(frame, inner, costs, theme),
        }
        widgets::fold_to_ascii(frame, area, theme);
    }

    fn draw_costs(&mut self, frame: &mut Frame<'_>, area: Rect, costs: &CostOverview, theme: &Theme) {
        let (grouping, name) = GROUPINGS[self.grouping];
        let (_, range_name, days) = RANGES[self.range];
        // Service and cause are added up for 30 days only.
        let missing = days < 30 && matches!(grouping, CostGrouping::Service | CostGrouping::Cause);
        let (whole, range_name) = match RANGES[self.range].0 {
            _ if missing => (&costs.month, "30 days"),
            CostRange::Today => (&costs.today, range_name),
            CostRange::Week => (&costs.week, range_name),
            CostRange::Month => (&costs.month, range_name),
        };
        let width = usize::from(area.width);
        let roomy = area.height >= 18;

        let mut top = self.tabs(width, theme);
        if missing {
            let words = format!("by {name}: only the last 30 days are available");
            top.push(Line::styled(format::cut(&words, width), theme.warning));
        }
        top.push(total_line(whole, range_name, width, theme));
        if roomy {
            top.push(Line::default());
            let gauges = costs_view::caps(costs);
            top.extend(gauges.iter().map(|cap| cap.line(width.min(70), theme)));
            if let Some(credits) = costs.credits {
                top.push(Line::styled(format!("{} left on the account", credits.display()), theme.dim));
            }
            if !gauges.is_empty() || costs.credits.is_some() {
                top.push(Line::default());
            }
        }
        let bottom = if roomy && whole.count > 0 { explained(whole, width, theme) } else { Vec::new() };

        let mut rest = place(frame, area, top);
        let bottom_height = u16::try_from(bottom.len()).unwrap_or(0).min(rest.height / 2);
        rest.height -= bottom_height;
        frame.render_widget(Paragraph::new(bottom), Rect { y: rest.bottom(), height: bottom_height, ..rest });

        if days > 1 && costs.by_day.count > 0 && (grouping == CostGrouping::Day || rest.height >= 26) {
            let height = (rest.height / 2).clamp(0, 10);
            if height >= 4 {
                chart::draw(frame, Rect { height, ..rest }, &costs.by_day, costs.at.date_naive(), days, theme);
                rest.y += height;
                rest.height -= height;
            }
        }
        let shown = match grouping {
            CostGrouping::Model => table::rows(whole, grouping),
            CostGrouping::Day => table::day_rows(&costs.by_day, costs.at.date_naive(), days),
            CostGrouping::Service => table::rows(&costs.by_service, grouping),
            CostGrouping::Cause => table::rows(&costs.by_cause, grouping),
        };
        self.page = usize::from(rest.height).saturating_sub(1).max(1);
        self.scroll = self.scroll.min(shown.len().saturating_sub(self.page));
        table::draw(frame, rest, name, &shown, self.scroll, theme);
    }

    /// `by ‹model› day service cause    over today 7 days ‹30 days›`, in two lines where one is too short.
    fn tabs(&self, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let tabs = |label: &'static str, words: Vec<&'static str>, chosen: usize| {
            let mut spans = vec![Span::styled(label, theme.dim)];
            for (index, word) in words.into_iter().enumerate() {
                if index == chosen {
                    spans.push(Span::styled(format!("[{word}]"), theme.accent.add_modifier(Modifier::BOLD)));
                } else {
                    spans.push(Span::styled(format!(" {word} "), theme.text));
                }
            }
            spans
        };
        let mut by = tabs("by   ", GROUPINGS.map(|(_, word)| word).to_vec(), self.grouping);
        let over = tabs("over ", RANGES.map(|(_, word, _)| word).to_vec(), self.range);
        let cells = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
        if cells(&by) + 4 + cells(&over) <= width {
            by.push(Span::raw("    "));
            by.extend(over);
            return vec![Line::from(by)];
        }
        vec![Line::from(by), Line::from(over)]
    }
}

/// Draws the lines at the top of the area and returns the rest of the area.
fn place(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) -> Rect {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
    frame.render_widget(Paragraph::new(lines), Rect { height, ..area });
    Rect { y: area.y + height, height: area.height - height, ..area }
}

/// `total $31.02  890 charges · $0.12 uncertain`.
fn total_line(report: &CostReport, range: &str, width: usize, theme: &Theme) -> Line<'static> {
    if report.count == 0 {
        let words = format!("No charges in the last {range}").replace("in the last today", "today");
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

/// The total and the sums that are not part of it, each explained in one line.
fn explained(report: &CostReport, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let unpriced = report.unpriced_count.to_string();
    let rows = [
        ("total", report.total_usd.display(), "estimated, quoted and settled charges", false),
        (
            "unknown",
            report.unknown_usd.display(),
            "accepted, then failed: may be billed",
            report.unknown_usd != Usd::ZERO,
        ),
        (
            "unconfirmed",
            report.unconfirmed_usd.display(),
            "no answer to the submit: may be billed",
            report.unconfirmed_usd != Usd::ZERO,
        ),
        ("unpriced", unpriced, "charges without a known price: not in any sum", report.unpriced_count > 0),
    ];
    let amounts = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
    let lines = rows.into_iter().map(|(name, amount, meaning, matters)| {
        let style = if matters { theme.warning } else { theme.text };
        let head = format!("{name:<12} {amount:>amounts$}");
        let room = width.saturating_sub(head.width() + 2);
        Line::from(vec![
            Span::styled(head, style),
            Span::styled(format!("  {}", format::cut(meaning, room)), theme.dim),
        ])
    });
    std::iter::once(Line::default()).chain(lines).collect()
}

fn keys_line(width: usize) -> String {
    let mut line = String::new();
    for words in ["←→ group by", "Tab range", "Esc back", "↑↓ scroll"] {
        if line.is_empty() {
            words.clone_into(&mut line);
        } else if line.width() + words.width() + 3 <= width {
            line.push_str(" · ");
            line.push_str(words);
        }
    }
    line
}

#[cfg(test)]
mod tests;
