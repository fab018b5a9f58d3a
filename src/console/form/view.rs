//! Draws the form: the prompt on top, the fields below, the price, and the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::rows::Row;
use super::{Field, Form, matrix};
use crate::catalog::ParameterKind;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text::format;

/// Cells that the form takes at most; wider lines are hard to read.
const MAX_WIDTH: u16 = 116;
/// The least that a form can be used in.
const MIN: (u16, u16) = (24, 7);
/// The keys that open something over the fields.
const HINTS: &str = "Ctrl+O presets · Ctrl+S save preset · Ctrl+R old prompts · Ctrl+T matrix";

impl Form {
    /// Draws the form over whatever is in the area.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        self.refresh();
        let width = area.width.min(MAX_WIDTH);
        let wanted = 12 + u16::try_from(self.fields().len()).unwrap_or(60);
        let height = area.height.min(wanted.max(24));
        let area = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
        widgets::clear(frame, area, theme);
        if width < MIN.0 || height < MIN.1 {
            frame.render_widget(Paragraph::new("Terminal too small for the form · Esc keeps the draft"), area);
            return;
        }
        let name = if self.source().is_some() { "Clone of a job" } else { "New job" };
        let facts = if self.simulated { "simulated, no real money" } else { "real money" };
        let keys = format!(" {} ", self.footer(usize::from(width).saturating_sub(4)));
        let block = widgets::pane(name, facts, width, true, theme).title_bottom(Line::styled(keys, theme.accent));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };

        let spare =
            inner.height.saturating_sub(u16::try_from(self.fields().len()).unwrap_or(u16::MAX)).saturating_sub(4);
        let prompt_height = spare.max(inner.height / 4).clamp(2, 8).min(inner.height.saturating_sub(3));
        let [head, prompt, rest] = split(inner, [1, prompt_height]);
        frame.render_widget(self.prompt_head(usize::from(head.width), theme), head);
        self.draw_prompt(frame, prompt, theme);
        let price_height = if rest.height > 8 { 2 } else { 1 };
        let fields = Rect { height: rest.height.saturating_sub(price_height), ..rest };
        let price = Rect { y: rest.bottom().saturating_sub(1), height: 1, ..rest };
        self.draw_fields(frame, fields, theme);
        frame.render_widget(self.price(usize::from(price.width), theme), price);
        if rest.height > 8 {
            let hints = Rect { y: rest.bottom().saturating_sub(2), height: 1, ..rest };
            let words = format::cut(HINTS, usize::from(hints.width));
            frame.render_widget(Line::styled(words, theme.dim), hints);
        }
        if let Some(chooser) = &mut self.chooser {
            let below = Rect { y: prompt.y, height: inner.bottom().saturating_sub(prompt.y), ..inner };
            chooser.draw(frame, below, theme);
        }
        widgets::fold_to_ascii(frame, area, theme);
    }

    /// One turn of the wheel: the next or the previous field or row of the list.
    pub fn wheel(&mut self, by: i64) {
        let by = if by < 0 { -1 } else { 1 };
        match &mut self.chooser {
            Some(chooser) => chooser.step(by),
            None => self.step(by),
        }
    }

    /// The field under the mouse, or the row of the list, gets the keys.
    pub fn click(&mut self, column: u16, row: u16) -> bool {
        if let Some(chooser) = &mut self.chooser {
            return chooser.click(column, row);
        }
        let Some((_, field)) = self.field_rows.iter().find(|(y, _)| *y == row).copied() else { return false };
        self.armed = false;
        self.focus_on(field);
        true
    }

    fn prompt_head(&self, width: usize, theme: &Theme) -> Line<'static> {
        let takes_prompt = self.model().is_none_or(|model| model.prompt.is_some());
        let focused = self.focus == Field::Prompt;
        let label =
            Span::styled("Prompt", if focused { theme.accent.add_modifier(Modifier::BOLD) } else { theme.text });
        let room = width.saturating_sub(8);
        let note = if !takes_prompt {
            Span::styled(format::cut("not used by this model (kept)", room), theme.dim)
        } else if let Some(problem) = self.problem(Field::Prompt) {
            Span::styled(format::cut(&problem, room), theme.bad)
        } else if let Some(remark) = self.prompt.remark() {
            Span::styled(format::cut(&remark, room), theme.warning)
        } else if let Some((place, count)) = self.prompt.place() {
            Span::styled(format::cut(&format!("prompt {place} of {count} in the history"), room), theme.dim)
        } else if let Some(note) = self.choices_note() {
            Span::styled(format::cut(&note, room), theme.dim)
        } else {
            let optional = self.model().is_some_and(|model| model.prompt == Some(false));
            Span::styled(if optional { "optional" } else { "" }, theme.dim)
        };
        Line::from(vec![label, Span::raw("  "), note])
    }

    /// What happens to the choices in the prompt.
    fn choices_note(&self) -> Option<String> {
        let choices = matrix::choices(&self.draft.prompt)?;
        Some(if self.draft.matrix {
            format!("{choices} prompts")
        } else {
            format!("{{ | }} are sent as typed · Ctrl+T makes {choices} prompts of them")
        })
    }

    fn draw_prompt(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let focused = self.focus == Field::Prompt;
        let takes_prompt = self.model().is_none_or(|model| model.prompt.is_some());
        self.prompt.resize((area.width.saturating_sub(2), area.height));
        let editor = self.prompt.area();
        let cursor = if focused { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        editor.set_cursor_style(cursor);
        editor.set_style(if takes_prompt { theme.text } else { theme.dim });
        editor.set_placeholder_style(theme.dim);
        editor.set_placeholder_text(if takes_prompt { "Describe the image, then press Enter" } else { "" });
        // A bar marks the prompt, also when it is empty.
        let bar = if focused { theme.accent } else { theme.border };
        let bars: Vec<Line<'_>> = (0..area.height).map(|_| Line::styled("│", bar)).collect();
        frame.render_widget(Paragraph::new(bars), Rect { width: 1, ..area });
        let area = Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area };
        frame.render_widget(&*editor, area);
        if focused {
            let (at, offset) = (editor.screen_cursor(), editor.scroll_offset());
            let column = u16::try_from(at.col).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
            let row = u16::try_from(at.row).unwrap_or(u16::MAX).saturating_sub(offset.0);
            if row < area.height {
                frame.set_cursor_position((area.x + column, area.y + row));
            }
        }
    }

    fn draw_fields(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let rows = self.rows(usize::from(area.width), theme);
        let height = usize::from(area.height);
        let mine = |row: &Row| row.field == Some(self.focus);
        self.field_rows.clear();
        if let Some(first) = rows.iter().position(mine) {
            let last = rows.iter().rposition(mine).unwrap_or(first);
            self.scroll = self.scroll.min(first).max((last + 1).saturating_sub(height));
        } else {
            self.scroll = 0;
        }
        self.scroll = self.scroll.min(rows.len().saturating_sub(height));
        let (above, below) = (self.scroll, rows.len().saturating_sub(self.scroll + height));
        for (row, y) in rows.into_iter().skip(self.scroll).zip(area.top()..area.bottom()) {
            self.field_rows.extend(row.field.map(|field| (y, field)));
            frame.render_widget(row.line, Rect { y, height: 1, ..area });
            if let Some(cell) = row.cursor.and_then(|cell| u16::try_from(cell).ok()).filter(|cell| *cell < area.width) {
                frame.set_cursor_position((area.x + cell, y));
            }
        }
        if area.width > 2 && height > 0 {
            let x = area.right() - 1;
            if above > 0 {
                frame.buffer_mut()[(x, area.top())].set_symbol("↑").set_style(theme.accent);
            }
            if below > 0 {
                frame.buffer_mut()[(x, area.bottom() - 1)].set_symbol("↓").set_style(theme.accent);
            }
        }
    }

    /// The keys that matter where the cursor is, as many as there is room for.
    fn footer(&self, width: usize) -> String {
        let own = match self.focus {
            Field::Prompt => "Alt+Enter line break",
            Field::Model => "←→ or type to choose",
            Field::Matrix => "Space toggles",
            Field::Parameter(index) => match self.parameter(index).map(|parameter| &parameter.kind) {
                Some(ParameterKind::Boolean) => "Space toggles",
                Some(ParameterKind::Choice(_)) => "←→ choose",
                _ => "Ctrl+U clears",
            },
            Field::Count | Field::Tags | Field::Models | Field::Sizes | Field::Seeds => "Ctrl+U clears",
        };
        let (enter, close) = match (self.armed, width >= 60) {
            (true, _) => ("Enter confirms", "Esc goes back"),
            (false, true) => ("Enter submits", "Esc keeps the draft"),
            (false, false) => ("Enter submit", "Esc close"),
        };
        let mut line = enter.to_owned();
        let (second, third) = if self.armed { (close, "Tab next") } else { ("Tab next", close) };
        for words in [second, third, own, "Ctrl+P/N history", "Ctrl+U clears"] {
            if line.width() + words.width() + 3 <= width && !line.contains(words) {
                line.push_str(" · ");
                line.push_str(words);
            }
        }
        line
    }
}

fn split(area: Rect, heights: [u16; 2]) -> [Rect; 3] {
    let first = Rect { height: heights[0].min(area.height), ..area };
    let second = Rect { y: first.bottom(), height: heights[1].min(area.height.saturating_sub(first.height)), ..area };
    let rest = Rect { y: second.bottom(), height: area.bottom().saturating_sub(second.bottom()), ..area };
    [first, second, rest]
}
