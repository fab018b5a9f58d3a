//! One frame and one update of the console with 1,000, 10,000 and 100,000 jobs. Flat is the aim: compare the three in one run.
//!
//! `cargo bench --bench console`
#![allow(clippy::unwrap_used, reason = "a bench stops where it cannot run")]

use std::hint::black_box;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use darkroom::console::{App, ConsoleOptions, DisplayZone, ImagesMode, Message, NotifyOptions, ThemeChoice};
use darkroom::engine::Event;
use darkroom::jobs::{Job, JobId, Spec};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui_image::picker::Picker;

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_000)
}

fn job(index: usize) -> Job {
    let at = now() - Duration::seconds(i64::try_from(index).unwrap());
    let mut job = Job::new(
        JobId::new(format!("job{index:08}Lm2VbT9Zk")).unwrap(),
        Spec::new("flux-2-pro", format!("study {index}: a chair, seen from the window of a passing train")),
        true,
        at,
    );
    job.revision = 1;
    if !index.is_multiple_of(7) {
        job.cancel(at).unwrap();
    }
    job
}

fn app(count: usize) -> App {
    let options = ConsoleOptions {
        context: "default".to_owned(),
        contexts: Vec::new(),
        views: Vec::new(),
        adapters: "sqlite · local".to_owned(),
        simulated: true,
        read_only: false,
        operator: String::new(),
        keys: darkroom::console::KeyMap::default(),
        files: None,
        saved: darkroom::console::Saved::default(),
        greeting: None,
        images: ImagesMode::Off,
        ascii: false,
        zone: DisplayZone::Utc,
        theme: ThemeChoice::load("dark", &[]).unwrap(),
        notify: NotifyOptions::default(),
    };
    let (mut app, _images) = App::new(&options, Picker::halfblocks(), now());
    app.update(Message::Resize(200, 60), now());
    let jobs = (0..count).map(|index| Arc::new(job(index))).collect();
    app.update(Message::Event(Event::Jobs(jobs)), now());
    app
}

fn frames_and_updates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("console");
    group.sample_size(30);
    for count in [1_000, 10_000, 100_000] {
        let mut app = app(count);
        let mut terminal = Terminal::new(TestBackend::new(200, 60)).unwrap();
        group.bench_function(BenchmarkId::new("frame", count), |bencher| {
            bencher.iter(|| {
                terminal.draw(|frame| app.draw(frame)).unwrap();
            });
        });
        // A job in the middle changes: the usual event.
        let mut changed = job(count / 2);
        group.bench_function(BenchmarkId::new("update", count), |bencher| {
            bencher.iter(|| {
                changed.revision += 1;
                black_box(app.update(Message::Event(Event::Jobs(vec![Arc::new(changed.clone())])), now()));
            });
        });
        let down = || Message::Key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE));
        group.bench_function(BenchmarkId::new("key", count), |bencher| {
            bencher.iter(|| black_box(app.update(down(), now())));
        });
    }
    group.finish();
}

criterion_group!(benches, frames_and_updates);
criterion_main!(benches);
