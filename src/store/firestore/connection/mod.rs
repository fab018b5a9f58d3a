//! The connection to Firestore: one client for all requests, what its errors mean, and commits whose acknowledgement was lost.
//! Knows values and queries, but no collection.

pub(crate) mod ambiguous_commit;
pub(crate) mod client;
pub(crate) mod emulator;
pub(crate) mod errors;
pub(crate) mod options;
pub(crate) mod query;
