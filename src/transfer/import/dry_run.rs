//! What a dry run remembers of earlier lines: the documents that they would have written count for the lines after them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::store::schema::{Collection, CostEntry, Fields, ImportOutcome, Record, encode_costs};

/// Documents that would have been written: a digest of each, 24 bytes a document.
#[derive(Default)]
pub struct DryRunTracker {
    written: HashMap<u64, u64>,
    hashes: RandomState,
}

impl DryRunTracker {
    /// The outcome if the earlier lines had been written. `stored` is the outcome without them.
    pub fn outcome(&mut self, record: &Record, stored: ImportOutcome) -> ImportOutcome {
        if stored != ImportOutcome::Created {
            return stored;
        }
        let key = self.key(record.collection(), record.id());
        let digest = self.digest(&record.canonical_fields());
        match self.written.get(&key) {
            Some(known) if *known == digest => return ImportOutcome::Unchanged,
            Some(_) => {
                return ImportOutcome::Rejected("an earlier line has the same id and other content".to_owned());
            }
            None => {}
        }
        if let Record::Job(entry) = record
            && entry.is_native
        {
            // A job of darkroom brings its own charges along.
            let charges = encode_costs(&entry.job);
            let entry_of = |tracker: &Self, own: &CostEntry| {
                (tracker.key(Collection::Costs, &own.id), tracker.digest(&own.canonical_fields()))
            };
            let charges: Vec<(u64, u64)> = charges.iter().map(|own| entry_of(self, own)).collect();
            if charges.iter().any(|(key, digest)| self.written.get(key).is_some_and(|known| known != digest)) {
                return ImportOutcome::Rejected("an earlier line has one of its charges with other content".to_owned());
            }
            self.written.extend(charges);
        }
        self.written.insert(key, digest);
        ImportOutcome::Created
    }

    fn key(&self, collection: Collection, id: &str) -> u64 {
        self.hashes.hash_one((collection.as_str(), id))
    }

    fn digest(&self, fields: &Fields) -> u64 {
        self.hashes.hash_one(serde_json::Value::Object(fields.clone()).to_string())
    }
}
