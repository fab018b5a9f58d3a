//! The question before quitting while this console is working on images that cost real money.

use chrono::{DateTime, Duration, Utc};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::centred;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::jobs::Job;
use crate::text;
use crate::text::format;

/// Prompts that are named.
const NAMED: usize = 3;

/// A task of the provider whose image is not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTask {
    prompt: String,
    /// When its image is lost.
    deadline: Option<DateTime<Utc>>,
    /// Whether the deadline is that of a link; else it is the earliest possible one.
    has_link: bool,
}

impl OpenTask {
    /// The task of a running job.
    pub fn of(job: &Job) -> Self {
        let has_link = job.attempt().is_some_and(|attempt| attempt.link_expires_at.is_some());
        Self { prompt: text::sanitize_line(&job.spec.prompt, 32), deadline: job.rescue_deadline(), has_link }
    }

    /// `neon fox · at least 9m 12s left`.
    fn line(&self, now: DateTime<Utc>) -> String {
        let left = match (self.deadline.map(|deadline| deadline - now), self.has_link) {
            (None, _) => "request in flight".to_owned(),
            (Some(left), true) if left <= Duration::zero() => "its link has expired".to_owned(),
            (Some(left), true) => format!("its link expires in {}", clock(left)),
            (Some(left), false) if left <= Duration::zero() => "may be lost unless it is still generating".to_owned(),
            (Some(left), false) => format!("at least {} left", clock(left)),
        };
        format!("· {} · {left}", self.prompt)
    }
}

/// `9m 12s`, `48s`.
fn clock(left: Duration) -> String {
    let seconds = left.num_seconds();
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m {:02}s", seconds / 60, seconds % 60) }
}

/// What is lost if nothing collects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuitDialog {
    running: usize,
    tasks: Vec<OpenTask>,
    facts: Vec<String>,
}

impl QuitDialog {
    /// The question about so many running images. `tasks` are those that are known; `others` is how many other workers are alive on
    /// this machine, if that is known.
    pub fn new(running: usize, mut tasks: Vec<OpenTask>, others: Option<usize>) -> Self {
        tasks.sort_by_key(|task| (task.deadline.is_none(), task.deadline));
        let mut facts =
            vec!["They are paid for. The provider deletes a finished image after about 10 minutes.".to_owned()];
        facts.push(match others {
            Some(0) => {
                "No other worker runs on this machine: within that time start `darkroom worker`, or this console again."
                    .to_owned()
            }
            Some(others) => format!("{} on this machine will collect them.", format::count(others, "other worker")),
            None => "Another worker on this store, or `darkroom worker`, collects them until then.".to_owned(),
        });
        Self { running, tasks, facts }
    }

    /// The first tasks to be lost, and how many there are beside them.
    fn task_lines(&self, now: DateTime<Utc>) -> Vec<String> {
        let mut lines: Vec<String> = self.tasks.iter().take(NAMED).map(|task| task.line(now)).collect();
        let unnamed = self.running.saturating_sub(lines.len());
        if unnamed > 0 && !lines.is_empty() {
            lines.push(format!("· and {unnamed} more"));
        }
        lines
    }

    /// Draws the question in the middle of an area.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, now: DateTime<Utc>, theme: &Theme) {
        let width = area.width.saturating_sub(2).min(64);
        let text_width = usize::from(width.saturating_sub(4));
        let facts = self.task_lines(now).into_iter().chain(self.facts.iter().cloned());
        let wrapped = facts.flat_map(|fact| widgets::wrap(&fact, text_width));
        let mut lines: Vec<Line<'_>> = wrapped.map(|line| Line::raw(format!(" {line}"))).collect();
        if lines.len() + 5 <= usize::from(area.height) {
            lines.insert(0, Line::default());
            lines.push(Line::default());
            lines.push(Line::from(vec![
                Span::styled(" w ", theme.accent),
                Span::raw("wait, then quit    "),
                Span::styled(" y ", theme.accent),
                Span::raw("quit now    "),
                Span::styled(" n ", theme.accent),
                Span::raw("stay"),
            ]));
        }
        let area = centred(area, width, lines.len() as u16 + 2);
        frame.render_widget(Clear, area);
        let images = if self.running == 1 { "1 image is" } else { "images are" };
        let count = if self.running == 1 { String::new() } else { format!("{} ", self.running) };
        let title = format!(" Quit while {count}{images} being generated? ");
        let block = theme.block(true).title(Line::styled(title, theme.warning));
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}
