//! The engine: takes orders, performs the one next effect of each job through the ports, and says what happened.
//!
//! Knows ports, never adapters. [`Command`] and [`Event`] are all that it shares with the console; [`OperatorCommands`] carries out an
//! operator's orders on documents; [`effects`] is the durable workflow, written once; [`local`] runs it in this process, [`temporal`]
//! on a fleet. Both share `dispatch`: what runs next, orders, the feed of a screen.

mod command;
mod crash;
mod desk;
mod event;
pub mod local;
mod ports;
mod scheduler;
mod settings;
#[cfg(feature = "temporal")]
pub mod temporal;
mod undo;
pub mod workflow;

pub use command::{Command, NewJob};
pub use crash::BOUNDARIES as CRASH_BOUNDARIES;
pub use desk::OperatorCommands;
pub use event::{
    CommandKind, CommandOutcome, ConnectionState, CostOverview, Event, Intake, JobFinished, Notice, NoticeLevel,
    Progress, TemporalStatus,
};
pub use ports::Ports;
pub use scheduler::{EngineEnd, EngineHandle, WorkerLock, WorkerLockError};
pub use settings::{EventDetail, Mode, Settings};

// Part of what the engine tells; the console knows no store.
pub use crate::store::{Counts, PageCursor};
