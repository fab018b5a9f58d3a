//! What the server's errors mean for the caller.

use std::error::Error;

use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::google::firestore::v1::StructuredQuery;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::filter::FilterType;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::{Direction, Filter};
use firestore::gcloud_sdk::tonic::{Code, ConnectError, Status};

use crate::store::StoreError;
use crate::store::firestore::connection::query::NAME;
use crate::text::sanitize_line;

/// The store error of a status. What follows from the request itself (a failed precondition, an id that is taken) is decided by the
/// caller before.
pub(crate) fn of_status(status: &Status) -> StoreError {
    let message = sanitize_line(status.message(), 300);
    match status.code() {
        Code::FailedPrecondition if is_about_index(status) => StoreError::Unusable(format!(
            "a query needs an index that is missing: deploy assets/firestore.indexes.json with `firebase deploy --only \
             firestore:indexes`, or follow the server's advice: {message}"
        )),
        Code::FailedPrecondition if message.contains("Datastore Mode") => StoreError::Unusable(format!(
            "the database is in Datastore mode, which has no change streams: create one in native mode and set \
             DARKROOM_FIRESTORE_DATABASE: {message}"
        )),
        Code::PermissionDenied if message.contains("it is disabled") || message.contains("has not been used") => {
            StoreError::Unusable(format!(
                "Firestore is turned off in this project: check GOOGLE_CLOUD_PROJECT, or run `gcloud services enable \
                 firestore.googleapis.com`: {message}"
            ))
        }
        Code::PermissionDenied => StoreError::Unusable(format!(
            "Firestore denied access: the credentials need the role Cloud Datastore User (roles/datastore.user) in the project: \
             {message}"
        )),
        Code::Unauthenticated => StoreError::Unusable(format!(
            "Firestore rejected the credentials: set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth \
             application-default login`: {message}"
        )),
        Code::NotFound => StoreError::Unusable(format!(
            "Firestore database not found: check GOOGLE_CLOUD_PROJECT and DARKROOM_FIRESTORE_DATABASE: {message}"
        )),
        Code::InvalidArgument => StoreError::Unusable(format!("Firestore rejected the request: {message}")),
        code => StoreError::Unavailable(format!("{code:?}: {message}")),
    }
}

/// Whether the request never left this process for lack of a connection.
pub(crate) fn was_not_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the status leaves open what the server did: the reply was lost, or the server does not know either.
pub(crate) fn is_no_answer(status: &Status) -> bool {
    use Code::{Cancelled, DataLoss, DeadlineExceeded, Internal, Unavailable, Unknown};
    matches!(status.code(), Cancelled | DataLoss | DeadlineExceeded | Internal | Unavailable | Unknown)
}

/// The same for a query: a missing index is named, with the command that creates it.
pub(crate) fn of_query(status: &Status, query: &StructuredQuery, database: &str) -> StoreError {
    if status.code() != Code::FailedPrecondition || !is_about_index(status) {
        return of_status(status);
    }
    let collection = query.from.first().map_or("", |from| &from.collection_id);
    let fields = index_of(query);
    let listed: Vec<String> = fields.iter().map(|(name, order)| format!("{name} {order}")).collect();
    let listed = listed.join(", ");
    if status.message().contains("building") {
        return StoreError::Unusable(format!(
            "the index on {collection} ({listed}) is still being built: try again in a few minutes"
        ));
    }
    let mut names = database.split('/').skip(1).step_by(2);
    let (project, database) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let flags: Vec<String> =
        fields.iter().map(|(name, order)| format!("--field-config=field-path={name},order={order}")).collect();
    StoreError::Unusable(format!(
        "the index on {collection} ({listed}) is missing: `gcloud firestore indexes composite create --project={project} \
         --database='{database}' --collection-group={collection} {}`, or all at once: `firebase deploy --only \
         firestore:indexes` with assets/firestore.indexes.json",
        flags.join(" ")
    ))
}

/// The fields of the index that a query needs: equality filters first, then the sort fields. The document's name is part of every index.
fn index_of(query: &StructuredQuery) -> Vec<(&str, &'static str)> {
    let mut fields = Vec::new();
    let ordered =
        |name: &str| query.order_by.iter().any(|order| order.field.as_ref().is_some_and(|f| f.field_path == name));
    let mut filters: Vec<&Filter> = query.r#where.iter().collect();
    while let Some(filter) = filters.pop() {
        match &filter.filter_type {
            Some(FilterType::CompositeFilter(joint)) => filters.extend(joint.filters.iter().rev()),
            Some(FilterType::FieldFilter(one)) => {
                fields.extend(one.field.iter().map(|field| field.field_path.as_str()));
            }
            Some(FilterType::UnaryFilter(_)) | None => {}
        }
    }
    fields.retain(|name| !ordered(name));
    fields.dedup();
    let orders = query.order_by.iter().filter_map(|order| {
        let direction = if order.direction() == Direction::Descending { "descending" } else { "ascending" };
        Some((order.field.as_ref()?.field_path.as_str(), direction))
    });
    let equal = fields.into_iter().map(|name| (name, "ascending"));
    equal.chain(orders.filter(|(name, _)| *name != NAME)).collect()
}

fn is_about_index(status: &Status) -> bool {
    status.message().contains("index")
}

/// Whether the database is missing, and not a document.
pub(crate) fn is_about_database(status: &Status) -> bool {
    status.message().contains("does not exist for project")
}

/// The text for a failure to connect to `place`.
pub(crate) fn of_connection(error: &FirestoreError, place: &str) -> String {
    let text = error.to_string();
    // The layers below keep the cause only in their debug form.
    let why = if text.contains("ConnectionRefused") {
        "connection refused".to_owned()
    } else if text.contains("dns error") {
        "cannot resolve the host name; check the network".to_owned()
    } else {
        sanitize_line(&text, 300)
    };
    format!("no connection to {}: {why}", sanitize_line(place, 80))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::firestore::connection::query::Query;
    use crate::store::firestore::documents::value;

    /// The message of Google's service, with the link cut off.
    const NO_INDEX: &str = "The query requires an index. You can create it here: https://console.firebase.google.com/v1/r/project/\
                            team/firestore/indexes?create_composite=Ckpwcm9qZWN0cy90ZWFt";

    fn line(code: Code, message: &str) -> String {
        of_status(&Status::new(code, message)).to_string()
    }

    #[test]
    fn missing_index_is_named_with_its_command() {
        let query = Query::of("jobs")
            .one_of("status", [value::text("error")])
            .at_least("createdAt", value::integer(0))
            .order("createdAt", true)
            .order(NAME, true)
            .build();
        let database = "projects/team/databases/(default)";
        let missing = Status::new(Code::FailedPrecondition, NO_INDEX);
        let StoreError::Unusable(line) = of_query(&missing, &query, database) else { panic!("expected a final error") };
        assert!(line.starts_with("the index on jobs (status ascending, createdAt descending) is missing: "), "{line}");
        let command = "gcloud firestore indexes composite create --project=team --database='(default)' --collection-group=jobs \
                       --field-config=field-path=status,order=ascending --field-config=field-path=createdAt,order=descending";
        assert!(line.contains(command) && line.contains("firebase deploy"), "{line}");
        let building = "The query requires an index. That index is currently building and cannot be used yet.";
        let building = of_query(&Status::new(Code::FailedPrecondition, building), &query, database);
        assert!(building.to_string().contains("still being built"), "{building}");
        // The named file has exactly these fields.
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../../assets/firestore.indexes.json")).unwrap();
        let wanted = serde_json::json!([
            {"fieldPath": "status", "order": "ASCENDING"}, {"fieldPath": "createdAt", "order": "DESCENDING"}
        ]);
        assert!(file["indexes"].as_array().unwrap().iter().any(|index| index["fields"] == wanted), "{file}");
    }

    #[test]
    fn configuration_errors_name_the_fix() {
        let database = line(Code::NotFound, "The database (default) does not exist for project team");
        assert!(database.contains("DARKROOM_FIRESTORE_DATABASE"), "{database}");
        let off =
            "Cloud Firestore API has not been used in project team before or it is disabled. Enable it by visiting";
        assert!(line(Code::PermissionDenied, off).contains("gcloud services enable"));
        assert!(line(Code::PermissionDenied, "Missing or insufficient permissions.").contains("roles/datastore.user"));
        let mode = "The Cloud Firestore API is not available for Firestore in Datastore Mode database projects/team/databases/x.";
        assert!(line(Code::FailedPrecondition, mode).contains("native mode"));
        assert!(line(Code::Unauthenticated, "Request had invalid authentication credentials.").contains("gcloud auth"));
        assert!(matches!(
            of_status(&Status::new(Code::ResourceExhausted, "Quota exceeded.")),
            StoreError::Unavailable(_)
        ));
    }
}
