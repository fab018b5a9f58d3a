//! The saved views: filters with a name, in `[views]` of `darkroom.toml`.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::numbered_list::{self, ListKey, NumberedList};
use crate::console::theme::Theme;
use crate::text::{self, format};

/// A filter with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFilter {
    /// Its name.
    pub name: String,
    /// The filter as it would be typed.
    pub filter: String,
}

/// The list of views.
#[derive(Debug)]
pub struct ViewMenu {
    views: Vec<NamedFilter>,
    list: NumberedList,
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
        Self { list: NumberedList::new(views.len(), line), views }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> ViewKey {
        match self.list.key(key) {
            ListKey::Ignored => ViewKey::Ignored,
            ListKey::Taken => ViewKey::Taken,
            ListKey::Chosen(line) => self.views.get(line).cloned().map_or(ViewKey::Taken, ViewKey::Show),
        }
    }

    /// Draws it in the middle of an area.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = area.width.saturating_sub(2).min(72);
        let cells = usize::from(width.saturating_sub(4));
        let visible = self.list.visible(usize::from(area.height.saturating_sub(4)));
        let lines = self.views.iter().enumerate().take(visible.end).skip(visible.start).map(|(index, view)| {
            let name = format::fit(&text::sanitize_line(&view.name, 60), cells.min(60) / 3);
            let room = cells.saturating_sub(cells.min(60) / 3 + 5);
            let filter = format::cut(&text::sanitize_line(&view.filter, 200), room);
            let line = Line::from(vec![
                Span::styled(NumberedList::number(index), theme.accent),
                Span::styled(name, theme.text),
                Span::styled(format!("  {filter}"), theme.dim),
            ]);
            self.list.highlight(index, line, theme)
        });
        let title = ("Views", "number or Enter shows · Esc stays");
        numbered_list::draw_box(frame, area, title, width, lines.collect(), theme);
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

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
        assert_eq!(press(KeyCode::Enter), ViewKey::Show(views(3)[1].clone()), "that of the current filter");
        assert_eq!(press(KeyCode::Char('3')), ViewKey::Show(views(3)[2].clone()));
        assert_eq!(press(KeyCode::Char('9')), ViewKey::Taken);
        assert_eq!(press(KeyCode::Down), ViewKey::Taken);
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
