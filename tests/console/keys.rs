//! What keys cause: commands, confirmations, notices.

use std::sync::Arc;

use chrono::Duration;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use darkroom::console::{ConsoleOptions, ContextChoice, Effect, ExitReason, ImagesMode, Message, ThemeChoice};
use darkroom::engine::{
    BulkAction, BulkItem, BulkPlan, BulkTarget, Command, CommandKind, CommandOutcome, Event, Intake, MatchCounts,
    Pause, RetryPrice, SortOrder, fingerprint,
};
use darkroom::jobs::filter::Filter;
use darkroom::jobs::{BillingStatus, Failure, FailureCode, Job, Spec, StageName};
use ratatui::style::Color;

use super::fixtures;
use super::harness::{ConsoleHarness, options};

/// These jobs as they were when their price was shown.
fn counted(numbers: &[u32]) -> Vec<BulkItem> {
    let jobs = fixtures::jobs();
    let item = |number: &u32| {
        let job = jobs.iter().find(|job| job.id == fixtures::id(*number)).unwrap();
        (job.id.clone(), fingerprint(job))
    };
    numbers.iter().map(item).collect()
}

fn retry(numbers: &[u32]) -> Command {
    Command::Retry(counted(numbers))
}

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
        sends(&effects)
            .iter()
            .any(|command| matches!(command, Command::LoadPage { after: None, filter, .. } if filter.is_empty())),
        "{effects:?}"
    );
}

#[test]
fn context_question_names_its_own_keys() {
    let choice = |name: Option<&str>, simulated: bool| ContextChoice {
        name: name.map(str::to_owned),
        adapters: "sqlite · local".to_owned(),
        simulated,
        problem: None,
    };
    let options = ConsoleOptions { contexts: vec![choice(None, true), choice(Some("prod"), false)], ..options(true) };
    let mut harness = ConsoleHarness::busy_with(120, 40, &options);
    harness.send(Message::Key(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::CONTROL)));
    assert!(harness.frame().contains("Enter choose"));
    harness.keys("2");
    let frame = harness.frame();
    assert!(frame.contains("y switch") && !frame.contains("Enter choose"), "Enter never means yes: {frame}");
}

#[test]
fn footer_of_columns_names_no_choice() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.keys("s");
    assert!(harness.frame().contains("Enter choose"));
    harness.press(KeyCode::Esc);
    harness.keys("c");
    let frame = harness.frame();
    assert!(frame.contains("letter or Space") && !frame.contains("Enter choose"), "Enter only closes it: {frame}");
}

#[test]
fn retry_real_money_needs_confirmation() {
    let mut simulated = ConsoleHarness::busy(120, 40);
    select(&mut simulated, "glass");
    assert_eq!(sends(&simulated.keys("r")), [&retry(&[8])]);

    let mut real = ConsoleHarness::busy_with(120, 40, &options(false));
    select(&mut real, "glass");
    assert_eq!(sends(&real.keys("r")), [] as [&Command; 0]);
    assert!(real.frame().contains("spends real money"), "the price is shown");
    assert_eq!(sends(&real.keys("n")), [] as [&Command; 0]);
    assert!(!real.frame().contains("spends real money"), "n goes back");
    real.keys("r");
    assert_eq!(sends(&real.keys("y")), [] as [&Command; 0], "no person answers that fast");
    real.now += Duration::seconds(1);
    assert_eq!(sends(&real.keys("y")), [&retry(&[8])]);
}

#[test]
fn retry_all_takes_the_failed_jobs_shown() {
    let mut harness = ConsoleHarness::busy(120, 40);
    // One of them may already be billed: several jobs are not retried with it unless the question has named it.
    assert_eq!(sends(&harness.keys("R")), [] as [&Command; 0]);
    assert!(harness.frame().contains("1 may be billed a"), "{}", harness.frame());
    harness.now += Duration::seconds(1);
    let effects = harness.keys("y");
    assert_eq!(sends(&effects), [&retry(&[9, 16])], "not the moderated one");
    let outcome = CommandOutcome {
        kind: CommandKind::Retried,
        succeeded: vec![fixtures::id(9), fixtures::id(16)],
        rejected: Vec::new(),
        previous: Vec::new(),
        estimate: None,
        tag_edit: None,
    };
    harness.event(Event::CommandCompleted(outcome));
    assert!(harness.frame().contains("Retrying 2 jobs · skipped 1 moderated job"), "{}", harness.frame());
    select(&mut harness, "clock");
    assert_eq!(sends(&harness.keys("R")), [&retry(&[9])]);
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
    harness.press(KeyCode::Home);
    harness.keys("*");
    assert_eq!(sends(&harness.keys("x")), [] as [&Command; 0]);
    let frame = harness.frame();
    assert!(frame.contains("Cancel 4 jobs?"), "{frame}");
    harness.now += Duration::seconds(1);
    let effects = harness.keys("y");
    let [Command::Cancel(ids)] = sends(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(ids.len(), 4);
    assert!(!harness.frame().contains("marked"), "the marks are used up");
}

#[test]
fn a_range_is_marked_between_two_rows() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.press(KeyCode::Home);
    harness.keys("VjjjV");
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
        previous: before,
        estimate: Some(fixtures::usd("0.04")),
        tag_edit: None,
    };
    harness.event(Event::CommandCompleted(acted.clone()));
    assert!(harness.frame().contains("Retrying 1 job, about $0.04 · u to undo"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("u")), [&Command::Undo(Box::new(acted))]);
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
    let by = || "ada@studio".to_owned();
    assert_eq!(sends(&harness.keys("p")), [] as [&Command; 0], "the reason is requested first");
    assert_eq!(sends(&harness.press(KeyCode::Enter)), [&Command::PauseAll { by: by(), reason: None }]);
    harness.keys("pinvoice");
    let reason = Some("invoice".to_owned());
    assert_eq!(sends(&harness.press(KeyCode::Enter)), [&Command::PauseAll { by: by(), reason }]);
    harness.keys("px");
    harness.press(KeyCode::Esc);
    harness.event(fixtures::blocked("no credits"));
    assert_eq!(sends(&harness.keys("p")), [&Command::ResumeAll { by: by() }]);
    assert_eq!(sends(&harness.keys("+")), [&Command::SetSlots(25)]);
}

#[test]
fn header_names_who_paused_since_when_and_why() {
    let mut harness = ConsoleHarness::busy(160, 45);
    let reason = Some("invoice to be checked".to_owned());
    let pause = Pause { by: "ben@office".into(), since: fixtures::ago(300), reason };
    harness.event(Event::Paused(Some(pause)));
    let frame = harness.frame();
    assert!(frame.contains("paused by ben@office 5m: invoice to be checked"), "{frame}");
    assert!(frame.contains("paused by ben@office 5m ago") && frame.contains("press p to resume"), "{frame}");
    assert_eq!(sends(&harness.keys("p")), [&Command::ResumeAll { by: "ada@studio".into() }]);
    harness.event(Event::Paused(None));
    assert!(harness.frame().contains("all workers start jobs again"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("P")), [&Command::PauseIntake], "this process alone");
    harness.event(Event::Intake(Intake::Paused));
    let frame = harness.frame();
    assert!(frame.contains("This process alone starts no new jobs"), "{frame}");
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
    // The first page of all answers an earlier filter; then the search, which comes back with nothing but a place.
    let full: Vec<_> = (0..200)
        .map(|number| Arc::new(Job::new(fixtures::id(number), Spec::new("flux-dev", "a fox"), true, fixtures::ago(9))))
        .collect();
    let searches = |effects: &[Effect]| {
        sends(effects).iter().any(|command| matches!(command, Command::LoadPage { filter, .. } if !filter.is_empty()))
    };
    assert!(!searches(&harness.event(Event::Page { jobs: full, next: place(1) })), "it waits for the typing");
    harness.now += Duration::seconds(1);
    assert!(searches(&harness.send(Message::Tick)));
    let effects = harness.event(Event::Page { jobs: Vec::new(), next: place(50) });
    assert!(!searches(&effects), "the search does not continue by itself");
    harness.press(KeyCode::Enter);
    let far = fixtures::ago(3_600 * 50).format("%Y-%m-%d %H:%M UTC").to_string();
    assert!(
        harness.frame().contains(&format!("searched back to {far} · Down searches further")),
        "{}",
        harness.frame()
    );
    assert!(searches(&harness.press(KeyCode::Down)), "Down continues the search");
    harness.event(Event::Page { jobs: Vec::new(), next: None });
    assert!(!harness.frame().contains("searched back"), "{}", harness.frame());
}

#[test]
fn retry_all_of_moderated_jobs_sends_nothing() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "glass");
    assert_eq!(sends(&harness.keys("R")), [] as [&Command; 0]);
    assert!(harness.frame().contains("would fail again"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("r")), [&retry(&[8])], "r retries one on purpose");
}

#[test]
fn confirmation_ignores_enter_and_paste() {
    let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
    harness.keys("R");
    assert!(harness.frame().contains("spends real money"));
    assert_eq!(sends(&harness.press(KeyCode::Enter)), [] as [&Command; 0]);
    for text in ["y", "y\n", "\n"] {
        assert_eq!(sends(&harness.send(Message::Paste(text.into()))), [] as [&Command; 0]);
    }
    assert!(harness.frame().contains("spends real money"), "the question is still open");
    assert!(harness.frame().contains("Pasted text ignored · press y to confirm"), "{}", harness.frame());
    harness.now += Duration::seconds(1);
    let effects = harness.keys("y");
    assert!(matches!(sends(&effects)[..], [Command::Retry(_)]), "{effects:?}");
}

#[test]
fn pasted_text_outside_text_fields_does_nothing() {
    let mut harness = ConsoleHarness::busy(120, 40);
    for text in ["q", "x\nx\n", "npaste\n", "p"] {
        assert_eq!(harness.send(Message::Paste(text.into())), []);
    }
    assert!(!harness.frame().contains("New job"), "{}", harness.frame());
    assert!(harness.frame().contains("Pasted text ignored · press n to open the form"), "{}", harness.frame());
}

#[test]
fn pasted_line_breaks_in_the_form_submit_nothing() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.keys("n");
    assert_eq!(harness.send(Message::Paste("first line\nsecond line\n".into())), []);
    let effects = harness.press(KeyCode::Enter);
    let [Command::Submit(jobs)] = sends(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(jobs[0].spec.prompt, "first line\nsecond line\n");
}

#[test]
fn form_with_real_money_needs_enter_twice() {
    let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
    harness.keys("n");
    harness.send(Message::Paste("paper boat".into()));
    assert_eq!(sends(&harness.press(KeyCode::Enter)), [] as [&Command; 0]);
    assert!(harness.frame().contains("Enter again submits 1 image for ~$0.03"), "{}", harness.frame());
    harness.keys("s");
    assert!(!harness.frame().contains("Enter again"), "an edit takes the confirmation back");
    harness.press(KeyCode::Enter);
    harness.send(Message::Paste("\n".into()));
    assert!(!harness.frame().contains("Enter again"), "so does a paste");
    harness.press(KeyCode::Enter);
    harness.press(KeyCode::Esc);
    assert!(harness.frame().contains("New job"), "Esc goes back to the form");
    harness.press(KeyCode::Enter);
    assert_eq!(sends(&harness.press(KeyCode::Enter)), [] as [&Command; 0], "two keys of a paste do not confirm");
    harness.now += Duration::seconds(1);
    let effects = harness.press(KeyCode::Enter);
    assert!(matches!(sends(&effects)[..], [Command::Submit(_)]), "{effects:?}");
}

#[test]
fn text_is_submitted_and_cloned_as_typed() {
    let prompt = "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645} \u{1f469}\u{200d}\u{1f680} \u{2764}\u{fe0f} \u{1f3f4}\u{e0067}\u{e0062}\u{e007f}";
    let mut harness = ConsoleHarness::empty(120, 40, &options(true));
    harness.keys("n");
    harness.keys(prompt);
    let effects = harness.press(KeyCode::Enter);
    let [Command::Submit(jobs)] = sends(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(jobs[0].spec.prompt, prompt);

    let mut job = Job::new(fixtures::id(1), jobs[0].spec.clone(), true, fixtures::now());
    job.tags = vec!["\u{1f469}\u{200d}\u{1f680}".into()];
    harness.event(Event::Jobs(vec![Arc::new(job.clone())]));
    harness.keys("C");
    let effects = harness.press(KeyCode::Enter);
    let [Command::Submit(jobs)] = sends(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((&jobs[0].spec, &jobs[0].tags), (&job.spec, &job.tags));
}

#[test]
fn refused_characters_are_reported_in_the_form() {
    let mut harness = ConsoleHarness::empty(120, 40, &options(true));
    harness.keys("n");
    harness.send(Message::Paste("a\u{202e}b\u{1b}[2J".into()));
    assert!(harness.frame().contains("removed 2 control characters: they cannot be sent"), "{}", harness.frame());
}

#[test]
fn read_only_console_changes_nothing() {
    let mut options = options(true);
    options.read_only = true;
    let mut harness = ConsoleHarness::busy_with(120, 40, &options);
    harness.event(Event::Intake(Intake::ReadOnly));
    for filter in ["glass", "boat", "origami"] {
        select(&mut harness, filter);
        for key in "nCrRxahTup+-".chars() {
            assert_eq!(sends(&harness.press(KeyCode::Char(key))), [] as [&Command; 0], "{key} on {filter}");
            let frame = harness.frame();
            assert!(frame.contains("Read-only console (--observe): cannot "), "{key} on {filter}: {frame}");
        }
        let frame = harness.frame();
        let footer = frame.lines().last().unwrap_or_default();
        assert!(!footer.contains("retry") && !footer.contains("cancel") && !footer.contains("new"), "{footer}");
    }
    harness.keys("?");
    assert!(!harness.frame().contains("retry the marked"), "the help lists no such key: {}", harness.frame());
}

#[test]
fn changed_clone_never_becomes_the_next_new_job() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "moth");
    harness.keys("C");
    assert!(harness.frame().contains("insects"), "the tags are cloned: {}", harness.frame());
    harness.keys(" in the rain");
    harness.press(KeyCode::Esc);
    harness.keys("n");
    assert!(!harness.frame().contains("in the rain"), "{}", harness.frame());
    harness.press(KeyCode::Esc);
    harness.keys("C");
    assert!(harness.frame().contains("moth on a lamp in the rain"), "C reopens the clone: {}", harness.frame());
}

#[test]
fn unknown_filter_key_is_an_error() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "sinc:1h");
    assert!(harness.frame().contains("unknown key 'sinc': did you mean 'since'?"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("R")), [] as [&Command; 0], "nothing matches");
    assert!(harness.frame().contains("The filter is not valid"), "{}", harness.frame());
}

#[test]
fn filter_suggests_and_tab_completes() {
    let mut harness = ConsoleHarness::busy(160, 45);
    harness.keys("/sta");
    assert!(harness.frame().contains("Tab status:"), "{}", harness.frame());
    harness.press(KeyCode::Tab);
    harness.keys("fai");
    assert!(harness.frame().contains("Tab status:failed"), "{}", harness.frame());
    harness.press(KeyCode::Tab);
    assert!(harness.frame().contains("/ status:failed"), "{}", harness.frame());
    harness.press(KeyCode::Enter);
    assert!(harness.frame().contains("/ status:failed"), "{}", harness.frame());
    assert!(harness.frame().contains("3 jobs"), "{}", harness.frame());
}

/// A console on a store that is larger than what is loaded.
fn large(options: &ConsoleOptions) -> ConsoleHarness {
    let mut harness = ConsoleHarness::empty(120, 40, options);
    let job = |number: u32| {
        let mut job =
            Job::new(fixtures::id(number), Spec::new("flux-dev", "a fox"), false, fixtures::ago(i64::from(number)));
        job.revision = 1;
        Arc::new(job)
    };
    let next = Some((fixtures::ago(199), fixtures::id(199)));
    harness.event(Event::Page { jobs: (0..200).map(job).collect(), next });
    harness
}

#[test]
fn retry_with_input_images_is_priced_by_engine() {
    let mut harness = ConsoleHarness::empty(120, 40, &options(false));
    let spec = Spec::new("flux-2-pro", "a fox").with("input_image", "/in.png");
    let mut job = Job::new(fixtures::id(1), spec, false, fixtures::ago(60));
    let failure = Failure::new(FailureCode::InvalidInput, "x", BillingStatus::No, fixtures::ago(50));
    job.reject(failure, fixtures::ago(50)).unwrap();
    job.revision = 1;
    harness.event(Event::Page { jobs: vec![Arc::new(job)], next: None });
    let effects = harness.keys("r");
    let expected = Command::PlanBulk(BulkAction::Retry, BulkTarget::Jobs(vec![fixtures::id(1)]));
    assert_eq!(sends(&effects), [&expected], "the console reads no files");
}

#[test]
fn bulk_actions_take_the_whole_result() {
    let mut harness = large(&options(false));
    let effects = harness.keys("R");
    let [Command::PlanBulk(BulkAction::Retry, BulkTarget::Matching(filter))] = sends(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(filter.stages(), [StageName::Failed]);
    let ids: Vec<_> = (1_000..1_244).map(fixtures::id).collect();
    let (amount, at_most) = (fixtures::usd("9.76"), fixtures::usd("9.76"));
    let price = RetryPrice { jobs: 244, paid: 244, amount, at_most, ..RetryPrice::default() };
    let plan = |action, ids| BulkPlan {
        action,
        fingerprints: vec![0; 244],
        ids,
        price: price.clone(),
        real: 244,
        generating: 0,
        moderated: 3,
        maybe_billed: 0,
        inapplicable: 0,
        reason: None,
        stopped_at: None,
    };
    harness.event(Event::BulkPlanned(Ok(Box::new(plan(BulkAction::Retry, ids.clone())))));
    let frame = harness.frame();
    assert!(frame.contains("Retry 244 jobs?") && frame.contains("244 cost $9.76"), "{frame}");
    assert!(frame.contains("skipped 3 moderated jobs"), "{frame}");
    harness.now += Duration::seconds(1);
    let priced = Box::new(plan(BulkAction::Retry, ids.clone()));
    let started = Command::StartBulk { plan: priced, chosen: "all jobs".into() };
    assert_eq!(sends(&harness.keys("y")), [&started], "exactly what was priced");

    let effects = harness.keys("*");
    assert!(matches!(sends(&effects)[..], [Command::PlanBulk(BulkAction::Mark, _)]), "{effects:?}");
    for key in ["r", "x", "h", "C"] {
        assert!(sends(&harness.keys(key)).is_empty(), "{key} would take the selected job alone");
        let notice = format!("Still marking: press {key} again");
        assert!(harness.frame().contains(&notice), "{}", harness.frame());
    }
    harness.event(Event::BulkPlanned(Ok(Box::new(plan(BulkAction::Mark, ids.clone())))));
    assert!(harness.frame().contains("244 marked"), "{}", harness.frame());
    let effects = harness.keys("x");
    let [Command::PlanBulk(BulkAction::Cancel, BulkTarget::Jobs(marked))] = sends(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(marked.len(), 244);
    harness.keys("n");
    harness.event(Event::BulkPlanned(Ok(Box::new(plan(BulkAction::Cancel, ids)))));
    assert!(!harness.frame().contains("Cancel 244"), "no question opens over the form: {}", harness.frame());
}

#[test]
fn ends_of_a_large_store_load_on_jump() {
    let mut harness = large(&options(true));
    let page = |numbers: std::ops::Range<u32>| -> Vec<Arc<Job>> {
        let job = |number: u32| {
            let at = fixtures::ago(i64::from(number));
            Arc::new(Job::new(fixtures::id(number), Spec::new("flux-dev", format!("image {number}")), false, at))
        };
        numbers.map(job).collect()
    };
    let oldest = |effects: &[Effect]| {
        sends(effects).iter().any(|command| matches!(command, Command::LoadPage { order: SortOrder::OldestFirst, .. }))
    };
    assert!(oldest(&harness.press(KeyCode::Char('G'))));
    let next = Some((fixtures::ago(9_800), fixtures::id(9_800)));
    harness.event(Event::Page { jobs: page(9_800..10_000).into_iter().rev().collect(), next });
    harness.draw();
    assert!(harness.frame().contains("image 9999") && !harness.frame().contains("a fox"), "{}", harness.frame());
    let newest = |effects: &[Effect]| {
        sends(effects).iter().any(|command| matches!(command, Command::LoadPage { after: None, .. }))
    };
    let mut effects = harness.press(KeyCode::Home);
    if !newest(&effects) {
        // A page before the window was requested already: the jump follows it.
        let next = Some((fixtures::ago(9_600), fixtures::id(9_600)));
        effects = harness.event(Event::Page { jobs: page(9_600..9_800).into_iter().rev().collect(), next });
    }
    assert!(newest(&effects), "{effects:?}");
    harness.event(Event::Page { jobs: page(0..200), next: Some((fixtures::ago(199), fixtures::id(199))) });
    harness.press(KeyCode::Enter);
    assert!(harness.frame().contains("image 0"), "{}", harness.frame());
}

#[test]
fn filter_of_a_large_store_is_counted_there() {
    let mut harness = large(&options(true));
    select(&mut harness, "status:failed");
    let effects = harness.send(Message::Tick);
    let count = sends(&effects).iter().any(|command| matches!(command, Command::CountMatching(_)));
    assert!(count || harness.frame().contains("0+ jobs"), "{effects:?}");
    let filter = Filter::parse("status:failed", harness.now).unwrap();
    let counts = MatchCounts { by_stage: [(StageName::Failed, 87_808)].into() };
    harness.event(Event::Matching { filter, counts: Some(counts) });
    assert!(harness.frame().contains("87808 jobs"), "{}", harness.frame());
}

#[test]
fn approve_selects_the_next_finished_job() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "study");
    harness.press(KeyCode::Home);
    let [first, second] = ["a", "a"].map(|key| harness.keys(key));
    let [Command::Approve(first)] = sends(&first)[..] else { panic!("{first:?}") };
    let [Command::Approve(second)] = sends(&second)[..] else { panic!("{second:?}") };
    assert_ne!(first, second);
}

#[test]
fn image_keys_apply_to_the_marked_jobs() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "status:done");
    harness.press(KeyCode::Home);
    harness.keys("  ");
    let [Effect::Copy(urls)] = &harness.keys("y")[..] else { panic!("no copy") };
    assert_eq!(urls.lines().count(), 2, "{urls}");
    let effects = harness.keys("w");
    assert_eq!(sends(&effects).len(), 2, "{effects:?}");
}

fn undone(effects: &[Effect]) -> Vec<CommandKind> {
    let kind =
        |command: &&Command| if let Command::Undo(outcome) = command { outcome.kind } else { panic!("{command:?}") };
    sends(effects).iter().map(kind).collect()
}

#[test]
fn undo_goes_back_several_actions() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let outcome = |kind, number: usize| {
        let previous = vec![(*fixtures::jobs()[number]).clone()];
        CommandOutcome { succeeded: vec![previous[0].id.clone()], previous, ..CommandOutcome::nothing(kind) }
    };
    harness.event(Event::CommandCompleted(outcome(CommandKind::Hidden, 5)));
    harness.event(Event::CommandCompleted(outcome(CommandKind::Approved, 6)));
    let effects = harness.keys("u");
    assert_eq!(undone(&effects), [CommandKind::Approved]);
    harness.send(Message::CommandDropped(sends(&effects)[0].clone()));
    assert!(harness.frame().contains("nothing was undone"), "{}", harness.frame());
    let effects = harness.keys("u");
    assert_eq!(undone(&effects), [CommandKind::Approved], "a dropped undo is not lost");
    harness.event(Event::CommandCompleted(outcome(CommandKind::Undone, 6)));
    let effects = harness.keys("u");
    assert_eq!(undone(&effects), [CommandKind::Hidden]);
}

#[test]
fn held_jobs_are_counted_as_held() {
    let mut harness = ConsoleHarness::busy(200, 60);
    assert!(harness.frame().contains("2 queued · 2 held"), "{}", harness.frame());
}

#[test]
fn real_money_has_a_badge_at_every_size() {
    for (width, height) in [(200, 60), (120, 40), (80, 24), (40, 12), (30, 5)] {
        let frame = ConsoleHarness::busy_with(width, height, &options(false)).frame();
        assert!(frame.contains("REAL MONEY") && !frame.contains("SIMULATED"), "{width}x{height}: {frame}");
    }
}

#[test]
fn full_screen_image_shows_its_prompt_and_price() {
    let mut harness = ConsoleHarness::busy(120, 40);
    select(&mut harness, "boat");
    harness.keys("i");
    let frame = harness.frame();
    assert!(frame.contains("paper boat on a rain") && frame.contains("$0.04"), "{frame}");
}

#[test]
fn texts_of_every_frame_have_a_contrast_of_4_5() {
    for theme in ["dark", "light", "high-contrast", "colour-blind"] {
        for keys in ["", "n", "$", "?", ":", "L", "R", "i", "g", "g   =", "B"] {
            let mut options = options(keys != "R");
            options.theme = ThemeChoice::load(theme, &[]).unwrap();
            let mut harness = ConsoleHarness::busy_with(200, 60, &options);
            harness.keys(keys);
            harness.draw();
            for cell in &harness.terminal.backend().buffer().content {
                if cell.symbol().chars().all(char::is_alphanumeric) {
                    let found = contrast(cell.fg, cell.bg);
                    assert!(found >= 4.5, "{theme:?} {keys}: {cell:?} has {found:.2}");
                }
            }
        }
    }
}

#[test]
fn hidden_jobs_are_listed_and_shown_again() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let mut hidden = (*fixtures::jobs()[5]).clone();
    hidden.hidden = true;
    hidden.revision += 1;
    harness.event(Event::Jobs(vec![Arc::new(hidden)]));
    assert!(!harness.frame().contains("paper boat"), "{}", harness.frame());
    select(&mut harness, "status:hidden");
    assert!(harness.frame().contains("paper boat"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("h")), [&Command::Unhide(vec![fixtures::id(6)])]);
}

/// The contrast of two colours of the 256-colour palette, by WCAG 2.
fn contrast(one: Color, other: Color) -> f64 {
    let luminance = |color| {
        let Color::Indexed(index @ 16..) = color else { panic!("{color:?} depends on the terminal's own colours") };
        let channels = if index >= 232 {
            [8 + 10 * (index - 232); 3]
        } else {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            [(index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6].map(level)
        };
        let [red, green, blue] = channels.map(|channel| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn quit_names_running_paid_images_and_waits() {
    let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
    harness.event(Event::Slots { used: 2, total: 4 });
    assert_eq!(harness.keys("q"), [], "nothing is quit without an answer");
    let frame = harness.frame();
    assert!(frame.contains("Quit while 2 images are being generated?"), "{frame}");
    assert!(frame.contains("· neon fox crossing a wet street … · at least 9m 50s left"), "{frame}");
    harness.now += Duration::seconds(51);
    assert!(harness.app.next_tick().is_some_and(|at| at - harness.now <= Duration::seconds(52)), "the time goes on");
    harness.send(Message::Tick);
    assert!(harness.frame().contains("at least 8m 59s left"), "{}", harness.frame());
    harness.press(KeyCode::Enter);
    assert!(harness.frame().contains("Quit while"), "Enter is no answer");
    assert_eq!(harness.keys("w"), [Effect::Send(Command::PauseIntake)]);
    assert!(harness.frame().contains("Quitting when 2 images"), "{}", harness.frame());
    harness.event(Event::Slots { used: 1, total: 4 });
    assert_eq!(harness.event(Event::Slots { used: 0, total: 4 }), [Effect::Send(Command::Stop)]);
}

#[test]
fn quit_says_whether_another_worker_collects() {
    for (workers, words) in [(1, "No other worker runs on this machine"), (3, "2 other workers on this machine will")] {
        let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
        harness.event(Event::Slots { used: 1, total: 4 });
        harness.event(Event::Workers(workers));
        harness.keys("q");
        assert!(harness.frame().contains(words), "{}", harness.frame());
    }
}

#[test]
fn quit_reports_what_is_still_generating() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let line = harness.app.left_jobs().line().unwrap();
    assert!(
        line.starts_with("3 jobs are still generating: `darkroom worker` or this console continues them"),
        "{line}"
    );
    harness.event(Event::Workers(2));
    assert_eq!(harness.app.left_jobs().line().unwrap(), "3 jobs are still generating: another worker continues them");
    assert_eq!(ConsoleHarness::empty(120, 40, &options(true)).app.left_jobs().line(), None);
}

#[test]
fn last_hour_is_retried_with_the_price_first() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let control_r = KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL);
    let effects = harness.send(Message::Key(control_r));
    let [Command::PlanBulk(BulkAction::Retry, BulkTarget::Matching(filter))] = sends(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(filter.stages(), [StageName::Failed]);
    let price = RetryPrice { jobs: 2, paid: 2, amount: fixtures::usd("0.08"), ..RetryPrice::default() };
    let plan = BulkPlan {
        action: BulkAction::Retry,
        ids: vec![fixtures::id(9), fixtures::id(16)],
        fingerprints: counted(&[9, 16]).into_iter().map(|(_, counted)| counted).collect(),
        price,
        real: 0,
        generating: 0,
        moderated: 0,
        maybe_billed: 0,
        inapplicable: 0,
        reason: None,
        stopped_at: None,
    };
    harness.event(Event::BulkPlanned(Ok(Box::new(plan))));
    assert!(harness.frame().contains("Simulated money: 2 jobs: 2 cost $0.08"), "{}", harness.frame());
    harness.now += Duration::seconds(1);
    assert_eq!(sends(&harness.keys("y")), [&retry(&[9, 16])]);
}

#[test]
fn own_keys_are_shown_and_obeyed() {
    let mut options = options(true);
    let keys = ["e".to_owned()];
    options.keys = darkroom::console::KeyMap::new([("retry", &keys[..])]).unwrap();
    let mut harness = ConsoleHarness::busy_with(120, 40, &options);
    select(&mut harness, "glass");
    let footer = harness.frame().lines().last().unwrap_or_default().to_owned();
    assert!(footer.contains("e retry") && !footer.contains("r retry"), "{footer}");
    assert_eq!(sends(&harness.keys("r")), [] as [&Command; 0]);
    assert_eq!(sends(&harness.keys("e")), [&retry(&[8])]);
    harness.keys(":retry");
    let frame = harness.frame();
    assert!(frame.contains("Retry") && frame.contains(" e │"), "{frame}");
}

#[test]
fn mouse_works_in_overlays_and_can_be_freed() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let click = |harness: &mut ConsoleHarness, words: &str| {
        let frame = harness.frame();
        let (row, line) = frame.lines().enumerate().find(|(_, line)| line.contains(words)).expect("the words");
        let before = line.trim_start_matches('"').split(words).next().unwrap_or_default();
        harness.send(Message::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: u16::try_from(before.chars().count() + 1).unwrap(),
            row: u16::try_from(row).unwrap(),
            modifiers: KeyModifiers::NONE,
        }))
    };
    click(&mut harness, "n new");
    assert!(harness.frame().contains("New job"), "a hint of the footer: {}", harness.frame());
    click(&mut harness, "  Tags ");
    harness.keys("cover");
    assert!(harness.frame().contains("▸ Tags               cover"), "{}", harness.frame());
    harness.press(KeyCode::Esc);
    harness.keys(":caps");
    click(&mut harness, "caps and uncertain charges");
    assert!(harness.frame().contains("╭ Budget"), "a row of the palette: {}", harness.frame());
    harness.press(KeyCode::Esc);
    assert!(harness.keys("M").contains(&Effect::Mouse(false)));
    assert!(harness.frame().contains("the terminal selects text · M turns it on"), "{}", harness.frame());
    assert!(harness.keys("M").contains(&Effect::Mouse(true)));
}

#[test]
fn quit_dialog_can_be_left_or_confirmed() {
    let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
    harness.event(Event::Slots { used: 1, total: 4 });
    harness.keys("q");
    assert_eq!(harness.keys("n"), []);
    assert!(!harness.frame().contains("Quit while"));
    assert_eq!(harness.keys("qy"), [Effect::Send(Command::Stop)]);
    // A signal asks nothing.
    let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
    harness.event(Event::Slots { used: 1, total: 4 });
    assert_eq!(harness.send(Message::Terminate), [Effect::Send(Command::Stop)]);
}

#[test]
fn overlay_over_pixel_image_redraws_the_screen() {
    for (images, redraws) in [
        (ImagesMode::Sixel, true),
        (ImagesMode::Iterm2, true),
        (ImagesMode::Kitty, false),
        (ImagesMode::HalfBlocks, false),
    ] {
        let options = ConsoleOptions { images, ..options(true) };
        let mut harness = ConsoleHarness::busy_with(120, 40, &options);
        for key in ["?", "?", "j"] {
            let is_redrawn = harness.keys(key).contains(&Effect::Redraw);
            assert_eq!(is_redrawn, redraws && key == "?", "{images} {key}");
        }
    }
}
