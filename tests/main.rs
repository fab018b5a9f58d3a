//! The one integration binary: a module per subject. What several of them need is in `support`.
#![cfg_attr(
    not(all(feature = "firestore", feature = "gcs", feature = "temporal")),
    allow(dead_code, reason = "the tests of a feature that is left out use it")
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod architecture;
mod bucket_contract;
#[cfg(feature = "gcs")]
mod bucket_gcs;
mod budget;
mod cli;
mod console;
mod crash_recovery;
#[cfg(all(unix, feature = "firestore", feature = "gcs", feature = "temporal"))]
mod devstack;
mod documentation;
#[cfg(all(unix, feature = "firestore"))]
mod firestore_bad_documents;
#[cfg(all(unix, feature = "firestore"))]
mod firestore_faults;
#[cfg(all(unix, feature = "firestore", feature = "gcs"))]
mod google_end_to_end;
mod hostile;
mod import_export;
mod metrics;
#[cfg(all(unix, feature = "firestore", feature = "gcs", feature = "temporal"))]
mod migration;
#[cfg(all(unix, feature = "firestore", feature = "gcs", feature = "temporal"))]
mod outages;
mod provider_bfl;
mod pty;
#[cfg(all(unix, feature = "firestore", feature = "gcs"))]
mod python_clients;
mod servers;
mod simulation;
mod simulator;
mod store_contract;
#[cfg(all(unix, feature = "firestore"))]
mod store_firestore;
mod support;
#[cfg(all(unix, feature = "firestore"))]
mod takeover;
#[cfg(all(unix, feature = "temporal"))]
mod temporal;
mod transitions;
mod wording;
#[cfg(target_os = "linux")]
mod worker_kills;
mod workflow;
