//! The sort menu and the column chooser of the queue: one letter for each column.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use strum::IntoEnumIterator as _;

use super::centred;
use crate::console::panes::queue::{Column, QueueSettings};
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::jobs::sort::Sort;
use crate::text::format;

/// What the menu changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuKind {
    /// The order of the rows.
    Sort,
    /// The columns.
    Columns,
}

/// The menu and its selected line.
#[derive(Debug)]
pub struct QueueMenu {
    kind: MenuKind,
    line: usize,
}

/// What a key means in the menu.
#[derive(Debug, PartialEq, Eq)]
pub enum MenuKey {
    /// It is not for the menu.
    Ignored,
    /// It moved in the menu only.
    Taken,
    /// These settings apply from now on; the menu stays open.
    Apply(QueueSettings),
    /// These settings apply from now on; the menu closes.
    Choose(QueueSettings),
}

impl QueueMenu {
    /// With the line selected that applies now.
    pub fn new(kind: MenuKind, settings: &QueueSettings) -> Self {
        let menu = Self { kind, line: 0 };
        let line = match kind {
            MenuKind::Sort => menu.lines(settings).iter().position(|line| line.sort_key() == Some(settings.sort.key)),
            MenuKind::Columns => None,
        };
        Self { line: line.unwrap_or(0), ..menu }
    }

    /// Whether it chooses columns, not the order.
    pub fn is_of_columns(&self) -> bool {
        self.kind == MenuKind::Columns
    }

    /// The columns in the order of the menu: those that are shown first, in their order.
    fn lines(&self, settings: &QueueSettings) -> Vec<Column> {
        let shown = settings.columns.iter().copied();
        match self.kind {
            MenuKind::Sort => Column::iter().filter(|column| column.sort_key().is_some()).collect(),
            MenuKind::Columns => {
                shown.chain(Column::iter().filter(|column| !settings.columns.contains(column))).collect()
            }
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, settings: &QueueSettings) -> MenuKey {
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return MenuKey::Ignored;
        }
        let lines = self.lines(settings);
        let last = lines.len().saturating_sub(1);
        let mut changed = settings.clone();
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.line = self.line.checked_sub(1).unwrap_or(last),
            KeyCode::Down | KeyCode::Char('j') => self.line = if self.line >= last { 0 } else { self.line + 1 },
            KeyCode::Home => self.line = 0,
            KeyCode::End => self.line = last,
            KeyCode::Enter if self.kind == MenuKind::Columns => return MenuKey::Choose(changed),
            KeyCode::Enter | KeyCode::Char(' ') => return self.take(lines.get(self.line).copied(), changed),
            KeyCode::Char('0') => {
                match self.kind {
                    MenuKind::Sort => changed.sort = Sort::NEWEST_FIRST,
                    MenuKind::Columns => changed.columns = QueueSettings::default().columns,
                }
                return if self.kind == MenuKind::Sort { MenuKey::Choose(changed) } else { MenuKey::Apply(changed) };
            }
            KeyCode::Char(direction @ ('J' | 'K')) if self.kind == MenuKind::Columns => {
                let Some(column) = lines.get(self.line) else { return MenuKey::Taken };
                changed.shift(*column, direction == 'J');
                self.line = self.lines(&changed).iter().position(|other| other == column).unwrap_or(0);
                return MenuKey::Apply(changed);
            }
            KeyCode::Char(letter) => {
                let column = lines.iter().position(|column| column.letter() == letter);
                let Some(line) = column else { return MenuKey::Ignored };
                self.line = line;
                return self.take(lines.get(line).copied(), changed);
            }
            _ => return MenuKey::Ignored,
        }
        MenuKey::Taken
    }

    fn take(&mut self, column: Option<Column>, mut settings: QueueSettings) -> MenuKey {
        let Some(column) = column else { return MenuKey::Taken };
        match (self.kind, column.sort_key()) {
            (MenuKind::Columns, _) => {
                settings.toggle(column);
                self.line = self.lines(&settings).iter().position(|other| *other == column).unwrap_or(0);
                MenuKey::Apply(settings)
            }
            // The same again turns the order round.
            (MenuKind::Sort, Some(key)) if key == settings.sort.key => {
                settings.sort = settings.sort.reversed();
                MenuKey::Choose(settings)
            }
            (MenuKind::Sort, Some(key)) => {
                settings.sort = Sort::by(key);
                MenuKey::Choose(settings)
            }
            (MenuKind::Sort, None) => MenuKey::Taken,
        }
    }

    /// Draws it over the queue.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, settings: &QueueSettings, theme: &Theme) {
        let lines = self.lines(settings);
        let (title, keys) = match self.kind {
            MenuKind::Sort => ("Sort by", "letter or Enter · again: reverse"),
            MenuKind::Columns => ("Columns", "letter or Space · J K move · 0 reset"),
        };
        let area = centred(area, 62, u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2));
        widgets::clear(frame, area, theme);
        let block = widgets::pane(title, keys, area.width, true, theme);
        let inner = block.inner(area);
        let room = usize::from(inner.height).max(1);
        let first = (self.line + 1).saturating_sub(room);
        let width = usize::from(inner.width);
        let rows = lines.iter().enumerate().skip(first).take(room).map(|(index, column)| {
            let mark = match self.kind {
                MenuKind::Columns if settings.columns.contains(column) => theme.symbol("●", "*"),
                MenuKind::Sort if column.sort_key() == Some(settings.sort.key) => {
                    if settings.sort.descending {
                        theme.symbol("▾", "v")
                    } else {
                        theme.symbol("▴", "^")
                    }
                }
                _ => " ",
            };
            let name = format!(" {mark} {}  ", column.letter());
            let words =
                format::fit(&format!("{:<9}  {}", column.to_string(), column.meaning()), width.saturating_sub(6));
            let line = Line::from(vec![Span::styled(name, theme.accent), Span::styled(words, theme.text)]);
            if index == self.line { line.style(theme.selected) } else { line }
        });
        frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()).block(block), area);
        widgets::fold_to_ascii(frame, area, theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::sort::SortKey;

    fn press(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn letter_sorts_and_repeated_letter_reverses() {
        let mut settings = QueueSettings::default();
        for descending in [true, false] {
            let mut menu = QueueMenu::new(MenuKind::Sort, &settings);
            let MenuKey::Choose(chosen) = menu.key(press(KeyCode::Char('c')), &settings) else { panic!() };
            assert_eq!(chosen.sort, Sort { key: SortKey::Cost, descending });
            settings = chosen;
        }
        let mut menu = QueueMenu::new(MenuKind::Sort, &settings);
        let MenuKey::Choose(reversed) = menu.key(press(KeyCode::Enter), &settings) else { panic!() };
        assert!(reversed.sort.descending, "the current order is selected");
        assert_eq!(menu.key(press(KeyCode::Char('r')), &settings), MenuKey::Ignored, "a reason has no order");
        let MenuKey::Choose(plain) = menu.key(press(KeyCode::Char('0')), &settings) else { panic!() };
        assert_eq!(plain.sort, Sort::NEWEST_FIRST);
    }

    #[test]
    fn chooser_toggles_and_moves_columns() {
        let mut settings = QueueSettings::default();
        let mut menu = QueueMenu::new(MenuKind::Columns, &settings);
        for key in ['d', 'K', 'a'] {
            let MenuKey::Apply(changed) = menu.key(press(KeyCode::Char(key)), &settings) else { panic!("{key}") };
            settings = changed;
        }
        let columns = [Column::Status, Column::Cost, Column::Duration, Column::Model, Column::Prompt, Column::Reason];
        assert_eq!(settings.columns, columns);
        assert_eq!(menu.key(press(KeyCode::Enter), &settings), MenuKey::Choose(settings.clone()));
    }
}
