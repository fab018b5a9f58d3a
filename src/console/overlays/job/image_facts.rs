//! The facts of an image on the whole screen: its prompt, seed and price.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{JobView, clean, status_label};
use crate::console::{costs_view, widgets};
use crate::jobs::Job;
use crate::text::{self, format};

/// Cells of the facts beside the image, and the width from which they stand there; on narrower screens they are below it.
const FACTS_WIDTH: u16 = 40;
const MIN_WIDTH_BESIDE: u16 = 100;

/// Lines of the facts below the image, and the height from which they are shown.
const FACTS_HEIGHT: u16 = 4;
const MIN_HEIGHT_BELOW: u16 = 14;

/// The area of the image and that of the facts; the latter is empty where there is no room.
pub fn split(area: Rect) -> (Rect, Rect) {
    if area.width >= MIN_WIDTH_BESIDE {
        let facts = Rect { x: area.right() - FACTS_WIDTH, width: FACTS_WIDTH, ..area };
        return (Rect { width: area.width - FACTS_WIDTH, ..area }, facts);
    }
    if area.height >= MIN_HEIGHT_BELOW {
        let facts = Rect { y: area.bottom() - FACTS_HEIGHT, height: FACTS_HEIGHT, ..area };
        return (Rect { height: area.height - FACTS_HEIGHT, ..area }, facts);
    }
    (area, Rect { width: 0, height: 0, ..area })
}

/// The seed that the provider reported, or else the one that was requested.
fn seed(job: &Job) -> Option<String> {
    if let Some(seed) = job.attempt().and_then(|attempt| attempt.provider_seed) {
        return Some(seed.to_string());
    }
    let seed = job.spec.parameters.get("seed")?;
    Some(text::sanitize_line(&seed.to_string(), 24))
}

/// Draws the facts.
pub fn draw(frame: &mut Frame<'_>, area: Rect, view: &JobView<'_>) {
    if area.height > FACTS_HEIGHT {
        beside(frame, area, view);
    } else if area.height > 0 {
        below(frame, area, view);
    }
}

fn beside(frame: &mut Frame<'_>, area: Rect, view: &JobView<'_>) {
    let (job, theme) = (view.job, view.theme);
    let block =
        widgets::pane("Facts", &format!("{} · {}", job.id.short(), status_label(job)), area.width, false, theme);
    let inner = block.inner(area);
    let width = usize::from(inner.width).saturating_sub(2);
    let mut lines = Vec::new();
    let mut row = |name: &str, value: &str| {
        for (index, part) in widgets::wrap(value, width.saturating_sub(8)).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let name = Span::styled(format!(" {} ", format::fit(name, 7)), theme.dim);
            lines.push(Line::from(vec![name, Span::styled(part, theme.text)]));
        }
    };
    for (index, paragraph) in text::sanitize_text(&job.spec.prompt).lines().take(100).enumerate() {
        row(if index == 0 { "prompt" } else { "" }, paragraph);
    }
    row("seed", &seed(job).unwrap_or_else(|| "chosen by the provider".to_owned()));
    let basis = job.cost_basis().map(|basis| format!(", {}", basis.as_str())).unwrap_or_default();
    row("price", &format!("{}{basis}", costs_view::cell(job, view.catalog)));
    row("model", &clean(&job.spec.model));
    if let Some(image) = job.image() {
        row(
            "image",
            &format!("{}×{} {}, {}", image.width, image.height, image.format.as_str(), format::bytes(image.bytes)),
        );
    }
    if let Some(duration) = job.duration() {
        row("took", &format::duration(duration));
    }
    for (name, value) in job.spec.parameters.iter().filter(|(name, _)| *name != "seed") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        row(&text::sanitize_line(name, 7), &format::cut(&clean(&value), 80));
    }
    if !job.tags.is_empty() {
        row("tags", &clean(&job.tags.join(", ")));
    }
    row("made", &view.zone.date_and_time(job.created_at));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// One line of facts, then the prompt.
fn below(frame: &mut Frame<'_>, area: Rect, view: &JobView<'_>) {
    let (job, theme) = (view.job, view.theme);
    let dot = theme.symbol(" · ", " - ");
    let seed = seed(job).map_or_else(|| "seed by the provider".to_owned(), |seed| format!("seed {seed}"));
    let mut facts = vec![costs_view::cell(job, view.catalog), seed, clean(&job.spec.model)];
    facts.extend(job.pixel_size().map(|(width, height)| format!("{width}{}{height}", theme.symbol("×", "x"))));
    let width = usize::from(area.width).saturating_sub(2);
    let mut lines = vec![Line::styled(format!(" {}", format::cut(&facts.join(dot), width)), theme.accent)];
    let prompt = text::sanitize_line(&job.spec.prompt, 2_000);
    let room = usize::from(area.height).saturating_sub(1);
    let mut wrapped = widgets::wrap(&prompt, width);
    if wrapped.len() > room {
        wrapped.truncate(room);
        if let Some(last) = wrapped.last_mut() {
            *last = format::cut(&format!("{last} …"), width);
        }
    }
    lines.extend(wrapped.into_iter().map(|line| Line::styled(format!(" {line}"), theme.text)));
    widgets::clear(frame, area, theme);
    frame.render_widget(Paragraph::new(lines), area);
}
