//! The console: panes, keys and the one data flow. Knows jobs, costs, engine messages and log records; never an adapter.
//!
//! ```text
//!   keys ───┐
//!   timer ──┼─▶ Message ─▶ App::update(&mut self, Message, now) -> Vec<Effect> ── try_send ──▶ engine
//!   Event ──┘                     │
//!     ▲                           ▼
//!     │          App { board, panes, overlays, notices }  ──▶  App::draw(frame)
//!     └───────────────────────── engine, workers, watchers
//! ```
//!
//! `update` is a plain function, so it cannot await; the loop in `event_loop.rs` has one await, its select. A pane is one
//! file with one `draw`. Overlays are a stack. One table in `keymap` makes dispatch, footer, help and palette.

pub mod app;
pub mod board;
pub mod costs_view;
mod event_loop;
mod form;
mod input;
pub mod keymap;
pub mod layout;
mod line_editor;
pub mod message;
pub mod notices;
mod options;
mod outside;
pub mod overlays;
pub mod panes;
mod signals;
pub mod status;
mod terminal;
mod test_fixtures;
pub mod theme;
mod widgets;

pub use app::App;
pub use event_loop::run;
pub use message::{Effect, ExitReason, Message};
pub use options::{ConsoleOptions, ThemeName};
pub use panes::image::ImagesMode;

/// Why the console could not run.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// Standard input or output is no terminal, or refuses what a console needs.
    #[error("the console needs a terminal: {0}")]
    Terminal(#[source] std::io::Error),
    /// The system refused to tell this process about signals.
    #[error("signals cannot be caught: {0}")]
    Signals(#[source] std::io::Error),
}
