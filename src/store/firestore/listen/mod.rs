//! The change stream: one listener for each store, supervised, that keeps the document cache up to date.

mod listener;
mod snapshot;
pub(crate) mod stream;
pub(crate) mod supervisor;
