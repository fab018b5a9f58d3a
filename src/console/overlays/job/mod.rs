//! The job screen: prompt, parameters, every attempt with its steps, charges and log lines, and what operators did.

mod history;
pub mod image_facts;
mod timeline;

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::catalog::Catalog;
use crate::console::DisplayZone;
use crate::console::keymap::KeyMap;
use crate::console::panes::logs::{StepSpan, StoredRecord};
use crate::console::panes::steps::{self, StepsView};
use crate::console::theme::Theme;
use crate::console::{costs_view, widgets};
use crate::engine::{AuditEntry, Progress};
use crate::jobs::{Attempt, BillingStatus, Job, JobId, Stage, StepName};
use crate::text;
use crate::text::format;

pub use history::STEP_LINES;

/// The width from which the image is to the right of the facts.
pub const MIN_WIDTH_WITH_IMAGE: u16 = 120;

/// The screen of the selected job and how far it is scrolled.
#[derive(Debug, Default)]
pub struct JobScreen {
    job: Option<JobId>,
    scroll: usize,
    /// The selected step: the attempt and the step.
    step: Option<(u32, StepName)>,
    /// The selected step must come into sight.
    reveals_step: bool,
    /// Whether the document is shown as it is stored.
    shows_document: bool,
    /// What operators did; `None` until that is known.
    operators: Option<Result<Vec<AuditEntry>, String>>,
}

/// What the screen is drawn from.
pub struct JobView<'a> {
    /// The job.
    pub job: &'a Job,
    /// What holds it.
    pub hold: Option<String>,
    /// Its current progress.
    pub progress: Option<&'a Progress>,
    /// The newest log lines of the selected step.
    pub step_lines: &'a [StoredRecord],
    /// Prices for estimates.
    pub catalog: &'static Catalog,
    /// The zone of the times.
    pub zone: DisplayZone,
    /// The present.
    pub now: DateTime<Utc>,
    /// For texts that name a key.
    pub keys: KeyMap,
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

    /// The screen of that job.
    pub fn new(job: JobId) -> Self {
        Self { job: Some(job), ..Self::default() }
    }

    /// Shows the document as it is stored, or the facts again.
    pub fn toggle_document(&mut self) {
        (self.shows_document, self.scroll) = (!self.shows_document, 0);
    }

    /// Shows the facts again; false where they are shown already.
    pub fn leave_document(&mut self) -> bool {
        let is_open = self.shows_document;
        if is_open {
            self.toggle_document();
        }
        is_open
    }

    /// Takes in what operators did to the job.
    pub fn load_audit(&mut self, id: &JobId, entries: Result<Vec<AuditEntry>, String>) {
        if self.job.as_ref() == Some(id) {
            self.operators = Some(entries);
        }
    }

    /// Selects the step that is so many steps further, in the order of the screen. Returns whether there is any.
    pub fn select_step(&mut self, job: &Job, by: i64) -> bool {
        let attempts = job.attempts.iter().rev();
        let steps: Vec<(u32, StepName)> = attempts
            .flat_map(|attempt| {
                let begun = StepName::ALL.into_iter().filter(|name| attempt.step(*name).is_some());
                begun.map(|name| (attempt.number, name))
            })
            .collect();
        let place = self.step.and_then(|step| steps.iter().position(|other| *other == step));
        let place = match place {
            None => Some(0),
            Some(place) if by < 0 => place.checked_sub(1),
            Some(place) => Some(place + 1),
        };
        if let Some(step) = place.and_then(|place| steps.get(place)) {
            (self.step, self.reveals_step, self.shows_document) = (Some(*step), true, false);
        }
        !steps.is_empty()
    }

    /// The time of the selected step.
    pub fn selected_step(&self, job: &Job) -> Option<StepSpan> {
        let (attempt, name) = self.step?;
        let attempt = job.attempt_numbered(attempt)?;
        steps::log_span(attempt, name)
    }

    /// Everything about the job.
    fn lines(&self, view: &JobView<'_>, width: usize) -> Vec<Line<'static>> {
        let (job, theme) = (view.job, view.theme);
        let mut lines = facts(view, width);
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
                selected: self.step.filter(|(number, _)| *number == attempt.number).map(|(_, name)| name),
                theme,
            };
            for line in steps::lines(job, attempt, current, &steps, width) {
                let is_selected = line.style == theme.selected;
                lines.push(line);
                if let Some(step) = self.selected_step(job).filter(|_| is_selected) {
                    lines.extend(history::step_lines(&step, view.step_lines, view, width));
                }
            }
        }
        lines.extend(history::operators(self.operators.as_ref(), view, width));
        lines
    }

    /// Draws the screen.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &JobView<'_>) {
        let facts = format!("{} · {}", view.job.id, status_label(view.job));
        let title = if self.shows_document { "Job document" } else { "Job" };
        let block = widgets::pane(title, &facts, area.width, true, view.theme);
        let inner = block.inner(area);
        let width = usize::from(inner.width.saturating_sub(1));
        let lines = if self.shows_document { document(view, width) } else { self.lines(view, width) };
        let (count, room) = (lines.len(), usize::from(inner.height));
        if std::mem::take(&mut self.reveals_step)
            && let Some(marked) = lines.iter().position(|line| line.style == view.theme.selected)
        {
            // With the log lines below it.
            let wanted = marked + 2 + view.step_lines.len().max(1);
            self.scroll = self.scroll.clamp((wanted + 1).saturating_sub(room).min(marked), marked);
        }
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

/// The document as it is stored.
fn document(view: &JobView<'_>, width: usize) -> Vec<Line<'static>> {
    let text = serde_json::to_string_pretty(view.job).unwrap_or_else(|error| error.to_string());
    let lines = text.lines().flat_map(|line| {
        let clean = text::sanitize_line(line, 4_000);
        let indent = line.len() - line.trim_start().len();
        // A long text goes on below its beginning.
        let wrapped = widgets::wrap(clean.trim_start(), width.saturating_sub(indent + 2)).into_iter();
        wrapped.map(move |part| format!(" {}{part}", " ".repeat(indent))).collect::<Vec<_>>()
    });
    lines.map(|line| Line::styled(line, view.theme.text)).collect()
}

fn status_label(job: &Job) -> &'static str {
    crate::console::panes::queue::status_label(job)
}

fn facts(view: &JobView<'_>, width: usize) -> Vec<Line<'static>> {
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
    if let Stage::Failed { failure } = &job.stage {
        say("why", &format!("{}: {}", failure.code.as_str(), clean(&failure.message)), theme.bad);
        let billed = match failure.billed {
            BillingStatus::No => "not billed",
            BillingStatus::Yes => "billed",
            BillingStatus::Unknown => "may be billed (not confirmed)",
        };
        say("bill", billed, theme.text);
    }
    if let Some(hold) = &view.hold {
        say("why", &clean(hold), theme.warning);
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
