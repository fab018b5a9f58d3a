//! Owns the paging through the shared collections, document by document as the data contract's files carry them. Must not write.

use firestore::gcloud_sdk::google::firestore::v1::Document as Stored;
use serde_json::Value as Json;

use super::super::StoreError;
use super::super::schema::{Collection, Document, ExportPage, ExportQuery, Fields, time_in, time_text};
use super::ledger::COSTS;
use super::query::{NAME, Query};
use super::{FirestoreStore, JOBS, plain, value};

impl Collection {
    /// Its name, and the field that says when.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Jobs => (JOBS, "createdAt"),
            Self::Costs => (COSTS, "timestamp"),
        }
    }
}

impl FirestoreStore {
    /// One read for each document. By id where all are wanted (so documents without a time are among them), else by time.
    pub(super) async fn export_page(&self, query: &ExportQuery) -> Result<ExportPage, StoreError> {
        let (collection, time) = query.collection.place();
        let reference = |id: &str| value::reference(self.shared.client.name(collection, id));
        let by_time = query.from.is_some() || query.to.is_some();
        let mut question = Query::of(collection).limit(query.limit);
        if let Some(from) = query.from {
            question = question.at_least(time, value::time(from));
        }
        if let Some(to) = query.to {
            question = question.less_than(time, value::time(to));
        }
        if by_time {
            question = question.order(time, false);
        }
        question = question.order(NAME, false);
        if let Some(after) = &query.after {
            let values = match after.split_once(' ').filter(|_| by_time) {
                Some((at, id)) => vec![value::time(time_in(at).unwrap_or_default()), reference(id)],
                None => vec![reference(after)],
            };
            question = question.behind(values);
        }
        let found = self.shared.client.query(question.build()).await?;
        let last = found.last().filter(|_| found.len() >= query.limit);
        let next = last.map(|last| match value::time_of(&last.fields, time).filter(|_| by_time) {
            Some(at) => format!("{} {}", time_text(at), id_of(last)),
            None => id_of(last).to_owned(),
        });
        let mut page = ExportPage { documents: Vec::new(), next, passed_over: Vec::new() };
        for stored in &found {
            let id = id_of(stored).to_owned();
            match self.told(query.collection, stored) {
                Ok(fields) => page.documents.push(Document { id, fields }),
                Err(reason) => page.passed_over.push((id, reason)),
            }
        }
        Ok(page)
    }

    /// The document as a file carries it. Errors: one clean line for one that darkroom wrote and cannot read.
    pub(super) fn told(&self, collection: Collection, stored: &Stored) -> Result<Fields, String> {
        let mut fields = plain::told(&stored.fields);
        if collection == Collection::Jobs && stored.fields.contains_key("darkroom") {
            let known = self.shared.read(stored).ok_or("it has no id")?.content?;
            let job = serde_json::to_value(&known.job).map_err(|error| error.to_string())?;
            let ours = Fields::from_iter([("job".to_owned(), job), ("request".to_owned(), known.base.request.into())]);
            fields.insert("darkroom".to_owned(), Json::Object(ours));
        }
        Ok(fields)
    }
}

fn id_of(stored: &Stored) -> &str {
    stored.name.rsplit('/').next().unwrap_or_default()
}
