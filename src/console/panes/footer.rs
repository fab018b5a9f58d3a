//! The footer: the keys that have an effect now. Also the tabs with the names of the panes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::console::keymap::{Action, InputContext, KeyMap};
use crate::console::layout::PaneName;
use crate::console::theme::Theme;

/// One hint of the footer.
struct Hint {
    key: String,
    text: &'static str,
    action: Action,
    /// What gets room first: 0 is always listed, such as help and quit.
    rank: u8,
}

impl Hint {
    fn width(&self) -> usize {
        self.key.width() + self.text.width() + 3
    }
}

/// As many hints as fit, in table order. Help and quit are always listed, and the keys of this place get room before the others. `useful` is whether an action would have an effect now.
fn hints(width: u16, keys: KeyMap, context: InputContext, useful: impl Fn(Action) -> bool, ascii: bool) -> Vec<Hint> {
    let mut named = Vec::new();
    let hints = keys.bindings_in(context).filter(|binding| {
        let is_new = !binding.hint.is_empty() && !binding.keys.is_empty() && !named.contains(&binding.action);
        named.push(binding.action);
        is_new
    });
    let hints = hints.filter(|binding| useful(binding.action)).map(|binding| Hint {
        key: binding.key_shown(ascii),
        text: binding.hint,
        action: binding.action,
        rank: match binding.action {
            Action::Help | Action::Quit | Action::Back | Action::Accept => 0,
            _ if binding.is_of_one_place() => 1,
            // Compare is listed only while jobs are marked for it.
            Action::New | Action::Compare => 2,
            Action::Filter if width >= 80 => 2,
            _ => 3,
        },
    });
    let hints: Vec<Hint> = hints.collect();
    let mut room = usize::from(width).saturating_sub(1);
    let mut shown = vec![false; hints.len()];
    for rank in 0..=3 {
        for (hint, shown) in hints.iter().zip(&mut shown).filter(|(hint, _)| hint.rank == rank) {
            *shown = rank == 0 || hint.width() <= room;
            room = room.saturating_sub(if *shown { hint.width() } else { 0 });
        }
    }
    hints.into_iter().zip(shown).filter(|(_, shown)| *shown).map(|(hint, _)| hint).collect()
}

/// Draws the hints.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    keys: KeyMap,
    context: InputContext,
    useful: impl Fn(Action) -> bool,
    theme: &Theme,
) {
    let mut spans = vec![Span::raw(" ")];
    for hint in hints(area.width, keys, context, useful, theme.ascii) {
        spans.push(Span::styled(hint.key, theme.accent));
        spans.push(Span::styled(format!(" {}  ", hint.text), theme.dim));
    }
    frame.render_widget(Line::from(spans), area);
}

/// The action whose hint is under that column.
pub fn action_at(
    area: Rect,
    column: u16,
    keys: KeyMap,
    context: InputContext,
    useful: impl Fn(Action) -> bool,
    ascii: bool,
) -> Option<Action> {
    let mut left = usize::from(column.checked_sub(area.x)?).checked_sub(1)?;
    for hint in hints(area.width, keys, context, useful, ascii) {
        // Two cells between the hints belong to none of them.
        if left + 2 < hint.width() {
            return Some(hint.action);
        }
        left = left.checked_sub(hint.width())?;
    }
    None
}

/// Draws the names of all panes with their keys; those on the screen are highlighted.
pub fn draw_tabs(frame: &mut Frame<'_>, area: Rect, keys: KeyMap, shown: &[PaneName], focus: PaneName, theme: &Theme) {
    let mut spans = Vec::new();
    for (name, title) in tabs(area.width, keys, theme.ascii) {
        let style = if name == focus {
            theme.selected
        } else if shown.contains(&name) {
            theme.text
        } else {
            theme.dim
        };
        // In narrow terminals the gap between two names has no colour.
        let gap = if is_roomy(area.width) { "" } else { " " };
        spans.push(Span::styled(title, style));
        spans.push(Span::raw(gap));
    }
    if is_roomy(area.width) {
        let next = keys.key_of(Action::NextPane, theme.ascii);
        spans.push(Span::styled(format!("  {next} next"), theme.dim));
    }
    frame.render_widget(Line::from(spans), area);
}

/// The pane whose name is under that column of the line of tabs.
pub fn tab_at(area: Rect, column: u16, keys: KeyMap, ascii: bool) -> Option<PaneName> {
    let gap = usize::from(!is_roomy(area.width));
    let mut left = usize::from(column.checked_sub(area.x)?);
    for (name, title) in tabs(area.width, keys, ascii) {
        if left < title.width() {
            return Some(name);
        }
        left = left.checked_sub(title.width() + gap)?;
    }
    None
}

fn is_roomy(width: u16) -> bool {
    width >= 56
}

fn tabs(width: u16, keys: KeyMap, ascii: bool) -> impl Iterator<Item = (PaneName, String)> {
    let pad = if is_roomy(width) { " " } else { "" };
    let titled = move |name: PaneName| {
        let key = keys.key_of(Action::Pane(name), ascii);
        (name, format!("{pad}{key} {}{pad}", name.title()))
    };
    PaneName::ALL.into_iter().map(titled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: u16, context: InputContext, useful: impl Fn(Action) -> bool) -> Vec<Action> {
        hints(width, KeyMap::default(), context, useful, false).into_iter().map(|hint| hint.action).collect()
    }

    #[test]
    fn footer_of_the_logs_has_their_keys() {
        for width in [80, 120] {
            let shown = shown(width, InputContext::Pane(PaneName::Logs), |action| action != Action::Compare);
            for action in [Action::LogFollow, Action::LogLevel, Action::LogScope, Action::Filter, Action::Help] {
                assert!(shown.contains(&action), "{width}: {action:?} {shown:?}");
            }
        }
    }

    #[test]
    fn footer_with_marks_has_filter_and_compare() {
        let shown = shown(80, InputContext::Pane(PaneName::Queue), |_| true);
        for action in [Action::New, Action::Retry, Action::Filter, Action::Compare, Action::Help, Action::Quit] {
            assert!(shown.contains(&action), "{action:?} {shown:?}");
        }
    }
}
