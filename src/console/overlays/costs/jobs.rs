//! The most expensive jobs of the range, or of one line of the report.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::table::name_of;
use crate::console::costs_view;
use crate::console::theme::Theme;
use crate::costs::{CostGrouping, Usd};
use crate::engine::JobCost;
use crate::text::{self, format};

/// What a line names a job by.
pub struct JobLabel {
    /// Its prompt, clean.
    pub prompt: String,
    /// Its model, clean.
    pub model: String,
    /// The UTC day of its creation: `22 Nov`.
    pub day: String,
}

/// The least cells of a prompt beside the model and the day.
const MIN_PROMPT: usize = 16;

/// Draws the head and as many jobs as fit around the selected one.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    only: Option<&(CostGrouping, String)>,
    jobs: Option<&Result<Vec<JobCost>, String>>,
    selected: Option<usize>,
    label_of: &dyn Fn(&str) -> Option<JobLabel>,
    theme: &Theme,
) {
    let width = usize::from(area.width);
    if area.height < 2 || width < 8 {
        return;
    }
    let head = match only {
        Some((grouping, key)) => format!("jobs of {}", name_of(key, *grouping)),
        None => "most expensive jobs".to_owned(),
    };
    let mut lines = vec![Line::styled(format::cut(&head, width), theme.dim)];
    match jobs {
        None => lines.push(Line::styled("Loading…", theme.dim)),
        Some(Err(reason)) => {
            let line = format!("Could not load them: {}", text::sanitize_line(reason, 200));
            lines.push(Line::styled(format::cut(&line, width), theme.bad));
        }
        Some(Ok(jobs)) if jobs.is_empty() => lines.push(Line::styled("none", theme.dim)),
        Some(Ok(jobs)) => {
            let room = usize::from(area.height) - 1;
            let first = (selected.unwrap_or(0) + 1).saturating_sub(room);
            let amounts = amounts(jobs);
            let amount_width = amounts.iter().map(String::len).max().unwrap_or(0);
            for (index, job) in jobs.iter().enumerate().skip(first).take(room) {
                let is_selected = selected == Some(index);
                let marker = if is_selected { "▸" } else { " " };
                let label = label_of(&job.job_id);
                let charges = if job.count > 1 { format!("  {} charges", job.count) } else { String::new() };
                // A prompt of which nothing can be read names no job: its facts give way.
                let facts = label.as_ref().map_or_else(String::new, |label| {
                    let room = width.saturating_sub(3 + amount_width + charges.width() + MIN_PROMPT);
                    let model = format::cut(&label.model, 16);
                    let forms = [format!("  {model}  {}", label.day), format!("  {}", label.day), String::new()];
                    format::fitting(forms, room)
                });
                let what = label.map_or_else(|| text::sanitize_line(&job.job_id, 60), |label| label.prompt);
                let room = width.saturating_sub(3 + amount_width + facts.width());
                let what = format!("{}{charges}", format::cut(&what, room.saturating_sub(charges.width())));
                let line = format!("{marker}{:>amount_width$}  {}{facts}", amounts[index], format::fit(&what, room));
                let line = Line::styled(format::cut(&line, width), theme.text);
                lines.push(if is_selected { line.style(theme.selected) } else { line });
            }
        }
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// `$0.04`, with what is uncertain: `$0.04 +$0.03?`. All have one number of decimals.
fn amounts(jobs: &[JobCost]) -> Vec<String> {
    let all = jobs.iter().map(|job| job.usd).chain(jobs.iter().map(|job| job.uncertain_usd));
    let shown = costs_view::aligned_column(all);
    let (counted, unsure) = shown.split_at(jobs.len());
    let lines = jobs.iter().zip(counted.iter().zip(unsure));
    let lines = lines.map(|(job, (usd, unsure))| match (job.usd == Usd::ZERO, job.uncertain_usd == Usd::ZERO) {
        (_, true) => usd.clone(),
        (true, false) => format!("{unsure}?"),
        (false, false) => format!("{usd} +{unsure}?"),
    });
    lines.collect()
}
