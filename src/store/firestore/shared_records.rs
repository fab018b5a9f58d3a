//! The records that all processes of the store share: one document each in a collection of darkroom's own.

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, Write};
use firestore::gcloud_sdk::tonic::Code;

use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::client::{Client, CommitOutcome};
use crate::store::firestore::connection::errors;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::json;
use crate::store::firestore::documents::value::{self, Fields};
use crate::store::{SharedRecord, StoreError};

/// The collection.
const RECORDS: &str = "darkroom_records";

/// Kind and time in one field: Firestore indexes single fields by itself, pairs of fields only on request.
const SORT_KEY: &str = "sort_key";

impl FirestoreStore {
    pub(crate) async fn read_record(&self, kind: &str, id: &str) -> Result<Option<SharedRecord>, StoreError> {
        let found = self.shared.client.get(vec![self.record_name(kind, id)]).await?;
        found.first().map(parse).transpose()
    }

    pub(crate) async fn newest_records(&self, kind: &str, limit: usize) -> Result<Vec<SharedRecord>, StoreError> {
        let query = Query::of(RECORDS)
            .at_least(SORT_KEY, value::text(format!("{kind} ")))
            .less_than(SORT_KEY, value::text(format!("{kind}!")))
            .order(SORT_KEY, true)
            .limit(limit);
        SharedRecord::readable(self.shared.client.query(query.build()).await?.iter().map(parse))
    }

    pub(crate) async fn write_record(&self, record: &SharedRecord) -> Result<u64, StoreError> {
        let condition = match record.revision {
            0 => ConditionType::Exists(false),
            revision => ConditionType::UpdateTime(value::from_nanoseconds(revision)),
        };
        let sort_key = format!("{} {}", record.kind, record.at.format("%Y-%m-%dT%H:%M:%S%.6fZ"));
        let write = Write {
            current_document: Some(Precondition { condition_type: Some(condition) }),
            operation: Some(Operation::Update(Document {
                name: self.record_name(&record.kind, &record.id),
                fields: Fields::from([
                    ("kind".to_owned(), value::text(&record.kind)),
                    ("id".to_owned(), value::text(&record.id)),
                    ("at".to_owned(), value::time(record.at)),
                    ("by".to_owned(), value::text(&record.by)),
                    ("body".to_owned(), value::text(record.body.to_string())),
                    (SORT_KEY.to_owned(), value::text(sort_key)),
                ]),
                ..Default::default()
            })),
            ..Default::default()
        };
        // The record of ownership is what lets all other commits pass.
        let status = match self.shared.client.commit_to_any_store(vec![write]).await? {
            CommitOutcome::Committed(times) => return Ok(times.first().map_or(0, value::nanoseconds)),
            CommitOutcome::Rejected(status) => status,
            CommitOutcome::Unknown(error) => return Err(error),
        };
        match status.code() {
            Code::NotFound if errors::is_about_database(&status) => Err(errors::of_status(&status)),
            Code::Aborted | Code::FailedPrecondition | Code::AlreadyExists | Code::NotFound => {
                match self.read_record(&record.kind, &record.id).await? {
                    Some(existing) if existing.is_same_change(record) => Ok(existing.revision),
                    _ => Err(StoreError::RecordConflict { kind: record.kind.clone(), id: record.id.clone() }),
                }
            }
            _ => Err(errors::of_status(&status)),
        }
    }

    fn record_name(&self, kind: &str, id: &str) -> String {
        record_name(&self.shared.client, kind, id)
    }
}

/// The name of a record's document.
pub(crate) fn record_name(client: &Client, kind: &str, id: &str) -> String {
    // A slash would make a document of another collection.
    let id = id.replace('%', "%25").replace('/', "%2F");
    client.name(RECORDS, &format!("{kind}:{id}"))
}

pub(crate) fn parse(document: &Document) -> Result<SharedRecord, StoreError> {
    let fields = json::to_json(&document.fields);
    let text = |name: &str| fields.get(name).and_then(|field| field.as_str()).map(str::to_owned);
    let record = || {
        Some(SharedRecord {
            kind: text("kind")?,
            id: text("id")?,
            revision: value::nanoseconds(document.update_time.as_ref()?),
            at: value::time_of(&document.fields, "at")?,
            by: text("by")?,
            body: serde_json::from_str(&text("body")?).ok()?,
        })
    };
    let id = document.name.rsplit('/').next().unwrap_or_default();
    record().ok_or_else(|| StoreError::Unusable(format!("the document {RECORDS}/{id} cannot be read")))
}
