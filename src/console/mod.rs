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
//! `update` is a plain function, so it cannot await; the loop in `terminal/event_loop.rs` has one await, its select. A pane is
//! one file with one `draw`. Overlays are a stack. One table in `keymap` makes dispatch, footer, help and palette.

mod activity;
pub mod app;
pub mod board;
pub mod costs_view;
mod form;
pub mod keymap;
pub mod layout;
mod line_editor;
pub mod message;
pub mod notices;
pub mod notifications;
mod options;
pub mod overlays;
pub mod panes;
mod saved;
pub mod status;
mod terminal;
mod test_fixtures;
pub mod theme;
mod time_zone;
mod widgets;

pub use app::App;
pub use keymap::KeyMap;
pub use message::{ConsoleEnd, Effect, ExitReason, LeftJobs, Message, NextContext, PricedRequests};
pub use notifications::{NotifyOptions, NotifyWays};
pub use options::{ConsoleOptions, ThemeChoice};
pub use overlays::contexts::ContextChoice;
pub use overlays::views::NamedFilter;
pub use panes::image::ImagesMode;
pub use panes::queue::{Column, QueueSettings};
pub use saved::{ConsoleFiles, Preset, PresetFile, Presets, Saved, SavedView};
pub use terminal::{EngineLink, LogSources, run};
pub use time_zone::DisplayZone;

/// Why the console could not run.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// Standard input or output is not a terminal, or lacks what a console needs.
    #[error("the console needs a terminal: {0}")]
    Terminal(#[source] std::io::Error),
    /// Signal handlers cannot be installed.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] std::io::Error),
}
