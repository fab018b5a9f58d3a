//! What keys cause: orders, questions, answers.

use std::sync::Arc;

use chrono::Duration;
use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use darkroom::console::{Effect, ExitReason, Message};
use darkroom::engine::{Command, CommandKind, CommandOutcome, Event, Intake};
use darkroom::jobs::{Job, Spec};

use super::{Studio, options, studio};

fn sends(effects: &[Effect]) -> Vec<&Command> {
    effects.iter().filter_map(|effect| if let Effect::Send(command) = effect { Some(command) } else { None }).collect()
}

fn select(studio: &mut Studio, filter: &str) {
    studio.keys("/");
    studio.keys(filter);
    studio.press(KeyCode::Enter);
}

#[test]
fn the_console_begins_by_asking_for_the_newest_jobs() {
    let (mut app, _) =
        darkroom::console::App::new(&options(true), ratatui_image::picker::Picker::halfblocks(), studio::now());
    let effects = app.start();
    assert!(
        sends(&effects).iter().any(|command| matches!(command, Command::LoadPage { before: None, search: None, .. })),
        "{effects:?}"
    );
}

#[test]
fn in_simulation_a_retry_is_not_asked_about_and_real_money_is() {
    let mut simulated = Studio::busy(120, 40);
    select(&mut simulated, "glass");
    assert_eq!(sends(&simulated.keys("r")), [&Command::Retry(vec![studio::id(8)])]);

    let mut real = Studio::busy_with(120, 40, &options(false));
    select(&mut real, "glass");
    assert_eq!(sends(&real.keys("r")), [] as [&Command; 0]);
    assert!(real.frame().contains("costs real money"), "the price is shown");
    assert_eq!(sends(&real.keys("n")), [] as [&Command; 0]);
    assert!(!real.frame().contains("costs real money"), "n goes back");
    real.keys("r");
    assert_eq!(sends(&real.keys("y")), [&Command::Retry(vec![studio::id(8)])]);
}

#[test]
fn retry_all_takes_the_failed_jobs_that_are_shown() {
    let mut studio = Studio::busy(120, 40);
    let effects = studio.keys("R");
    assert_eq!(sends(&effects), [&Command::Retry(vec![studio::id(8), studio::id(9), studio::id(16)])]);
    select(&mut studio, "clock");
    assert_eq!(sends(&studio.keys("R")), [&Command::Retry(vec![studio::id(9)])]);
}

#[test]
fn a_click_on_the_name_of_a_pane_shows_it() {
    for (width, height) in [(80, 24), (40, 12)] {
        let mut studio = Studio::busy(width, height);
        let frame = studio.frame();
        let (row, line) = frame
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains("4 Logs") && line.contains("5 Spend"))
            .unwrap_or_else(|| panic!("no line of tabs: {frame}"));
        // In cells, not bytes; the frame is drawn with a quote before each line where it begins with one.
        let column = line.trim_start_matches('"').split("4 Logs").next().unwrap_or_default().chars().count();
        assert!(!frame.contains("Logs ──"), "{frame}");
        studio.tell(Message::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: u16::try_from(column).unwrap(),
            row: u16::try_from(row).unwrap(),
            modifiers: KeyModifiers::NONE,
        }));
        let frame = studio.frame();
        assert!(frame.contains("Logs ──"), "{frame}");
    }
}

#[test]
fn marks_are_what_the_next_action_takes_and_many_are_asked_about() {
    let mut studio = Studio::busy(120, 40);
    select(&mut studio, "status:queued");
    studio.keys("g*");
    assert_eq!(sends(&studio.keys("x")), [] as [&Command; 0]);
    let frame = studio.frame();
    assert!(frame.contains("Cancel 4 jobs?"), "{frame}");
    let effects = studio.keys("y");
    let [Command::Cancel(ids)] = sends(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(ids.len(), 4);
    assert!(!studio.frame().contains("marked"), "the marks are used up");
}

#[test]
fn a_range_is_marked_between_two_rows() {
    let mut studio = Studio::busy(120, 40);
    studio.keys("gVjjjV");
    assert!(studio.frame().contains("4 marked"), "{}", studio.frame());
    studio.press(KeyCode::Esc);
    assert!(!studio.frame().contains("marked"));
}

#[test]
fn an_action_that_fits_no_job_says_so_and_sends_nothing() {
    let mut studio = Studio::busy(120, 40);
    select(&mut studio, "wrong");
    assert_eq!(studio.keys("x"), []);
    assert!(studio.frame().contains("cancelled cannot be cancelled"), "{}", studio.frame());
    assert_eq!(studio.keys("w"), []);
    assert!(studio.frame().contains("no image yet"));
}

#[test]
fn undo_sends_back_what_was_before_once() {
    let mut studio = Studio::busy(120, 40);
    assert_eq!(studio.keys("u"), []);
    let before: Vec<Job> = vec![(*studio::jobs()[7]).clone()];
    let done = vec![before[0].id.clone()];
    let acted = CommandOutcome {
        kind: CommandKind::Retried,
        succeeded: done,
        rejected: Vec::new(),
        previous: before.clone(),
        estimate: Some(studio::usd("0.04")),
    };
    studio.event(Event::CommandCompleted(acted));
    assert!(studio.frame().contains("1 job queued again, about $0.04 · u undoes"), "{}", studio.frame());
    assert_eq!(sends(&studio.keys("u")), [&Command::Undo(CommandKind::Retried, before)]);
    assert_eq!(studio.keys("u"), []);
}

#[test]
fn leaving_waits_for_a_post_and_a_second_q_does_not() {
    let mut studio = Studio::busy(120, 40);
    assert_eq!(studio.keys("q"), [Effect::Send(Command::Stop)]);
    studio.event(Event::SubmitsInFlight(1));
    assert!(studio.frame().contains("may already be billed"), "{}", studio.frame());
    assert_eq!(studio.event(Event::Stopped), [Effect::Quit(ExitReason::Stopped)]);
    assert_eq!(studio.keys("q"), [Effect::Quit(ExitReason::QuitWithoutWaiting { submits_in_flight: 1 })]);
}

#[test]
fn an_engine_that_is_gone_is_said_and_left_at_once() {
    let mut studio = Studio::busy(120, 40);
    studio.tell(Message::EngineClosed);
    let frame = studio.frame();
    assert!(frame.contains("engine ended"), "{frame}");
    assert_eq!(studio.keys("q"), [Effect::Quit(ExitReason::EngineClosed)]);
}

#[test]
fn an_order_that_the_engine_could_not_take_is_said() {
    let mut studio = Studio::busy(120, 40);
    studio.tell(Message::CommandDropped(Command::PauseIntake));
    assert!(studio.frame().contains("nothing was done"), "{}", studio.frame());
}

#[test]
fn p_pauses_and_resumes_also_after_an_account_failure() {
    let mut studio = Studio::busy(120, 40);
    assert_eq!(sends(&studio.keys("p")), [&Command::PauseIntake]);
    studio.event(Event::Intake(Intake::AccountBlocked("no credits".into())));
    assert_eq!(sends(&studio.keys("p")), [&Command::ResumeIntake]);
    assert_eq!(sends(&studio.keys("+")), [&Command::SetSlots(25)]);
}

#[test]
fn the_selection_stays_with_its_job_when_others_arrive() {
    let mut studio = Studio::busy(120, 40);
    studio.press(KeyCode::Enter);
    let before = studio.frame();
    studio.press(KeyCode::Esc);
    for number in 200..260 {
        let mut job = Job::new(studio::id(number), Spec::new("flux-dev", "newer"), true, studio.now);
        job.revision = 1;
        studio.event(Event::Jobs(vec![Arc::new(job)]));
    }
    assert!(studio.frame().contains("neon fox"), "the selected row is still on the screen");
    studio.press(KeyCode::Enter);
    assert_eq!(studio.frame(), before, "the same job is open");
}

#[test]
fn an_image_is_saved_when_its_bytes_arrive() {
    let mut studio = Studio::busy(120, 40);
    select(&mut studio, "boat");
    assert_eq!(sends(&studio.keys("w")), [&Command::LoadImage(studio::id(6))]);
    let bytes = bytes::Bytes::from_static(b"png");
    let effects = studio.event(Event::Image { id: studio::id(6), attempt: 1, bytes: Ok(bytes.clone()) });
    let name = format!("{}-1.png", studio::id(6).as_str());
    assert_eq!(effects, [Effect::Save { name, bytes }]);
    let [Effect::Copy(url)] = &studio.keys("y")[..] else { panic!("no copy") };
    assert!(url.starts_with("https://storage.example/generated-art/"), "{url}");
}

#[test]
fn notices_fade_and_an_idle_screen_asks_for_no_time() {
    let mut studio = Studio::empty(120, 40, &options(true));
    assert_eq!(studio.app.next_tick(), None, "nothing on the screen shows time");
    studio.tell(Message::CommandDropped(Command::PauseIntake));
    let until = studio.app.next_tick().unwrap();
    assert!(studio.frame().contains("nothing was done"));
    studio.now = until;
    studio.tell(Message::Tick);
    assert!(!studio.frame().contains("nothing was done"));
    assert_eq!(studio.app.next_tick(), None);
}

#[test]
fn only_what_shows_time_wants_time() {
    let mut studio = Studio::empty(120, 40, &options(true));
    let mut job = Job::new(studio::id(1), Spec::new("flux-dev", "old"), true, studio::ago(3_600 * 5));
    job.cancel(studio::ago(3_600 * 4)).unwrap();
    studio.event(Event::Page { jobs: vec![Arc::new(job)], next: None });
    studio.draw();
    studio.now += Duration::seconds(1);
    studio.tell(Message::Tick);
    studio.draw();
    let next = studio.app.next_tick().unwrap();
    assert_eq!(next, studio.now + Duration::seconds(3_599), "an age in hours changes once an hour");
    assert!(!studio.app.is_dirty());
}

#[test]
fn esc_goes_back_one_level_at_a_time() {
    let mut studio = Studio::busy(120, 40);
    select(&mut studio, "status:done");
    studio.press(KeyCode::Enter);
    studio.keys("?");
    assert!(studio.frame().contains("Esc closes"));
    studio.press(KeyCode::Esc);
    assert!(studio.frame().contains(" Job "), "the help is gone, the job is open");
    studio.press(KeyCode::Esc);
    assert!(studio.frame().contains("/ status:done"), "the job is closed, the filter stays");
    studio.press(KeyCode::Esc);
    assert!(!studio.frame().contains("/ status:done"));
}

#[test]
fn a_search_that_stopped_says_how_far_it_went_and_goes_on_at_the_end_of_the_list() {
    let mut studio = Studio::empty(120, 40, &options(true));
    let place = |hours: i64| Some((studio::ago(3_600 * hours), studio::id(1)));
    studio.press(KeyCode::Char('/'));
    for key in "whale".chars() {
        studio.press(KeyCode::Char(key));
    }
    // The first page of all, then the search behind it, which comes back with nothing but a place.
    let full: Vec<_> = (0..200)
        .map(|number| Arc::new(Job::new(studio::id(number), Spec::new("flux-dev", "a fox"), true, studio::ago(9))))
        .collect();
    let effects = studio.event(Event::Page { jobs: full, next: place(1) });
    let asked = |effects: &[Effect]| {
        sends(effects)
            .iter()
            .any(|command| matches!(command, Command::LoadPage { search: Some(text), .. } if text == "whale"))
    };
    assert!(asked(&effects));
    let effects = studio.event(Event::Page { jobs: Vec::new(), next: place(50) });
    assert!(!asked(&effects), "it does not go on by itself");
    studio.press(KeyCode::Enter);
    let far = studio::ago(3_600 * 50).format("%Y-%m-%d %H:%M").to_string();
    assert!(studio.frame().contains(&format!("looked back to {far}, Down looks on")), "{}", studio.frame());
    assert!(asked(&studio.press(KeyCode::Down)), "it goes on when somebody wants to see more");
    studio.event(Event::Page { jobs: Vec::new(), next: None });
    assert!(!studio.frame().contains("looked back"), "{}", studio.frame());
}
