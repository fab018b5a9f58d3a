//! The rejection of requests that cannot be read, so that the user of the web page learns why no image appears.

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use firestore::gcloud_sdk::tonic::Code;

use super::documents::value::{self, Fields};
use super::{FirestoreStore, JOBS};
use crate::jobs::JobId;
use crate::store::schema::Status;

/// Rejections in one commit.
const BATCH_SIZE: usize = 50;

impl FirestoreStore {
    /// Rejects every known request that cannot be read. Each gets `status` and `errorMessage` in one write, only while it is
    /// unchanged since it was read. A request that could not be rejected is tried again at the next call.
    pub(crate) async fn reject_bad_requests(&self) {
        let requests = self.shared.cache.bad_requests();
        for batch in requests.chunks(BATCH_SIZE) {
            if self.reject(batch).await {
                continue;
            }
            // One of them was changed: the others are rejected one by one.
            for one in batch.chunks(1).filter(|_| batch.len() > 1) {
                self.reject(one).await;
            }
        }
    }

    /// Whether the whole batch was rejected.
    async fn reject(&self, batch: &[(JobId, u64, String)]) -> bool {
        let writes = batch.iter().map(|(id, revision, reason)| self.rejection(id, *revision, reason)).collect();
        match self.shared.client.commit(writes).await {
            Ok(Ok(_)) => {
                for (id, revision, reason) in batch {
                    tracing::warn!(job = %id, reason, "unreadable request rejected");
                    self.shared.cache.clear_bad_request(id, *revision);
                }
                true
            }
            Ok(Err(status)) => {
                if let [(id, revision, _)] = batch {
                    tracing::debug!(job = %id, error = status.message(), "unreadable request not rejected");
                    // Changed or deleted since: its present version decides. After any other error it is tried again.
                    if matches!(status.code(), Code::FailedPrecondition | Code::NotFound) {
                        self.shared.cache.clear_bad_request(id, *revision);
                    }
                }
                false
            }
            Err(error) => {
                tracing::debug!(%error, "unreadable requests not rejected");
                false
            }
        }
    }

    fn rejection(&self, id: &JobId, revision: u64, reason: &str) -> Write {
        let fields = Fields::from([
            ("status".to_owned(), value::text(Status::Error.as_str())),
            ("errorMessage".to_owned(), value::text(format!("the request cannot be read: {reason}"))),
        ]);
        let unchanged = ConditionType::UpdateTime(value::from_nanoseconds(revision));
        Write {
            update_mask: Some(DocumentMask { field_paths: fields.keys().cloned().collect() }),
            current_document: Some(Precondition { condition_type: Some(unchanged) }),
            operation: Some(Operation::Update(Document {
                name: self.shared.client.name(JOBS, id.as_str()),
                fields,
                ..Default::default()
            })),
            ..Default::default()
        }
    }
}
