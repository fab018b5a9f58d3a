//! The help: the keys of an input context, generated from the key table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::centred;
use crate::console::keymap::{self, Group, InputContext};
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text::format;

/// The help and how far it is scrolled.
#[derive(Debug)]
pub struct Help {
    context: InputContext,
    read_only: bool,
    scroll: usize,
}

/// Cells of the keys and of a whole column.
const KEYS: usize = 11;
const COLUMN: usize = 58;

impl Help {
    /// For a context.
    pub fn new(context: InputContext, read_only: bool) -> Self {
        Self { context, read_only, scroll: 0 }
    }

    /// Scrolls by some lines.
    pub fn scroll(&mut self, lines: i64) {
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        self.scroll = if lines < 0 { self.scroll.saturating_sub(step) } else { self.scroll.saturating_add(step) };
    }

    /// Draws it in one column, or in two where both fit side by side.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let columns = usize::from(area.width.saturating_sub(2)) / COLUMN;
        let columns = columns.clamp(1, 2);
        let width = (usize::from(area.width.saturating_sub(2)) / columns).min(COLUMN);
        let groups: Vec<Vec<Line<'static>>> = Group::ALL
            .into_iter()
            .map(|group| self.group(group, width, theme))
            .filter(|lines| !lines.is_empty())
            .collect();
        let total: usize = groups.iter().map(Vec::len).sum();
        let mut sides: Vec<Vec<Line<'static>>> = vec![Vec::new(); columns];
        let mut side = 0;
        for group in groups {
            if side + 1 < columns && sides[side].len() + group.len() / 2 > total / columns {
                side += 1;
            }
            sides[side].extend(group);
        }
        let height = sides.iter().map(Vec::len).max().unwrap_or(0);
        let area = centred(area, (width * columns + 2) as u16, (height + 2).min(usize::from(u16::MAX)) as u16);
        let room = usize::from(area.height.saturating_sub(2));
        self.scroll = self.scroll.min(height.saturating_sub(room));
        let more = if height > room {
            format!("{}–{} of {height} · j k scroll · Esc closes", self.scroll + 1, (self.scroll + room).min(height))
        } else {
            "Esc closes".to_owned()
        };
        let block = widgets::pane("Keys", &more, area.width, true, theme);
        let inner = block.inner(area);
        widgets::clear(frame, area, theme);
        frame.render_widget(block, area);
        for (index, lines) in sides.into_iter().enumerate() {
            let x = inner.x + (index * width) as u16;
            let column = Rect { x, width: (inner.right().saturating_sub(x)).min(width as u16), ..inner };
            frame.render_widget(Paragraph::new(lines).scroll((self.scroll as u16, 0)), column);
        }
    }

    fn group(&self, group: Group, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let mut seen = Vec::new();
        let mut lines = Vec::new();
        for binding in keymap::bindings_in(self.context).filter(|binding| binding.group == group) {
            if seen.contains(&binding.action) || (self.read_only && binding.action.changes().is_some()) {
                continue;
            }
            seen.push(binding.action);
            if lines.is_empty() {
                lines.push(Line::styled(format!(" {}", group.title()), theme.accent));
            }
            let narrow = width < 50;
            let keys = if narrow { binding.key_shown(theme.ascii) } else { binding.keys_shown(theme.ascii) };
            let column = keys.width().max(if narrow { 6 } else { KEYS });
            for (index, part) in widgets::wrap(binding.help, width.saturating_sub(column + 4)).into_iter().enumerate() {
                let keys = if index == 0 { keys.as_str() } else { "" };
                lines.push(Line::from(vec![
                    Span::styled(format!("  {} ", format::fit(keys, column)), theme.text),
                    Span::styled(part, theme.dim),
                ]));
            }
        }
        lines
    }
}
