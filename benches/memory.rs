//! The peak of memory of a console of 300x100 with 200,000 log lines, a full gallery that was scrolled through, four compared images and
//! a full-screen image, by kitty graphics and by half blocks (Linux).
//!
//! `cargo bench --bench memory` prints one line for each; the aim is 150 MB at most.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it cannot run"
)]

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Duration, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use darkroom::console::{App, ConsoleOptions, DisplayZone, Effect, ImagesMode, Message, NotifyOptions, ThemeChoice};
use darkroom::engine::{Command, Event};
use darkroom::jobs::{Attempt, ImageFormat, Job, JobId, ObjectName, Outcome, Spec, Stage, StoredImage};
use darkroom::telemetry::logging::LogRecord;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui_image::picker::{Picker, ProtocolType};

const LOG_LINES: usize = 200_000;
const JOBS: usize = 400;
const SIDE: u32 = 1_024;

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("base {} MB", peak() / 1_024);
    for (name, protocol, mode) in [
        ("half blocks", ProtocolType::Halfblocks, ImagesMode::HalfBlocks),
        ("kitty", ProtocolType::Kitty, ImagesMode::Kitty),
    ] {
        run(protocol, mode);
        println!("{name}: {LOG_LINES} log lines and a gallery of {JOBS} images, peak {} MB", peak() / 1_024);
    }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_000)
}

/// The most memory of this process so far, in kilobytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A photograph's size as a PNG: noise over gradients.
fn png() -> Bytes {
    let image = image::RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let noise = (x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663)) >> 13 & 15;
        image::Rgb([(x / 4) as u8 ^ noise as u8, (y / 4) as u8, (x / 8 + y / 8) as u8 ^ noise as u8])
    });
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner().into()
}

fn job(index: usize) -> Job {
    let at = now() - Duration::seconds(i64::try_from(index).unwrap());
    let id = JobId::new(format!("job{index:08}Lm2VbT9Zk")).unwrap();
    let mut job = Job::new(id, Spec::new("flux-2-pro", format!("study {index}: a chair by a window")), true, at);
    let image = StoredImage {
        object: ObjectName::for_attempt(&job.id, 1, ImageFormat::Png),
        url: "https://images.example.org/x.png".to_owned(),
        format: ImageFormat::Png,
        width: SIDE,
        height: SIDE,
        bytes: 1_400_000,
        sha256: String::new(),
    };
    let mut attempt = Attempt::new(1, at);
    attempt.outcome = Some(Outcome::Done { image: image.clone() });
    job.attempts = vec![attempt];
    job.stage = Stage::Done { image };
    job.revision = 1;
    job
}

fn record(index: usize) -> LogRecord {
    LogRecord {
        at: now() + Duration::milliseconds(i64::try_from(index).unwrap()),
        level: tracing::Level::INFO,
        job: Some(format!("job{:08}Lm2VbT9Zk", index % JOBS)),
        attempt: Some(1),
        pid: None,
        message: format!("task pending progress={}% next_poll=1.5s task=7f3a{index:08}", index % 100),
    }
}

fn run(protocol: ProtocolType, images: ImagesMode) {
    let options = ConsoleOptions {
        context: "default".to_owned(),
        contexts: Vec::new(),
        views: Vec::new(),
        adapters: "sqlite · local".to_owned(),
        simulated: true,
        read_only: false,
        operator: String::new(),
        keys: darkroom::console::KeyMap::default(),
        greeting: None,
        images,
        ascii: false,
        zone: DisplayZone::Utc,
        theme: ThemeChoice::load("dark", &[]).unwrap(),
        notify: NotifyOptions::default(),
        files: None,
        saved: darkroom::console::Saved::default(),
    };
    let mut picker = Picker::halfblocks();
    picker.set_protocol_type(protocol);
    let (mut app, mut messages) = App::new(&options, picker, now());
    let mut terminal = Terminal::new(TestBackend::new(300, 100)).unwrap();
    app.update(Message::Resize(300, 100), now());
    app.update(Message::Event(Event::Page { jobs: (0..JOBS).map(job).map(Arc::new).collect(), next: None }), now());
    for index in 0..LOG_LINES {
        app.update(Message::Log(record(index)), now());
    }
    let file = png();
    let mut later = now();
    let mut press = |app: &mut App, terminal: &mut Terminal<TestBackend>, code| {
        later += Duration::seconds(1);
        let mut effects = app.update(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)), later);
        effects.extend(app.update(Message::Tick, later));
        let mut idle = 0;
        while idle < 3 {
            let loads: Vec<JobId> = std::mem::take(&mut effects)
                .into_iter()
                .filter_map(|effect| if let Effect::Send(Command::LoadImage(id)) = effect { Some(id) } else { None })
                .collect();
            for id in loads {
                let event = Event::Image { id, attempt: 1, bytes: Ok(file.clone()) };
                effects.extend(app.update(Message::Event(event), later));
            }
            terminal.draw(|frame| app.draw(frame)).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(30));
            idle += 1;
            while let Ok(message) = messages.try_recv() {
                effects.extend(app.update(Message::Image(message), later));
                idle = 0;
            }
            if !effects.is_empty() {
                idle = 0;
            }
        }
    };
    press(&mut app, &mut terminal, KeyCode::Char('g'));
    for _ in 0..6 {
        press(&mut app, &mut terminal, KeyCode::PageDown);
    }
    for code in [KeyCode::Char(' '), KeyCode::Char(' '), KeyCode::Char(' '), KeyCode::Char(' '), KeyCode::Char('=')] {
        press(&mut app, &mut terminal, code);
    }
    press(&mut app, &mut terminal, KeyCode::Esc);
    press(&mut app, &mut terminal, KeyCode::Enter);
    for _ in 0..8 {
        press(&mut app, &mut terminal, KeyCode::Down);
    }
}
