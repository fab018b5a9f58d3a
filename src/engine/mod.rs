//! The engine: takes orders, performs the one next effect of each job through the ports, and says what happened.
//!
//! Knows ports, never adapters. Command and Event are all that it shares with the console and the command line.

mod command;
mod event;

pub use command::{Command, NewJob};
pub use event::{Acted, Action, CostOverview, Event, Intake, Link, Notice, NoticeLevel, Progress};
