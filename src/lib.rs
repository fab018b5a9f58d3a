//! darkroom: a terminal operations console for image generation.
//!
//! A **job** is a document with a **stage**. The **engine** looks at the stage, performs the one next effect through a
//! **port**, and saves the document with a compare-and-set; that is the whole durable workflow. What the engine learns it
//! publishes as **events**; the console folds events into its own **board** and draws panes from it; keys become **commands**
//! back to the engine. Nothing is shared, nothing in the console awaits, and no adapter is named outside [`wiring`].
//!
//! # Words
//!
//! | word | meaning |
//! | --- | --- |
//! | Job | one requested image: Spec, Stage, attempts, charges, claim |
//! | Spec | what to generate; immutable within an attempt |
//! | Attempt | one try at a job that may cost money: its steps, its charges, its outcome |
//! | Stage | where a job durably is: Queued, Submitting, Generating, Done, Approved, Failed, Cancelled |
//! | Step | what an attempt did, for people: claim, reserve, submit, generate, download, store, settle |
//! | Receipt, Ticket | the provider's acceptance; how to collect the image later (the API says "task", tokio owns that word) |
//! | Charge | money for one accepted submit: amount and basis |
//! | Hold | why a queued job is not running |
//! | Claim | which worker may act on the job, until when |
//! | Failure | why it stopped: stable code, one line, whether it is billed, whose problem |
//! | Command, Event | orders into the engine; facts out of it |
//! | Board | the jobs as last heard |
//! | Pane, Overlay | a rectangle of the screen; what covers it |
//! | Port, adapter | a trait that the engine needs; one implementation of it |
//!
//! # Who may know whom
//!
//! ```text
//!         costs ◀── jobs ◀──────────────┬──────────────┬─────────────┐
//!                     ▲                 │              │             │
//!                     │             provider         store        bucket      (the port in mod.rs, adapters beside it)
//!                     │                 ▲              ▲             ▲
//!                     │                 └──── engine ──┴─────────────┘        (ports only, never adapters)
//!                     │                         ▲  Command / Event
//!                     └────────── console ──────┘                             (jobs, costs, engine messages, log records)
//!                                    ▲
//!                     config ◀── wiring ◀── cli ◀── main                      (only wiring names adapters)
//! ```
//!
//! The simulator stands beside: it knows jobs and costs (the catalog and the price table), and is known by wiring and cli.
//! So do two rooms that only the cli knows: `metrics` folds events as the console does, for those who scrape; `servers` runs
//! the servers of `darkroom dev`.
//! `tests/architecture.rs` reads the `use` lines and fails where an arrow runs the wrong way.
//!
//! # Money, and what a crash does
//!
//! 1. **Submit** is the only effect that costs money and the only one that cannot be repeated. `Submitting` is a write-ahead
//!    note: it is durable before the first byte leaves. A worker that dies there leaves a job that is not resubmitted: it fails
//!    with `submit_unknown`, its possible charge is shown apart as unconfirmed, and a person decides.
//! 2. The charge is booked in the same atomic write as the receipt. A ledger row is keyed by job, attempt and service, so that
//!    no retry books twice; settling replaces amount and basis.
//! 3. From `Generating` on, everything can be repeated: poll, download, upload, save. A retry of a job whose ticket may still
//!    hold the image asks that ticket first.
//! 4. Every save is a compare-and-set. A conflict means that somebody else moved the job: it is dropped silently.
//! 5. A worker that was suspended over its claim and wakes up late adds the receipt that it holds to whatever the job is by
//!    then ([`jobs::Job::apply_late_receipt`]): the cent is explained even if the job had been given up.
//! 6. Backing off means `not_before` on the job and a freed slot, never a sleeping worker.

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
