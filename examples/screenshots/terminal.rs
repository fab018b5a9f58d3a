//! `darkroom demo`, or the console, in a pseudo terminal.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Silence after which a screen counts as complete.
const QUIET: Duration = Duration::from_millis(400);

/// How long a screen is waited for that never rests, because jobs run on it.
const BUSY: Duration = Duration::from_secs(3);

/// Between two keys: the console tells a pasted text from typed keys by its speed.
const KEY_GAP: Duration = Duration::from_millis(30);

/// Seconds since its start, and what the program wrote then.
type Recording = Vec<(f64, Vec<u8>)>;

/// Dropping it kills the program.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    recording: Option<(Instant, Recording)>,
    _master: Box<dyn MasterPty + Send>,
    _home: TempDir,
}

impl Terminal {
    /// Starts the demo in a terminal of so many columns and rows.
    pub fn demo(program: &Path, size: (u16, u16)) -> Self {
        Self::start(program, size, &["demo"], tempfile::tempdir().expect("a temporary folder"))
    }

    /// Starts the console itself, with this `darkroom.toml` and finished jobs of these prompts.
    pub fn console(program: &Path, size: (u16, u16), settings: &str, prompts: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(home.path().join("darkroom.toml"), settings).expect("the settings are written");
        for prompt in prompts {
            let mut submit = std::process::Command::new(program);
            submit.args(["submit", prompt, "--wait"]).current_dir(home.path()).env_clear().envs(environment(&home));
            let output = submit.env("DARKROOM_SIMULATOR_SPEED", "instant").output().expect("the program runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        Self::start(program, size, &[], home)
    }

    fn start(program: &Path, (columns, rows): (u16, u16), arguments: &[&str], home: TempDir) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo terminal");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(home.path());
        command.env_clear();
        for (name, value) in environment(&home) {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let mut reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let keys = pair.master.take_writer().expect("the terminal can be written to");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let parser = vt100::Parser::new(rows, columns, 0);
        Self { child, keys, output, parser, recording: None, _master: pair.master, _home: home }
    }

    /// What it shows now.
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Types, one key at a time. An escape sequence is one key.
    pub fn press(&mut self, keys: &str) {
        if keys.starts_with("\x1b[") {
            self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
            return self.read_for(KEY_GAP);
        }
        for key in keys.chars() {
            self.keys.write_all(key.encode_utf8(&mut [0; 4]).as_bytes()).expect("the terminal takes keys");
            self.read_for(KEY_GAP);
        }
    }

    /// Waits until the text of the screen fulfils a condition.
    pub fn wait_until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.screen().contents()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.process(&bytes),
                Err(why) => panic!("no {what} ({why}):\n{}", self.screen().contents()),
            }
        }
    }

    /// Waits until nothing more is drawn.
    pub fn settle(&mut self) {
        let deadline = Instant::now() + BUSY;
        while Instant::now() < deadline {
            match self.output.recv_timeout(QUIET) {
                Ok(bytes) => self.process(&bytes),
                Err(_) => return,
            }
        }
    }

    /// Lets it run for a while.
    pub fn pause(&mut self, seconds: f32) {
        self.read_for(Duration::from_secs_f32(seconds));
    }

    fn read_for(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.process(&bytes),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("the program ended:\n{}", self.screen().contents()),
            }
        }
    }

    fn process(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
        if let Some((begun, chunks)) = &mut self.recording {
            chunks.push((begun.elapsed().as_secs_f64(), bytes.to_vec()));
        }
    }

    /// Records from now on, beginning with the whole screen.
    pub fn record(&mut self) {
        let mut first = b"\x1b[2J\x1b[H\x1b[?25l".to_vec();
        first.extend(self.screen().contents_formatted());
        self.recording = Some((Instant::now(), vec![(0.0, first)]));
    }

    /// The recording as an asciicast of version 2.
    pub fn asciicast(&self, (columns, rows): (u16, u16)) -> String {
        let header = serde_json::json!({"version": 2, "width": columns, "height": rows, "title": "darkroom demo"});
        let mut text = format!("{header}\n");
        // A chunk may end within a character.
        let mut rest: Vec<u8> = Vec::new();
        for (at, bytes) in self.recording.iter().flat_map(|(_, chunks)| chunks) {
            rest.extend(bytes);
            let whole = match std::str::from_utf8(&rest) {
                Ok(_) => rest.len(),
                Err(error) => error.valid_up_to(),
            };
            let behind = rest.split_off(whole);
            let line = serde_json::json!([(at * 1e3).round() / 1e3, "o", String::from_utf8_lossy(&rest)]);
            rest = behind;
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// No request is sent with this key: nothing that is shown spends money.
fn environment(home: &TempDir) -> [(&'static str, OsString); 8] {
    [
        ("PATH", std::env::var_os("PATH").unwrap_or_default()),
        ("HOME", home.path().into()),
        ("TMPDIR", home.path().into()),
        ("LANG", "C.UTF-8".into()),
        ("USER", "ana".into()),
        ("TERM", "xterm-256color".into()),
        ("COLORTERM", "truecolor".into()),
        ("BFL_API_KEY", "none".into()),
    ]
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
