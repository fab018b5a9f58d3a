//! The line above the footer: what was done elsewhere, what a person should know. Must not decide what is said.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use crate::console::format;
use crate::console::theme::Theme;
use crate::engine::{Notice, NoticeLevel};
use crate::jobs::text;

/// Draws one notice over the line; `more` others are not told yet.
pub fn draw(frame: &mut Frame<'_>, area: Rect, notice: &Notice, more: usize, theme: &Theme) {
    let (symbol, style) = match notice.level {
        NoticeLevel::Info => (theme.symbol("✓", "+"), theme.good),
        NoticeLevel::Warning => (theme.symbol("▲", "!"), theme.warning),
        NoticeLevel::Error => (theme.symbol("✗", "x"), theme.bad),
    };
    let rest = if more == 0 { String::new() } else { format!("  +{more}, Esc next ") };
    let room = usize::from(area.width).saturating_sub(4 + rest.width());
    let said = text::clean_line(&notice.text, 400);
    let said = if theme.ascii { said.replace('·', "-") } else { said };
    let line = Line::from(vec![
        Span::styled(format!(" {symbol} "), style),
        Span::styled(format::fit(&said, room), style),
        Span::styled(rest, theme.dim),
    ]);
    frame.render_widget(Clear, area);
    frame.render_widget(line, area);
}
