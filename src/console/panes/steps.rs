//! The steps pane: the steps of one attempt of the selected job.

use chrono::{DateTime, Duration, Utc};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use crate::console::DisplayZone;
use crate::console::panes::logs::StepSpan;
use crate::console::theme::Theme;
use crate::console::widgets;
use crate::engine::Progress;
use crate::jobs::{Attempt, Job, JobId, Outcome, Stage, Step, StepName, StepState};
use crate::text;
use crate::text::format;

/// Which attempt is shown.
#[derive(Debug, Default)]
pub struct StepsPane {
    /// The job and how many attempts back; `None` is its newest attempt.
    back: Option<(JobId, usize)>,
    /// First line on the screen.
    scroll: usize,
    /// The selected step.
    selected: Option<StepName>,
}

/// What the steps are drawn from.
#[derive(Clone, Copy)]
pub struct StepsView<'a> {
    /// The selected job.
    pub job: Option<&'a Job>,
    /// Its current progress.
    pub progress: Option<&'a Progress>,
    /// The present.
    pub now: DateTime<Utc>,
    /// The zone of the times.
    pub zone: DisplayZone,
    /// Whether keys go here.
    pub focused: bool,
    /// The step that is marked.
    pub selected: Option<StepName>,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

/// How long before a step begins and after it ends its lines are logged.
const LOG_MARGIN: Duration = Duration::milliseconds(250);

/// How long after a step its last line may be logged, although the next step has begun.
const HANDOVER: Duration = Duration::milliseconds(20);

/// The time in which a step logged its lines: each line belongs to one step. One that runs has no end yet.
pub fn log_span(attempt: &Attempt, name: StepName) -> Option<StepSpan> {
    let step = attempt.step(name)?;
    let place = StepName::ALL.into_iter().position(|other| other == name)?;
    let has_previous = StepName::ALL[..place].iter().any(|other| attempt.step(*other).is_some());
    let next = StepName::ALL[place + 1..].iter().filter_map(|other| attempt.step(*other)).map(|step| step.started_at);
    let later = |at: DateTime<Utc>, by| at.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let earlier = |at: DateTime<Utc>, by| at.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let from = if has_previous { later(step.started_at, HANDOVER) } else { earlier(step.started_at, LOG_MARGIN) };
    let to = step.ended_at.map_or(DateTime::<Utc>::MAX_UTC, |ended_at| later(ended_at, LOG_MARGIN));
    let to = next.min().map_or(to, |next| to.min(later(next, HANDOVER - Duration::microseconds(1))));
    Some(StepSpan { name: step.name.as_str().to_owned(), from, to })
}

impl StepsPane {
    /// Looks at an older (positive) or newer (negative) attempt. Returns whether there is one.
    pub fn step_attempt(&mut self, job: &Job, attempts: i64) -> bool {
        let back = i64::try_from(self.back(job)).unwrap_or(0) + attempts;
        match usize::try_from(back) {
            Ok(back) if back < job.attempts.len() => {
                self.back = Some((job.id.clone(), back));
                true
            }
            _ => false,
        }
    }

    /// Selects the step that is so many steps further among those that have begun, and scrolls.
    pub fn select(&mut self, job: Option<&Job>, lines: i64) {
        let Some(attempt) = job.and_then(|job| self.attempt(job)) else { return };
        let begun: Vec<StepName> = StepName::ALL.into_iter().filter(|name| attempt.step(*name).is_some()).collect();
        let Some(last) = begun.len().checked_sub(1) else { return };
        let place = self.selected.and_then(|name| begun.iter().position(|other| *other == name));
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        let place = match place {
            None => {
                if lines < 0 {
                    last
                } else {
                    0
                }
            }
            Some(place) if lines < 0 => place.saturating_sub(step),
            Some(place) => place.saturating_add(step).min(last),
        };
        self.selected = begun.get(place).copied();
    }

    /// The selected step of the shown attempt.
    pub fn selected_step(&self, job: &Job) -> Option<StepSpan> {
        log_span(self.attempt(job)?, self.selected?)
    }

    fn attempt<'a>(&self, job: &'a Job) -> Option<&'a Attempt> {
        job.attempts.iter().rev().nth(self.back(job))
    }

    fn back(&self, job: &Job) -> usize {
        match &self.back {
            Some((id, back)) if *id == job.id => (*back).min(job.attempts.len().saturating_sub(1)),
            _ => 0,
        }
    }

    /// Draws the pane.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &StepsView<'_>) {
        let theme = view.theme;
        let name = Span::styled(" Steps ", if view.focused { theme.accent } else { theme.text });
        let block = theme.block(view.focused);
        let inner = block.inner(area);
        let attempt = view.job.and_then(|job| {
            let back = self.back(job);
            job.attempts.iter().rev().nth(back).map(|attempt| (job, attempt, back))
        });
        let Some((job, attempt, back)) = attempt else {
            let block = block.title(Line::from(name));
            let teach = Line::styled(" Steps of the selected job", theme.dim);
            frame.render_widget(Paragraph::new(vec![Line::default(), teach]).block(block), area);
            return;
        };
        let mut title = vec![name];
        if job.attempts.len() > 1 {
            let keys = if view.focused || back > 0 { " · [ ] others" } else { "" };
            let dash = theme.symbol("──", "--");
            title.push(Span::styled(
                format!("{dash} attempt {} of {}{keys} ", attempt.number, job.attempts.len()),
                theme.dim,
            ));
        }
        let view = StepsView { selected: self.selected.filter(|_| view.focused), ..*view };
        let lines = lines(job, attempt, back == 0, &view, usize::from(inner.width));
        let marked = lines.iter().position(|line| line.style == theme.selected);
        let height = usize::from(inner.height).max(1);
        if let Some(marked) = marked {
            self.scroll = self.scroll.clamp((marked + 1).saturating_sub(height), marked);
        }
        self.scroll = self.scroll.min(lines.len().saturating_sub(usize::from(inner.height)));
        let paragraph = Paragraph::new(lines).scroll((self.scroll as u16, 0)).block(block.title(Line::from(title)));
        frame.render_widget(paragraph, area);
    }
}

/// Detail lines below one step.
const MAX_DETAIL_LINES: usize = 4;

/// The steps of an attempt, one line each; the failure is shown at the step that failed.
pub fn lines(job: &Job, attempt: &Attempt, current: bool, view: &StepsView<'_>, width: usize) -> Vec<Line<'static>> {
    let progress = view.progress.filter(|progress| current && progress.attempt == attempt.number);
    let ended = attempt.outcome.is_some();
    let expiry = attempt.link_expires_at.filter(|_| current && matches!(job.stage, Stage::Generating));
    let expiry = expiry.map(|at| expiry_line(at, view));
    let steps = StepName::ALL.into_iter().flat_map(|name| match attempt.step(name) {
        Some(step) => {
            let mut lines = step_lines(step, progress, failure_of(attempt, step), view, width);
            if view.selected == Some(name)
                && let Some(first) = lines.first_mut()
            {
                first.style = view.theme.selected;
            }
            lines
        }
        // What was never begun is not listed once the attempt is over.
        None if ended && !matches!(job.stage, Stage::Generating) => Vec::new(),
        None => vec![waiting_line(name, view)],
    });
    steps.chain(expiry).collect()
}

/// How long the finished image can still be fetched.
fn expiry_line(at: DateTime<Utc>, view: &StepsView<'_>) -> Line<'static> {
    let left = at - view.now;
    if left > chrono::TimeDelta::zero() {
        let line = format!(" Image not stored yet; its link expires in {}", format::duration(left));
        Line::styled(line, view.theme.warning)
    } else {
        Line::styled(" Image not stored; its link has expired", view.theme.bad)
    }
}

fn failure_of(attempt: &Attempt, step: &Step) -> Option<String> {
    match &attempt.outcome {
        Some(Outcome::Failed { failure }) if step.state == StepState::Failed => {
            Some(format!("{}: {}", failure.code.as_str(), failure.message))
        }
        _ => None,
    }
}

fn waiting_line(name: StepName, view: &StepsView<'_>) -> Line<'static> {
    let symbol = view.theme.step_symbol(None);
    Line::styled(format!(" {symbol} {}", name.as_str()), view.theme.dim)
}

/// The step, and below it what did not fit beside it.
fn step_lines(
    step: &Step,
    progress: Option<&Progress>,
    failure: Option<String>,
    view: &StepsView<'_>,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = view.theme;
    let style = match step.state {
        StepState::Running => theme.running,
        StepState::Done => theme.good,
        StepState::Failed => theme.bad,
    };
    let mut spans = vec![
        Span::styled(format!(" {} ", theme.step_symbol(Some(step.state))), style),
        Span::styled(format::fit(step.name.as_str(), 9), theme.text),
        Span::styled(format::fit_right(&format::duration(step.duration(view.now)), 8), theme.text),
    ];
    let mut room = width.saturating_sub(20);
    if width >= 50 {
        spans.push(Span::styled(format!("  {}", view.zone.time(step.started_at)), theme.dim));
        room = room.saturating_sub(2 + view.zone.time(step.started_at).width());
    }
    let mut details = Vec::new();
    if step.tries > 1 {
        details.push(format!("try {}", step.tries));
    }
    let progress = progress.filter(|progress| progress.step == step.name && step.state == StepState::Running);
    if let Some(progress) = progress {
        if let Some(fraction) = progress.fraction {
            let cells = room.saturating_sub(8).min(12);
            let (full, rest) = theme.bar(fraction, cells);
            spans.push(Span::styled(format!("  {full}"), style));
            spans.push(Span::styled(rest, theme.dim));
            let percent = format!(" {:.0}%", fraction.clamp(0.0, 1.0) * 100.0);
            room = room.saturating_sub(2 + cells + percent.len());
            spans.push(Span::styled(percent, style));
        }
        // The provider's status is least important: only where there is room.
        let status = text::sanitize_line(&progress.status, 60);
        if !status.eq_ignore_ascii_case(step.name.as_str()) && status.width() + 12 <= room {
            details.push(status.to_lowercase());
        }
    }
    if let Some(words) = failure.or_else(|| step.note.clone()) {
        details.push(text::sanitize_line(&words, 300));
    }
    details.retain(|words| !words.is_empty());
    let details = details.join(", ");
    let style = if step.state == StepState::Failed { theme.bad } else { theme.dim };
    if details.width() + 2 <= room {
        spans.push(Span::styled(format!("  {details}"), style));
        return vec![Line::from(spans)];
    }
    let below = widgets::wrap(&details, width.saturating_sub(4)).into_iter().take(MAX_DETAIL_LINES);
    let below = below.map(|line| Line::styled(format!("   {line}"), style));
    std::iter::once(Line::from(spans)).chain(below).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::console::test_fixtures::screen;
    use crate::jobs::{Claim, Receipt, Spec, Ticket, WorkerId};

    #[test]
    fn log_line_belongs_to_one_step() {
        let at = |milliseconds| DateTime::UNIX_EPOCH + Duration::milliseconds(milliseconds);
        let mut attempt = Attempt::new(1, at(0));
        for (name, from, to) in [(StepName::Claim, 0, 0), (StepName::Reserve, 0, 0), (StepName::Submit, 0, 300)] {
            attempt.begin(name, at(from));
            attempt.finish(name, at(to));
        }
        attempt.begin(StepName::Generate, at(300));
        let has = |name, millisecond| {
            log_span(&attempt, name).is_some_and(|span| span.from <= at(millisecond) && at(millisecond) <= span.to)
        };
        // "submit accepted" follows the submit by less than a millisecond, "task pending" by more.
        for (millisecond, owner) in [(-5, StepName::Claim), (301, StepName::Submit), (450, StepName::Generate)] {
            let owners: Vec<StepName> = StepName::ALL.into_iter().filter(|name| has(*name, millisecond)).collect();
            assert_eq!(owners, [owner], "{millisecond}");
        }
    }

    #[test]
    fn waiting_image_shows_the_time_left() {
        let now = DateTime::UNIX_EPOCH;
        let mut job = Job::new(JobId::new("a").unwrap(), Spec::new("flux-dev", "x"), true, now);
        let claim = Claim { worker: WorkerId::new("w"), until: now };
        job.begin_submit(claim, None, now).unwrap();
        let ticket = Ticket { id: "t".into(), polling_url: "https://api.example/t".into() };
        let (cost, input_megapixels, output_megapixels) = (None, None, None);
        let receipt = Receipt { ticket, cost, input_megapixels, output_megapixels, accepted_at: now };
        job.accept(receipt, None, now).unwrap();
        let shown = |job: &Job| {
            let theme = Theme::dark();
            let zone = DisplayZone::Utc;
            let view =
                StepsView { job: Some(job), progress: None, now, zone, focused: false, selected: None, theme: &theme };
            screen(60, 14, |frame| StepsPane::default().draw(frame, frame.area(), &view))
        };
        assert!(!shown(&job).contains("link"), "{}", shown(&job));
        job.attempts[0].link_expires_at = Some(now + TimeDelta::seconds(200));
        assert!(shown(&job).contains("its link expires in 3m 20s"), "{}", shown(&job));
        job.attempts[0].link_expires_at = Some(now - TimeDelta::seconds(1));
        assert!(shown(&job).contains("its link has expired"), "{}", shown(&job));
    }
}
