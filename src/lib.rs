//! darkroom: a terminal operations console for image generation.
//!
//! A **job** is a document with a **stage**. The **engine** reads the stage, performs the one next effect through a
//! **port**, and saves the document with a compare-and-set; that is the whole durable workflow. The engine publishes
//! **events**; the console folds events into its own **board** and draws panes from it; keys become **commands**
//! back to the engine. Nothing is shared, nothing in the console awaits, and no adapter is named outside [`wiring`].
//!
//! # Glossary
//!
//! | term | meaning |
//! | --- | --- |
//! | job | one requested image: spec, stage, attempts, charges, claim |
//! | spec | what to generate; immutable within an attempt |
//! | attempt | one try at a job that may cost money: its steps, its charges, its outcome |
//! | stage | where a job durably is: queued, submitting, generating, done, approved, failed, cancelled |
//! | step | what an attempt did, for display: claim, reserve, submit, generate, download, store, settle |
//! | receipt, ticket | the provider's acceptance, and how to fetch the image later (the API calls the ticket a task) |
//! | charge | money for one accepted submit: amount and basis (estimated, quoted, settled, unknown, unconfirmed) |
//! | budget, reservation | a cap on money for a period; money set aside before a submit |
//! | hold | why a queued job does not run |
//! | claim | which worker may act on the job, until when |
//! | failure | why an attempt ended without an image: stable code, message, retry advice, billing status |
//! | command, event | into the engine; out of the engine |
//! | board | the console's own model of the jobs |
//! | pane, overlay | a rectangle of the screen; what covers it |
//! | port, adapter | a trait that the engine needs; an implementation of it |
//! | worker, fleet | a process that runs jobs; all workers on one store |
//!
//! # Floors
//!
//! A room names only rooms on lower floors; `tests/architecture.rs` has the exact table and fails on every other reference and on every
//! import circle between modules.
//!
//! | floor | rooms | |
//! | --- | --- | --- |
//! | command line | [`cli`] | arguments, exit codes and output; no domain logic |
//! | assembly | [`wiring`] | the only room that names adapters |
//! | configuration | [`config`] | files, environment and flags become plain settings with their origin |
//! | users of the engine | [`console`], [`telemetry`], [`transfer`], [`simulator`], [`devstack`] | the screen; logs and metrics; import and export; the FLUX API as a local server; the servers of `darkroom dev` |
//! | engine | [`engine`] | commands, scheduler, workflow, and the runners: local and Temporal |
//! | ports | [`provider`], [`store`], [`bucket`] | the trait and its errors in `mod.rs`, adapters in modules below |
//! | domain | [`catalog`], [`jobs`] | models and their parameters; the job and its transitions |
//! | money | [`costs`] | amounts, charges, prices, budgets, reports |
//! | ground | [`text`], [`time`], [`fs`], [`shutdown_signal`] | sanitizing and formatting; clock and durations; atomic files; signals |
//!
//! # Money, and what a crash does
//!
//! 1. **Submit** is the only effect that costs money and the only one that cannot be repeated. `Submitting` is a write-ahead record:
//!    it is durable before the first byte is sent. A worker also keeps a journal of its submits on its machine. If the worker
//!    dies, the next one on that machine learns from the journal what was certainly not sent (the job is queued again) and which
//!    receipts reached no store (they are saved). Without that proof the job is never submitted again automatically: it fails
//!    with `submit_unknown`, its possible charge is listed separately as unconfirmed, and an operator decides.
//! 2. The budget is checked in the same transaction that writes this record. The charge is written in the same transaction as the
//!    receipt. A ledger row is keyed by job, attempt and service, so that a retry cannot record it twice; settling replaces amount
//!    and basis.
//! 3. From `Generating` on, everything can be repeated: poll, download, upload, save. A retry of a job whose ticket may still have
//!    the image checks that ticket before anything is paid again; such a check submits nothing whose price was not confirmed.
//!    An image that was downloaded and cannot be stored stays on the worker's disk: its link lasts minutes.
//! 4. Every save is a compare-and-set. A conflict means that another process moved the job: the change is dropped.
//! 5. A worker that was suspended beyond its claim adds its receipt to the current version of the job
//!    ([`jobs::Job::apply_late_receipt`]): the charge is recorded even if the job had failed in the meantime.
//! 6. Backing off sets `not_before` on the job and frees the slot; a worker never sleeps for a job.

pub mod bucket;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod console;
pub mod costs;
pub mod devstack;
pub mod engine;
pub mod fs;
pub mod jobs;
pub mod provider;
pub mod shutdown_signal;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod time;
pub mod transfer;
pub mod wiring;
