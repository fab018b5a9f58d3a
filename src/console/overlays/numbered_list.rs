//! A short list in the middle of the screen: arrows select, Enter or a number chooses. What it lists has its own overlay.

use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::centred;
use crate::console::theme::Theme;
use crate::console::widgets;

/// Lines that have a number.
const NUMBERED: usize = 9;

/// How many lines there are, and which one is selected.
#[derive(Debug)]
pub struct NumberedList {
    count: usize,
    line: usize,
}

/// What a key means in the list.
#[derive(Debug, PartialEq, Eq)]
pub enum ListKey {
    /// It is not for the list.
    Ignored,
    /// It moved the selection, or is a number without a line.
    Taken,
    /// This line was chosen; it is selected.
    Chosen(usize),
}

impl NumberedList {
    /// A list of so many lines.
    pub fn new(count: usize, selected: usize) -> Self {
        Self { count, line: selected }
    }

    /// The selected line.
    pub fn selected(&self) -> usize {
        self.line
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> ListKey {
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return ListKey::Ignored;
        }
        let last = self.count.saturating_sub(1);
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.line = self.line.checked_sub(1).unwrap_or(last),
            KeyCode::Down | KeyCode::Char('j') => self.line = if self.line >= last { 0 } else { self.line + 1 },
            KeyCode::Enter => return self.choose(self.line),
            KeyCode::Char(digit @ '1'..='9') => return self.choose(digit as usize - '1' as usize),
            _ => return ListKey::Ignored,
        }
        ListKey::Taken
    }

    fn choose(&mut self, line: usize) -> ListKey {
        if line >= self.count {
            return ListKey::Taken;
        }
        self.line = line;
        ListKey::Chosen(line)
    }

    /// The lines that are drawn where there is room for so many: the selected one is among them.
    pub fn visible(&self, rows: usize) -> Range<usize> {
        let first = (self.line + 1).saturating_sub(rows.max(1));
        first..self.count.min(first + rows.max(1))
    }

    /// What a line begins with: the number that chooses it.
    pub fn number(line: usize) -> String {
        if line < NUMBERED { format!(" {} ", line + 1) } else { "   ".to_owned() }
    }

    /// The style of a line.
    pub fn highlight<'a>(&self, line: usize, content: Line<'a>, theme: &Theme) -> Line<'a> {
        if line == self.line { content.style(theme.selected) } else { content }
    }
}

/// Draws lines in a box in the middle of an area, at most `width` cells wide.
pub fn draw_box(
    frame: &mut Frame<'_>,
    area: Rect,
    (title, keys): (&str, &str),
    width: u16,
    lines: Vec<Line<'_>>,
    theme: &Theme,
) {
    let area = centred(area, width, u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2));
    widgets::clear(frame, area, theme);
    let block = widgets::pane(title, keys, area.width, true, theme);
    frame.render_widget(Paragraph::new(lines).block(block), area);
    widgets::fold_to_ascii(frame, area, theme);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(list: &mut NumberedList, code: KeyCode) -> ListKey {
        list.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn arrows_go_around_numbers_choose() {
        let mut list = NumberedList::new(3, 1);
        assert_eq!(press(&mut list, KeyCode::Enter), ListKey::Chosen(1));
        assert_eq!(
            (press(&mut list, KeyCode::Down), press(&mut list, KeyCode::Down)),
            (ListKey::Taken, ListKey::Taken)
        );
        assert_eq!(list.selected(), 0, "behind the last line");
        assert_eq!(press(&mut list, KeyCode::Up), ListKey::Taken);
        assert_eq!(list.selected(), 2);
        assert_eq!(press(&mut list, KeyCode::Char('1')), ListKey::Chosen(0));
        assert_eq!(press(&mut list, KeyCode::Char('9')), ListKey::Taken);
        assert_eq!(press(&mut list, KeyCode::Char('x')), ListKey::Ignored);
        let mut empty = NumberedList::new(0, 0);
        assert_eq!(press(&mut empty, KeyCode::Enter), ListKey::Taken);
    }

    #[test]
    fn selected_line_is_always_visible() {
        for count in 0..30 {
            for selected in 0..count {
                for rows in 0..12 {
                    let visible = NumberedList::new(count, selected).visible(rows);
                    assert!(visible.contains(&selected) && visible.len() <= rows.max(1), "{selected} of {count}");
                }
            }
        }
    }
}
