//! The gallery and the comparison: which images they request and show, and what their keys cause.

use std::io::Cursor;

use bytes::Bytes;
use chrono::Duration;
use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use darkroom::catalog::Catalog;
use darkroom::console::{App, Effect, ImagesMode, Message, PricedRequests};
use darkroom::engine::{Command, CommandKind, CommandOutcome, Event, NewJob};
use darkroom::jobs::{Job, JobId};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui_image::picker::Picker;

use super::fixtures;
use super::harness::{ConsoleHarness, options};

fn sent(effects: &[Effect]) -> Vec<&Command> {
    let commands = effects.iter().filter_map(|effect| match effect {
        Effect::Send(command) if !matches!(command, Command::LoadImage(_)) => Some(command),
        _ => None,
    });
    commands.collect()
}

fn loads(effects: &[Effect]) -> Vec<JobId> {
    let ids = effects.iter().filter_map(|effect| match effect {
        Effect::Send(Command::LoadImage(id)) => Some(id.clone()),
        _ => None,
    });
    ids.collect()
}

/// The fixtures with the gallery open; the newest finished job is selected.
fn gallery(width: u16, height: u16) -> ConsoleHarness {
    let mut harness = ConsoleHarness::busy(width, height);
    harness.press(KeyCode::Home);
    harness.keys("g");
    harness
}

#[test]
fn gallery_at_every_size() {
    for (width, height) in super::SIZES {
        let mut harness = gallery(width, height);
        harness.keys(" ");
        super::snapshot(&format!("gallery_{width}x{height}"), harness);
    }
    let mut empty = ConsoleHarness::empty(80, 24, &options(true));
    empty.keys("g");
    assert!(empty.frame().contains("No finished images yet"), "{}", empty.frame());
}

#[test]
fn comparison_at_every_size() {
    for (width, height) in super::SIZES {
        let mut harness = gallery(width, height);
        harness.keys("   =");
        super::snapshot(&format!("compare_{width}x{height}"), harness);
    }
}

#[test]
fn gallery_shows_finished_jobs_and_only_them() {
    let mut harness = gallery(300, 100);
    let frame = harness.frame();
    for prompt in ["paper boat", "koi pond", "study 23"] {
        assert!(frame.contains(prompt), "{prompt}: {frame}");
    }
    for prompt in ["origami whale", "glass frog", "moth on a lamp", "wrong prompt"] {
        assert!(!frame.contains(prompt), "{prompt}: {frame}");
    }
    harness.press(KeyCode::Esc);
    let frame = harness.frame();
    assert!(frame.contains("origami whale") && frame.contains("Queue"), "the filter is as before: {frame}");
}

#[test]
fn review_in_the_gallery_selects_the_next() {
    let mut harness = gallery(120, 40);
    let (first, second) = (harness.keys("a"), harness.keys("d"));
    assert_eq!(sent(&first), [&Command::Approve(vec![fixtures::id(6)])]);
    assert_eq!(sent(&second), [&Command::Reject(vec![fixtures::id(7)])]);
    let third = harness.press(KeyCode::Right);
    assert_eq!(sent(&third), [] as [&Command; 0]);
    assert_eq!(sent(&harness.keys("a")), [&Command::Approve(vec![fixtures::id(11)])]);
}

#[test]
fn arrows_move_by_columns_and_rows() {
    let mut harness = gallery(120, 40);
    // Five tiles in a row: below the first is the sixth.
    harness.frame();
    harness.press(KeyCode::Down);
    let below = harness.keys("a");
    assert_eq!(sent(&below), [&Command::Approve(vec![fixtures::id(18)])]);
    harness.press(KeyCode::Home);
    harness.press(KeyCode::Left);
    assert_eq!(sent(&harness.keys("a")), [&Command::Approve(vec![fixtures::id(6)])]);
    let frame = harness.frame();
    let row = frame.lines().position(|line| line.contains("koi pond")).unwrap();
    let column = frame.lines().nth(row).unwrap().split("koi pond").next().unwrap().chars().count() - 1;
    let (column, row) = (u16::try_from(column).unwrap(), u16::try_from(row - 2).unwrap());
    let kind = MouseEventKind::Down(MouseButton::Left);
    harness.send(Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    assert_eq!(sent(&harness.keys("d")), [&Command::Reject(vec![fixtures::id(14)])], "{frame}");
}

#[test]
fn new_seed_requests_the_same_image_again() {
    let mut harness = gallery(120, 40);
    let effects = harness.keys("r");
    let [Command::Submit(requests)] = sent(&effects)[..] else { panic!("{effects:?}") };
    let [NewJob { spec, .. }] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((spec.model.as_str(), spec.prompt.as_str()), ("flux-2-pro", "paper boat on a rain puddle"));
    assert!(spec.parameters["seed"].is_u64(), "{spec:?}");
    let other = harness.keys("r");
    assert_ne!(sent(&other), sent(&effects), "another seed each time");

    let mut real = ConsoleHarness::busy_with(120, 40, &options(false));
    real.press(KeyCode::Home);
    real.keys("g");
    assert_eq!(sent(&real.keys("r")), [] as [&Command; 0]);
    let frame = real.frame();
    assert!(frame.contains("This spends real money: 1 job: costs $0.03, at most"), "{frame}");
    assert!(frame.contains("$0.075.") && !frame.contains("Input images"), "{frame}");
    real.now += Duration::seconds(1);
    let effects = real.keys("y");
    assert!(matches!(sent(&effects)[..], [Command::Submit(_)]), "{effects:?}");
}

#[test]
fn new_seed_names_the_bound_of_input_images() {
    let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
    let mut job: Job = (*fixtures::jobs()[5]).clone();
    job.spec = job.spec.with("width", 1024).with("height", 1024).with("input_image", "large.png");
    job.revision += 1;
    harness.event(Event::Jobs(vec![job.into()]));
    harness.keys("/boat");
    harness.press(KeyCode::Enter);
    let effects = harness.keys("S1");
    assert_eq!(sent(&effects), [] as [&Command; 0]);
    let [Effect::PriceRequests(requests)] = &effects[..] else { panic!("{effects:?}") };
    let requests = requests.clone();
    // The file is missing.
    harness.send(Message::RequestsPriced(PricedRequests::of(requests.clone(), Catalog::builtin())));
    let frame = harness.frame();
    for part in ["1 job: costs $0.045, at", "$0.33.", "Images of unknown size count as one megapixel each"] {
        assert!(frame.contains(part), "{part}: {frame}");
    }
    harness.press(KeyCode::Esc);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.png");
    image::RgbImage::new(2000, 2000).save(&path).unwrap();
    let mut measured = requests.clone();
    measured[0].spec = measured[0].spec.clone().with("input_image", path.to_str().unwrap());
    harness.send(Message::RequestsPriced(PricedRequests::of(measured, Catalog::builtin())));
    let frame = harness.frame();
    assert!(frame.contains("1 job: costs $0.09.") && !frame.contains("Images of unknown size"), "{frame}");
    harness.press(KeyCode::Esc);
    harness.keys("/");
    harness.send(Message::RequestsPriced(PricedRequests::of(requests, Catalog::builtin())));
    assert!(harness.frame().contains("Nothing was requested: close this first"), "{}", harness.frame());
}

#[test]
fn new_jobs_do_not_move_the_gallery_selection() {
    let mut harness = gallery(120, 40);
    harness.keys("r");
    let mut made: Job = (*fixtures::jobs()[5]).clone();
    made.id = fixtures::id(90);
    made.created_at = fixtures::now();
    let outcome = CommandOutcome {
        kind: CommandKind::Submitted,
        succeeded: vec![made.id.clone()],
        rejected: Vec::new(),
        previous: Vec::new(),
        estimate: None,
        tag_edit: None,
    };
    harness.event(Event::CommandCompleted(outcome));
    harness.event(Event::Jobs(vec![made.into()]));
    assert_eq!(sent(&harness.keys("a")), [&Command::Approve(vec![fixtures::id(6)])], "the image that was looked at");
}

#[test]
fn comparison_takes_two_to_four_marked_jobs() {
    let mut harness = gallery(120, 40);
    harness.keys("=");
    assert!(harness.frame().contains("Mark two to four jobs"), "{}", harness.frame());
    harness.keys("     =");
    assert!(harness.frame().contains("5 jobs are marked: at most 4"), "{}", harness.frame());
    harness.press(KeyCode::Esc);
    harness.press(KeyCode::Home);
    harness.keys("   =");
    let frame = harness.frame();
    assert!(frame.contains("flux-2-pro") && frame.contains("flux-kontext-pro"), "the models differ: {frame}");
    // Keys act on the chosen one, not on all that are marked; then the next is chosen.
    let (first, second) = (harness.keys("d"), harness.keys("a"));
    let ids = |effects: &[Effect]| match sent(effects)[..] {
        [Command::Reject(ids) | Command::Approve(ids)] => ids.clone(),
        _ => panic!("{effects:?}"),
    };
    let (first, second) = (ids(&first), ids(&second));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    harness.press(KeyCode::Esc);
    assert!(harness.frame().contains("Gallery"), "one level back");
}

fn png(width: u32) -> Bytes {
    let mut file = Cursor::new(Vec::new());
    let image = image::RgbImage::from_fn(width, width, |x, y| image::Rgb([x as u8, y as u8, 90]));
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner().into()
}

#[test]
fn images_load_a_few_at_a_time() {
    let mut options = options(true);
    options.images = ImagesMode::HalfBlocks;
    let (mut app, mut images) = App::new(&options, Picker::halfblocks(), fixtures::now());
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
    let now = fixtures::now() + Duration::seconds(5);
    for event in fixtures::events() {
        app.update(Message::Event(event), now);
    }
    app.update(Message::Resize(120, 40), now);
    let key = |code| Message::Key(crossterm::event::KeyEvent::new(code, KeyModifiers::NONE));
    let mut wanted = loads(&app.update(key(KeyCode::Char('g')), now));
    assert!(wanted.len() <= 4, "{wanted:?}");
    let (file, mut loaded) = (png(512), 0);
    while let Some(id) = wanted.pop() {
        loaded += 1;
        let event = Event::Image { id, attempt: 1, bytes: Ok(file.clone()) };
        wanted.extend(loads(&app.update(Message::Event(event), now)));
        assert!(wanted.len() <= 4, "{wanted:?}");
        terminal.draw(|frame| app.draw(frame)).unwrap();
        let message = images.blocking_recv().unwrap();
        wanted.extend(loads(&app.update(Message::Image(message), now)));
    }
    assert_eq!(loaded, 11, "each finished job once");
    while app.is_dirty() {
        terminal.draw(|frame| app.draw(frame)).unwrap();
        while let Ok(message) = images.try_recv() {
            app.update(Message::Image(message), now);
        }
    }
    let frame = terminal.backend().to_string();
    assert!(!frame.contains("loading") && frame.matches(['▀', '▄']).count() > 1_000, "{frame}");
}
