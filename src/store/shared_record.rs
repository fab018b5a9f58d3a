//! Small records that all processes of a store share.

use chrono::{DateTime, Utc};

use super::StoreError;

/// A record such as the pause of the intake or the settings of the store. Its body belongs to the code that names the kind; the
/// store does not read it.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedRecord {
    /// What the record is about: a constant of the code that reads it.
    pub kind: String,
    /// Unique within its kind.
    pub id: String,
    /// The version as it was read; 0 for a record that does not exist yet.
    pub revision: u64,
    /// When it was last changed, in whole microseconds: not every store keeps more.
    pub at: DateTime<Utc>,
    /// Who changed it: `user@host`.
    pub by: String,
    /// Its content.
    pub body: serde_json::Value,
}

impl SharedRecord {
    /// The records whose changes every change stream reports, by kind and id: workers apply these at once.
    pub const WATCHED: &[(&str, &str)] = &[("intake", "pause"), ("store", "settings"), ("bulk_signal", "open")];

    /// A record that does not exist yet.
    pub fn new(kind: &str, id: &str, at: DateTime<Utc>, by: &str, body: serde_json::Value) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned(), revision: 0, at, by: by.to_owned(), body }
    }

    /// The records of a list that can be read: one that cannot is left out, and hides no other one. Errors: the store's other ones.
    pub(crate) fn readable(records: impl Iterator<Item = Result<Self, StoreError>>) -> Result<Vec<Self>, StoreError> {
        let is_readable = |record: &Result<Self, StoreError>| match record {
            Err(error @ StoreError::Unusable(_)) => {
                tracing::warn!(%error, "shared record left out of a list");
                false
            }
            _ => true,
        };
        records.filter(is_readable).collect()
    }

    /// Whether both are the same change: a write that is made again after a lost reply is recognised by that.
    pub(crate) fn is_same_change(&self, other: &Self) -> bool {
        let micros = |record: &Self| record.at.timestamp_micros();
        micros(self) == micros(other) && self.by == other.by && self.body == other.body
    }
}
