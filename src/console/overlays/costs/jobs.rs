//! The most expensive jobs of the range, or of one line of the report.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::table::name_of;
use crate::console::theme::Theme;
use crate::costs::{CostGrouping, Usd};
use crate::engine::JobCost;
use crate::text::{self, format};

/// Draws the head and as many jobs as fit around the selected one.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    only: Option<&(CostGrouping, String)>,
    jobs: Option<&Result<Vec<JobCost>, String>>,
    selected: Option<usize>,
    prompt_of: &dyn Fn(&str) -> Option<String>,
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
            let amounts: Vec<String> = jobs.iter().map(amount).collect();
            let amount_width = amounts.iter().map(String::len).max().unwrap_or(0);
            for (index, job) in jobs.iter().enumerate().skip(first).take(room) {
                let is_selected = selected == Some(index);
                let marker = if is_selected { "▸" } else { " " };
                let what = prompt_of(&job.job_id).unwrap_or_else(|| text::sanitize_line(&job.job_id, 60));
                let charges = if job.count > 1 { format!("  {} charges", job.count) } else { String::new() };
                let line = format!("{marker}{:>amount_width$}  {what}{charges}", amounts[index]);
                let line = Line::styled(format::cut(&line, width), theme.text);
                lines.push(if is_selected { line.style(theme.selected) } else { line });
            }
        }
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// `$0.04`, with what is uncertain: `$0.04 +$0.03?`.
fn amount(job: &JobCost) -> String {
    match (job.usd == Usd::ZERO, job.uncertain_usd == Usd::ZERO) {
        (_, true) => job.usd.display(),
        (true, false) => format!("{}?", job.uncertain_usd.display()),
        (false, false) => format!("{} +{}?", job.usd.display(), job.uncertain_usd.display()),
    }
}
