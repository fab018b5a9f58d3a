//! The settings that all processes of a store share, and the record that darkroom owns the store: one shared record.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{SharedRecord, StoreError};
use crate::jobs::JobId;
use crate::text::sanitize_line;

/// Since when darkroom owns a store: no other backend may run its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// When the record was written. Work of another backend after that is an alarm.
    pub at: DateTime<Utc>,
    /// The user and host that wrote it.
    pub by: String,
    /// One of [`Ownership::FIRST_START`], [`Ownership::EXISTING`] and [`Ownership::TAKEOVER`]; a later version may add more.
    pub how: String,
}

impl Ownership {
    /// The store held no documents of other programs when darkroom started.
    pub const FIRST_START: &str = "first_start";
    /// A version without this record had worked on the store, and no other backend was active.
    pub const EXISTING: &str = "existing";
    /// By `darkroom takeover`.
    pub const TAKEOVER: &str = "takeover";
}

/// The settings of a store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoreSettings {
    /// Absent in a store that holds documents of other programs and was not taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// The model of another program's request that names none, where the configuration names none either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// The image format of other programs' requests, which cannot name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_output_format: Option<String>,
    /// Jobs that another backend had taken up when darkroom took the store over: its results for them are expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_in_progress: Vec<JobId>,
    /// What a later version keeps here.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl StoreSettings {
    /// The kind and the id of the record.
    pub const KIND: &str = "store";
    /// The id of the record.
    pub const ID: &str = "settings";

    /// The settings of a record. Errors: `Unusable`: what cannot be read must not count as "not owned" or as a default.
    pub fn parse(record: &SharedRecord) -> Result<Self, StoreError> {
        serde_json::from_value(record.body.clone()).map_err(|error| {
            let reason = sanitize_line(&error.to_string(), 160);
            StoreError::Unusable(format!("the settings of the store cannot be read: {reason}; update darkroom"))
        })
    }

    /// The record to write in place of the one with that revision; 0 where none exists.
    pub fn to_record(&self, revision: u64, at: DateTime<Utc>, by: &str) -> SharedRecord {
        // Settings are text and lists: they always have a JSON form.
        let body = serde_json::to_value(self).unwrap_or_default();
        SharedRecord { kind: Self::KIND.to_owned(), id: Self::ID.to_owned(), revision, at, by: by.to_owned(), body }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_settings_survive_a_round_trip() {
        let body = json!({"default_model": "flux-dev", "theme": {"of": "tomorrow"}});
        let record =
            SharedRecord { body: body.clone(), ..StoreSettings::default().to_record(3, DateTime::UNIX_EPOCH, "a@b") };
        let settings = StoreSettings::parse(&record).unwrap();
        assert_eq!(settings.default_model.as_deref(), Some("flux-dev"));
        assert_eq!(settings.to_record(3, DateTime::UNIX_EPOCH, "a@b"), record);
        let damaged = SharedRecord { body: json!({"ownership": "mine"}), ..record };
        assert!(matches!(StoreSettings::parse(&damaged), Err(StoreError::Unusable(_))));
    }
}
