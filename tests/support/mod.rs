//! What several test modules need. (stub)

#[cfg(all(unix, feature = "firestore"))]
pub mod firestore_emulator;
