//! The cost screen: spending of a range by any grouping, the most expensive jobs at its side, and the way from a line to its jobs. Sums
//! come from the engine's table.

mod chart;
mod jobs;
mod summary;
mod table;

use chrono::{DateTime, TimeDelta, Utc};
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
use crate::engine::{CostOverview, FleetUsage, JobCost};
use crate::jobs::DriftSummary;
use crate::text::format;
use crate::time::{last_days, month_of};
pub use jobs::JobLabel;
use summary::{keys_line, outlook_line, total_line, usage_line};

/// The time range of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CostRange {
    Today,
    Week,
    Days30,
    Month,
}

const GROUPINGS: [(CostGrouping, &str); 8] = [
    (CostGrouping::Model, "model"),
    (CostGrouping::Day, "day"),
    (CostGrouping::Week, "week"),
    (CostGrouping::Month, "month"),
    (CostGrouping::Service, "service"),
    (CostGrouping::Status, "status"),
    (CostGrouping::Tag, "tag"),
    (CostGrouping::Cause, "cause"),
];

const RANGES: [(CostRange, &str); 4] = [
    (CostRange::Today, "today"),
    (CostRange::Week, "7 days"),
    (CostRange::Days30, "30 days"),
    (CostRange::Month, "this month"),
];

/// Jobs that are loaded for a range or a line.
const JOBS: usize = 50;

/// The height from which the lines have room for a chart above them.
const MIN_WITH_CHART: u16 = 10;

/// The width from which the jobs have room beside the lines.
const WIDE: u16 = 110;

/// The cost screen and its own state.
#[derive(Debug)]
pub struct CostScreen {
    grouping: usize,
    range: usize,
    /// The selected line of the table.
    line: usize,
    /// The keys of the lines at the last draw.
    keys: Vec<String>,
    /// The line whose jobs are listed; `None` for the whole range.
    only: Option<(CostGrouping, String)>,
    /// Whether the keys move in the jobs.
    in_jobs: bool,
    /// The selected job.
    job: usize,
    /// `None` until they are loaded.
    jobs: Option<Result<Vec<JobCost>, String>>,
    /// Rows that had room at the last draw.
    page: usize,
    /// What the estimates of the loaded jobs were wrong by.
    drift: Option<String>,
}

/// What a key means here.
#[derive(Debug, PartialEq, Eq)]
pub enum CostKey {
    /// It is not for this screen.
    Ignored,
    /// It changed the screen only.
    Taken,
    /// The jobs of the screen must be loaded.
    Load,
    /// A job is to be shown.
    Open(String),
}

/// Which jobs a screen needs: the span, the line of a report, at most how many.
pub type WantedJobs = ((DateTime<Utc>, DateTime<Utc>), Option<(CostGrouping, String)>, usize);

/// What the screen is drawn from.
pub struct CostView<'a> {
    /// Spending; `None` until it is known.
    pub costs: Option<&'a CostOverview>,
    /// What documents cost that all processes read and write.
    pub usage: Option<&'a FleetUsage>,
    /// What is known of a job, where it is loaded.
    pub label_of: &'a dyn Fn(&str) -> Option<JobLabel>,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

impl Default for CostScreen {
    fn default() -> Self {
        Self::new()
    }
}

impl CostScreen {
    /// By model, over 30 days.
    pub fn new() -> Self {
        Self {
            grouping: 0,
            range: 2,
            line: 0,
            keys: Vec::new(),
            only: None,
            in_jobs: false,
            job: 0,
            jobs: None,
            page: 1,
            drift: None,
        }
    }

    /// The same with the drift of jobs whose charges are known.
    #[must_use]
    pub fn with_drift(self, drift: &DriftSummary) -> Self {
        Self { drift: drift.line(), ..self }
    }

    /// The jobs that the screen shows.
    pub fn wanted_jobs(&self, now: DateTime<Utc>) -> WantedJobs {
        (self.span(now), self.only.clone(), JOBS)
    }

    /// Takes over loaded jobs, unless other ones are wanted by now. A job without any money is none of the most expensive ones.
    pub fn load(&mut self, only: Option<&(CostGrouping, String)>, mut jobs: Result<Vec<JobCost>, String>) {
        if self.only.as_ref() == only {
            if let (Ok(jobs), None) = (&mut jobs, only) {
                jobs.retain(|job| job.usd + job.uncertain_usd > Usd::ZERO);
            }
            self.jobs = Some(jobs);
        }
    }

    fn span(&self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let tomorrow = last_days(now, 1).1;
        match RANGES[self.range].0 {
            CostRange::Today => last_days(now, 1),
            CostRange::Week => last_days(now, 7),
            CostRange::Days30 => last_days(now, 30),
            CostRange::Month => (month_of(now).0, tomorrow),
        }
    }

    fn job_count(&self) -> usize {
        self.jobs.as_ref().and_then(|jobs| jobs.as_ref().ok()).map_or(0, Vec::len)
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> CostKey {
        if key.kind == KeyEventKind::Release || key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return CostKey::Ignored;
        }
        match key.code {
            KeyCode::Right | KeyCode::Char('l') => return self.group(1),
            KeyCode::Left | KeyCode::Char('h') => return self.group(GROUPINGS.len() - 1),
            KeyCode::Tab => return self.change_range(1),
            KeyCode::BackTab => return self.change_range(RANGES.len() - 1),
            KeyCode::Enter => return self.enter(),
            KeyCode::Esc | KeyCode::Char('q') if self.in_jobs => return self.leave_jobs(),
            _ => {}
        }
        let count = if self.in_jobs { self.job_count() } else { self.keys.len() };
        let (last, page) = (count.saturating_sub(1), self.page);
        let place = if self.in_jobs { &mut self.job } else { &mut self.line };
        *place = match key.code {
            KeyCode::Up | KeyCode::Char('k') => place.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => (*place + 1).min(last),
            KeyCode::PageUp => place.saturating_sub(page),
            KeyCode::PageDown => (*place + page).min(last),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return CostKey::Ignored,
        };
        CostKey::Taken
    }

    fn group(&mut self, by: usize) -> CostKey {
        self.grouping = (self.grouping + by) % GROUPINGS.len();
        self.line = 0;
        if self.only.is_some() { self.leave_jobs() } else { CostKey::Taken }
    }

    fn change_range(&mut self, by: usize) -> CostKey {
        self.range = (self.range + by) % RANGES.len();
        self.line = 0;
        self.leave_jobs()
    }

    /// From a line to its jobs, from a job to the queue.
    fn enter(&mut self) -> CostKey {
        if self.in_jobs {
            let job = self.jobs.as_ref().and_then(|jobs| jobs.as_ref().ok()?.get(self.job));
            return job.map_or(CostKey::Taken, |job| CostKey::Open(job.job_id.clone()));
        }
        let Some(key) = self.keys.get(self.line) else { return CostKey::Taken };
        self.only = Some((GROUPINGS[self.grouping].0, key.clone()));
        (self.in_jobs, self.job, self.jobs) = (true, 0, None);
        CostKey::Load
    }

    fn leave_jobs(&mut self) -> CostKey {
        (self.in_jobs, self.job, self.jobs, self.only) = (false, 0, None, None);
        CostKey::Load
    }

    /// Draws the screen over whatever is in the area.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &CostView<'_>) {
        let theme = view.theme;
        widgets::clear(frame, area, theme);
        let simulated = view.costs.is_some_and(|costs| costs.today.simulated);
        let facts = if simulated { "simulated · days in UTC" } else { "days in UTC" };
        let keys = keys_line(usize::from(area.width).saturating_sub(4), self.in_jobs);
        let block = widgets::pane("Costs", facts, area.width, true, theme)
            .title_bottom(Line::styled(format!(" {keys} "), theme.accent));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let inner = if inner.width > 30 { Rect { x: inner.x + 1, width: inner.width - 2, ..inner } } else { inner };
        match view.costs {
            None => frame.render_widget(Line::styled("Loading costs…", theme.dim), inner),
            Some(costs) => self.draw_costs(frame, inner, costs, view),
        }
        widgets::fold_to_ascii(frame, area, theme);
    }

    fn draw_costs(&mut self, frame: &mut Frame<'_>, area: Rect, costs: &CostOverview, view: &CostView<'_>) {
        let theme = view.theme;
        let (grouping, name) = GROUPINGS[self.grouping];
        let span = self.span(costs.at);
        let report = costs.table.report_between(span, grouping);
        let width = usize::from(area.width);
        let roomy = area.height >= 18;

        let mut top = self.tabs(width, theme);
        top.push(total_line(&report, RANGES[self.range].1, width, theme));
        if roomy {
            top.push(Line::default());
            let gauges = costs_view::caps(costs);
            top.extend(costs_view::cap_lines(&gauges, width.min(70), theme));
            top.push(outlook_line(costs, width, theme));
            if let Some(drift) = &self.drift {
                let line = format!("price drift of the loaded jobs: {drift}");
                top.push(Line::styled(format::cut(&line, width), theme.warning));
            }
            top.extend(view.usage.map(|usage| usage_line(usage, width, theme)));
            if let Some(account) = &costs.account {
                let style = if account.cause.is_some() { theme.warning } else { theme.dim };
                top.push(Line::styled(format::cut(&account.line(), width), style));
            }
            top.push(Line::default());
        }
        let mut rest = place(frame, area, top);
        let has_lines = area.width >= WIDE || !self.in_jobs;
        let days = (span.1 - span.0).num_days();
        let has_chart = days > 1 && report.count > 0 && has_lines && rest.height >= MIN_WITH_CHART;
        let mut bottom =
            if roomy && report.count > 0 { self.explained(costs, &report, width, theme) } else { Vec::new() };
        // The chart precedes the explanations: what is uncertain is in the line of the total too.
        if has_chart && bottom.len() > usize::from(rest.height - MIN_WITH_CHART) {
            bottom.clear();
        }
        let bottom_height = u16::try_from(bottom.len()).unwrap_or(0).min(rest.height / 2);
        rest.height -= bottom_height;
        frame.render_widget(Paragraph::new(bottom), Rect { y: rest.bottom(), height: bottom_height, ..rest });

        // Beside the lines where there is width, below them where there is height, in their place where there is neither.
        let (mut lines, jobs) = match () {
            () if area.width >= WIDE => {
                let left = rest.width * 3 / 5;
                let right = Rect { x: rest.x + left + 2, width: rest.width - left - 2, ..rest };
                (Rect { width: left, ..rest }, Some(right))
            }
            () if self.in_jobs => (Rect { height: 0, ..rest }, Some(rest)),
            () if rest.height >= 24 => {
                let height = rest.height / 2;
                let below = Rect { y: rest.y + height + 1, height: rest.height - height - 1, ..rest };
                (Rect { height, ..rest }, Some(below))
            }
            () => (rest, None),
        };
        if has_chart && (grouping.is_time() || lines.height >= MIN_WITH_CHART) {
            let height = (lines.height / 2).clamp(0, 10);
            if height >= 4 {
                let by_day = costs.table.report_between(span, CostGrouping::Day);
                let last = (span.1 - TimeDelta::days(1)).date_naive();
                chart::draw(frame, Rect { height, ..lines }, &by_day, last, days, theme);
                lines.y += height;
                lines.height -= height;
            }
        }
        let rows = table::rows(&report, grouping);
        self.keys = report.by.iter().map(|line| line.key.clone()).collect();
        if grouping.is_time() {
            self.keys.reverse();
        }
        self.line = self.line.min(rows.len().saturating_sub(1));
        let selected = (!self.in_jobs).then_some(self.line);
        let room = usize::from(if self.in_jobs { jobs.map_or(0, |jobs| jobs.height) } else { lines.height });
        self.page = room.saturating_sub(2).max(1);
        table::draw(frame, lines, name, &rows, self.line, selected, theme);
        if let Some(area) = jobs {
            let selected = self.in_jobs.then_some(self.job);
            jobs::draw(frame, area, self.only.as_ref(), self.jobs.as_ref(), selected, view.label_of, theme);
        }
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
        let over = tabs("over ", RANGES.map(|(_, word)| word).to_vec(), self.range);
        let cells = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
        if cells(&by) + 4 + cells(&over) <= width {
            by.push(Span::raw("    "));
            by.extend(over);
            return vec![Line::from(by)];
        }
        if cells(&by) > width {
            // The chosen grouping must be in sight.
            by = vec![
                Span::styled("by   ", theme.dim),
                Span::styled(format!("[{}]", GROUPINGS[self.grouping].1), theme.accent),
            ];
        }
        if cells(&over) <= width {
            return vec![Line::from(by), Line::from(over)];
        }
        let over =
            vec![Span::styled("over ", theme.dim), Span::styled(format!("[{}]", RANGES[self.range].1), theme.accent)];
        vec![Line::from(by), Line::from(over)]
    }

    /// The total and the sums that are not part of it, each explained in one line.
    fn explained(&self, costs: &CostOverview, report: &CostReport, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let unpriced = report.unpriced_count.to_string();
        let wasted = costs.table.wasted(self.span(costs.at));
        let uncertain = [
            ("wasted", wasted.total_usd, "part of the total: paid, but no image (by cause)"),
            ("unknown", report.unknown_usd, "accepted, then failed: may be billed (key B)"),
            ("unconfirmed", report.unconfirmed_usd, "no answer to the submit: may be billed (key B)"),
        ];
        let mut rows = vec![("total", report.total_usd.display(), "estimated, quoted and settled charges", false)];
        rows.extend(uncertain.map(|(name, usd, meaning)| (name, usd.display(), meaning, usd != Usd::ZERO)));
        if report.others_count > 0 {
            let others = report.others_count.to_string();
            rows.push(("by others", others, "charges that other programs recorded: in the sums", false));
        }
        rows.push(("unpriced", unpriced, "charges without a known price: not in any sum", report.unpriced_count > 0));
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
}

/// Draws the lines at the top of the area and returns the rest of the area.
fn place(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) -> Rect {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
    frame.render_widget(Paragraph::new(lines), Rect { height, ..area });
    Rect { y: area.y + height, height: area.height - height, ..area }
}

#[cfg(test)]
mod tests;
