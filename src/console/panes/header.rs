//! The first line: where we are, what it costs, whether it works. Never lies, never wraps; must not hide SIMULATED or money.
//!
//! What is wrong takes the place of what is fine. Where it gets narrow, parts get shorter and then go, least important first.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::console::format;
use crate::console::status::Status;
use crate::console::theme::Theme;
use crate::engine::{Intake, Link};
use crate::jobs::text;

/// What the header is drawn from.
pub struct HeaderView<'a> {
    /// The name of the configuration.
    pub context: &'a str,
    /// What it runs on: `sqlite · local`.
    pub adapters: &'a str,
    /// No real money.
    pub simulated: bool,
    /// What the engine said.
    pub status: &'a Status,
    /// The present.
    pub now: DateTime<Utc>,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

/// A part of the line in its forms, longest first. An empty last form lets it go.
struct Part {
    forms: Vec<String>,
    style: Style,
    /// Lower ones get shorter first.
    importance: u8,
    form: usize,
}

impl Part {
    fn new(importance: u8, style: Style, forms: impl IntoIterator<Item = String>) -> Self {
        Self { forms: forms.into_iter().collect(), style, importance, form: 0 }
    }

    fn shown(&self) -> &str {
        self.forms.get(self.form).map_or("", String::as_str)
    }

    fn width(&self) -> usize {
        match self.shown().width() {
            0 => 0,
            width => width + GAP,
        }
    }
}

/// Cells between two parts.
const GAP: usize = 2;

/// Draws the line.
pub fn draw(frame: &mut Frame<'_>, area: Rect, view: &HeaderView<'_>) {
    frame.render_widget(line(view, usize::from(area.width)), area);
}

fn line(view: &HeaderView<'_>, width: usize) -> Line<'static> {
    let mut left = left_parts(view);
    let mut right = right_parts(view);
    while left.iter().chain(&right).map(Part::width).sum::<usize>() > width {
        let shorter = left.iter_mut().chain(&mut right).filter(|part| part.form + 1 < part.forms.len());
        match shorter.min_by_key(|part| part.importance) {
            Some(part) => part.form += 1,
            None => break,
        }
    }
    let used: usize = left.iter().chain(&right).map(Part::width).sum();
    let mut spans = Vec::new();
    for part in left.iter().filter(|part| !part.shown().is_empty()) {
        spans.push(Span::raw(" "));
        spans.push(Span::styled(part.shown().to_owned(), part.style));
        spans.push(Span::raw(" "));
    }
    spans.push(Span::raw(" ".repeat(width.saturating_sub(used))));
    for part in right.iter().filter(|part| !part.shown().is_empty()) {
        spans.push(Span::raw(" "));
        spans.push(Span::styled(part.shown().to_owned(), part.style));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

fn left_parts(view: &HeaderView<'_>) -> Vec<Part> {
    let theme = view.theme;
    let (context, adapters) = (text::clean_line(view.context, 40), text::clean_line(view.adapters, 60));
    let dot = theme.symbol(" · ", " - ");
    let adapters = if theme.ascii { adapters.replace('·', "-") } else { adapters };
    let mut parts = vec![
        Part::new(1, theme.accent.add_modifier(Modifier::BOLD), ["darkroom".into(), String::new()]),
        Part::new(2, theme.text, [format!("{context}{dot}{adapters}"), context, String::new()]),
    ];
    if view.simulated {
        parts.push(Part::new(9, theme.simulated, [" SIMULATED ".into(), "SIMULATED".into()]));
    }
    parts
}

fn right_parts(view: &HeaderView<'_>) -> Vec<Part> {
    let (theme, status) = (view.theme, view.status);
    let mut parts = Vec::new();
    match &status.intake {
        Intake::Open => {}
        Intake::Paused => {
            let pause = theme.symbol("‖", "=");
            parts.push(Part::new(6, theme.warning, [format!("{pause} paused, p resumes"), format!("{pause} paused")]));
        }
        Intake::Account(reason) => {
            let reason = text::clean_line(reason, 60);
            let cross = theme.symbol("✗", "x");
            let forms = [format!("{cross} account: {reason}, p resumes"), format!("{cross} account: {reason}")];
            parts.push(Part::new(3, theme.bad, forms.into_iter().chain([format!("{cross} account")])));
        }
        Intake::Observing => parts.push(Part::new(5, theme.warning, ["only looking".into(), "looking".into()])),
    }
    if let Some((used, total)) = status.slots
        && status.intake != Intake::Observing
    {
        let forms = [format!("slots {used}/{total}"), format!("{used}/{total}"), String::new()];
        parts.push(Part::new(4, theme.text, forms));
    }
    parts.push(money(status, theme));
    parts.push(link(view));
    parts
}

fn money(status: &Status, theme: &Theme) -> Part {
    let Some(today) = status.today() else {
        return Part::new(8, theme.dim, ["today $?".into(), "$?".into()]);
    };
    let spent = today.display();
    match status.daily_cap() {
        Some(cap) => {
            let style = if today >= cap {
                theme.bad.add_modifier(Modifier::BOLD)
            } else if today.times(5) >= cap.times(4) {
                theme.warning
            } else {
                theme.text
            };
            let cap = cap.display();
            Part::new(
                8,
                style,
                [format!("today {spent} of {cap}"), format!("{spent} of {cap}"), format!("{spent}/{cap}")],
            )
        }
        None => Part::new(8, theme.text, [format!("today {spent}"), spent]),
    }
}

fn link(view: &HeaderView<'_>) -> Part {
    let (theme, status) = (view.theme, view.status);
    if status.engine_gone {
        let cross = theme.symbol("✗", "x");
        return Part::new(7, theme.bad, [format!("{cross} engine ended, q leaves"), format!("{cross} ended")]);
    }
    match &status.link {
        None => Part::new(7, theme.dim, ["connecting".into(), theme.symbol("◌", "o").into()]),
        Some(Link::Live) => {
            let dot = theme.symbol("●", "*");
            Part::new(7, theme.good, [format!("{dot} live"), dot.to_owned()])
        }
        Some(Link::Down { since, reason }) => {
            let old = format::age(view.now - *since);
            let ring = theme.symbol("○", "!");
            let reason = text::clean_line(reason, 50);
            let forms = [format!("{ring} down, data {old} old: {reason}"), format!("{ring} down, data {old} old")];
            Part::new(3, theme.bad, forms.into_iter().chain([format!("{ring} down {old}")]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::Usd;

    fn status() -> Status {
        Status {
            slots: Some((124, 240)),
            intake: Intake::Account("the key was refused by the provider, status 403".into()),
            link: Some(Link::Down { since: DateTime::UNIX_EPOCH, reason: "connection refused by the store".into() }),
            ..Status::default()
        }
    }

    #[test]
    fn it_never_wraps_and_never_hides_simulated_or_money() {
        let (status, theme) = (status(), Theme::dark());
        let now = DateTime::UNIX_EPOCH + chrono::Duration::days(3);
        for width in 40..300 {
            let view = HeaderView {
                context: "a-context-with-a-long-name",
                adapters: "firestore · temporal",
                simulated: true,
                status: &status,
                now,
                theme: &theme,
            };
            let line = line(&view, width);
            let text = line.to_string();
            assert!(line.width() <= width, "{width}: {text}");
            assert!(text.contains("SIMULATED") && text.contains('$'), "{width}: {text}");
            assert!(text.contains("account") && text.contains("down"), "{width}: {text}");
        }
    }

    #[test]
    fn money_near_its_cap_warns() {
        let theme = Theme::dark();
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let style = |today: &str| {
            let report = crate::costs::CostReport::from_rows(
                (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH),
                true,
                crate::costs::CostGrouping::Model,
                [(String::new(), crate::costs::Basis::Settled, Some(usd(today)), 1)],
            );
            let costs = crate::engine::CostOverview {
                today: report.clone(),
                week: report.clone(),
                month: report.clone(),
                by_day: report.clone(),
                by_cause: report.clone(),
                by_service: report,
                daily_cap: Some(usd("10")),
                monthly_cap: None,
                credits: None,
                at: DateTime::UNIX_EPOCH,
            };
            money(&Status { costs: Some(Box::new(costs)), ..Status::default() }, &theme).style
        };
        assert_eq!(style("7.99"), theme.text);
        assert_eq!(style("8"), theme.warning);
        assert_eq!(style("10"), theme.bad.add_modifier(Modifier::BOLD));
    }
}
