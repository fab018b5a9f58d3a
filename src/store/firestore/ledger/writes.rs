//! The writes that record charges: entries and rollups, as parts of one commit.

use std::collections::BTreeMap;

use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};

use super::budget_guard::BudgetGuard;
use super::entries::{Entry, entry_fields};
use super::months::{ROLLUPS, shard_id};
use super::rollup;
use super::shards::Shard;
use crate::jobs::Job;
use crate::store::firestore::connection::client::Client;
use crate::store::firestore::documents::value::Fields;

/// The field of a month's guard that every reservation moves.
const GUARD_FIELD: &str = "guard";

pub(crate) fn write_entries(client: &Client, job: &Job, entries: &[Entry]) -> Vec<Write> {
    let write = |entry: &Entry| match entry {
        Entry::Delete(collection, id) => {
            Write { operation: Some(Operation::Delete(client.name(collection, id))), ..Default::default() }
        }
        Entry::Put(collection, id, row) => {
            let (fields, field_paths) = entry_fields(job, row);
            let document = Document { name: client.name(collection, id), fields, ..Default::default() };
            Write {
                update_mask: Some(DocumentMask { field_paths }),
                operation: Some(Operation::Update(document)),
                ..Default::default()
            }
        }
    };
    entries.iter().map(write).collect()
}

/// The increments of the months' rollups in that shard, and the move of the guard.
pub(crate) fn write_rollups(
    client: &Client,
    months: BTreeMap<String, Vec<FieldTransform>>,
    shard: Option<&Shard<'_>>,
    guard: Option<&BudgetGuard>,
) -> Vec<Write> {
    let number = shard.map_or(0, |shard| shard.number);
    let rollups = months.into_iter().map(|(month, transforms)| (shard_id(&month, number), transforms, None));
    let moved = guard
        .map(|guard| (guard.id.clone(), vec![rollup::increment(GUARD_FIELD.to_owned(), 1)], Some(guard.condition)));
    let write = |(id, update_transforms, condition): (String, Vec<FieldTransform>, Option<ConditionType>)| Write {
        // An empty mask: nothing but the increments, and an absent document is created.
        update_mask: Some(DocumentMask::default()),
        update_transforms,
        current_document: condition.map(|condition| Precondition { condition_type: Some(condition) }),
        operation: Some(Operation::Update(Document {
            name: client.name(ROLLUPS, &id),
            fields: Fields::new(),
            ..Default::default()
        })),
    };
    rollups.chain(moved).map(write).collect()
}
