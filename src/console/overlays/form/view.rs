//! Owns how the form looks: the prompt on top, the fields below, what it costs, and the keys. Must not change what was typed.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::draft::is_chosen;
use super::{Field, Form};
use crate::console::theme::Theme;
use crate::console::{format, frame as screen};
use crate::jobs::{Parameter, ParameterKind, text};

/// Cells that the form takes at most; wider lines are hard to read.
const MAX_WIDTH: u16 = 116;
/// From this width on, notes stand beside their field where they fit.
const WIDE: usize = 72;
/// Cells of a value before its note, where the value is shorter.
const VALUE: usize = 16;
/// The least that a form can be used in.
const MIN: (u16, u16) = (24, 7);

/// One row of the list of fields.
struct Row {
    field: Option<Field>,
    line: Line<'static>,
    /// Where the cursor is, in cells, where this row has it.
    cursor: Option<usize>,
}

impl Form {
    /// Draws the form over whatever is in the area.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = area.width.min(MAX_WIDTH);
        let wanted = 12 + u16::try_from(self.fields().len()).unwrap_or(60);
        let height = area.height.min(wanted.max(24));
        let area = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
        frame.render_widget(Clear, area);
        if width < MIN.0 || height < MIN.1 {
            frame.render_widget(Paragraph::new("too small for the form; Esc keeps the draft"), area);
            return;
        }
        let name = if self.copied { "New job from a copy" } else { "New job" };
        let facts = if self.simulated { "simulated, no real money" } else { "" };
        let keys = format!(" {} ", self.footer(usize::from(width).saturating_sub(4)));
        let block = screen::pane(name, facts, width, true, theme).title_bottom(Line::styled(keys, theme.accent));
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
        screen::fold_to_ascii(frame, area, theme);
    }

    fn prompt_head(&self, width: usize, theme: &Theme) -> Line<'static> {
        let takes_prompt = self.model().is_none_or(|model| model.prompt.is_some());
        let focused = self.focus == Field::Prompt;
        let label =
            Span::styled("Prompt", if focused { theme.accent.add_modifier(Modifier::BOLD) } else { theme.text });
        let room = width.saturating_sub(8);
        let note = if !takes_prompt {
            Span::styled(format::cut("this model takes none; what is here is kept", room), theme.dim)
        } else if let Some(problem) = self.problem(Field::Prompt) {
            Span::styled(format::cut(&problem, room), theme.bad)
        } else if let Some((place, count)) = self.prompt.place() {
            Span::styled(format::cut(&format!("old prompt {place} of {count}"), room), theme.dim)
        } else {
            let optional = self.model().is_some_and(|model| model.prompt == Some(false));
            Span::styled(if optional { "optional" } else { "" }, theme.dim)
        };
        Line::from(vec![label, Span::raw("  "), note])
    }

    fn draw_prompt(&mut self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let focused = self.focus == Field::Prompt;
        let takes_prompt = self.model().is_none_or(|model| model.prompt.is_some());
        let editor = self.prompt.area();
        let cursor = if focused { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        editor.set_cursor_style(cursor);
        editor.set_style(if takes_prompt { theme.text } else { theme.dim });
        editor.set_placeholder_style(theme.dim);
        editor.set_placeholder_text(if takes_prompt { "Describe it, then press Enter." } else { "" });
        // A bar at the left shows where the prompt is, also when it is empty.
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
        if let Some(first) = rows.iter().position(mine) {
            let last = rows.iter().rposition(mine).unwrap_or(first);
            self.scroll = self.scroll.min(first).max((last + 1).saturating_sub(height));
        } else {
            self.scroll = 0;
        }
        self.scroll = self.scroll.min(rows.len().saturating_sub(height));
        let (above, below) = (self.scroll, rows.len().saturating_sub(self.scroll + height));
        for (row, y) in rows.into_iter().skip(self.scroll).zip(area.top()..area.bottom()) {
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

    fn rows(&self, width: usize, theme: &Theme) -> Vec<Row> {
        let mut rows = Vec::new();
        for field in self.fields().into_iter().filter(|field| *field != Field::Prompt) {
            if matches!(field, Field::Parameter(_)) && !rows.iter().any(|row: &Row| row.field.is_none()) {
                let marked = self.model().is_some_and(|model| model.parameters.iter().any(|found| found.required));
                let optional = if marked { "optional but those marked *" } else { "all optional" };
                let words = format!("── more for {}, {optional}", self.draft.model);
                rows.push(Row { field: None, line: Line::styled(format::cut(&words, width), theme.dim), cursor: None });
            }
            rows.extend(self.field_rows(field, width, theme));
        }
        rows
    }

    fn field_rows(&self, field: Field, width: usize, theme: &Theme) -> Vec<Row> {
        let focused = self.focus == field;
        let label_width = if width >= WIDE { 21 } else { 18.min(width / 2) };
        let required =
            matches!(field, Field::Parameter(index) if self.parameter(index).is_some_and(|found| found.required));
        let star = if required { "*" } else { "" };
        let mark = if focused { "▸ " } else { "  " };
        let label = format::cut(&format!("{mark}{}{star}", self.label(field)), label_width.saturating_sub(1));
        let label_style = if focused { theme.accent.add_modifier(Modifier::BOLD) } else { theme.text };
        let gap = " ".repeat(label_width.saturating_sub(label.width()));
        let mut spans = vec![Span::styled(format!("{label}{gap}"), label_style)];
        let room = width.saturating_sub(label_width + 1);
        let (value, cursor) = self.value(field, room, theme);
        let used: usize = value.iter().map(|span| span.content.width()).sum();
        spans.extend(value);
        let cursor = cursor.map(|cell| label_width + cell);

        let (note, note_style) = self.note(field, focused, theme);
        let beside = if width >= WIDE { room.saturating_sub(used.max(VALUE) + 1) } else { 0 };
        let matters = focused || note_style != theme.dim;
        let fits = note.width() <= beside;
        if fits || (!matters && beside > 0) {
            spans.push(Span::raw(" ".repeat(VALUE.saturating_sub(used) + 1)));
            spans.push(Span::styled(format::cut(&note, beside), note_style));
        }
        let mut rows = vec![Row { field: Some(field), line: Line::from(spans), cursor }];
        if matters && !fits && !note.is_empty() {
            let line = Line::styled(format!("    {}", format::cut(&note, width.saturating_sub(5))), note_style);
            rows.push(Row { field: Some(field), line, cursor: None });
        }
        rows
    }

    /// What is said beside a field: what is wrong with it, else what it is.
    fn note(&self, field: Field, focused: bool, theme: &Theme) -> (String, Style) {
        let (note, style) = match self.problem(field) {
            Some(problem) => (problem, theme.bad),
            None if self.repeats_itself(field) => {
                (format!("{} pictures with one seed are all the same", self.checked.count), theme.warning)
            }
            None if field == Field::Model && self.unknown_model.is_some() => (self.model_help(), theme.warning),
            None => (self.help(field, focused), theme.dim),
        };
        (text::clean_line(&note, 300), style)
    }

    fn label(&self, field: Field) -> &'static str {
        match field {
            Field::Prompt => "Prompt",
            Field::Model => "Model",
            Field::Count => "Count",
            Field::Tags => "Tags",
            Field::Parameter(_) => self.name(field),
        }
    }

    /// What a field holds, in at most so many cells, and the cell of the cursor where it has one.
    fn value(&self, field: Field, width: usize, theme: &Theme) -> (Vec<Span<'static>>, Option<usize>) {
        let focused = self.focus == field;
        let style = if self.problem(field).is_some() { theme.bad } else { theme.text };
        let chooser = |word: &str, style: Style| {
            let word = format::cut(word, width.saturating_sub(4));
            let arrows = if focused { theme.accent } else { theme.dim };
            vec![Span::styled("‹ ", arrows), Span::styled(word, style), Span::styled(" ›", arrows)]
        };
        let (default, editable) = match field {
            Field::Prompt => return (Vec::new(), None),
            Field::Model => return (chooser(&self.draft.model, theme.text), None),
            Field::Count => ("1".to_owned(), true),
            Field::Tags => ("none".to_owned(), true),
            Field::Parameter(index) => match self.parameter(index) {
                None => return (Vec::new(), None),
                Some(parameter) if is_chosen(&parameter.kind) => {
                    let (word, default) = self.chosen(parameter);
                    let word = shown_word(&parameter.kind, word.as_deref());
                    return (chooser(&word, if default { theme.dim } else { style }), None);
                }
                Some(parameter) => (default_words(parameter), true),
            },
        };
        let typed = self.text(field);
        if typed.is_empty() && !focused {
            return (vec![Span::styled(format::cut(&default, width), theme.dim)], None);
        }
        if !focused || !editable {
            let (shown, _) = super::line::Cursor::default().window(&typed, width);
            return (vec![Span::styled(format::cut(&shown, width), style)], None);
        }
        let (shown, cell) = self.cursor.window(&typed, width);
        let mut spans = with_cursor(&shown, cell, style);
        if typed.is_empty() {
            spans.push(Span::styled(format::cut(&format!(" {default}"), width.saturating_sub(1)), theme.dim));
        }
        (spans, Some(cell))
    }

    /// One line about a field: what it is; with the range while it has the keys.
    fn help(&self, field: Field, focused: bool) -> String {
        match field {
            Field::Prompt => String::new(),
            Field::Model => self.model_help(),
            Field::Count => "how many pictures, 1 to 100".to_owned(),
            Field::Tags => "words to find them by".to_owned(),
            Field::Parameter(index) => match self.parameter(index) {
                None => String::new(),
                Some(parameter) if focused && !is_chosen(&parameter.kind) => {
                    format!("{} · {}", parameter.range(), parameter.help)
                }
                Some(parameter) => parameter.help.clone(),
            },
        }
    }

    fn model_help(&self) -> String {
        let Some(model) = self.model() else { return "no model is known".to_owned() };
        if let Some(unknown) = &self.unknown_model {
            return format!("'{unknown}' is not known here: {} instead", model.title);
        }
        let (matching, place) = self.chooser.matching(self.catalog, &model.name);
        let (quickest, slowest) = model.typical_seconds;
        let place = place.map_or(0, |place| place + 1);
        let typed = self.chooser.typed();
        let typed = if typed.is_empty() { String::new() } else { format!("\"{typed}\": ") };
        format!("{typed}{place} of {} · {}, {quickest:.0}–{slowest:.0} s", matching.len(), model.title)
    }

    /// `~$0.12 for 3 pictures (simulated, no real money)`.
    fn price(&self, width: usize, theme: &Theme) -> Line<'static> {
        let count = self.checked.count;
        let pictures = if count == 1 { "1 picture".to_owned() } else { format!("{count} pictures") };
        let note = text::clean_line(&self.estimate.note, 200);
        let wrong = self.fields().into_iter().filter(|field| self.problem(*field).is_some()).count();
        if wrong > 0 {
            // A wrong spec would be priced wrongly.
            let words = if wrong == 1 {
                "1 field is wrong above".to_owned()
            } else {
                format!("{wrong} fields are wrong above")
            };
            return Line::styled(format::cut(&format!("{words}: no price yet"), width), theme.bad);
        }
        let (head, style, note) = match self.estimate.amount {
            Some(amount) => {
                (format!("~{} for {pictures}", amount.times(u64::from(count)).display()), theme.accent, note)
            }
            None => (format!("price unknown: {note}"), theme.warning, String::new()),
        };
        let simulated = match (self.simulated, width < 50) {
            (false, _) => "",
            (true, true) => " (simulated)",
            (true, false) => " (simulated, no real money)",
        };
        let head = format::cut(&head, width.saturating_sub(simulated.len()));
        let mut room = width.saturating_sub(head.width());
        let mut spans = vec![Span::styled(head, style.add_modifier(Modifier::BOLD))];
        if room > 0 && !simulated.is_empty() {
            let shown = format::cut(simulated, room);
            room -= shown.width();
            spans.push(Span::styled(shown, theme.warning));
        }
        if room > 12 && !note.is_empty() {
            spans.push(Span::styled(format!("  {}", format::cut(&note, room - 2)), theme.dim));
        }
        Line::from(spans)
    }

    /// The keys that matter where the cursor is, as many as there is room for.
    fn footer(&self, width: usize) -> String {
        let own = match self.focus {
            Field::Prompt => "Alt+Enter new line",
            Field::Model => "←→ or type: model",
            Field::Parameter(index) => match self.parameter(index).map(|parameter| &parameter.kind) {
                Some(ParameterKind::Boolean) => "Space yes/no",
                Some(ParameterKind::Choice(_)) => "←→ choose",
                _ => "Ctrl+U empty",
            },
            Field::Count | Field::Tags => "Ctrl+U empty",
        };
        let (enter, close) =
            if width >= 60 { ("Enter submits", "Esc closes, draft kept") } else { ("Enter submit", "Esc close") };
        let mut line = enter.to_owned();
        for words in ["Tab next", close, own, "Ctrl+P/N old prompts", "Ctrl+U empty"] {
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

/// The text with the cell of the cursor reversed, which may be the one behind the end.
fn with_cursor(text: &str, cell: usize, style: Style) -> Vec<Span<'static>> {
    let mut before = String::new();
    let mut rest = text.chars();
    let mut under = ' ';
    for character in rest.by_ref() {
        if before.width() >= cell {
            under = character;
            break;
        }
        before.push(character);
    }
    vec![
        Span::styled(before, style),
        Span::styled(under.to_string(), style.add_modifier(Modifier::REVERSED)),
        Span::styled(rest.as_str().to_owned(), style),
    ]
}

fn shown_word(kind: &ParameterKind, word: Option<&str>) -> String {
    match (kind, word) {
        (ParameterKind::Boolean, Some("true")) => "yes".to_owned(),
        (ParameterKind::Boolean, Some("false")) => "no".to_owned(),
        (_, Some(word)) => text::clean_line(word, 60),
        (_, None) => "automatic".to_owned(),
    }
}

fn default_words(parameter: &Parameter) -> String {
    match &parameter.default {
        Some(serde_json::Value::String(word)) => word.clone(),
        Some(value) => value.to_string(),
        None if parameter.required => "needed".to_owned(),
        None if matches!(parameter.kind, ParameterKind::Image | ParameterKind::Images { .. }) => "none".to_owned(),
        None => "automatic".to_owned(),
    }
}
