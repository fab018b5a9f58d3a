//! The rows of the form's field list: label, value and note.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::draft::is_chosen;
use super::{Field, Form};
use crate::catalog::{Parameter, ParameterKind};
use crate::console::line_editor::MAX_SHOWN_BYTES;
use crate::console::theme::Theme;
use crate::costs::Usd;
use crate::text;
use crate::text::format;

/// From this width on, notes are placed beside their field where they fit.
const WIDE: usize = 72;
/// Cells of a value before its note, where the value is shorter.
const VALUE: usize = 16;

/// One row of the list of fields.
pub(super) struct Row {
    /// The field; none for a heading.
    pub(super) field: Option<Field>,
    /// What is drawn.
    pub(super) line: Line<'static>,
    /// Where the cursor is, in cells, where this row has it.
    pub(super) cursor: Option<usize>,
}

impl Form {
    /// All rows of the list, each at most `width` cells wide.
    pub(super) fn rows(&self, width: usize, theme: &Theme) -> Vec<Row> {
        let (mut rows, mut has_heading) = (Vec::new(), false);
        for field in self.fields().into_iter().filter(|field| *field != Field::Prompt) {
            if matches!(field, Field::Parameter(_)) && !std::mem::replace(&mut has_heading, true) {
                let marked = self.model().is_some_and(|model| model.parameters.iter().any(|found| found.required));
                let optional = if marked { "optional unless marked *" } else { "all optional" };
                let words = format!("── parameters of {}, {optional}", text::sanitize_line(&self.draft.model, 60));
                rows.push(Row { field: None, line: Line::styled(format::cut(&words, width), theme.dim), cursor: None });
            }
            rows.extend(self.field_rows(field, width, theme));
            if let (Field::Seeds, Some(plan)) = (field, &self.plan) {
                let line = format!("  = {}", plan.line());
                rows.push(Row {
                    field: None,
                    line: Line::styled(format::cut(&line, width), theme.accent),
                    cursor: None,
                });
            }
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

    /// The note of a field: its problem, else its description.
    fn note(&self, field: Field, focused: bool, theme: &Theme) -> (String, Style) {
        let (note, style) = match self.problem(field) {
            Some(problem) => (problem, theme.bad),
            None if focused && self.editor.refused() > 0 => (
                format!("removed {}: cannot be sent", format::count(self.editor.refused(), "control character")),
                theme.warning,
            ),
            None if self.repeats_itself(field) => {
                (format!("{} images with one seed are identical", self.validated.count), theme.warning)
            }
            None if field == Field::Model && self.unknown_model.is_some() => (self.model_help(), theme.warning),
            None => (self.help(field, focused), theme.dim),
        };
        (text::sanitize_line(&note, 300), style)
    }

    fn label(&self, field: Field) -> &'static str {
        match field {
            Field::Prompt => "Prompt",
            Field::Model => "Model",
            Field::Count => "Count",
            Field::Tags => "Tags",
            Field::Matrix => "Matrix",
            Field::Models => "  models",
            Field::Sizes => "  sizes",
            Field::Seeds => "  seeds",
            Field::Parameter(_) => self.name(field),
        }
    }

    /// What a field holds, in at most so many cells, and the cell of the cursor where it has one.
    fn value(&self, field: Field, width: usize, theme: &Theme) -> (Vec<Span<'static>>, Option<usize>) {
        let focused = self.focus == field;
        let style = if self.problem(field).is_some() { theme.bad } else { theme.text };
        let picker = |word: &str, style: Style| {
            let word = format::cut(word, width.saturating_sub(4));
            let arrows = if focused { theme.accent } else { theme.dim };
            vec![Span::styled("‹ ", arrows), Span::styled(word, style), Span::styled(" ›", arrows)]
        };
        let (default, editable) = match field {
            Field::Prompt => return (Vec::new(), None),
            Field::Model => return (picker(&text::sanitize_line(&self.draft.model, 60), theme.text), None),
            Field::Matrix => {
                let (word, style) = if self.draft.matrix { ("yes", style) } else { ("no", theme.dim) };
                return (picker(word, style), None);
            }
            Field::Models => (text::sanitize_line(&self.draft.model, 60), true),
            Field::Sizes | Field::Seeds => ("as below".to_owned(), true),
            Field::Count => ("1".to_owned(), true),
            Field::Tags => ("none".to_owned(), true),
            Field::Parameter(index) => match self.parameter(index) {
                None => return (Vec::new(), None),
                Some(parameter) if is_chosen(&parameter.kind) => {
                    let (word, default) = self.chosen(parameter);
                    let word = shown_word(&parameter.kind, word.as_deref());
                    return (picker(&word, if default { theme.dim } else { style }), None);
                }
                Some(parameter) => (default_words(parameter), true),
            },
        };
        let typed = self.text(field);
        if typed.is_empty() && !focused {
            return (vec![Span::styled(format::cut(&default, width), theme.dim)], None);
        }
        if !focused || !editable {
            let shown = if typed.len() > MAX_SHOWN_BYTES {
                format::bytes(typed.len() as u64)
            } else {
                text::sanitize_line(typed, 400)
            };
            return (vec![Span::styled(format::cut(&shown, width), style)], None);
        }
        let (shown, cell) = self.editor.visible(width);
        if self.editor.is_selected() {
            return (vec![Span::styled(shown, style.add_modifier(Modifier::REVERSED))], Some(cell));
        }
        if typed.is_empty() {
            // The cursor is on the first letter: the text stays in the column of the other rows.
            return (with_cursor(&format::cut(&default, width), 0, theme.dim), Some(0));
        }
        (with_cursor(&shown, cell, style), Some(cell))
    }

    /// One line about a field: what it is; with the range while it has the keys.
    fn help(&self, field: Field, focused: bool) -> String {
        match field {
            Field::Prompt => String::new(),
            Field::Model => self.model_help(),
            Field::Count => "number of images, 1 to 100".to_owned(),
            Field::Tags => "labels to filter by, separated by spaces".to_owned(),
            Field::Matrix if self.draft.matrix => r"\{ and \| stay characters".to_owned(),
            Field::Matrix => "{fox|owl} in the prompt, models x sizes x seeds".to_owned(),
            Field::Models => "names, separated by spaces; empty: the model above".to_owned(),
            Field::Sizes => "such as 1024x1024 768x1344 or 1:1 9:16".to_owned(),
            Field::Seeds => "such as 7 9, or a range: 1..4".to_owned(),
            Field::Parameter(index) => match self.parameter(index) {
                None => String::new(),
                Some(parameter) => {
                    let range = (focused && !is_chosen(&parameter.kind)).then(|| parameter.range());
                    let parts = self.surcharge(&parameter.name).into_iter().chain(range);
                    parts.chain([parameter.help.clone()]).collect::<Vec<_>>().join(" · ")
                }
            },
        }
    }

    /// What a typed value adds to the price of one image: `2.0 MP: +$0.015`. `None` where it changes nothing.
    fn surcharge(&self, name: &str) -> Option<String> {
        if self.draft.value(name).trim().is_empty() || self.is_stale {
            return None;
        }
        let is_side = |name: &str| matches!(name, "width" | "height");
        let mut without = self.validated.spec.clone();
        without.parameters.retain(|known, _| if is_side(name) { !is_side(known) } else { known != name });
        let base = self.catalog.estimate_sized(&without, &self.measured.1).amount?;
        let added = self.estimate.amount? - base;
        let amount = match () {
            () if added == Usd::ZERO => return None,
            () if added > Usd::ZERO => format!("+{}", added.display()),
            () => added.display(),
        };
        let size = self.validated.spec.size().filter(|_| is_side(name));
        Some(match size {
            Some((width, height)) => {
                format!("{:.1} MP: {amount}", f64::from(width) * f64::from(height) / 1_048_576.0)
            }
            None => amount,
        })
    }

    fn model_help(&self) -> String {
        let Some(model) = self.model() else { return "no models known".to_owned() };
        if let Some(unknown) = &self.unknown_model {
            return format!("unknown model '{unknown}': using {} instead", model.title);
        }
        let (matching, place) = self.picker.matching(self.catalog, &model.name);
        let (quickest, slowest) = model.typical_seconds;
        let place = place.map_or(0, |place| place + 1);
        let typed = self.picker.typed();
        let typed = if typed.is_empty() { String::new() } else { format!("\"{typed}\": ") };
        format!("{typed}{place} of {} · {}, {quickest:.0}–{slowest:.0} s", matching.len(), model.title)
    }
}

/// The text with the cell of the cursor reversed, which may be the one behind the end.
fn with_cursor(text: &str, cell: usize, style: Style) -> Vec<Span<'static>> {
    let mut before = String::new();
    let mut rest = text.graphemes(true);
    let mut under = " ";
    for grapheme in rest.by_ref() {
        if before.width() >= cell {
            under = grapheme;
            break;
        }
        before.push_str(grapheme);
    }
    vec![
        Span::styled(before, style),
        Span::styled(under.to_owned(), style.add_modifier(Modifier::REVERSED)),
        Span::styled(rest.as_str().to_owned(), style),
    ]
}

fn shown_word(kind: &ParameterKind, word: Option<&str>) -> String {
    match (kind, word) {
        (ParameterKind::Boolean, Some("true")) => "yes".to_owned(),
        (ParameterKind::Boolean, Some("false")) => "no".to_owned(),
        (_, Some(word)) => text::sanitize_line(word, 60),
        (_, None) => "automatic".to_owned(),
    }
}

fn default_words(parameter: &Parameter) -> String {
    match &parameter.default {
        Some(serde_json::Value::String(word)) => word.clone(),
        Some(value) => value.to_string(),
        None if parameter.required => "required".to_owned(),
        None if matches!(parameter.kind, ParameterKind::Image | ParameterKind::Images { .. }) => "none".to_owned(),
        None => "automatic".to_owned(),
    }
}
