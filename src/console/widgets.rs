//! Shared by the panes: the border with its title, word wrap, and the replacement of symbols by ASCII.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding};
use unicode_width::UnicodeWidthStr;

use super::theme::Theme;
use crate::text::format;

/// A pane's border with `╭ Name ── facts ─╮`, the facts cut to `width` cells of the whole pane.
pub fn pane<'a>(name: &str, facts: &str, width: u16, focused: bool, theme: &Theme) -> Block<'a> {
    let border_style = if focused { theme.border_focused } else { theme.border };
    let mut title = vec![Span::styled(format!(" {name} "), theme.accent)];
    let room = usize::from(width).saturating_sub(name.width() + 8);
    if !facts.is_empty() && room >= 4 {
        title.push(Span::styled("──", border_style));
        title.push(Span::styled(format!(" {} ", format::cut(facts, room)), theme.text));
    }
    Block::bordered().border_set(border::ROUNDED).border_style(border_style).title(Line::from(title))
}

/// The same with a blank cell inside of its sides, where it is wide enough for that.
pub fn padded_pane<'a>(name: &str, facts: &str, width: u16, focused: bool, theme: &Theme) -> Block<'a> {
    let padding = if width >= 44 { Padding::horizontal(1) } else { Padding::ZERO };
    pane(name, facts, width, focused, theme).padding(padding)
}

/// Empties an area, so that an overlay covers what is below.
pub fn clear(frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.base);
}

/// Replaces the symbols of this program by ASCII in an ASCII theme. Call after drawing.
pub fn fold_to_ascii(frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    if theme.ascii {
        fold(frame.buffer_mut(), area);
    }
}

fn fold(buffer: &mut Buffer, area: Rect) {
    let area = area.intersection(buffer.area);
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let cell = &mut buffer[(x, y)];
            let plain = match cell.symbol() {
                "╭" | "╮" | "╰" | "╯" | "┏" | "┓" | "┗" | "┛" => "+",
                "─" | "·" | "—" | "–" => "-",
                "│" | "┃" => "|",
                "━" => "=",
                "█" | "▇" | "▆" | "▅" | "▄" => "#",
                "▃" | "▂" | "▁" | "…" => ".",
                "×" => "x",
                "▸" | "→" | "≥" | "›" => ">",
                "←" | "‹" => "<",
                "↑" => "^",
                "↓" => "v",
                "●" => "*",
                _ => continue,
            };
            cell.set_symbol(plain);
        }
    }
}

/// Breaks one clean line into lines of at most `width` cells, between words where possible.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let options = textwrap::Options::new(width.max(2)).break_words(true);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn ascii_leaves_no_other_symbol_of_ours() {
        let mut buffer = Buffer::with_lines(["╭─╮ a·b…", "│×│ ━━──"]);
        fold(&mut buffer, Rect::new(0, 0, 8, 2));
        assert_eq!(buffer, Buffer::with_lines(["+-+ a-b.", "|x| ==--"]));
    }
}
