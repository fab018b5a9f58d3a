//! Pages through the shared collections, with each document in the form of the shared schema.

use firestore::gcloud_sdk::google::firestore::v1::Document as Stored;
use serde_json::Value as Json;

use crate::store::StoreError;
use crate::store::firestore::connection::query::{NAME, Query};
use crate::store::firestore::documents::{json, value};
use crate::store::firestore::ledger::entries::COSTS;
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::{Collection, Document, ExportPage, ExportQuery, Fields, format_time, parse_time};

impl Collection {
    /// Its name, and the field with its time.
    fn name_and_time(self) -> (&'static str, &'static str) {
        match self {
            Self::Jobs => (JOBS, "createdAt"),
            Self::Costs => (COSTS, "timestamp"),
        }
    }
}

impl FirestoreStore {
    /// One read for each document. By id where all are wanted (so documents without a time are among them), else by time.
    pub(crate) async fn export_page(&self, query: &ExportQuery) -> Result<ExportPage, StoreError> {
        let (collection, time) = query.collection.name_and_time();
        let reference = |id: &str| value::reference(self.shared.client.name(collection, id));
        let by_time = query.from.is_some() || query.to.is_some();
        let mut paged = Query::of(collection).limit(query.limit);
        if let Some(from) = query.from {
            paged = paged.at_least(time, value::time(from));
        }
        if let Some(to) = query.to {
            paged = paged.less_than(time, value::time(to));
        }
        if by_time {
            paged = paged.order(time, false);
        }
        paged = paged.order(NAME, false);
        if let Some(after) = &query.after {
            let values = match after.split_once(' ').filter(|_| by_time) {
                Some((at, id)) => vec![value::time(parse_time(at).unwrap_or_default()), reference(id)],
                None => vec![reference(after)],
            };
            paged = paged.start_after(values);
        }
        let found = self.shared.client.query(paged.build()).await?;
        let last = found.last().filter(|_| found.len() >= query.limit);
        let next = last.map(|last| match value::time_of(&last.fields, time).filter(|_| by_time) {
            Some(at) => format!("{} {}", format_time(at), id_of(last)),
            None => id_of(last).to_owned(),
        });
        let mut page = ExportPage { documents: Vec::new(), next, skipped: Vec::new() };
        for stored in &found {
            let id = id_of(stored).to_owned();
            match self.export_document(query.collection, stored) {
                Ok(fields) => page.documents.push(Document { id, fields }),
                Err(reason) => page.skipped.push((id, reason)),
            }
        }
        Ok(page)
    }

    /// The document in the form of a file. Errors: one line, for a document of darkroom's own that cannot be read.
    pub(crate) fn export_document(&self, collection: Collection, stored: &Stored) -> Result<Fields, String> {
        let mut fields = json::to_json(&stored.fields);
        if collection == Collection::Jobs && stored.fields.contains_key("darkroom") {
            let loaded = self.shared.read(stored).ok_or("its name is not an id")?.content?;
            let job = serde_json::to_value(&loaded.job).map_err(|error| error.to_string())?;
            let native =
                Fields::from_iter([("job".to_owned(), job), ("request".to_owned(), loaded.base.request.into())]);
            fields.insert("darkroom".to_owned(), Json::Object(native));
        }
        Ok(fields)
    }
}

fn id_of(stored: &Stored) -> &str {
    stored.name.rsplit('/').next().unwrap_or_default()
}
