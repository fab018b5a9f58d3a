//! The price line of the form: what a submit costs, what it exceeds, and the confirmation of real money. An amount is never cut.

use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{Field, Form};
use crate::console::costs_view;
use crate::console::theme::Theme;
use crate::costs::Usd;
use crate::text;
use crate::text::format;

impl Form {
    /// `~$0.12 for 3 images (simulated, no real money)`.
    pub(super) fn price(&self, width: usize, theme: &Theme) -> Line<'static> {
        if let Some(line) = self.problems_line(width, theme) {
            return line;
        }
        let images = format::count(usize::try_from(self.images()).unwrap_or(usize::MAX), "image");
        let amounts = self.amounts();
        if self.armed {
            let style = if self.simulated { theme.warning } else { theme.real_money };
            return Line::styled(confirmation(&images, amounts.as_ref(), width), style);
        }
        let note = text::sanitize_line(&self.estimate.note, 200);
        let simulated = match (self.simulated, width < 50) {
            (false, _) => "",
            (true, true) => " (simulated)",
            (true, false) => " (simulated, no real money)",
        };
        let room = width.saturating_sub(simulated.len());
        let (head, style, note) = match (amounts, self.short_cap()) {
            (Some((price, _)), Some((name, left))) => {
                let left = left.display();
                let forms = [
                    format!("{price} for {images} · the {name} has {left} left: jobs over it are held"),
                    format!("{price} for {images} · {name}: {left} left"),
                    format!("{price} · {name}: {left} left"),
                    format!("{price} · over budget"),
                    price,
                ];
                (format::fitting(forms, room), theme.warning, String::new())
            }
            (Some((price, bound)), None) => {
                let forms = [format!("{price} for {images}{bound}"), format!("{price}{bound}"), price];
                let time = self.plan.as_ref().and_then(|plan| plan.time(&self.limits));
                (format::fitting(forms, room), theme.accent, time.unwrap_or(note))
            }
            (None, _) => (format::cut(&format!("price unknown: {note}"), room), theme.warning, String::new()),
        };
        let mut room = width.saturating_sub(head.width());
        let mut spans = vec![Span::styled(head, style.add_modifier(Modifier::BOLD))];
        if room > 0 && !simulated.is_empty() {
            let shown = format::cut(simulated, room);
            room -= shown.width();
            spans.push(Span::styled(shown, theme.warning));
        }
        let note = whole_clauses(&note, room.saturating_sub(2));
        if !note.is_empty() {
            spans.push(Span::styled(format!("  {note}"), theme.dim));
        }
        Line::from(spans)
    }

    /// The first cap that the images may not fit under, and what is left under it. A matrix over a cap is refused instead.
    fn short_cap(&self) -> Option<(&'static str, Usd)> {
        if self.plan.is_some() {
            return None;
        }
        let most = self.estimate.at_most.or(self.estimate.amount)?;
        let most = (most + self.limits.storage.unwrap_or(Usd::ZERO)) * self.images();
        self.limits.left.iter().copied().find(|(_, left)| most > *left)
    }

    /// What must be fixed first: a wrong spec would be priced wrongly.
    fn problems_line(&self, width: usize, theme: &Theme) -> Option<Line<'static>> {
        let mut wrong = self.fields();
        wrong.retain(|field| self.problem(*field).is_some());
        let line = match wrong.as_slice() {
            [] => return None,
            // Its row may be hidden, and a cap is nothing to fix in a field.
            [Field::Matrix] => {
                let short = self.plan.as_ref().and_then(|plan| plan.over_budget.clone());
                format::fitting(self.problem(Field::Matrix).into_iter().chain(short), width)
            }
            [_] => format::cut("Fix 1 field above to see the price", width),
            many => format::cut(&format!("Fix {} fields above to see the price", many.len()), width),
        };
        Some(Line::styled(line, theme.bad))
    }

    /// The price, and `, at most $1.32` where an input image has no known size; `None` where no price is known.
    fn amounts(&self) -> Option<(String, String)> {
        let price = self.total()?;
        let Some(bound) = self.plan.as_ref().and_then(|plan| plan.at_most) else {
            return Some((format!("~{}", price.display()), String::new()));
        };
        let [price, bound] = costs_view::aligned([price, bound]);
        Some((format!("~{price}"), format!(", at most {bound}")))
    }
}

/// `Enter again submits 3 images for ~$0.12 · Esc goes back`: the amounts are in every form.
fn confirmation(images: &str, amounts: Option<&(String, String)>, width: usize) -> String {
    let forms = match amounts {
        Some((price, bound)) => [
            format!("Enter again submits {images} for {price}{bound} · Esc goes back"),
            format!("Enter again submits {images} for {price}{bound}"),
            format!("Enter again: {price}{bound}"),
            format!("Enter: {price}{bound}"),
            format!("{price}{bound}"),
        ],
        None => [
            format!("Enter again submits {images}, price unknown · Esc goes back"),
            format!("Enter again submits {images}, price unknown"),
            "Enter again: price unknown".to_owned(),
            "Enter: price unknown".to_owned(),
            "price unknown".to_owned(),
        ],
    };
    format::fitting(forms, width)
}

/// As many clauses from the beginning of a note as fit whole: part of an amount would be a wrong amount.
fn whole_clauses(note: &str, cells: usize) -> &str {
    let ends = note.match_indices("; ").chain(note.match_indices(" (")).map(|(end, _)| end);
    let fitting = ends.chain([note.len()]).map(|end| &note[..end]).filter(|head| head.width() <= cells);
    fitting.max_by_key(|head| head.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_of_a_price_ends_with_a_whole_clause() {
        let note = "at 1 MP: 3 credits; more for each MP (pricing, 2026-01)";
        assert_eq!(whole_clauses(note, 60), note);
        assert_eq!(whole_clauses(note, 40), "at 1 MP: 3 credits; more for each MP");
        assert_eq!(whole_clauses(note, 30), "at 1 MP: 3 credits");
        assert_eq!(whole_clauses(note, 10), "");
    }
}
