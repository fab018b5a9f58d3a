//! Owns the terminal: taken at the start, given back whatever happens (end, error, panic, Ctrl-Z, signals). Must not know
//! what is drawn.
//!
//! Nothing here asks the terminal a question that it might not answer: such a question waits for seconds and swallows the
//! first keys. Only terminals that are known by their environment are asked.

use std::cell::Cell;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, KeyboardEnhancementFlags,
    PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};
use ratatui_image::picker::Picker;
use ratatui_image::picker::cap_parser::QueryStdioOptions;

use super::panes::image::ImagesMode;

/// Whether the terminal is ours just now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether keyboard flags were pushed, which must be popped.
static FLAGS: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

thread_local! {
    /// Whether this thread runs the console's own code: its panic ends the console, no other thread's does.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// How long a terminal that is known to answer may take.
const ANSWER: Duration = Duration::from_millis(400);

/// The terminal while it is ours. Dropping it gives the terminal back.
pub struct Screen {
    /// Never dropped as it is: it would print an error where the terminal is gone, and printing would panic.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
}

impl Screen {
    /// Takes the terminal: alternate screen, raw mode, mouse, bracketed paste.
    pub fn enter() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "standard output is not one"));
        }
        HOOK.call_once(install_hook);
        let guard = Taken::take()?;
        let terminal = ManuallyDrop::new(Self::blank()?);
        std::mem::forget(guard);
        Ok(Self { terminal })
    }

    fn blank() -> io::Result<Terminal<CrosstermBackend<BufWriter<Stdout>>>> {
        Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(64 * 1024, io::stdout())))
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Draws one frame; the terminal shows it whole or not at all.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(draw)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Empties the screen, so that the next frame draws every cell. `Terminal::clear` would ask where the cursor is.
    pub fn forget(&mut self) -> io::Result<()> {
        self.write(Clear(ClearType::All))?;
        // The terminal has just answered a write, so the old one can go.
        drop(std::mem::replace(&mut *self.terminal, Self::blank()?));
        Ok(())
    }

    /// Writes something that is not an image of the screen, such as a clipboard sequence.
    pub fn write(&mut self, command: impl crossterm::Command) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), command)
    }

    /// Takes it again.
    pub fn enter_again(&mut self) -> io::Result<()> {
        restore();
        std::mem::forget(Taken::take()?);
        self.forget()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back where taking it fails half way.
struct Taken;

impl Taken {
    fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let guard = Self;
        let mut out = io::stdout();
        execute!(out, EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide)?;
        if is_known(|name| std::env::var(name).ok()) {
            FLAGS.store(true, Ordering::SeqCst);
            execute!(out, PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES))?;
        }
        Ok(guard)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, if it is ours: for good, or until `Screen::enter_again`. Errors are of no use here: a terminal that
/// is gone needs nothing back.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    if FLAGS.swap(false, Ordering::SeqCst) {
        let _ = queue!(out, PopKeyboardEnhancementFlags);
    }
    let _ = queue!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Runs the console's own code: where it panics, the terminal is given back before the panic is told.
pub fn ours<T>(run: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            OURS.with(|ours| ours.set(self.0));
        }
    }
    let _reset = Reset(OURS.with(|ours| ours.replace(true)));
    run()
}

/// A panic of the console gives the terminal back first. A panic of any other thread while the screen is ours is logged, not
/// printed across it: whoever runs that thread reports it as a failure.
fn install_hook() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if OURS.with(Cell::get) {
            restore();
            previous(info);
        } else if TAKEN.load(Ordering::SeqCst) {
            tracing::error!("a part of the program panicked: {info}");
        } else {
            previous(info);
        }
    }));
}

/// Whether this terminal is one that answers questions and takes images and exact keys.
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

/// What the terminal can show of images. Must be asked before the first key is read.
pub fn picker(mode: ImagesMode) -> Picker {
    if mode == ImagesMode::Auto && is_known(|name| std::env::var(name).ok()) {
        let options = QueryStdioOptions { timeout: ANSWER, ..QueryStdioOptions::default() };
        if let Ok(picker) = Picker::from_query_stdio_with_options(options) {
            return picker;
        }
    }
    Picker::halfblocks()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set for the process that the test below starts in a terminal of its own.
    const INSIDE: &str = "DARKROOM_TEST_PANICS";

    #[test]
    #[ignore = "takes the terminal and panics: the test below runs it in a terminal of its own"]
    fn takes_the_terminal_and_panics() {
        if std::env::var_os(INSIDE).is_some() {
            let mut screen = Screen::enter().unwrap();
            ours(|| screen.draw(|_| panic!("while it draws"))).unwrap();
        }
    }

    #[test]
    fn a_panic_of_the_console_gives_the_terminal_back_before_it_is_told() {
        let pair = portable_pty::native_pty_system().openpty(portable_pty::PtySize::default()).unwrap();
        let mut command = portable_pty::CommandBuilder::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "console::terminal::tests::takes_the_terminal_and_panics",
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
        let told = place("while it draws");
        for (on, off) in [
            ("\x1b[?1049h", "\x1b[?1049l"),
            ("\x1b[?25l", "\x1b[?25h"),
            ("\x1b[?2004h", "\x1b[?2004l"),
            ("\x1b[?1003h", "\x1b[?1003l"),
        ] {
            assert!(place(on) < place(off) && place(off) < told, "{off:?} comes between: {text:?}");
        }
    }

    #[test]
    fn only_known_terminals_are_asked() {
        let known = |set: &[(&str, &str)]| {
            is_known(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(known(&[("TERM", "xterm-kitty")]));
        assert!(known(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")]));
        assert!(!known(&[("TERM", "xterm-256color")]));
        assert!(!known(&[("TERM", "dumb"), ("KITTY_WINDOW_ID", "")]));
        assert!(!known(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux")]), "tmux answers for itself");
        assert!(!known(&[]));
    }
}
