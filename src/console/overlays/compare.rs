//! Two to four jobs side by side: their images, only the parameters that differ, seconds and dollars.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::Duration;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect, Size};
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use crate::catalog::Catalog;
use crate::console::costs_view;
use crate::console::panes::image::{ImageKey, Tiles, image_of};
use crate::console::panes::queue::status_label;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::jobs::{Attempt, Job, JobId, StepName};
use crate::text;
use crate::text::format;

/// Jobs that fit side by side.
pub const MAX_JOBS: usize = 4;
/// The narrowest column; where they do not fit, two stand in a row.
const MIN_COLUMN: u16 = 24;
/// Lines of a long value, such as a prompt.
const VALUE_LINES: usize = 3;

/// The compared jobs, and which of them keys act on.
#[derive(Debug)]
pub struct Compare {
    ids: Vec<JobId>,
    chosen: usize,
    room: Size,
}

/// What the screen is drawn from.
pub struct CompareView<'a> {
    /// The jobs, in their order; those that were removed meanwhile are missing.
    pub jobs: Vec<Arc<Job>>,
    /// Why images are not drawn.
    pub hint: Option<String>,
    /// Prices for estimates.
    pub catalog: &'static Catalog,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

/// A fact in which the jobs differ, or which is always shown.
struct Fact {
    name: String,
    values: Vec<String>,
}

impl Compare {
    /// For those jobs.
    pub fn new(ids: Vec<JobId>) -> Self {
        Self { ids, chosen: 0, room: Size::ZERO }
    }

    /// The compared jobs.
    pub fn ids(&self) -> &[JobId] {
        &self.ids
    }

    /// The job that keys act on.
    pub fn chosen(&self) -> Option<&JobId> {
        self.ids.get(self.chosen)
    }

    /// Chooses another one.
    pub fn step(&mut self, by: i64) {
        let last = self.ids.len().saturating_sub(1);
        let chosen = i64::try_from(self.chosen).unwrap_or(0).saturating_add(by).max(0);
        self.chosen = usize::try_from(chosen).unwrap_or(0).min(last);
    }

    /// Cells of one image, as last drawn.
    pub fn room(&self) -> Size {
        self.room
    }

    /// The images, the chosen one first.
    pub fn images<'a>(&self, jobs: impl Iterator<Item = &'a Arc<Job>>) -> Vec<ImageKey> {
        jobs.filter_map(|job| image_of(job).map(|(attempt, _)| (job.id.clone(), attempt))).collect()
    }

    /// Draws it.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &CompareView<'_>, tiles: &mut Tiles) {
        let facts = facts(view);
        let count = self.ids.len().max(1);
        let columns = if area.width / (count as u16) < MIN_COLUMN && count > 2 { 2 } else { count };
        let rows = count.div_ceil(columns);
        let row_areas = Layout::vertical(vec![Constraint::Fill(1); rows]).split(area);
        let mut missing = 0;
        for (index, id) in self.ids.iter().enumerate() {
            let line = Layout::horizontal(vec![Constraint::Fill(1); columns]).split(row_areas[index / columns]);
            let column = line[index % columns];
            let chosen = index == self.chosen;
            let Some(job) = view.jobs.iter().find(|job| job.id == *id) else {
                missing += 1;
                let gone = Line::styled("This job was deleted", view.theme.dim);
                frame.render_widget(Paragraph::new(gone).block(view.theme.block(chosen)), column);
                continue;
            };
            let images = match &view.hint {
                Some(hint) => Err(hint.as_str()),
                None => Ok(&mut *tiles),
            };
            self.room = column_of(frame, column, (job, index - missing), &facts, chosen, view.theme, images);
        }
    }
}

/// Draws one job; returns the cells of its image.
fn column_of(
    frame: &mut Frame<'_>,
    area: Rect,
    (job, place): (&Job, usize),
    facts: &[Fact],
    chosen: bool,
    theme: &Theme,
    tiles: Result<&mut Tiles, &str>,
) -> Size {
    let (set, style) = if chosen { (border::THICK, theme.border_focused) } else { (border::ROUNDED, theme.border) };
    let status = format!("{} {}", theme.job_symbol(job), status_label(job));
    let cursor = if chosen { theme.symbol("▸", ">") } else { "" };
    let title = vec![Span::styled(cursor, theme.accent), Span::styled(status, theme.job_style(job))];
    let block = Block::bordered().border_set(set).border_style(style).title(Line::from(title));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width);
    let names = facts.iter().map(|fact| fact.name.len()).max().unwrap_or(0).min(width / 3);
    // Every column gives each fact the same number of lines, so that each fact is on one line of the screen.
    let lines_of = |value: &str| {
        let mut lines = widgets::wrap(value, width.saturating_sub(names + 1));
        if lines.len() > VALUE_LINES {
            lines.truncate(VALUE_LINES);
            if let Some(last) = lines.last_mut() {
                *last = format::cut(&format!("{last} …"), width.saturating_sub(names + 1));
            }
        }
        lines
    };
    let mut lines: Vec<Line<'static>> = Vec::new();
    for fact in facts {
        let height = fact.values.iter().map(|value| lines_of(value).len()).max().unwrap_or(1);
        let value = fact.values.get(place).map(String::as_str).unwrap_or_default();
        let mut parts = lines_of(value);
        parts.resize(height, String::new());
        for (index, part) in parts.into_iter().enumerate() {
            let name = if index == 0 { fact.name.as_str() } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{} ", format::fit(name, names)), theme.dim),
                Span::styled(part, theme.text),
            ]));
        }
    }
    let height = (lines.len() as u16).min(inner.height - (inner.height / 2).min(3));
    let [image, below] = Layout::vertical([Constraint::Min(0), Constraint::Length(height)]).areas(inner);
    frame.render_widget(Paragraph::new(lines), below);
    match (image_of(job), tiles) {
        (Some((attempt, _)), Ok(tiles)) => tiles.draw(frame, &(job.id.clone(), attempt), image, theme),
        (Some(_), Err(hint)) => {
            frame.render_widget(Paragraph::new(Line::styled(hint.to_owned(), theme.warning)).centered(), image);
        }
        (None, _) => frame.render_widget(Paragraph::new(Line::styled("no image", theme.dim)).centered(), image),
    }
    image.as_size()
}

/// What differs, and what is always compared: seconds and dollars.
fn facts(view: &CompareView<'_>) -> Vec<Fact> {
    let jobs = &view.jobs;
    let mut facts = Vec::new();
    let mut add_if_different = |name: &str, value: &dyn Fn(&Job) -> String| {
        let values: Vec<String> = jobs.iter().map(|job| value(job)).collect();
        if values.windows(2).any(|pair| pair[0] != pair[1]) {
            facts.push(Fact { name: name.to_owned(), values });
        }
    };
    add_if_different("model", &|job| text::sanitize_line(&job.spec.model, 60));
    let names: BTreeSet<&String> = jobs.iter().flat_map(|job| job.spec.parameters.keys()).collect();
    for name in names {
        add_if_different(&text::sanitize_line(name, 24), &|job| match job.spec.parameters.get(name) {
            None => "default".to_owned(),
            Some(serde_json::Value::String(value)) => text::sanitize_line(value, 200),
            Some(value) => text::sanitize_line(&value.to_string(), 200),
        });
    }
    add_if_different("size", &|job| {
        job.image().map_or_else(String::new, |image| format!("{}×{}", image.width, image.height))
    });
    add_if_different("prompt", &|job| text::sanitize_line(&job.spec.prompt, 400));
    let always = |name: &str, value: &dyn Fn(&Job) -> String| Fact {
        name: name.to_owned(),
        values: jobs.iter().map(|job| value(job)).collect(),
    };
    let seconds = always("seconds", &|job| {
        let taken = job.attempts.iter().rev().find_map(generation_time);
        taken.map_or_else(|| "unknown".to_owned(), |taken| format!("{:.1}", taken.num_milliseconds() as f64 / 1e3))
    });
    let cost = always("cost", &|job| costs_view::cell(job, view.catalog));
    let mut always = vec![cost, seconds];
    always.extend(facts);
    always
}

/// From the submit until the image was ready.
fn generation_time(attempt: &Attempt) -> Option<Duration> {
    let generate = attempt.step(StepName::Generate)?;
    Some(generate.ended_at? - attempt.step(StepName::Submit).map_or(generate.started_at, |step| step.started_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::test_fixtures::done;

    #[test]
    fn only_differences_and_the_bill_are_listed() {
        let job = |id: &str, seed: u64, steps: Option<u64>| {
            let mut job = done(id, 64, 64);
            job.spec = job.spec.with("seed", seed).with("width", 64);
            if let Some(steps) = steps {
                job.spec = job.spec.with("steps", steps);
            }
            Arc::new(job)
        };
        let theme = Theme::dark();
        let jobs = vec![job("a", 1, None), job("b", 2, Some(30))];
        let listed = facts(&CompareView { jobs, hint: None, catalog: Catalog::builtin(), theme: &theme });
        let listed: Vec<(&str, Vec<&str>)> =
            listed.iter().map(|fact| (fact.name.as_str(), fact.values.iter().map(String::as_str).collect())).collect();
        assert_eq!(
            listed,
            [
                ("cost", vec!["$0.00", "$0.00"]),
                ("seconds", vec!["unknown", "unknown"]),
                ("seed", vec!["1", "2"]),
                ("steps", vec!["default", "30"]),
            ]
        );
    }
}
