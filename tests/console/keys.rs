//! What keys cause: commands, confirmations, notices.

use std::sync::Arc;

use chrono::Duration;
use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use darkroom::console::{Effect, ExitReason, Message};
use darkroom::engine::{Command, CommandKind, CommandOutcome, Event, Intake};
use darkroom::jobs::{Job, Spec};

use super::fixtures;
use super::harness::{ConsoleHarness, options};

fn sends(effects: &[Effect]) -> Vec<&Command> {
    effects.iter().filter_map(|effect| if let Effect::Send(command) = effect { Some(command) } else { None }).collect()
}

fn select(harness: &mut ConsoleHarness, filter: &str) {
    harness.keys("/");
    harness.keys(filter);
    harness.press(KeyCode::Enter);
}

#[test]
fn start_requests_the_newest_jobs() {
    let (mut app, _) =
        darkroom::console::App::new(&options(true), ratatui_image::picker::Picker::halfblocks(), fixtures::now());
    let effects = app.start();
    assert!(
        sends(&effects).iter().any(|command| matches!(command, Command::LoadPage { before: None, search: None, .. })),
        "{effects:?}"
    );
}

#[test]
fn retry_real_money_needs_confirmation() {
    let mut simulated = ConsoleHarness::busy(120, 40);
    select(&mut simulated, "glass");
    assert_eq!(sends(&simulated.keys("r")), [&Command::Retry(vec![fixtures::id(8)])]);

    let mut real = ConsoleHarness::busy_with(120, 40, &options(false));
    select(&mut real, "glass");
    assert_eq!(sends(&real.keys("r")), [] as [&Command; 0]);
    assert!(real.frame().contains("spends real money"), "the price is shown");
    assert_eq!(sends(&real.keys("n")), [] as [&Command; 0]);
    assert!(!real.frame().contains("spends real money"), "n goes back");
    real.keys("r");
    assert_eq!(sends(&real.keys("y")), [&Command::Retry(vec![fixtures::id(8)])]);
}

#[test]
fn retry_all_takes_the_failed_jobs_shown() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let effects = harness.keys("R");
    assert_eq!(sends(&effects), [&Command::Retry(vec![fixtures::id(8), fixtures::id(9), fixtures::id(16)])]);
    select(&mut harness, "clock");
    assert_eq!(sends(&harness.keys("R")), [&Command::Retry(vec![fixtures::id(9)])]);
}

#[test]
fn a_click_on_the_name_of_a_pane_shows_it() {
    for (width, height) in [(80, 24), (40, 12)] {
        let mut harness = ConsoleHarness::busy(width, height);
        let frame = harness.frame();
        let (row, line) = frame
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains("4 Logs") && line.contains("5 Spend"))
            .unwrap_or_else(|| panic!("no line of tabs: {frame}"));
        // In cells, not bytes; the frame is drawn with a quote before each line where it begins with one.
        let column = line.trim_start_matches('"').split("4 Logs").next().unwrap_or_default().chars().count();
        assert!(!frame.contains("Logs ──"), "{frame}");
        harness.send(Message::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: u16::try_from(column).unwrap(),
            row: u16::try_from(row).unwrap(),
            modifiers: KeyModifiers::NONE,
        }));
        let frame = harness.frame();
        assert!(frame.contains("Logs ──"), "{frame}");
    }
}

#[test]
fn cancel_many_marked_needs_confirmation() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "status:queued");
    harness.keys("g*");
    assert_eq!(sends(&harness.keys("x")), [] as [&Command; 0]);
    let frame = harness.frame();
    assert!(frame.contains("Cancel 4 jobs?"), "{frame}");
    let effects = harness.keys("y");
    let [Command::Cancel(ids)] = sends(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(ids.len(), 4);
    assert!(!harness.frame().contains("marked"), "the marks are used up");
}

#[test]
fn a_range_is_marked_between_two_rows() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.keys("gVjjjV");
    assert!(harness.frame().contains("4 marked"), "{}", harness.frame());
    harness.press(KeyCode::Esc);
    assert!(!harness.frame().contains("marked"));
}

#[test]
fn inapplicable_action_sends_nothing() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "wrong");
    assert_eq!(harness.keys("x"), []);
    assert!(harness.frame().contains("Cannot cancel a job that is cancelled"), "{}", harness.frame());
    assert_eq!(harness.keys("w"), []);
    assert!(harness.frame().contains("no image yet"));
}

#[test]
fn undo_sends_the_previous_jobs_once() {
    let mut harness = ConsoleHarness::busy(120, 40);
    assert_eq!(harness.keys("u"), []);
    let before: Vec<Job> = vec![(*fixtures::jobs()[7]).clone()];
    let done = vec![before[0].id.clone()];
    let acted = CommandOutcome {
        kind: CommandKind::Retried,
        succeeded: done,
        rejected: Vec::new(),
        previous: before.clone(),
        estimate: Some(fixtures::usd("0.04")),
    };
    harness.event(Event::CommandCompleted(acted));
    assert!(harness.frame().contains("Retrying 1 job, about $0.04 · u to undo"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("u")), [&Command::Undo(CommandKind::Retried, before)]);
    assert_eq!(harness.keys("u"), []);
}

#[test]
fn quit_waits_for_submit_second_q_forces() {
    let mut harness = ConsoleHarness::busy(120, 40);
    assert_eq!(harness.keys("q"), [Effect::Send(Command::Stop)]);
    harness.event(Event::SubmitsInFlight(1));
    assert!(harness.frame().contains("may already be billed"), "{}", harness.frame());
    assert_eq!(harness.event(Event::Stopped), [Effect::Quit(ExitReason::Stopped)]);
    assert_eq!(harness.keys("q"), [Effect::Quit(ExitReason::QuitWithoutWaiting { submits_in_flight: 1 })]);
}

#[test]
fn stopped_engine_is_reported_q_quits() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.send(Message::EngineClosed);
    let frame = harness.frame();
    assert!(frame.contains("engine stopped"), "{frame}");
    assert_eq!(harness.keys("q"), [Effect::Quit(ExitReason::EngineClosed)]);
}

#[test]
fn dropped_command_is_reported() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.send(Message::CommandDropped(Command::PauseIntake));
    assert!(harness.frame().contains("nothing was changed"), "{}", harness.frame());
}

#[test]
fn pause_key_resumes_after_account_failure() {
    let mut harness = ConsoleHarness::busy(120, 40);
    assert_eq!(sends(&harness.keys("p")), [&Command::PauseIntake]);
    harness.event(Event::Intake(Intake::AccountBlocked("no credits".into())));
    assert_eq!(sends(&harness.keys("p")), [&Command::ResumeIntake]);
    assert_eq!(sends(&harness.keys("+")), [&Command::SetSlots(25)]);
}

#[test]
fn selection_follows_its_job_on_arrivals() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.press(KeyCode::Enter);
    let before = harness.frame();
    harness.press(KeyCode::Esc);
    for number in 200..260 {
        let mut job = Job::new(fixtures::id(number), Spec::new("flux-dev", "newer"), true, harness.now);
        job.revision = 1;
        harness.event(Event::Jobs(vec![Arc::new(job)]));
    }
    assert!(harness.frame().contains("neon fox"), "the selected row is still on the screen");
    harness.press(KeyCode::Enter);
    assert_eq!(harness.frame(), before, "the same job is open");
}

#[test]
fn an_image_is_saved_when_its_bytes_arrive() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "boat");
    assert_eq!(sends(&harness.keys("w")), [&Command::LoadImage(fixtures::id(6))]);
    let bytes = bytes::Bytes::from_static(b"png");
    let effects = harness.event(Event::Image { id: fixtures::id(6), attempt: 1, bytes: Ok(bytes.clone()) });
    let name = format!("{}-1.png", fixtures::id(6).as_str());
    assert_eq!(effects, [Effect::Save { name, bytes }]);
    let [Effect::Copy(url)] = &harness.keys("y")[..] else { panic!("no copy") };
    assert!(url.starts_with("https://storage.example/generated-art/"), "{url}");
}

#[test]
fn notices_expire_and_idle_needs_no_tick() {
    let mut harness = ConsoleHarness::empty(120, 40, &options(true));
    assert_eq!(harness.app.next_tick(), None, "nothing on the screen shows time");
    harness.send(Message::CommandDropped(Command::PauseIntake));
    let until = harness.app.next_tick().unwrap();
    assert!(harness.frame().contains("nothing was changed"));
    harness.now = until;
    harness.send(Message::Tick);
    assert!(!harness.frame().contains("nothing was changed"));
    assert_eq!(harness.app.next_tick(), None);
}

#[test]
fn only_what_shows_time_wants_time() {
    let mut harness = ConsoleHarness::empty(120, 40, &options(true));
    let mut job = Job::new(fixtures::id(1), Spec::new("flux-dev", "old"), true, fixtures::ago(3_600 * 5));
    job.cancel(fixtures::ago(3_600 * 4)).unwrap();
    harness.event(Event::Page { jobs: vec![Arc::new(job)], next: None });
    harness.draw();
    harness.now += Duration::seconds(1);
    harness.send(Message::Tick);
    harness.draw();
    let next = harness.app.next_tick().unwrap();
    assert_eq!(next, harness.now + Duration::seconds(3_599), "an age in hours changes once an hour");
    assert!(!harness.app.is_dirty());
}

#[test]
fn esc_goes_back_one_level_at_a_time() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "status:done");
    harness.press(KeyCode::Enter);
    harness.keys("?");
    assert!(harness.frame().contains("Esc closes"));
    harness.press(KeyCode::Esc);
    assert!(harness.frame().contains(" Job "), "the help is gone, the job is open");
    harness.press(KeyCode::Esc);
    assert!(harness.frame().contains("/ status:done"), "the job is closed, the filter stays");
    harness.press(KeyCode::Esc);
    assert!(!harness.frame().contains("/ status:done"));
}

#[test]
fn search_stopped_early_resumes_on_down() {
    let mut harness = ConsoleHarness::empty(120, 40, &options(true));
    let place = |hours: i64| Some((fixtures::ago(3_600 * hours), fixtures::id(1)));
    harness.press(KeyCode::Char('/'));
    for key in "whale".chars() {
        harness.press(KeyCode::Char(key));
    }
    // The first page of all, then the search behind it, which comes back with nothing but a place.
    let full: Vec<_> = (0..200)
        .map(|number| Arc::new(Job::new(fixtures::id(number), Spec::new("flux-dev", "a fox"), true, fixtures::ago(9))))
        .collect();
    let effects = harness.event(Event::Page { jobs: full, next: place(1) });
    let asked = |effects: &[Effect]| {
        sends(effects)
            .iter()
            .any(|command| matches!(command, Command::LoadPage { search: Some(text), .. } if text == "whale"))
    };
    assert!(asked(&effects));
    let effects = harness.event(Event::Page { jobs: Vec::new(), next: place(50) });
    assert!(!asked(&effects), "the search does not continue by itself");
    harness.press(KeyCode::Enter);
    let far = fixtures::ago(3_600 * 50).format("%Y-%m-%d %H:%M").to_string();
    assert!(
        harness.frame().contains(&format!("searched back to {far} · Down searches further")),
        "{}",
        harness.frame()
    );
    assert!(asked(&harness.press(KeyCode::Down)), "Down continues the search");
    harness.event(Event::Page { jobs: Vec::new(), next: None });
    assert!(!harness.frame().contains("searched back"), "{}", harness.frame());
}
