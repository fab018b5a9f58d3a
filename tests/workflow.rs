//! The whole workflow over real HTTP, real SQLite and real files, through the real engine: what each trouble of the provider
//! comes to, and that the books equal the simulator's own bill afterwards.

mod account;
mod budget;
mod charges;
mod commands;
pub(crate) mod fault_table;
mod foreign_writes;
pub(crate) mod harness;
mod journal;
mod late_receipts;
mod models;
mod rescue;
mod retries;
mod suspended_worker;
mod task_limits;
mod undo;
mod unstored_images;
