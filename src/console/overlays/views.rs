//! The saved views: filters with a name, in `[views]` of `darkroom.toml`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::centred;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::text::{self, format};

/// A filter with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFilter {
    /// Its name.
    pub name: String,
    /// The filter as it would be typed.
    pub filter: String,
}

/// The list of views and the selected line.
#[derive(Debug)]
pub struct ViewMenu {
    views: Vec<NamedFilter>,
    line: usize,
}

/// What a key means in the list.
#[derive(Debug, PartialEq, Eq)]
pub enum ViewKey {
    /// It is not for the list.
    Ignored,
    /// It changed the list only.
    Taken,
    /// The queue is to show this view.
    Show(NamedFilter),
}

impl ViewMenu {
    /// The list; the view of the current filter is selected.
    pub fn new(views: Vec<NamedFilter>, filter: &str) -> Self {
        let line = views.iter().position(|view| view.filter == filter.trim()).unwrap_or(0);
        Self { views, line }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> ViewKey {
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return ViewKey::Ignored;
        }
        let last = self.views.len().saturating_sub(1);
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.line = self.line.checked_sub(1).unwrap_or(last),
            KeyCode::Down | KeyCode::Char('j') => self.line = if self.line >= last { 0 } else { self.line + 1 },
            KeyCode::Enter => return self.show(self.line),
            KeyCode::Char(digit @ '1'..='9') => return self.show(digit as usize - '1' as usize),
            _ => return ViewKey::Ignored,
        }
        ViewKey::Taken
    }

    fn show(&self, line: usize) -> ViewKey {
        self.views.get(line).cloned().map_or(ViewKey::Taken, ViewKey::Show)
    }

    /// Draws it in the middle of an area.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = area.width.saturating_sub(2).min(72);
        let cells = usize::from(width.saturating_sub(4));
        let rows = usize::from(area.height.saturating_sub(4)).max(1);
        let first = (self.line + 1).saturating_sub(rows);
        let mut lines = Vec::new();
        for (index, view) in self.views.iter().enumerate().skip(first).take(rows) {
            let number = if index < 9 { format!(" {} ", index + 1) } else { "   ".to_owned() };
            let name = format::fit(&text::sanitize_line(&view.name, 60), cells.min(60) / 3);
            let room = cells.saturating_sub(cells.min(60) / 3 + 5);
            let filter = format::cut(&text::sanitize_line(&view.filter, 200), room);
            let line = Line::from(vec![
                Span::styled(number, theme.accent),
                Span::styled(name, theme.text),
                Span::styled(format!("  {filter}"), theme.dim),
            ]);
            lines.push(if index == self.line { line.style(theme.selected) } else { line });
        }
        let area = centred(area, width, u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2));
        widgets::clear(frame, area, theme);
        let block = widgets::pane("Views", "number or Enter shows · Esc stays", area.width, true, theme);
        frame.render_widget(Paragraph::new(lines).block(block), area);
        widgets::fold_to_ascii(frame, area, theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::test_fixtures::screen;

    fn views(count: usize) -> Vec<NamedFilter> {
        let view = |number| NamedFilter { name: format!("view {number}"), filter: format!("tag:t{number}") };
        (1..=count).map(view).collect()
    }

    #[test]
    fn number_and_enter_show_a_view() {
        let mut menu = ViewMenu::new(views(3), " tag:t2 ");
        let mut press = |code| menu.key(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(press(KeyCode::Char('3')), ViewKey::Show(views(3)[2].clone()));
        assert_eq!(press(KeyCode::Enter), ViewKey::Show(views(3)[1].clone()), "that of the current filter");
        assert_eq!(press(KeyCode::Char('9')), ViewKey::Taken);
        assert_eq!((press(KeyCode::Down), press(KeyCode::Down)), (ViewKey::Taken, ViewKey::Taken));
        assert_eq!(press(KeyCode::Enter), ViewKey::Show(views(3)[0].clone()));
        assert_eq!(press(KeyCode::Char('x')), ViewKey::Ignored);
    }

    #[test]
    fn selected_view_is_shown_in_a_small_area() {
        let mut menu = ViewMenu::new(views(30), "");
        menu.key(KeyEvent::new(KeyCode::Up, KeyModifiers::NONE));
        let text = screen(40, 12, |frame| menu.draw(frame, frame.area(), &Theme::dark()));
        assert!(text.contains("view 30") && text.contains("tag:t30"), "{text}");
    }
}
