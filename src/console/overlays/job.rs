//! The job screen: prompt, parameters, and every attempt with its steps and charges.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::timeline;
use crate::catalog::Catalog;
use crate::console::DisplayZone;
use crate::console::panes::steps::{self, StepsView};
use crate::console::theme::Theme;
use crate::console::{costs_view, widgets};
use crate::engine::Progress;
use crate::jobs::{Attempt, BillingStatus, Job, Stage};
use crate::text;
use crate::text::format;

/// The screen of the selected job and how far it is scrolled.
#[derive(Debug, Default)]
pub struct JobScreen {
    scroll: usize,
}

/// What the screen is drawn from.
pub struct JobView<'a> {
    /// The job.
    pub job: &'a Job,
    /// Its current progress.
    pub progress: Option<&'a Progress>,
    /// Prices for estimates.
    pub catalog: &'static Catalog,
    /// The zone of the times.
    pub zone: DisplayZone,
    /// The present.
    pub now: DateTime<Utc>,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

/// Cells of the row labels.
const NAMES: usize = 10;

impl JobScreen {
    /// Scrolls by some lines.
    pub fn scroll(&mut self, lines: i64) {
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        self.scroll = if lines < 0 { self.scroll.saturating_sub(step) } else { self.scroll.saturating_add(step) };
    }

    /// Draws the screen.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &JobView<'_>) {
        let facts = format!("{} · {}", view.job.id, status_label(view.job));
        let block = widgets::pane("Job", &facts, area.width, true, view.theme);
        let inner = block.inner(area);
        let lines = lines(view, usize::from(inner.width.saturating_sub(1)));
        let (count, room) = (lines.len(), usize::from(inner.height));
        self.scroll = self.scroll.min(count.saturating_sub(room));
        let block = if count > room {
            let shown = format!(" {}–{} of {count} lines ", self.scroll + 1, self.scroll + room);
            block.title_bottom(Line::styled(shown, view.theme.dim).right_aligned())
        } else {
            block
        };
        frame.render_widget(Paragraph::new(lines).scroll((self.scroll as u16, 0)).block(block), area);
    }
}

fn status_label(job: &Job) -> &'static str {
    crate::console::panes::queue::status_label(job)
}

fn lines(view: &JobView<'_>, width: usize) -> Vec<Line<'static>> {
    let (job, theme) = (view.job, view.theme);
    let mut lines = Vec::new();
    let mut say = |name: &str, value: &str, style| {
        for (index, part) in widgets::wrap(value, width.saturating_sub(NAMES + 2)).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!(" {} ", format::fit(name, NAMES)), theme.dim),
                Span::styled(part, style),
            ]));
        }
    };
    let status = format!("{} {}", theme.job_symbol(job), status_label(job));
    say("status", &status, theme.job_style(job));
    match &job.stage {
        Stage::Failed { failure } => {
            say("why", &format!("{}: {}", failure.code.as_str(), clean(&failure.message)), theme.bad);
            let billed = match failure.billed {
                BillingStatus::No => "not billed",
                BillingStatus::Yes => "billed",
                BillingStatus::Unknown => "may be billed (not confirmed)",
            };
            say("bill", billed, theme.text);
        }
        Stage::Queued { hold: Some(hold) } => say("why", &clean(&hold.summary()), theme.warning),
        _ => {}
    }
    if let Some(until) = job.not_before.filter(|until| *until > view.now) {
        say(
            "waits",
            &format!("{}, until {}", format::age(until - view.now), view.zone.date_and_time(until)),
            theme.warning,
        );
    }
    for (index, paragraph) in text::sanitize_text(&job.spec.prompt).lines().take(200).enumerate() {
        say(if index == 0 { "prompt" } else { "" }, paragraph, theme.text);
    }
    say("model", &clean(&job.spec.model), theme.text);
    for (name, value) in &job.spec.parameters {
        let value = match value {
            serde_json::Value::String(text) => clean(text),
            other => clean(&other.to_string()),
        };
        say("", &format!("{} = {}", text::sanitize_line(name, 40), format::cut(&value, 160)), theme.dim);
    }
    if let Some(ignored) = job.spec.ignored_line() {
        say("no effect", &format!("{ignored} ({} has no such parameters)", clean(&job.spec.model)), theme.warning);
    }
    let basis = job.cost_basis().map(|basis| format!(", {}", basis.as_str())).unwrap_or_default();
    say("cost", &format!("{}{basis}", costs_view::cell(job, view.catalog)), theme.text);
    if let Some(noted) = job.noted_cost() {
        let line =
            format!("{} noted by another program: reports and caps count its entries in costs only", noted.display());
        say("", &line, theme.dim);
    }
    if let Some(image) = job.image() {
        let size = format::bytes(image.bytes);
        say("image", &format!("{}×{} {}, {size}", image.width, image.height, image.format.as_str()), theme.text);
        say("", &clean(&image.url), theme.dim);
    }
    let age = format::age(view.now - job.created_at);
    say("made", &format!("{age} ago, {}", view.zone.date_and_time(job.created_at)), theme.text);
    if let Some(claim) = job.claim.as_ref().filter(|claim| claim.holds(view.now)) {
        say("worker", &claim.worker.to_string(), theme.text);
    }
    if !job.tags.is_empty() {
        say("tags", &clean(&job.tags.join(", ")), theme.text);
    }
    for attempt in job.attempts.iter().rev() {
        lines.push(Line::default());
        lines.push(attempt_line(attempt, job, view));
        if let Some(line) = attempt.price_line(job.spec_of(attempt).size()) {
            let style = if line.ends_with(')') { theme.warning } else { theme.dim };
            lines.push(Line::styled(format!("  {}", format::cut(&line, width.saturating_sub(2))), style));
        }
        if let Some(resolution) = &attempt.resolution {
            let summary = resolution.summary(|at| view.zone.date_and_time(at));
            lines.push(Line::styled(format!("  {}", format::cut(&summary, width.saturating_sub(2))), theme.dim));
        }
        for fact in result_facts(attempt) {
            let parts = widgets::wrap(&fact, width.saturating_sub(2));
            lines.extend(parts.into_iter().map(|part| Line::styled(format!("  {part}"), theme.dim)));
        }
        lines.extend(timeline::lines(attempt, view.now, width, theme));
        let current = attempt.number == job.attempt_number();
        let steps = StepsView {
            job: Some(job),
            progress: view.progress,
            now: view.now,
            zone: view.zone,
            focused: false,
            theme,
        };
        lines.extend(steps::lines(job, attempt, current, &steps, width));
    }
    lines
}

/// What the provider reports of the image beside the request.
fn result_facts(attempt: &Attempt) -> Vec<String> {
    let seed = attempt.provider_seed.map(|seed| format!("seed {seed}, chosen by the provider"));
    let prompt = attempt.rewritten_prompt.as_ref().map(|prompt| format!("prompt rewritten: {}", clean(prompt)));
    seed.into_iter().chain(prompt).collect()
}

fn attempt_line(attempt: &Attempt, job: &Job, view: &JobView<'_>) -> Line<'static> {
    let theme = view.theme;
    let mut spans = vec![
        Span::styled(format!(" attempt {} of {}", attempt.number, job.attempts.len()), theme.accent),
        Span::styled(format!("  {}", view.zone.date_and_time(attempt.created_at)), theme.dim),
    ];
    for charge in attempt.charges() {
        let amount = charge.amount.map_or("unknown amount".to_owned(), crate::costs::Usd::display);
        let style = if charge.basis.is_counted() { theme.text } else { theme.warning };
        spans.push(Span::styled(format!("  {amount} {} ({})", charge.basis.as_str(), charge.service.as_str()), style));
    }
    Line::from(spans)
}

fn clean(words: &str) -> String {
    text::sanitize_line(words, 2_000)
}
