//! What a takeover has to know of the documents of other programs. Reads only, and no more than a few thousand documents.

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::jobs::{Job, JobId, StageName};
use crate::store::firestore::connection::query::{CREATED_AT, MAX_ACTIVE, Query};
use crate::store::firestore::documents::{self, Defaults, value};
use crate::store::firestore::ledger::entries::{COSTS, is_foreign_charge};
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::{self, Status};
use crate::store::{DefaultChoices, DocumentCount, FormerDefaults, StoreError, StoreInspection};

/// The newest documents that show the former defaults, and the newest charges.
const NEWEST: usize = 200;

impl FirestoreStore {
    pub(crate) async fn inspect_documents(&self, choices: &DefaultChoices) -> Result<StoreInspection, StoreError> {
        let client = &self.shared.client;
        let (settings, revision) = self.read_settings().await?;
        let newest = client.query(Query::of(JOBS).order(CREATED_AT, true).limit(NEWEST).build()).await?;
        let newest: Vec<&Document> = newest.iter().filter(|document| !is_native(document)).collect();
        let former_defaults = FormerDefaults::of(newest.iter().copied().filter_map(result_of), |name| {
            schema::catalog_model(name).map(|model| model.name.clone())
        });
        let mut next_settings = settings.clone();
        let (model, format) = (settings.default_model.as_ref(), settings.default_output_format.as_ref());
        // The history counts at the takeover only: afterwards what was not chosen stays as it is.
        let former = Some(&former_defaults).filter(|_| settings.ownership.is_none());
        next_settings.default_model = choices.model.resolve(model, former.and_then(|former| former.model.as_ref()));
        next_settings.default_output_format =
            choices.output_format.resolve(format, former.and_then(|former| former.output_format.as_ref()));
        let defaults = Defaults { hold_external: false, ..self.shared.defaults_with(&next_settings) };

        let status = |status: Status| Query::of(JOBS).equal("status", value::text(status.as_str()));
        let pending = client.query(status(Status::Pending).limit(MAX_ACTIVE).build()).await?;
        let waiting_count = client.count(status(Status::Pending).build()).await?;
        let (mut waiting, unreadable) = read_all(&pending, &defaults);
        waiting.retain(|job| job.stage_name() == StageName::Queued);
        waiting.sort_by(|left, right| (left.created_at, &left.id).cmp(&(right.created_at, &right.id)));
        let processing = client.query(status(Status::Processing).limit(MAX_ACTIVE).build()).await?;
        let (mut in_progress, _) = read_all(&processing, &defaults);
        in_progress.retain(Job::is_with_another_backend);
        let results = newest.iter().filter(|document| is_result(document)).filter_map(|document| updated_at(document));
        let last_write = results.chain(in_progress.iter().map(|job| job.updated_at)).max();

        let charges = client.query(Query::of(COSTS).order("timestamp", true).limit(NEWEST).build()).await?;
        let foreign = charges.iter().filter(|charge| is_foreign_charge(&charge.fields));
        let last_charge = foreign.filter_map(|charge| value::time_of(&charge.fields, "timestamp")).max();
        let (jobs, costs) = (self.count_jobs().await?, self.count_costs().await?);
        Ok(StoreInspection {
            settings,
            next_settings,
            revision,
            jobs,
            costs,
            former_defaults,
            waiting,
            waiting_count,
            unreadable,
            in_progress,
            last_write,
            last_charge,
        })
    }

    /// The documents of `jobs`.
    pub(crate) async fn count_jobs(&self) -> Result<DocumentCount, StoreError> {
        self.count_documents(JOBS, "darkroom.stage").await
    }

    /// The entries of `costs`.
    pub(crate) async fn count_costs(&self) -> Result<DocumentCount, StoreError> {
        self.count_documents(COSTS, "details.basis").await
    }

    async fn count_documents(&self, collection: &str, own_field: &str) -> Result<DocumentCount, StoreError> {
        let client = &self.shared.client;
        // First the smaller one: a document that is written in between must not hide one of another program.
        let own = client.count(Query::of(collection).at_least(own_field, value::text("")).build()).await?;
        let all = client.count(Query::of(collection).build()).await?;
        Ok(DocumentCount { all, own })
    }
}

fn is_native(document: &Document) -> bool {
    document.fields.contains_key("darkroom")
}

/// Whether a backend has finished with the document and no reviewer has changed it since.
fn is_result(document: &Document) -> bool {
    let status = value::text_of(&document.fields, "status");
    [Status::Review, Status::Error].iter().any(|result| status == Some(result.as_str()))
}

fn updated_at(document: &Document) -> Option<DateTime<Utc>> {
    document.update_time.as_ref().and_then(value::instant)
}

/// The model of a request that named none, and the address of its image; `None` where no backend has worked on it.
fn result_of(document: &Document) -> Option<(Option<&str>, Option<&str>)> {
    let text = |name: &str| value::text_of(&document.fields, name).filter(|text| !text.trim().is_empty());
    let model = text("bfl_model").filter(|_| text("model").is_none());
    let url = text("generatedImageUrl");
    (model.is_some() || url.is_some()).then_some((model, url))
}

/// The jobs, and the documents that cannot be read.
fn read_all(documents: &[Document], defaults: &Defaults) -> (Vec<Job>, Vec<(JobId, String)>) {
    let (mut jobs, mut unreadable) = (Vec::new(), Vec::new());
    for parsed in documents.iter().filter_map(|document| documents::parse(document, defaults)) {
        match parsed.content {
            Ok(loaded) => jobs.push(loaded.job),
            Err(reason) => unreadable.push((parsed.id, reason)),
        }
    }
    (jobs, unreadable)
}
