//! The screens of one job: they act on that job, whatever is marked, and Esc leaves one level.

use crossterm::event::KeyCode;
use darkroom::console::{ConsoleOptions, Effect, NamedFilter};
use darkroom::engine::Command;

use super::fixtures;
use super::harness::{ConsoleHarness, options};

fn sends(effects: &[Effect]) -> Vec<&Command> {
    effects.iter().filter_map(|effect| if let Effect::Send(command) = effect { Some(command) } else { None }).collect()
}

/// Two jobs are marked, a third one is selected and shown by that key.
fn third_job(key: KeyCode) -> ConsoleHarness {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.press(KeyCode::Home);
    harness.keys("  /");
    harness.keys("boat");
    harness.press(KeyCode::Enter);
    harness.press(key);
    harness
}

#[test]
fn marks_do_not_reach_into_screens_of_one_job() {
    for key in [KeyCode::Enter, KeyCode::Char('i')] {
        let mut harness = third_job(key);
        assert_eq!(sends(&harness.keys("h")), [&Command::Hide(vec![fixtures::id(6)])], "{}", harness.frame());
        assert_eq!(sends(&harness.keys("a")), [&Command::Approve(vec![fixtures::id(6)])]);
        let mut harness = third_job(key);
        harness.keys("T");
        assert!(harness.frame().contains("Tag 1 job "), "{}", harness.frame());
        harness.keys("cover");
        let effects = harness.press(KeyCode::Enter);
        assert!(matches!(sends(&effects)[..], [Command::Tag(ids, _)] if *ids == [fixtures::id(6)]), "{effects:?}");
        let mut harness = third_job(key);
        harness.keys("C");
        assert!(harness.frame().contains("paper boat on a rain puddle"), "{}", harness.frame());
        assert!(!harness.frame().contains("with edits"), "{}", harness.frame());
        // The marks are still there.
        let mut harness = third_job(key);
        harness.keys("h");
        harness.press(KeyCode::Esc);
        assert!(harness.frame().contains("2 marked"), "{}", harness.frame());
    }
}

#[test]
fn document_is_left_to_the_job() {
    let mut harness = third_job(KeyCode::Enter);
    harness.keys("D");
    assert!(harness.frame().contains("Job document ──"), "{}", harness.frame());
    harness.press(KeyCode::Esc);
    let frame = harness.frame();
    assert!(frame.contains("Job ──") && !frame.contains("document ──"), "{frame}");
    harness.press(KeyCode::Esc);
    assert!(harness.frame().contains("Queue ──"), "{}", harness.frame());
}

#[test]
fn empty_store_offers_nothing_without_effect() {
    let mut harness = ConsoleHarness::empty(120, 40, &options(true));
    harness.keys(" ");
    let frame = harness.frame();
    assert!(frame.contains("No jobs yet · n creates the first one") && !frame.contains("clear the filter"), "{frame}");
    harness.keys("i");
    assert!(harness.frame().contains("No job selected"), "{}", harness.frame());
    harness.keys("b");
    let frame = harness.frame();
    let footer = frame.lines().last().unwrap();
    assert!(!footer.contains("pause/resume") && !footer.contains("x stop") && footer.contains("Esc back"), "{frame}");
}

#[test]
fn filter_line_names_the_saved_view() {
    let view = NamedFilter { name: "failures".into(), filter: "status:failed".into() };
    let mut harness = ConsoleHarness::busy_with(120, 40, &ConsoleOptions { views: vec![view], ..options(true) });
    harness.keys("v1");
    assert!(harness.frame().contains("/ status:failed  view failures: 3 jobs"), "{}", harness.frame());
    harness.keys("/x");
    assert!(!harness.frame().contains("view failures"), "{}", harness.frame());
}

#[test]
fn held_job_names_its_need_and_the_next_step() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.keys("/");
    harness.keys("dawn");
    harness.press(KeyCode::Enter);
    assert!(harness.frame().contains("needs up to $0.16"), "{}", harness.frame());
    harness.press(KeyCode::Enter);
    let frame = harness.frame();
    assert!(frame.contains("of the daily budget left; B raises the cap"), "{frame}");
}

#[test]
fn help_of_costs_and_budget_lists_their_keys() {
    for (keys, parts) in [
        ("$?", ["Group by", "Time range", "Jobs of the line"]),
        ("B?", ["Daily cap", "Was not billed", "Remove all caps"]),
    ] {
        let mut harness = ConsoleHarness::busy(80, 24);
        harness.keys(keys);
        let frame = harness.frame();
        let long = ["group by model", "today, 7 days", "list the jobs", "cap of a UTC day", "not billed", "remove all"];
        let shown = |part: &str| frame.contains(part) || long.iter().any(|part| frame.contains(part));
        assert!(frame.contains("This screen") && parts.iter().all(|part| shown(part)), "{frame}");
    }
}

#[test]
fn filter_with_an_open_quote_is_reported() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.keys("/");
    harness.keys("\"neon fox");
    harness.press(KeyCode::Enter);
    assert!(harness.frame().contains("a quote is not closed"), "{}", harness.frame());
}
