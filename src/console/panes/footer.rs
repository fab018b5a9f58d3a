//! The footer: the keys that have an effect now. Also the tabs with the names of the panes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::console::keymap::{self, Action, InputContext};
use crate::console::layout::PaneName;
use crate::console::theme::Theme;

/// Draws as many hints as fit, in table order; help and quit are always listed.
///
/// `useful` is whether an action would have an effect now.
pub fn draw(frame: &mut Frame<'_>, area: Rect, context: InputContext, useful: impl Fn(Action) -> bool, theme: &Theme) {
    let mut named = Vec::new();
    let hints: Vec<(String, &'static str, bool)> = keymap::bindings_in(context)
        .filter(|binding| {
            let is_new = !binding.hint.is_empty() && !named.contains(&binding.action);
            named.push(binding.action);
            is_new
        })
        .map(|binding| {
            let always = matches!(binding.action, Action::Help | Action::Quit | Action::Back | Action::Accept)
                && useful(binding.action);
            (binding, always)
        })
        .filter(|(binding, always)| *always || useful(binding.action))
        .map(|(binding, always)| (binding.key_shown(theme.ascii), binding.hint, always))
        .collect();
    let width = |(key, hint, _): &(String, &str, bool)| key.width() + hint.width() + 3;
    let mut room = usize::from(area.width).saturating_sub(1);
    room = room.saturating_sub(hints.iter().filter(|hint| hint.2).map(width).sum());
    let mut spans = vec![Span::raw(" ")];
    for hint in &hints {
        let (key, text, always) = hint;
        if !always {
            match room.checked_sub(width(hint)) {
                Some(rest) => room = rest,
                None => continue,
            }
        }
        spans.push(Span::styled(key.clone(), theme.accent));
        spans.push(Span::styled(format!(" {text}  "), theme.dim));
    }
    frame.render_widget(Line::from(spans), area);
}

/// Draws the names of all panes with their digits; those on the screen are highlighted.
pub fn draw_tabs(frame: &mut Frame<'_>, area: Rect, shown: &[PaneName], focus: PaneName, theme: &Theme) {
    let mut spans = Vec::new();
    for (name, title) in tabs(area.width) {
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
        spans.push(Span::styled("  Tab next", theme.dim));
    }
    frame.render_widget(Line::from(spans), area);
}

/// The pane whose name is under that column of the line of tabs.
pub fn tab_at(area: Rect, column: u16) -> Option<PaneName> {
    let gap = usize::from(!is_roomy(area.width));
    let mut left = usize::from(column.checked_sub(area.x)?);
    for (name, title) in tabs(area.width) {
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

fn tabs(width: u16) -> impl Iterator<Item = (PaneName, String)> {
    let pad = if is_roomy(width) { " " } else { "" };
    let titled = move |(index, name): (usize, PaneName)| (name, format!("{pad}{} {}{pad}", index + 1, name.title()));
    PaneName::ALL.into_iter().enumerate().map(titled)
}
