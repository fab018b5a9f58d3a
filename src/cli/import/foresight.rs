//! Owns what a dry run has to remember of the lines before: whatever they would have written is there for the lines behind them.
//! Must not be used where the store itself remembers.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::store::schema::{Collection, CostEntry, Fields, ImportOutcome, Record, encode_costs};

/// Documents that would have been written: a digest of each, 24 bytes a document.
#[derive(Default)]
pub struct Foresight {
    written: HashMap<u64, u64>,
    hashes: RandomState,
}

impl Foresight {
    /// The verdict that the store would give if the lines before had been written.
    pub fn judge(&mut self, record: &Record, verdict: ImportOutcome) -> ImportOutcome {
        if verdict != ImportOutcome::Created {
            return verdict;
        }
        let key = self.key(record.collection(), record.id());
        let digest = self.digest(&record.canonical_fields());
        match self.written.get(&key) {
            Some(known) if *known == digest => return ImportOutcome::Unchanged,
            Some(_) => {
                return ImportOutcome::Rejected("a line before it has the same id and says something else".to_owned());
            }
            None => {}
        }
        if let Record::Job(entry) = record
            && entry.is_native
        {
            // It brings its own entries along.
            let brought = encode_costs(&entry.job);
            let entry_of = |foresight: &Self, own: &CostEntry| {
                (foresight.key(Collection::Costs, &own.id), foresight.digest(&own.canonical_fields()))
            };
            let brought: Vec<(u64, u64)> = brought.iter().map(|own| entry_of(self, own)).collect();
            if brought.iter().any(|(key, digest)| self.written.get(key).is_some_and(|known| known != digest)) {
                return ImportOutcome::Rejected("one of its costs came before it and says something else".to_owned());
            }
            self.written.extend(brought);
        }
        self.written.insert(key, digest);
        ImportOutcome::Created
    }

    fn key(&self, collection: Collection, id: &str) -> u64 {
        self.hashes.hash_one((collection.as_str(), id))
    }

    fn digest(&self, essence: &Fields) -> u64 {
        self.hashes.hash_one(serde_json::Value::Object(essence.clone()).to_string())
    }
}
