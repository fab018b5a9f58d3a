//! The log pane as people meet it.

use std::time::Duration;

use proptest::prelude::*;
use ratatui::layout::Rect;
use ratatui::widgets::Block;

use super::*;
use crate::console::test_fixtures::{SIZES, assert_whole_border, noon, screen};

/// The line of that number, so many seconds after noon.
pub(super) fn record(number: usize, level: Level, job: Option<&str>) -> LogRecord {
    let at = noon() + Duration::from_millis(number as u64 * 1_201);
    LogRecord { at, level, job: job.map(str::to_owned), attempt: Some(1), pid: None, message: format!("line {number}") }
}

fn log_line(level: Level, job: Option<&str>, message: &str) -> LogRecord {
    LogRecord { message: message.to_owned(), ..record(1, level, job) }
}

fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

fn shown(pane: &mut LogPane, job: Option<&JobId>, width: u16, height: u16) -> String {
    // One row more than the pane has: it is a pane, not the whole screen.
    let text = screen(width, height * 3, |frame| {
        let area = Rect { height, ..frame.area() };
        pane.draw(
            frame,
            area,
            &LogView { job, focused: true, zone: DisplayZone::Utc, keys: KeyMap::default(), theme: &Theme::dark() },
        );
    });
    text.lines().take(usize::from(height)).collect::<Vec<_>>().join("\n")
}

fn busy() -> LogPane {
    let mut pane = LogPane::new();
    pane.push(log_line(Level::INFO, Some("fox"), "submitted: ticket 7f3a, 4 credits, attempt 1"));
    pane.push(log_line(Level::WARN, Some("fox"), "the provider is full (429); next look in 1.5 s"));
    pane.push(log_line(Level::DEBUG, Some("fox"), "polled: Pending"));
    pane.push(log_line(
        Level::ERROR,
        Some("whale"),
        "content moderated: withheld by the provider after it was made, which may be billed",
    ));
    pane.push(log_line(Level::INFO, None, "watching the store"));
    pane.push(log_line(Level::TRACE, Some("fox"), "slot 3 of 24"));
    pane
}

#[test]
fn logs_of_one_job() {
    insta::assert_snapshot!(shown(&mut busy(), Some(&id("fox")), 80, 6), @r#"
    ╭ Logs ── this job · info · following ─────────────────────────────────────────╮
    │ 12:00:01.201Z INFO  submitted: ticket 7f3a, 4 credits, attempt 1             │
    │ 12:00:01.201Z WARN  the provider is full (429); next look in 1.5 s           │
    │                                                                              │
    │                                                                              │
    ╰──────────────────────────────────────────────────────────────────────────────╯
    "#);
}

#[test]
fn of_all_jobs_at_every_level() {
    let mut pane = busy();
    pane.toggle_scope();
    pane.cycle_level();
    pane.cycle_level();
    insta::assert_snapshot!(shown(&mut pane, Some(&id("fox")), 80, 9), @r#"
    ╭ Logs ── all jobs · trace · following ────────────────────────────────────────╮
    │ 12:00:01.201Z INFO  fox      submitted: ticket 7f3a, 4 credits, attempt 1    │
    │ 12:00:01.201Z WARN  fox      the provider is full (429); next look in 1.5 s  │
    │ 12:00:01.201Z DEBUG fox      polled: Pending                                 │
    │ 12:00:01.201Z ERROR whale    content moderated: withheld by the provider af… │
    │ 12:00:01.201Z INFO           watching the store                              │
    │ 12:00:01.201Z TRACE fox      slot 3 of 24                                    │
    │                                                                              │
    ╰──────────────────────────────────────────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(&mut pane, Some(&id("fox")), 40, 8), @r#"
    ╭ Logs ── all jobs · trace · following ╮
    │12:00:01Z INFO  submitted: ticket 7f3…│
    │12:00:01Z WARN  the provider is full …│
    │12:00:01Z DEBUG polled: Pending       │
    │12:00:01Z ERROR content moderated: wi…│
    │12:00:01Z INFO  watching the store    │
    │12:00:01Z TRACE slot 3 of 24          │
    ╰──────────────────────────────────────╯
    "#);
}

#[test]
fn the_whole_screen_wraps_long_lines() {
    let mut pane = busy();
    let text = screen(60, 12, |frame| {
        pane.draw(
            frame,
            frame.area(),
            &LogView {
                job: None,
                focused: true,
                zone: DisplayZone::Utc,
                keys: KeyMap::default(),
                theme: &Theme::dark(),
            },
        );
    });
    insta::assert_snapshot!(text, @r#"
    ╭ Logs ── all jobs · info · following ─────────────────────╮
    │ 12:00:01Z INFO  fox      submitted: ticket 7f3a, 4       │
    │                          credits, attempt 1              │
    │ 12:00:01Z WARN  fox      the provider is full (429);     │
    │                          next look in 1.5 s              │
    │ 12:00:01Z ERROR whale    content moderated: withheld by  │
    │                          the provider after it was made, │
    │                          which may be billed             │
    │ 12:00:01Z INFO           watching the store              │
    │                                                          │
    │                                                          │
    ╰──────────────────────────────────────────────────────────╯
    "#);
}

#[test]
fn empty_log_pane_names_keys() {
    insta::assert_snapshot!(shown(&mut LogPane::new(), None, 60, 5), @r#"
    ╭ Logs ── all jobs · info · following ─────────────────────╮
    │ No log lines at info or above                            │
    │ Log lines of this process appear here                    │
    │                                                          │
    ╰──────────────────────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(&mut busy(), Some(&id("boat")), 60, 5), @r#"
    ╭ Logs ── this job · info · following ─────────────────────╮
    │ No log lines for this job at info or above               │
    │ 6 other lines: press t for all jobs or l to lower the    │
    │ level                                                    │
    ╰──────────────────────────────────────────────────────────╯
    "#);
}

#[test]
fn scrolled_logs_stay_while_lines_arrive() {
    let mut pane = LogPane::new();
    for number in 0..100 {
        pane.push(record(number, Level::INFO, None));
    }
    assert!(shown(&mut pane, None, 80, 10).contains("line 99"));
    pane.scroll(-20);
    let before = shown(&mut pane, None, 80, 10);
    assert!(before.contains("line 79") && !before.contains("line 80"), "{before}");
    assert!(before.contains("paused") && before.contains("73–80 of 100"), "{before}");
    for number in 100..150 {
        pane.push(record(number, Level::INFO, None));
    }
    let after = shown(&mut pane, None, 80, 10);
    assert!(after.contains("line 79") && !after.contains("line 80"), "{after}");
    pane.scroll(1_000);
    assert!(shown(&mut pane, None, 80, 10).contains("following"));
    pane.scroll(i64::MIN);
    let top = shown(&mut pane, None, 80, 10);
    assert!(top.contains("line 0 ") || top.contains("line 0\n"), "{top}");
    pane.to_end();
    assert!(shown(&mut pane, None, 80, 10).contains("line 149"));
}

#[test]
fn paused_logs_hold_the_newest_line() {
    let mut pane = LogPane::new();
    pane.push(record(1, Level::INFO, None));
    pane.toggle_follow();
    for number in 2..40 {
        pane.push(record(number, Level::INFO, None));
    }
    let text = shown(&mut pane, None, 80, 4);
    assert!(text.contains("line 2") && !text.contains("line 39"), "{text}");
    pane.toggle_follow();
    assert!(shown(&mut pane, None, 80, 4).contains("line 39"));
}

#[test]
fn every_level_is_a_word_not_only_a_colour() {
    let mut pane = busy();
    pane.cycle_level();
    pane.cycle_level();
    for width in [80, 40, 20] {
        let text = shown(&mut pane, None, width, 10);
        for level in ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"] {
            assert!(text.contains(level), "{level} at {width}:\n{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn logs_any_text_keeps_the_border(
        messages in prop::collection::vec((any::<String>(), 0_u8..5), 0..12),
        moves in prop::collection::vec(any::<i64>(), 0..6),
        width in 3_u16..120,
        height in 3_u16..40,
    ) {
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        let mut pane = LogPane::new();
        for (message, level) in &messages {
            pane.push(log_line(levels[usize::from(*level)], None, message));
        }
        for by in moves {
            pane.scroll(by);
            pane.cycle_level();
            for job in [None, Some(id("fox"))] {
                assert_whole_border(&shown(&mut pane, job.as_ref(), width, height), height);
                let wrapped = screen(width, height, |frame| {
                    let area = frame.area();
                    frame.render_widget(Block::new(), area);
                    pane.draw(frame, area, &LogView { job: job.as_ref(), focused: false, zone: DisplayZone::Utc, keys: KeyMap::default(), theme: &Theme::dark() });
                });
                assert_whole_border(&wrapped, height);
            }
        }
    }
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in SIZES {
        let mut pane = busy();
        pane.scroll(-2);
        shown(&mut pane, None, width, height);
        screen(width, height, |frame| {
            pane.draw(
                frame,
                frame.area(),
                &LogView {
                    job: None,
                    focused: false,
                    zone: DisplayZone::Utc,
                    keys: KeyMap::default(),
                    theme: &Theme::dark(),
                },
            );
        });
    }
}

#[test]
fn ascii_means_ascii() {
    let theme = Theme { ascii: true, ..Theme::dark() };
    let mut pane = busy();
    pane.scroll(-1);
    for width in [60, 30] {
        let text = screen(width, 6, |frame| {
            let area = Rect { height: 3, ..frame.area() };
            pane.draw(
                frame,
                area,
                &LogView { job: None, focused: true, zone: DisplayZone::Utc, keys: KeyMap::default(), theme: &theme },
            );
        });
        assert!(text.is_ascii(), "{text}");
    }
}
