//! The steps of an attempt on one scale of time: where the seconds went.

use chrono::{DateTime, Duration, Utc};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::console::theme::Theme;
use crate::jobs::{Attempt, StepName, StepState};
use crate::text::{self, format};

/// Cells of the names.
const NAME: usize = 10;

/// Cells of the durations.
const DURATION: usize = 9;

/// The least cells of the scale: below that, the list of steps says more.
const MIN_SCALE: usize = 30;

/// The most cells of the scale.
const MAX_SCALE: usize = 80;

/// One part of the attempt.
struct Bar {
    name: &'static str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    style: Style,
    /// Why it took so long.
    note: String,
}

/// A pause between two steps that is worth a line.
const MIN_WAIT: Duration = Duration::milliseconds(300);

/// One line for each part of the attempt, in proportion to its time; none where the room is too small or nothing has begun.
pub fn lines(attempt: &Attempt, now: DateTime<Utc>, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let scale = width.saturating_sub(NAME + DURATION + 3).min(MAX_SCALE);
    let spans = spans(attempt, now, theme);
    let (Some(from), Some(to)) = (spans.iter().map(|span| span.from).min(), spans.iter().map(|span| span.to).max())
    else {
        return Vec::new();
    };
    let whole = to - from;
    if scale < MIN_SCALE || spans.len() < 2 || whole <= Duration::zero() {
        return Vec::new();
    }
    let cell = |at: DateTime<Utc>| {
        let share = (at - from).num_milliseconds() as f64 / whole.num_milliseconds().max(1) as f64;
        ((share * scale as f64).round() as usize).min(scale)
    };
    let full = theme.symbol("█", "#");
    let room_for_notes = width.saturating_sub(NAME + DURATION + 3 + scale);
    spans
        .iter()
        .map(|span| {
            // What exists has at least one cell.
            let start = cell(span.from).min(scale - 1);
            let cells = cell(span.to).saturating_sub(start).max(1);
            Line::from(vec![
                Span::styled(format!(" {}", format::fit(span.name, NAME)), theme.dim),
                Span::raw(" ".repeat(start)),
                Span::styled(full.repeat(cells), span.style),
                Span::raw(" ".repeat(scale.saturating_sub(start + cells))),
                Span::styled(format::fit_right(&format::duration(span.to - span.from), DURATION), theme.text),
                Span::styled(
                    if span.note.is_empty() {
                        String::new()
                    } else {
                        format!("  {}", format::cut(&span.note, room_for_notes))
                    },
                    theme.dim,
                ),
            ])
        })
        .collect()
}

fn spans(attempt: &Attempt, now: DateTime<Utc>, theme: &Theme) -> Vec<Bar> {
    let mut spans = Vec::new();
    let begun = attempt.steps.iter().map(|step| step.started_at).min();
    if let Some(begun) = begun.or_else(|| attempt.outcome.is_none().then_some(now)) {
        spans.push(Bar {
            name: "queued",
            from: attempt.created_at,
            to: begun.max(attempt.created_at),
            style: theme.dim,
            note: String::new(),
        });
    }
    let mut end =
        attempt.step(StepName::Reserve).or_else(|| attempt.step(StepName::Claim)).and_then(|step| step.ended_at);
    for name in [StepName::Submit, StepName::Generate, StepName::Download, StepName::Store] {
        let Some(step) = attempt.step(name) else { continue };
        let style = match step.state {
            StepState::Running => theme.running,
            StepState::Done => theme.good,
            StepState::Failed => theme.bad,
        };
        if let Some(from) = end.filter(|from| step.started_at - *from >= MIN_WAIT) {
            let note = format!("before {}", name.as_str());
            spans.push(Bar { name: "waiting", from, to: step.started_at, style: theme.warning, note });
        }
        let to = step.started_at + step.duration(now);
        let tries = (step.tries > 1).then(|| format!("{} tries", step.tries));
        let why = step.note.as_ref().map(|note| text::sanitize_line(note, 200));
        let note = tries.into_iter().chain(why).collect::<Vec<_>>().join(", ");
        spans.push(Bar { name: name.as_str(), from: step.started_at, to, style, note });
        end = step.ended_at;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_to_time() {
        let at = |seconds| DateTime::UNIX_EPOCH + Duration::seconds(seconds);
        let mut attempt = Attempt::new(1, at(0));
        let theme = Theme::dark();
        assert!(lines(&attempt, at(5), 120, &theme).is_empty(), "nothing has begun");
        attempt.begin(StepName::Submit, at(10));
        attempt.finish(StepName::Submit, at(11));
        attempt.begin(StepName::Generate, at(11));
        attempt.finish(StepName::Generate, at(31));
        attempt.begin(StepName::Download, at(31));
        let lines =
            |width| -> Vec<String> { lines(&attempt, at(40), width, &theme).iter().map(ToString::to_string).collect() };
        let drawn = lines(102);
        let bar = |line: &str| (line.chars().position(|cell| cell == '█'), line.matches('█').count());
        assert_eq!(
            drawn.iter().map(|line| bar(line)).collect::<Vec<_>>(),
            [(Some(11), 20), (Some(31), 2), (Some(33), 40), (Some(73), 18),]
        );
        assert!(drawn[2].starts_with(" generate") && drawn[2].trim_end().ends_with("20.0s"), "{drawn:?}");
        assert!(lines(40).is_empty(), "too narrow");
        attempt.steps.iter_mut().for_each(|step| step.started_at += Duration::seconds(1));
        let submit = attempt.steps.iter_mut().find(|step| step.name == StepName::Submit).unwrap();
        (submit.tries, submit.note, submit.ended_at) = (2, Some("503".to_owned()), Some(at(11)));
        let drawn = super::lines(&attempt, at(40), 140, &theme).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(drawn[1].ends_with("2 tries, 503") && drawn[2].contains("before generate"), "{drawn:?}");
        assert_eq!(drawn.len(), 6, "two pauses between the steps");
    }
}
