//! The pane option `allow-passthrough` of tmux. The image library switches it on whenever it runs inside tmux; the console
//! puts it back: at once where images are half blocks, else when it quits.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The option of this pane before the console started; empty where the pane had no value of its own.
static SAVED: Mutex<Option<String>> = Mutex::new(None);

/// Puts the option back when it is dropped, unless images need it.
pub struct Passthrough {
    at_once: bool,
}

impl Passthrough {
    /// Remembers the option. `at_once`: no image needs it.
    pub fn save(at_once: bool) -> Self {
        if is_tmux(|name| std::env::var(name).ok()) {
            *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = tmux(&["show", "-pqv", "allow-passthrough"]);
        }
        Self { at_once }
    }
}

impl Drop for Passthrough {
    fn drop(&mut self) {
        if self.at_once {
            restore();
        }
    }
}

/// Puts the option back as it was, once.
pub fn restore() {
    let Some(value) = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    if value.is_empty() {
        tmux(&["set", "-pu", "allow-passthrough"]);
    } else {
        tmux(&["set", "-p", "allow-passthrough", &value]);
    }
}

/// A control sequence that is meant for the terminal around tmux, if there is one.
pub fn passed_through(sequence: &str) -> String {
    if is_tmux(|name| std::env::var(name).ok()) {
        format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
    } else {
        sequence.to_owned()
    }
}

/// What deletes the data of these images in a terminal with the kitty protocol.
pub fn delete_kitty_images(numbers: &[u32]) -> String {
    numbers.iter().map(|number| passed_through(&format!("\x1b_Ga=d,d=I,i={number},q=2\x1b\\"))).collect()
}

/// What deletes the data of all images in a terminal with the kitty protocol.
pub fn delete_all_kitty_images() -> String {
    passed_through("\x1b_Ga=d,d=A,q=2\x1b\\")
}

/// The same condition as the image library's.
fn is_tmux(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("TERM").is_some_and(|term| term.starts_with("tmux"))
        || variable("TERM_PROGRAM").is_some_and(|program| program == "tmux")
}

/// Runs tmux; `None` where it fails.
fn tmux(arguments: &[&str]) -> Option<String> {
    let output = Command::new("tmux").args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
