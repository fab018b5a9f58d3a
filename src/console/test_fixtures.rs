//! Fixtures of the pane tests: a screen as text, jobs and costs to draw.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use ratatui::{Frame, Terminal};

use crate::costs::{Basis, CostGrouping, CostReport, CostRow, CostTable, Outlook, Usd};
use crate::engine::CostOverview;
use crate::jobs::{Attempt, ImageFormat, Job, JobId, ObjectName, Outcome, Spec, Stage, StoredImage};
use crate::time::last_days;

/// Sizes at which every pane must hold: large, usual, small, tiny, absurd.
pub(crate) const SIZES: [(u16, u16); 8] = [(200, 60), (80, 24), (40, 12), (20, 6), (9, 3), (3, 2), (1, 1), (250, 2)];

/// Sunday noon.
pub(crate) fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap()
}

/// What is on a screen of that size, one line a row, without the blanks at its end.
pub(crate) fn screen(width: u16, height: u16, draw: impl FnOnce(&mut Frame<'_>)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(draw).unwrap();
    text_of(terminal.backend())
}

/// The rows of a test terminal, without the second cell of wide characters.
pub(crate) fn text_of(backend: &TestBackend) -> String {
    let buffer = backend.buffer();
    let rows = (0..buffer.area.height).map(|y| {
        let mut row = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol)).unwrap_or(1).max(1);
        }
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Asserts that the border of a pane that fills the screen is whole: nothing that was drawn has pushed a row out of its place.
pub(crate) fn assert_whole_border(screen: &str, height: u16) {
    let rows: Vec<&str> = screen.lines().collect();
    assert_eq!(rows.len(), usize::from(height), "{screen}");
    for (index, row) in rows.iter().enumerate() {
        let (first, last) = match index {
            0 => ('╭', '╮'),
            _ if index + 1 == rows.len() => ('╰', '╯'),
            _ => ('│', '│'),
        };
        assert!(row.starts_with(first) && row.ends_with(last), "row {index}: {row:?}\n{screen}");
    }
}

/// A simulated job with that prompt.
pub(crate) fn job(id: &str, prompt: &str) -> Job {
    let spec = Spec::new("flux-2-pro", prompt);
    Job::new(JobId::new(id).unwrap(), spec, true, noon() - chrono::Duration::seconds(40))
}

/// The same, done with an image of that size.
pub(crate) fn done(id: &str, width: u32, height: u32) -> Job {
    let mut job = job(id, "neon fox crossing a wet street");
    let image = StoredImage {
        object: ObjectName::for_attempt(&job.id, 1, ImageFormat::Png),
        url: format!("https://images.example.org/generated-art/{id}-1.png"),
        format: ImageFormat::Png,
        width,
        height,
        bytes: 1_449_000,
        sha256: "0".repeat(64),
    };
    let mut attempt = Attempt::new(1, job.created_at);
    attempt.outcome = Some(Outcome::Done { image: image.clone() });
    job.attempts = vec![attempt];
    job.stage = Stage::Done { image };
    job
}

/// An amount.
pub(crate) fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// Group, basis, amount of one, how many.
pub(crate) type Rows<'a> = &'a [(&'a str, Basis, Option<&'a str>, u64)];

/// A report of the last `days` days.
pub(crate) fn report(days: i64, grouping: CostGrouping, simulated: bool, rows: Rows<'_>) -> CostReport {
    let span = (noon() - chrono::Duration::days(days), noon());
    let rows = rows.iter().map(|(key, basis, amount, count)| ((*key).to_owned(), *basis, amount.map(usd), *count));
    CostReport::from_rows(span, simulated, grouping, rows)
}

/// Money spent on three models over the month, a little of it uncertain.
pub(crate) fn costs(simulated: bool) -> CostOverview {
    let model = |days, rows| report(days, CostGrouping::Model, simulated, rows);
    CostOverview {
        today: model(
            1,
            &[
                ("flux-2-pro", Basis::Settled, Some("0.03"), 31),
                ("flux-2-max", Basis::Quoted, Some("0.07"), 4),
                ("flux-dev", Basis::Estimated, Some("0.025"), 3),
            ],
        ),
        week: model(
            7,
            &[
                ("flux-2-pro", Basis::Settled, Some("0.03"), 180),
                ("flux-2-max", Basis::Settled, Some("0.07"), 35),
                ("flux-dev", Basis::Estimated, Some("0.025"), 10),
            ],
        ),
        month: model(
            30,
            &[
                ("flux-2-pro", Basis::Settled, Some("0.03"), 700),
                ("flux-2-max", Basis::Settled, Some("0.07"), 120),
                ("flux-2-max", Basis::Unknown, Some("0.07"), 1),
                ("flux-dev", Basis::Estimated, Some("0.025"), 64),
                ("flux-dev", Basis::Unconfirmed, Some("0.025"), 2),
                ("vto-v2", Basis::Quoted, None, 3),
            ],
        ),
        calendar_month: model(
            22,
            &[
                ("flux-2-pro", Basis::Settled, Some("0.03"), 592),
                ("flux-2-max", Basis::Settled, Some("0.07"), 100),
                ("flux-2-max", Basis::Unknown, Some("0.07"), 1),
            ],
        ),
        table: Arc::new(table(simulated)),
        outlook: Outlook::of(&table(simulated), noon()),
        account: None,
        daily_cap: None,
        monthly_cap: None,
        model_caps: BTreeMap::default(),
        soft_percent: None,
        credits: None,
        storage_bound: None,
        at: noon(),
    }
}

/// The same month as a table.
fn table(simulated: bool) -> CostTable {
    let row = |(day, model, cause, basis, amount, count): (u32, &str, &str, Basis, Option<&str>, u64)| CostRow {
        day: NaiveDate::from_ymd_opt(2026, if day > 22 { 10 } else { 11 }, day).unwrap(),
        model: model.to_owned(),
        service: "bfl_api".to_owned(),
        cause: cause.to_owned(),
        basis,
        amount: amount.map(usd),
        count,
    };
    let settled = Basis::Settled;
    let rows = [
        (28, "flux-2-pro", "picture", settled, Some("0.03"), 100),
        (2, "flux-2-pro", "picture", settled, Some("0.03"), 260),
        (9, "flux-2-max", "picture", settled, Some("0.07"), 100),
        (15, "flux-2-pro", "picture", settled, Some("0.03"), 90),
        (20, "flux-2-pro", "picture", settled, Some("0.03"), 198),
        (20, "flux-2-pro", "timed_out", settled, Some("0.03"), 2),
        (21, "flux-2-max", "content_moderated", Basis::Unknown, Some("0.07"), 1),
        (22, "flux-2-pro", "picture", settled, Some("0.03"), 42),
        (22, "flux-dev", "submit_unknown", Basis::Unconfirmed, Some("0.025"), 2),
        (22, "vto-v2", "in_progress", Basis::Quoted, None, 3),
    ];
    CostTable::new(last_days(noon(), 30), simulated, rows.into_iter().map(row).collect())
}

/// Nothing was ever spent.
pub(crate) fn no_costs() -> CostOverview {
    let empty = |days, grouping| report(days, grouping, true, &[]);
    CostOverview {
        today: empty(1, CostGrouping::Model),
        week: empty(7, CostGrouping::Model),
        month: empty(30, CostGrouping::Model),
        calendar_month: empty(22, CostGrouping::Model),
        table: Arc::new(CostTable::new(last_days(noon(), 30), true, Vec::new())),
        outlook: Outlook::default(),
        account: None,
        daily_cap: None,
        monthly_cap: None,
        model_caps: BTreeMap::default(),
        soft_percent: None,
        credits: None,
        storage_bound: None,
        at: noon(),
    }
}

/// The colours of a terminal that a program leaves open.
pub(crate) struct Palette {
    pub(crate) name: &'static str,
    pub(crate) text: (u8, u8, u8),
    pub(crate) background: (u8, u8, u8),
}

/// The contrast of two colours, by WCAG 2: from 1 to 21.
pub(crate) fn contrast(one: (u8, u8, u8), other: (u8, u8, u8)) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Red, green and blue of a colour that is the same in every terminal.
pub(crate) fn rgb(color: Color) -> (u8, u8, u8) {
    match color {
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Indexed(index @ 232..) => {
            let level = 8 + 10 * (index - 232);
            (level, level, level)
        }
        Color::Indexed(index @ 16..) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            (level((index - 16) / 36), level((index - 16) / 6 % 6), level((index - 16) % 6))
        }
        other => panic!("{other:?} depends on the terminal's own colours"),
    }
}

/// Linear red, green and blue.
pub(crate) fn linear((red, green, blue): (u8, u8, u8)) -> [f64; 3] {
    [red, green, blue].map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    })
}

/// The relative luminance of a colour, from 0 to 1.
pub(crate) fn luminance(color: (u8, u8, u8)) -> f64 {
    let [red, green, blue] = linear(color);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}
