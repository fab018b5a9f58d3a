//! The checks of `darkroom doctor`: the right to write, the indexes, the clock. They leave nothing behind.

use chrono::{TimeDelta, Utc};
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, Write};
use firestore::gcloud_sdk::tonic::Code;

use crate::store::StoreError;
use crate::store::firestore::connection::client::CommitOutcome;
use crate::store::firestore::connection::errors;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value;
use crate::store::firestore::queries::page_order::Position;
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::Status;

/// A collection of darkroom's own that is always empty.
const HEALTH: &str = "darkroom_health";

impl FirestoreStore {
    /// Whether documents may be created, changed and deleted. Checked by a commit that must fail: Firestore checks rights before
    /// preconditions, and the last two writes require a document that does not exist, so that the first is not done either.
    ///
    /// # Errors
    /// `Unusable` where a right is missing.
    pub async fn may_write(&self) -> Result<(), StoreError> {
        let condition = |exists| Some(Precondition { condition_type: Some(ConditionType::Exists(exists)) });
        let name = |id: &str| self.shared.client.name(HEALTH, id);
        let put = |id: &str, exists| Write {
            operation: Some(Operation::Update(Document { name: name(id), ..Default::default() })),
            current_document: condition(exists),
            ..Default::default()
        };
        let delete = Write {
            operation: Some(Operation::Delete(name("never-there"))),
            current_document: condition(true),
            ..Default::default()
        };
        let writes = vec![put("never-made", false), put("never-there", true), delete];
        match self.shared.client.commit_to_any_store(writes).await? {
            CommitOutcome::Committed(_) => Ok(()),
            CommitOutcome::Unknown(error) => Err(error),
            CommitOutcome::Rejected(status) => match status.code() {
                Code::NotFound if errors::is_about_database(&status) => Err(errors::of_status(&status)),
                Code::NotFound | Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => Ok(()),
                _ => Err(errors::of_status(&status)),
            },
        }
    }

    /// Whether every query that needs an index of its own has it; each query reads one document.
    ///
    /// # Errors
    /// `Unusable` names the first index that is missing, and the command that creates it.
    pub async fn has_indexes(&self) -> Result<(), StoreError> {
        for newest_first in [true, false] {
            let pending = Query::of(JOBS).one_of("status", [value::text(Status::Pending.as_str())]);
            let query = Position::start(None).query(pending, newest_first).limit(1);
            self.shared.client.query(query.build()).await?;
        }
        Ok(())
    }

    /// How far this machine's clock is ahead of the server's.
    ///
    /// # Errors
    /// `Unavailable` where there is no answer.
    pub async fn clock_skew(&self) -> Result<TimeDelta, StoreError> {
        let asked = Utc::now();
        let server = self.shared.client.server_time(self.shared.client.name(HEALTH, "never-there")).await?;
        let here = asked + (Utc::now() - asked) / 2;
        let server = server.as_ref().and_then(value::instant);
        server
            .map(|server| here - server)
            .ok_or_else(|| StoreError::Unavailable("Firestore did not report its time".to_owned()))
    }
}
