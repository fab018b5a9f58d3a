//! A pseudo terminal with the real console in it: keys go in, bytes come out and are rendered to a screen. Every wait names
//! its condition; nothing sleeps for a fixed time.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

use crate::support::{TestEnv, text};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Begin and end of a frame: between them the screen is half drawn.
const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

pub(crate) const ESCAPE: &str = "\x1b";
pub(crate) const ENTER: &str = "\r";
pub(crate) const CONTROL_Z: &str = "\x1a";

/// Whether the terminal takes what the console writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PtyOutput {
    Running,
    Stopped,
    /// 20 kB a second.
    Slow,
}

/// The console in its terminal. Dropping it kills the console.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    output: Receiver<Vec<u8>>,
    reading: Arc<(Mutex<PtyOutput>, Condvar)>,
    parser: vt100::Parser,
    /// Everything that came out, in order.
    pub(crate) bytes: Vec<u8>,
    exit: Option<ExitStatus>,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Terminal {
    /// Starts the program with `arguments` in a terminal of that size.
    pub(crate) fn start(env: &TestEnv, arguments: &[&str], columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a pseudo terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_darkroom"));
        command.args(arguments);
        command.cwd(env.path(""));
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        for (name, value) in env.variables() {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let mut reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let keys = pair.master.take_writer().expect("the terminal can be written to");
        let (sender, output) = channel();
        let reading = Arc::new((Mutex::new(PtyOutput::Running), Condvar::new()));
        let gate = reading.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8_192];
            // The end of a pseudo terminal is an error on some systems and an empty read on others.
            loop {
                let is_slow = *gate.0.lock().unwrap() == PtyOutput::Slow;
                let piece = if is_slow { 1_000 } else { buffer.len() };
                let Ok(length @ 1..) = reader.read(&mut buffer[..piece]) else { return };
                if is_slow {
                    std::thread::sleep(Duration::from_millis(50));
                }
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
                let (state, changed) = &*gate;
                drop(changed.wait_while(state.lock().unwrap(), |state| *state == PtyOutput::Stopped).unwrap());
            }
        });
        let parser = vt100::Parser::new(rows, columns, 0);
        Self { master: pair.master, keys, child, output, reading, parser, bytes: Vec::new(), exit: None }
    }

    /// The console in a terminal of 120 columns and 40 rows, once it is connected.
    pub(crate) fn console(env: &TestEnv) -> Self {
        let mut terminal = Self::start(env, &[], 120, 40);
        terminal.wait_for("● live");
        terminal
    }

    /// Types.
    pub(crate) fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    /// Stops or resumes reading what the console writes.
    pub(crate) fn pause_output(&self, output: PtyOutput) {
        let (state, changed) = &*self.reading;
        *state.lock().unwrap() = output;
        changed.notify_all();
    }

    /// Waits for the end of the program, without reading its output.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("the console is a child");
        self.exit = Some(status.clone());
        self.pause_output(PtyOutput::Running);
        status
    }

    /// Pastes, as a terminal with bracketed paste does.
    pub(crate) fn paste(&mut self, pasted: &str) {
        self.send(&format!("\x1b[200~{pasted}\x1b[201~"));
    }

    /// Changes the size of the window.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.drain();
        self.parser.screen_mut().set_size(rows, columns);
        self.master.resize(size(columns, rows)).expect("the terminal can be resized");
    }

    /// The program's side of the terminal, for its modes.
    pub(crate) fn device(&self) -> std::fs::File {
        let name = self.master.tty_name().expect("the terminal has a name");
        std::fs::File::open(name).expect("the terminal can be opened")
    }

    /// The process id of the console.
    pub(crate) fn process(&self) -> u32 {
        self.child.process_id().expect("the console runs")
    }

    /// What the terminal shows.
    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// What the terminal shows as text, a line for each row.
    pub(crate) fn text(&self) -> String {
        let (_, columns) = self.screen().size();
        let rows: Vec<String> = self.screen().rows(0, columns).collect();
        rows.join("\n")
    }

    /// The row with these words.
    pub(crate) fn row_with(&self, words: &str) -> String {
        let text = self.text();
        let row = text.lines().find(|row| row.contains(words));
        row.unwrap_or_else(|| panic!("no row with {words:?}:\n{text}")).to_owned()
    }

    /// Waits until the screen shows these words.
    pub(crate) fn wait_for(&mut self, words: &str) {
        self.wait_until(words, |terminal| terminal.text().contains(words));
    }

    /// Waits until the screen does not show these words any more.
    pub(crate) fn wait_for_no(&mut self, words: &str) {
        self.wait_until(&format!("no {words}"), |terminal| !terminal.text().contains(words));
    }

    /// Waits until the condition holds on a complete frame.
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !(self.is_whole() && is_so(self)) {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("timed out waiting for {what}; the screen:\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the console ended before {what}; the last screen:\n{}\n{}", self.text(), self.tail())
                }
            }
        }
    }

    /// Waits until nothing has come out for that long.
    pub(crate) fn wait_for_silence(&mut self, silence: Duration) {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(bytes) = self.output.recv_timeout(silence) {
            self.take(&bytes);
            assert!(Instant::now() < deadline, "the console keeps drawing:\n{}\n{}", self.text(), self.tail());
        }
    }

    /// Waits for the end of the program; returns its exit.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.drain();
            if let Some(status) = self.child.try_wait().expect("the console's state can be read") {
                self.exit = Some(status.clone());
                // Its last output may still be in the terminal: the reader ends when no process has the terminal open.
                while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(500)) {
                    self.take(&bytes);
                }
                return status;
            }
            assert!(Instant::now() < deadline, "the console does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Takes in what has come out by now.
    pub(crate) fn drain(&mut self) {
        while let Ok(bytes) = self.output.try_recv() {
            self.take(&bytes);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.parser.process(bytes);
    }

    /// Whether the last frame that was begun is complete.
    fn is_whole(&self) -> bool {
        match (last(&self.bytes, FRAME_BEGINS), last(&self.bytes, FRAME_ENDS)) {
            (Some(begun), Some(ended)) => begun < ended,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    fn tail(&self) -> String {
        let tail = &self.bytes[self.bytes.len().saturating_sub(600)..];
        text(tail).escape_debug().to_string()
    }

    /// Sends a signal to the console.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let process = i32::try_from(self.process()).expect("a process id");
        let process = rustix::process::Pid::from_raw(process).expect("a process id");
        rustix::process::kill_process(process, signal).expect("the console can be signalled");
    }

    /// Fails unless the terminal is as it was before the program started.
    pub(crate) fn check_restored(&self) {
        let screen = self.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is visible");
        assert!(!screen.bracketed_paste(), "bracketed paste is off");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "mouse reporting is off");
        for (on, off, what) in MODES {
            let is_off = last(&self.bytes, off.as_bytes());
            let is_on = last(&self.bytes, on.as_bytes());
            assert!(is_on.is_some(), "{what} was never switched on");
            assert!(is_off > is_on, "{what} is switched off: {}", self.tail());
        }
    }
}

/// What the console switches on, and how it is switched off.
const MODES: &[(&str, &str, &str)] = &[
    ("\x1b[?1049h", "\x1b[?1049l", "the alternate screen"),
    ("\x1b[?25l", "\x1b[?25h", "the hidden cursor"),
    ("\x1b[?2004h", "\x1b[?2004l", "bracketed paste"),
    ("\x1b[?1000h", "\x1b[?1000l", "mouse clicks"),
    ("\x1b[?1002h", "\x1b[?1002l", "mouse drags"),
    ("\x1b[?1003h", "\x1b[?1003l", "mouse movements"),
    ("\x1b[?1006h", "\x1b[?1006l", "exact mouse cells"),
    ("\x1b[?2026h", "\x1b[?2026l", "the frame that is being drawn"),
];

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.exit.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn last(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).rposition(|window| window == part)
}
