//! Draws a notice in the lines above the footer.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use crate::console::notices::{Notice, NoticeLevel};
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text;
use crate::text::format;

/// Draws one notice over the line and, where it is long, the lines above; `more` others are queued.
pub fn draw(frame: &mut Frame<'_>, area: Rect, notice: &Notice, more: usize, theme: &Theme) {
    let (symbol, style) = match notice.level {
        NoticeLevel::Info => (theme.symbol("✓", "+"), theme.good),
        NoticeLevel::Warning => (theme.symbol("▲", "!"), theme.warning),
        NoticeLevel::Error => (theme.symbol("✗", "x"), theme.bad),
    };
    let width = usize::from(area.width);
    let rest = if more == 0 { String::new() } else { format!("  +{more} · Esc next ") };
    let words = wrapped(notice, area.width);
    let count = words.len() as u16;
    let area = Rect { y: (area.bottom()).saturating_sub(count), height: count, ..area };
    let lines: Vec<Line<'_>> = (0..)
        .zip(words)
        .map(|(index, words)| {
            let sign = if index == 0 { symbol } else { " " };
            let mut spans = vec![Span::styled(format!(" {sign} {words}"), style)];
            let used = 3 + words.width();
            if index + 1 == count && used + rest.width() <= width {
                spans.push(Span::styled(rest.clone(), theme.dim));
            }
            Line::from(spans)
        })
        .collect();
    widgets::clear(frame, area, theme);
    frame.render_widget(Paragraph::new(lines), area);
}

/// How many lines a notice takes on a screen of that width.
pub fn height(notice: &Notice, width: u16) -> u16 {
    wrapped(notice, width).len() as u16
}

fn wrapped(notice: &Notice, width: u16) -> Vec<String> {
    let room = usize::from(width).saturating_sub(3);
    let mut words = widgets::wrap(&text::sanitize_line(&notice.text, 400), room);
    if words.len() > MAX_LINES {
        words.truncate(MAX_LINES);
        if let Some(last) = words.last_mut() {
            *last = format::cut(&format!("{last}…"), room);
        }
    }
    words
}

/// Lines of the longest notice.
const MAX_LINES: usize = 3;
