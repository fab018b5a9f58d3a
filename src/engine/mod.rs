//! The engine: takes orders, performs the one next effect of each job through the ports, and says what happened.
//!
//! Knows ports, never adapters. [`Command`] and [`Event`] are all that it shares with the console; [`Desk`] carries out an
//! operator's orders on documents; [`effects`] is the durable workflow, written once; [`local`] runs it in this process, [`temporal`]
//! on a fleet. Both share `dispatch`: what runs next, orders, the feed of a screen.

mod backoff;
mod clock;
mod command;
mod crash;
mod desk;
mod dispatch;
pub mod effects;
mod event;
pub mod local;
mod ports;
mod settings;
#[cfg(feature = "temporal")]
pub mod temporal;
mod undo;

pub use backoff::backoff;
pub use clock::{Clock, SystemClock};
pub use command::{Command, NewJob};
pub use crash::BOUNDARIES as CRASH_BOUNDARIES;
pub use desk::Desk;
pub use dispatch::{EngineEnd, EngineHandle, Presence, PresenceError};
pub use event::{Acted, Action, CostOverview, Ended, Event, Fleet, Intake, Link, Notice, NoticeLevel, Progress};
pub use ports::Ports;
pub use settings::{Audience, Mode, Settings};

// Part of what the engine tells; the console knows no store.
pub use crate::store::{Counts, Place};
