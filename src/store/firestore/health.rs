//! Owns what `darkroom doctor` asks of Firestore: the right to write, the indexes, the clock. Must not leave anything behind there.

use chrono::{TimeDelta, Utc};
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, Write};
use firestore::gcloud_sdk::tonic::Code;

use super::super::StoreError;
use super::document::Status;
use super::query::Query;
use super::stretch::Position;
use super::{FirestoreStore, JOBS, errors, value};

/// A collection of our own in which nothing ever stands.
const HEALTH: &str = "darkroom_health";

impl FirestoreStore {
    /// Whether documents may be made, changed and deleted. Asked by a commit that must fail: rights are looked at before
    /// preconditions, and the last two writes want a document that is not there, so that the first is not done either.
    ///
    /// # Errors
    /// `Unusable` where a right is missing.
    pub async fn may_write(&self) -> Result<(), StoreError> {
        let there = |exists| Some(Precondition { condition_type: Some(ConditionType::Exists(exists)) });
        let name = |id: &str| self.shared.client.name(HEALTH, id);
        let put = |id: &str, exists| Write {
            operation: Some(Operation::Update(Document { name: name(id), ..Default::default() })),
            current_document: there(exists),
            ..Default::default()
        };
        let delete = Write {
            operation: Some(Operation::Delete(name("never-there"))),
            current_document: there(true),
            ..Default::default()
        };
        match self.shared.client.commit(vec![put("never-made", false), put("never-there", true), delete]).await? {
            Ok(_) => Ok(()),
            Err(status) => match status.code() {
                Code::NotFound if errors::is_about_database(&status) => Err(errors::of_status(&status)),
                Code::NotFound | Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => Ok(()),
                _ => Err(errors::of_status(&status)),
            },
        }
    }

    /// Whether every query that needs an index of its own has it; each is asked for one document.
    ///
    /// # Errors
    /// `Unusable` names the first index that is missing, and the command that makes it.
    pub async fn has_indexes(&self) -> Result<(), StoreError> {
        for newest_first in [true, false] {
            let pending = Query::of(JOBS).one_of("status", [value::text(Status::Pending.as_str())]);
            let query = Position::begin(None).question(pending, newest_first).limit(1);
            self.shared.client.query(query.build()).await?;
        }
        Ok(())
    }

    /// How far this machine's clock is before the server's.
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
            .ok_or_else(|| StoreError::Unavailable("Firestore does not say what time it is".to_owned()))
    }
}
