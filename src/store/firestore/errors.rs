//! Owns what an answer of the server means for whoever called. Must not retry.

use std::error::Error;

use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::tonic::{Code, ConnectError, Status};

use super::super::StoreError;
use crate::jobs::text::clean_line;

/// What a request that the server answered with an error comes to. What follows from the request itself (a failed precondition,
/// an id that is taken) is decided before, by the one who asked.
pub(super) fn of_status(status: &Status) -> StoreError {
    let message = clean_line(status.message(), 300);
    match status.code() {
        Code::FailedPrecondition if message.contains("index") => StoreError::Unusable(format!(
            "a query needs an index that is missing: deploy assets/firestore.indexes.json with `firebase deploy --only \
             firestore:indexes`, or follow the server's advice: {message}"
        )),
        Code::PermissionDenied => StoreError::Unusable(format!(
            "Firestore refuses the credentials: they need the role Cloud Datastore User (roles/datastore.user): {message}"
        )),
        Code::Unauthenticated => StoreError::Unusable(format!(
            "Firestore does not know the credentials: set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth \
             application-default login`: {message}"
        )),
        Code::NotFound => StoreError::Unusable(format!(
            "there is no such Firestore database: check the project and the database's name: {message}"
        )),
        Code::InvalidArgument => StoreError::Unusable(format!("Firestore does not take the request: {message}")),
        code => StoreError::Unavailable(format!("{code:?}: {message}")),
    }
}

/// Whether the request never left this process: there was no connection to send it by.
pub(super) fn was_not_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether this says nothing about what the server did: the answer was lost, or the server does not know itself.
pub(super) fn is_no_answer(status: &Status) -> bool {
    use Code::{Cancelled, DataLoss, DeadlineExceeded, Internal, Unavailable, Unknown};
    matches!(status.code(), Cancelled | DataLoss | DeadlineExceeded | Internal | Unavailable | Unknown)
}

/// What a failure to connect to `place` comes to.
pub(super) fn of_connection(error: &FirestoreError, place: &str) -> String {
    let text = error.to_string();
    // The layers below keep the cause only in the debug form that they print of it.
    let why = if text.contains("ConnectionRefused") {
        "nobody listens there".to_owned()
    } else if text.contains("dns error") {
        "its name cannot be looked up; is there a network?".to_owned()
    } else {
        clean_line(&text, 300)
    };
    format!("no connection to {}: {why}", clean_line(place, 80))
}
