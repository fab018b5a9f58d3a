//! What an operator waits for, and what it costs: the first frame, the frame after a key and its bytes, an idle console's share of a
//! processor, and its peak of memory (Linux), with 1,000, 10,000 and 100,000 stored jobs, at rest
//! and while another process changes 1,000 jobs a second. The real console in a pseudo terminal of 120x40.
//!
//! `cargo bench --bench latency` prints one line for each case; it fails over no timing. `DARKROOM_BENCH_KEYS=50` presses fewer
//! keys.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a bench prints its figures and stops where it cannot run"
)]

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use darkroom::jobs::{Job, JobId, Spec};
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{Save, Store};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
const FRAME_END: &[u8] = b"\x1b[?2026l";
/// Between two keys: a little less regular than any timer of the console.
const KEY_GAP: Duration = Duration::from_millis(23);
/// How long an idle console is watched.
const IDLE_TIME: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(1);
const CHANGES_PER_SECOND: u32 = 1_000;

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let keys: usize = std::env::var("DARKROOM_BENCH_KEYS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("    jobs  changes/s  first frame   key p50   key p99   key max  bytes/key      idle  peak memory");
    for count in [1_000, 10_000, 100_000] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        let store = Arc::new(SqliteStore::open(&data.join("darkroom.db")).unwrap());
        let jobs = runtime.block_on(fill(&store, count));
        let first_frame = first_frame(folder.path());
        measure(folder.path(), count, 0, first_frame, keys);
        let stop = Arc::new(AtomicBool::new(false));
        let changed = Arc::new(AtomicUsize::new(0));
        let writer = runtime.spawn(change(store, jobs, stop.clone(), changed.clone()));
        let begun = Instant::now();
        let loaded = Console::start(folder.path());
        let loaded_first = loaded.first_frame;
        let figures = loaded.press(keys);
        let rate = changed.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(writer).unwrap();
        print(count, rate, loaded_first, figures);
    }
}

/// The median of five starts.
fn first_frame(folder: &Path) -> Duration {
    let mut times: Vec<Duration> = (0..5).map(|_| Console::start(folder).first_frame).collect();
    times.sort();
    times[times.len() / 2]
}

fn measure(folder: &Path, count: usize, rate: u32, first_frame: Duration, keys: usize) {
    print(count, f64::from(rate), first_frame, Console::start(folder).press(keys));
}

fn print(count: usize, rate: f64, first_frame: Duration, figures: Figures) {
    let Figures { mut times, bytes_per_key, idle_share, peak_kilobytes } = figures;
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let at = |share: f64| milliseconds(times[((times.len() - 1) as f64 * share) as usize]);
    println!(
        "{count:>8}  {rate:>9.0}  {:>8.1} ms {:>6.1} ms {:>6.1} ms {:>6.1} ms {bytes_per_key:>10} {:>7.2} % {:>9} MB",
        milliseconds(first_frame),
        at(0.5),
        at(0.99),
        at(1.0),
        idle_share * 100.0,
        peak_kilobytes / 1_024
    );
}

/// What one console was measured at.
struct Figures {
    times: Vec<Duration>,
    bytes_per_key: usize,
    idle_share: f64,
    peak_kilobytes: u64,
}

async fn fill(store: &SqliteStore, count: usize) -> Vec<Job> {
    let now = Utc::now();
    let job = |index: usize| {
        let at: DateTime<Utc> = now - chrono::Duration::seconds(i64::try_from(index).unwrap());
        let prompt = format!("study {index}: a chair, seen from the window of a passing train");
        let mut job =
            Job::new(JobId::new(format!("job{index:08}Lm2VbT9Zk")).unwrap(), Spec::new("flux-2-pro", prompt), true, at);
        job.cancel(at).unwrap();
        job
    };
    for begin in (0..count).step_by(1_000) {
        store.create((begin..(begin + 1_000).min(count)).map(job).collect()).await.unwrap();
    }
    let mut jobs = Vec::new();
    for index in 0..200 {
        let id = JobId::new(format!("job{index:08}Lm2VbT9Zk")).unwrap();
        jobs.push(store.get(&id).await.unwrap().unwrap());
    }
    jobs
}

/// Changes the newest jobs, which are on the screen.
async fn change(store: Arc<SqliteStore>, mut jobs: Vec<Job>, stop: Arc<AtomicBool>, changed: Arc<AtomicUsize>) {
    let mut interval = tokio::time::interval(Duration::from_millis(10));
    let count = jobs.len();
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        interval.tick().await;
        for _ in 0..CHANGES_PER_SECOND / 100 {
            let job = &mut jobs[next % count];
            job.spec.prompt = format!("study {next}: a chair, seen from the window of a passing train");
            job.revision = store.save(Save::new(job)).await.unwrap();
            changed.fetch_add(1, Ordering::Relaxed);
            next += 1;
        }
    }
}

/// The read-only console in a pseudo terminal. Dropping it kills the console.
struct Console {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    first_frame: Duration,
    /// Bytes that were drawn.
    bytes: usize,
    _master: Box<dyn MasterPty + Send>,
}

impl Console {
    /// Starts it and waits for its first frame.
    fn start(folder: &Path) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_darkroom"));
        command.args(["--observe", "--images", "off"]);
        command.cwd(folder);
        command.env_clear();
        for (name, value) in [
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("HOME", folder.into()),
            ("TERM", "xterm-256color".into()),
            ("DARKROOM_DATA_DIR", folder.join("data").into()),
            ("DARKROOM_LOG_DIR", folder.join("logs").into()),
        ] {
            command.env(name, value);
        }
        let begun = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let parser = vt100::Parser::new(ROWS, COLUMNS, 0);
        let mut console =
            Self { child, keys, output, parser, first_frame: Duration::ZERO, bytes: 0, _master: pair.master };
        console.wait_until("first frame", |_| true);
        console.first_frame = begun.elapsed();
        console
    }

    /// Waits for the end of a frame that fulfils a condition.
    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut tail = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("no {what}:\n{}", self.parser.screen().contents());
            };
            self.parser.process(&bytes);
            self.bytes += bytes.len();
            tail.extend_from_slice(&bytes);
            let is_frame = tail.windows(FRAME_END.len()).any(|window| window == FRAME_END);
            let kept = tail.len().saturating_sub(FRAME_END.len());
            if is_frame && is_so(self) {
                return;
            }
            tail.drain(..kept);
        }
    }

    /// The row of the selected job.
    fn selected(&self) -> Option<u16> {
        let rows = self.parser.screen().rows(0, COLUMNS).enumerate();
        let mut marked = rows.filter(|(_, row)| row.contains('▸'));
        marked.next().and_then(|(row, _)| u16::try_from(row).ok())
    }

    /// Presses `j` and `k` in turn: how long each took until the selection moved on the screen, and what it cost.
    fn press(mut self, count: usize) -> Figures {
        self.wait_until("list of jobs", |console| console.selected().is_some());
        let (mut times, mut key_bytes) = (Vec::new(), 0);
        for index in 0..count + 10 {
            std::thread::sleep(KEY_GAP + Duration::from_micros(index as u64 * 37 % 5_000));
            while let Ok(bytes) = self.output.try_recv() {
                self.parser.process(&bytes);
            }
            let before = self.selected();
            self.bytes = 0;
            let begun = Instant::now();
            self.keys.write_all(if index % 2 == 0 { b"j" } else { b"k" }).unwrap();
            self.wait_until("moved selection", |console| console.selected() != before);
            // The first ones warm up.
            if index >= 10 {
                times.push(begun.elapsed());
                key_bytes += self.bytes;
            }
        }
        let (before, begun) = (self.processor_time(), Instant::now());
        std::thread::sleep(IDLE_TIME);
        let idle_share = self.processor_time().saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64();
        let peak_kilobytes = self.peak_kilobytes();
        Figures { bytes_per_key: key_bytes / times.len().max(1), times, idle_share, peak_kilobytes }
    }
}

impl Console {
    fn proc_file(&self, name: &str) -> String {
        let process = self.child.process_id().unwrap_or_default();
        std::fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default()
    }

    /// Processor time of the console so far, in ticks of 10 ms; zero where the system does not report it.
    fn processor_time(&self) -> Duration {
        let stat = self.proc_file("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// The most memory that the console had so far.
    fn peak_kilobytes(&self) -> u64 {
        let status = self.proc_file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
