//! Sets up the terminal at the start and restores it in every case: quit, error, panic, Ctrl-Z, signals.
//!
//! A query that the terminal does not answer would block for seconds and swallow the first keys, so only terminals that are
//! known by their environment are queried.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, KeyboardEnhancementFlags,
    PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};
use ratatui_image::FontSize;
use ratatui_image::picker::cap_parser::QueryStdioOptions;
use ratatui_image::picker::{Picker, ProtocolType};

use super::output::{self, Output, Written};
use super::tmux;
use crate::console::panes::image::ImagesMode;

/// Whether images are sent by the kitty protocol: the terminal keeps their data until they are deleted.
static HAS_KITTY_IMAGES: AtomicBool = AtomicBool::new(false);

/// Whether the terminal is set up for the console.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether keyboard enhancement flags were pushed and must be popped.
static KEYBOARD_FLAGS_PUSHED: AtomicBool = AtomicBool::new(false);
static PANIC_HOOK: Once = Once::new();

thread_local! {
    /// Whether this thread runs the console's own code: only a panic there ends the console.
    static IS_CONSOLE_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// How long a terminal that answers queries may take.
const QUERY_TIMEOUT: Duration = Duration::from_millis(400);

/// How long the first frame waits for the terminal to report its background.
const BACKGROUND_WAIT: Duration = Duration::from_millis(30);

/// The terminal while the console has it. Dropping it restores the terminal.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<FrameBuffer>>,
    /// What `terminal` has written since the last frame.
    buffer: FrameBuffer,
    output: Output,
}

/// Frames are drawn into memory; [`Output`] writes them.
#[derive(Clone, Default)]
struct FrameBuffer(Arc<Mutex<Vec<u8>>>);

impl FrameBuffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for FrameBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    /// Alternate screen, raw mode, mouse, bracketed paste.
    pub fn enter() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "standard output is not a terminal"));
        }
        PANIC_HOOK.call_once(install_hook);
        let guard = RawModeGuard::enable()?;
        let buffer = FrameBuffer::default();
        let terminal = Terminal::new(CrosstermBackend::new(buffer.clone()))?;
        let output = Output::start()?;
        std::mem::forget(guard);
        Ok(Self { terminal, buffer, output })
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Whether the terminal has not taken the last frame yet.
    pub fn is_busy(&self) -> bool {
        self.output.is_busy()
    }

    /// Waits until the terminal has taken the last frame; pends while there is none. Cancel-safe.
    pub async fn written(&mut self) -> io::Result<Written> {
        self.output.written().await
    }

    /// On a slow line, drops what is left of a long frame.
    pub fn cut(&self) {
        self.output.cut();
    }

    /// Draws one frame; the terminal shows it whole or not at all.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.buffer, BeginSynchronizedUpdate)?;
        self.terminal.draw(draw)?;
        queue!(self.buffer, EndSynchronizedUpdate)?;
        self.output.send(self.buffer.take());
        Ok(())
    }

    /// Empties the screen, so that the next frame draws every cell. `Terminal::clear` would ask where the cursor is.
    pub fn clear(&mut self) -> io::Result<()> {
        self.write(Clear(ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(self.buffer.clone()))?;
        // What the old one writes when it is dropped.
        self.buffer.take();
        Ok(())
    }

    /// Writes what is not part of a frame, such as a clipboard sequence.
    pub fn write(&mut self, command: impl crossterm::Command) -> io::Result<()> {
        queue!(self.buffer, command)?;
        self.output.send(self.buffer.take());
        Ok(())
    }

    /// Requests the terminal's background, where a terminal may report it. Returns until when the first frame waits for the
    /// reply: only where the terminal is known to reply at once.
    pub fn request_background(&mut self) -> Option<Instant> {
        let variable = |name: &str| std::env::var(name).ok();
        if !reports_background(variable) {
            return None;
        }
        self.write_sequence("\x1b]11;?\x1b\\".to_owned());
        is_known(variable).then(|| Instant::now() + BACKGROUND_WAIT)
    }

    /// Writes a control sequence after the last frame.
    pub fn write_sequence(&mut self, sequence: String) {
        self.output.send(sequence.into_bytes());
    }

    /// Sets the terminal up again after a stop.
    pub fn reenter(&mut self) -> io::Result<()> {
        restore();
        std::mem::forget(RawModeGuard::enable()?);
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        tmux::restore();
    }
}

/// Restores the terminal where setting it up fails half way.
struct RawModeGuard;

impl RawModeGuard {
    fn enable() -> io::Result<Self> {
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::SeqCst);
        let guard = Self;
        let mut setup = Vec::new();
        queue!(setup, EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide)?;
        if is_known(|name| std::env::var(name).ok()) {
            KEYBOARD_FLAGS_PUSHED.store(true, Ordering::SeqCst);
            queue!(setup, PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES))?;
        }
        output::write_now(&setup)?;
        Ok(guard)
    }
}

impl Drop for RawModeGuard {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal if it is set up. Errors are ignored: a terminal that is gone needs no restoring.
pub fn restore() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut commands = Vec::new();
    if KEYBOARD_FLAGS_PUSHED.swap(false, Ordering::SeqCst) {
        let _ = queue!(commands, PopKeyboardEnhancementFlags);
    }
    let _ = queue!(
        commands,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    if HAS_KITTY_IMAGES.load(Ordering::SeqCst) {
        commands.extend_from_slice(tmux::delete_all_kitty_images().as_bytes());
    }
    output::restore_now(&commands);
    let _ = disable_raw_mode();
}

/// Runs the console's own code: a panic there restores the terminal before its message is printed.
pub fn with_panic_guard<T>(run: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            IS_CONSOLE_THREAD.with(|flag| flag.set(self.0));
        }
    }
    let _reset = Reset(IS_CONSOLE_THREAD.with(|flag| flag.replace(true)));
    run()
}

/// A panic of the console restores the terminal before it is printed. A panic of another thread is logged, not printed across
/// the screen; the owner of that thread reports the failure.
fn install_hook() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if IS_CONSOLE_THREAD.with(Cell::get) {
            restore();
            previous(info);
        } else if IS_TAKEN.load(Ordering::SeqCst) {
            tracing::error!(panic = %info, "background thread panicked");
        } else {
            previous(info);
        }
    }));
}

/// Whether this terminal answers queries and supports images and the kitty keyboard protocol.
fn is_known(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if is_set("TMUX") || is_set("STY") {
        return false;
    }
    let term = variable("TERM").unwrap_or_default();
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    is_set("KITTY_WINDOW_ID")
        || is_set("WEZTERM_PANE")
        || ["kitty", "foot", "ghostty", "wezterm"].iter().any(|name| term.contains(name))
        || ["iTerm.app", "WezTerm", "ghostty"].contains(&program.as_str())
}

/// Whether the query of the background does no harm: some consoles print what they do not know.
fn reports_background(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    !matches!(term.as_str(), "" | "dumb" | "linux") && !term.starts_with("vt") && !term.starts_with("screen")
}

/// How the terminal shows images. Reads standard input, so it must run before the input reader starts.
pub fn picker(mode: ImagesMode) -> Picker {
    let passthrough = tmux::Passthrough::save(mode.forced_protocol().is_none_or(|it| it == ProtocolType::Halfblocks));
    let picker = new_picker(mode);
    let protocol = mode.forced_protocol().unwrap_or(picker.protocol_type());
    HAS_KITTY_IMAGES.store(mode != ImagesMode::Off && protocol == ProtocolType::Kitty, Ordering::SeqCst);
    drop(passthrough);
    picker
}

fn new_picker(mode: ImagesMode) -> Picker {
    let is_graphical = mode.forced_protocol().is_some_and(|protocol| protocol != ProtocolType::Halfblocks);
    if (mode == ImagesMode::Auto || is_graphical) && is_known(|name| std::env::var(name).ok()) {
        let options = QueryStdioOptions { timeout: QUERY_TIMEOUT, ..QueryStdioOptions::default() };
        if let Ok(picker) = Picker::from_query_stdio_with_options(options) {
            return picker;
        }
    }
    match cell_size().filter(|_| is_graphical) {
        #[expect(deprecated, reason = "the size of a cell comes from the system, and no query is answered here")]
        Some(size) => Picker::from_fontsize(size),
        None => Picker::halfblocks(),
    }
}

/// Pixels of a cell, where the system knows them.
fn cell_size() -> Option<FontSize> {
    let size = crossterm::terminal::window_size().ok()?;
    let (width, height) = (size.width.checked_div(size.columns)?, size.height.checked_div(size.rows)?);
    (width > 0 && height > 0).then(|| FontSize::new(width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set for the child process of the test below.
    const INSIDE: &str = "DARKROOM_TEST_PANICS";

    #[test]
    #[ignore = "panics on purpose; panic_restores_terminal_before_message runs it in a pseudo terminal"]
    fn child_panics_while_drawing() {
        if std::env::var_os(INSIDE).is_some() {
            let mut screen = Screen::enter().unwrap();
            with_panic_guard(|| screen.draw(|_| panic!("while it draws"))).unwrap();
        }
    }

    #[test]
    fn panic_restores_terminal_before_message() {
        let pair = portable_pty::native_pty_system().openpty(portable_pty::PtySize::default()).unwrap();
        let mut command = portable_pty::CommandBuilder::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "console::terminal::screen::tests::child_panics_while_drawing",
            "--ignored",
            "--nocapture",
        ]);
        command.env(INSIDE, "1");
        command.env("TERM", "xterm-256color");
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut bytes = Vec::new();
        // The end of a pseudo terminal is an error on some systems.
        let _ = io::Read::read_to_end(&mut pair.master.try_clone_reader().unwrap(), &mut bytes);
        assert!(!child.wait().unwrap().success());
        let text = String::from_utf8_lossy(&bytes);
        let place = |part: &str| text.rfind(part).unwrap_or_else(|| panic!("no {part:?} in {text:?}"));
        let message = place("while it draws");
        for (on, off) in [
            ("\x1b[?1049h", "\x1b[?1049l"),
            ("\x1b[?25l", "\x1b[?25h"),
            ("\x1b[?2004h", "\x1b[?2004l"),
            ("\x1b[?1003h", "\x1b[?1003l"),
        ] {
            assert!(place(on) < place(off) && place(off) < message, "{off:?} comes between: {text:?}");
        }
    }

    #[test]
    fn only_known_terminals_are_queried() {
        let known = |set: &[(&str, &str)]| {
            is_known(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(known(&[("TERM", "xterm-kitty")]));
        assert!(known(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")]));
        assert!(!known(&[("TERM", "xterm-256color")]));
        assert!(!known(&[("TERM", "dumb"), ("KITTY_WINDOW_ID", "")]));
        assert!(!known(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux")]), "tmux answers for itself");
        assert!(!known(&[]));
        let reports = |term: &str| reports_background(|name| (name == "TERM").then(|| term.to_owned()));
        assert!(reports("xterm-256color") && reports("tmux-256color"));
        assert!(!reports("linux") && !reports("dumb") && !reports("vt220") && !reports(""));
    }
}
