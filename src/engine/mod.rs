//! The engine: applies the operator's commands, performs the one next effect of each job through the ports, and publishes events.
//!
//! It knows ports, never adapters. [`Command`] and [`Event`] are all that it shares with its users; [`OperatorCommands`] applies
//! commands to documents; [`workflow`] is the durable workflow of a job; [`local`] runs it in this process, [`temporal`] on any
//! number of workers. Both use `scheduler`: which job runs next, commands in progress, the events of a screen.

mod account_tasks;
mod audit;
mod balance;
mod bulk;
mod bulk_executor;
mod command;
mod commands;
mod event;
mod failpoints;
mod image_spool;
pub mod local;
mod new_job;
mod outages;
mod pause;
mod ports;
mod retention;
mod retry_price;
mod scheduler;
mod settings;
mod submit_journal;
mod takeover;
#[cfg(feature = "temporal")]
pub mod temporal;
mod temporal_survey;
mod uncertain;
mod usage;
pub mod workflow;

pub use account_tasks::AccountTasks;
pub use audit::{AuditEntry, Operator};
pub use balance::check_account;
pub use bulk::{
    BulkAction, BulkControl, BulkItem, BulkLease, BulkPlan, BulkRecord, BulkStart, BulkState, BulkTarget, MIN_JOBS,
    SpecEdit, TagEdit, fingerprint,
};
pub use bulk_executor::{BulkEnd, BulkExecutor};
pub use command::Command;
pub use commands::OperatorCommands;
pub use event::{
    CommandKind, CommandOutcome, ConnectionState, CostOverview, Event, Intake, JobFinished, Progress, QueueConflict,
    StoreAlarm, TemporalStatus,
};
#[cfg(feature = "failpoints")]
pub use failpoints::BOUNDARIES as CRASH_BOUNDARIES;
pub use new_job::NewJob;
pub use outages::{Dependency, Outage};
pub use pause::Pause;
pub use ports::Ports;
pub use retention::{Retention, RetentionError, RetentionSummary};
pub use retry_price::{RetryPrice, is_submit_unknown};
pub use scheduler::{EngineEnd, EngineHandle, WorkerLock, WorkerLockError};
pub use settings::{EventDetail, Mode, Settings};
pub use submit_journal::LeftoverJournal;
pub use takeover::TakeoverPlan;
pub use temporal_survey::{OtherWorkflow, QueuePoller, TemporalSurvey};
pub use uncertain::{UncertainCharges, UncertainItem};
pub use usage::{FleetUsage, ProcessUsage};

// Part of the events; the console does not depend on the store.
pub use crate::store::{Counts, JobCost, MatchCounts, PageCursor, SortOrder};
