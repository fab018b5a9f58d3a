//! Owns what goes into `App::update` and what comes out of it: plain data. Must not perform anything.

use bytes::Bytes;
use crossterm::event::{KeyEvent, MouseEvent};

use super::panes::image::ImageMessage;
use crate::console::notices::Notice;
use crate::engine::{Command, Event};
use crate::telemetry::logging::LogRecord;

/// Everything that can happen to the console.
pub enum Message {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The screen has another size: columns, rows.
    Resize(u16, u16),
    /// Time passed, and something on the screen shows time.
    Tick,
    /// A fact out of the engine.
    Event(Event),
    /// The engine is gone without a word.
    EngineGone,
    /// A log line.
    Log(LogRecord),
    /// The image thread did something.
    Image(ImageMessage),
    /// An order that the engine could not take: its queue is full.
    NotSent(Command),
    /// What became of an effect.
    Told(Notice),
    /// Somebody asked this process to end (SIGTERM, SIGINT, SIGHUP).
    EndAsked,
    /// Somebody asked this process to stop for now (SIGTSTP).
    SuspendAsked,
    /// The terminal is ours again, and empty.
    Resumed,
}

/// What the loop does for the console.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send an order to the engine, without waiting.
    Send(Command),
    /// Text to the terminal's clipboard.
    Copy(String),
    /// Open an address in the system's viewer.
    Open(String),
    /// Write an image to a new file in the current folder.
    Save {
        /// A safe name without a folder.
        name: String,
        /// The file's contents.
        bytes: Bytes,
    },
    /// Give the terminal back, stop this process until it is continued.
    Suspend,
    /// Draw every cell anew.
    Redraw,
    /// End the loop.
    Quit(ExitReason),
}

/// Why the console ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// The engine ended as it was asked to.
    Stopped,
    /// The person did not wait for it; that many POSTs were in flight.
    LeftAnyway {
        /// They may be billed already.
        posts: usize,
    },
    /// The engine ended by itself.
    EngineGone,
}
