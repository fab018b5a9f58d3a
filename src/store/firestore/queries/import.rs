//! Import: each commit holds some documents with the rollups of their entries, so that an interruption at any point leaves rollups
//! that equal the entries. Nothing is overwritten.

use std::collections::{BTreeSet, HashMap, VecDeque};

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, Write};
use firestore::gcloud_sdk::prost::Message;
use firestore::gcloud_sdk::tonic::Code;

use crate::jobs::{Job, JobId};
use crate::store::StoreError;
use crate::store::charges::{ChargeRow, cause_of, charges_of};
use crate::store::firestore::connection::ambiguous_commit::AmbiguousCommit;
use crate::store::firestore::connection::client::CommitOutcome;
use crate::store::firestore::connection::errors;
use crate::store::firestore::documents::value::{self, map_of};
use crate::store::firestore::documents::{DocumentWrite, json};
use crate::store::firestore::ledger::entries::{COSTS, OPEN_CHARGES, collection_of, diff_entries, parse_entry};
use crate::store::firestore::ledger::rollup::{self, Key};
use crate::store::firestore::ledger::writes::{write_entries, write_rollups};
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::{
    self, Collection, CostEntry, Fields, ImportOutcome, JobEntry, Record, certain_already, charge_id, difference,
    encode_costs, ids_of_uncertain,
};
use crate::text::sanitize_line;

/// Documents in one commit; Firestore takes 500 writes and 10 MiB.
const BATCH_SIZE: usize = 400;
const BATCH_BYTES: usize = 4_000_000;

/// Rollups that one commit may move: each has up to three counters, and Firestore moves at most 500 of one document.
const BATCH_ROLLUPS: usize = 120;

/// Attempts while other processes write the same documents.
const MAX_ATTEMPTS: usize = 8;

/// In the map `darkroom` of an imported job: the ids of the entries that stood for its charges before. An undo of the import leaves
/// them.
pub(super) const FOUND_ENTRIES: &str = "found_entries";

/// What is to be done with batch records.
struct Plan {
    outcomes: Vec<ImportOutcome>,
    writes: Vec<Write>,
}

/// An entry of the ledger, stored or about to be.
struct ExistingCharge {
    row: ChargeRow,
    /// `None` for one that cannot be read, or that is no cost yet.
    canonical: Option<Fields>,
}

/// What is in the store, and what this commit adds to it.
#[derive(Default)]
struct ExistingRecords {
    documents: HashMap<String, Document>,
    charges: HashMap<String, ExistingCharge>,
    jobs: HashMap<String, Job>,
    removed: Vec<ChargeRow>,
    added: Vec<ChargeRow>,
    writes: Vec<Write>,
}

impl FirestoreStore {
    pub(crate) async fn import_records(
        &self,
        records: &[Record],
        dry_run: bool,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(records.len());
        let mut batches = batches(records);
        while let Some(batch) = batches.pop_front() {
            match self.import_batch(batch, dry_run).await? {
                Ok(batch) => outcomes.extend(batch),
                Err(why) if batch.len() == 1 => outcomes.push(ImportOutcome::Rejected(why)),
                // The server does not report which of them it rejects.
                Err(_) => {
                    let (left, right) = batch.split_at(batch.len() / 2);
                    batches.push_front(right);
                    batches.push_front(left);
                }
            }
        }
        Ok(outcomes)
    }

    /// The inner error: why the server rejects one of them.
    async fn import_batch(
        &self,
        records: &[Record],
        dry_run: bool,
    ) -> Result<Result<Vec<ImportOutcome>, String>, StoreError> {
        let mut ambiguous = AmbiguousCommit::default();
        let mut first: Option<Vec<ImportOutcome>> = None;
        for _ in 0..MAX_ATTEMPTS {
            let mut plan = self.plan(records).await?;
            // What an unacknowledged attempt created exists by now: an undo must find that this import wrote it.
            for (outcome, before) in plan.outcomes.iter_mut().zip(first.iter().flatten()) {
                if (&*outcome, before) == (&ImportOutcome::Unchanged, &ImportOutcome::Created) {
                    *outcome = ImportOutcome::Created;
                }
            }
            if dry_run || plan.writes.is_empty() {
                return Ok(Ok(plan.outcomes));
            }
            match self.shared.client.commit_once(plan.writes).await? {
                CommitOutcome::Committed(_) => return Ok(Ok(plan.outcomes)),
                CommitOutcome::Rejected(status) => match status.code() {
                    // Another process wrote one of them, or the same rollups, since they were read.
                    Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => {}
                    Code::InvalidArgument => return Ok(Err(sanitize_line(status.message(), 200))),
                    _ => return Err(errors::of_status(&status)),
                },
                // Committed or not: the next plan finds out.
                CommitOutcome::Unknown(_) => {
                    first.get_or_insert(plan.outcomes);
                }
            }
            ambiguous.pause().await;
        }
        Err(StoreError::Unavailable("gave up after repeated write contention".to_owned()))
    }

    async fn plan(&self, records: &[Record]) -> Result<Plan, StoreError> {
        let mut existing = self.load_existing(records).await?;
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            outcomes.push(match record {
                Record::Cost(entry) => self.plan_cost(&mut existing, entry),
                Record::Job(entry) => self.plan_job(&mut existing, entry),
            });
        }
        let mut writes = existing.writes;
        writes.extend(write_rollups(
            &self.shared.client,
            rollup::changes(&existing.removed, &existing.added),
            None,
            None,
        ));
        Ok(Plan { outcomes, writes })
    }

    /// One read for each document that could be there, the jobs and entries that belong together included.
    async fn load_existing(&self, records: &[Record]) -> Result<ExistingRecords, StoreError> {
        let name = |collection: &str, id: &str| self.shared.client.name(collection, id);
        let mut names = BTreeSet::new();
        for record in records {
            names.insert(name(record.collection().as_str(), record.id()));
            match record {
                Record::Cost(entry) if entry.attempt.is_some() && JobId::new(entry.job_id.as_str()).is_ok() => {
                    names.insert(name(JOBS, &entry.job_id));
                    names.insert(name(OPEN_CHARGES, &entry.id));
                }
                Record::Job(entry) if entry.is_native => {
                    for row in charges_of(&entry.job) {
                        names
                            .insert(name(collection_of(&row), &charge_id(entry.id.as_str(), row.attempt, row.service)));
                    }
                    names.extend(ids_of_uncertain(&entry.job).iter().map(|id| name(COSTS, id)));
                }
                Record::Cost(_) | Record::Job(_) => {}
            }
        }
        let mut existing = ExistingRecords::default();
        for document in self.shared.client.get(names.into_iter().collect()).await? {
            let (path, id) = document.name.rsplit_once('/').unwrap_or_default();
            if path.ends_with(JOBS) && document.fields.contains_key("darkroom") {
                if let Some(Ok(read)) = self.shared.read(&document).map(|reading| reading.content) {
                    existing.jobs.insert(id.to_owned(), read.job);
                }
            } else if (path.ends_with(COSTS) || path.ends_with(OPEN_CHARGES))
                && let Ok((_, row)) = parse_entry(&document)
            {
                let canonical = CostEntry::read(Some(id), json::to_json(&document.fields))
                    .ok()
                    .map(|entry| entry.canonical_fields());
                existing.charges.insert(document.name.clone(), ExistingCharge { row, canonical });
            }
            existing.documents.insert(document.name.clone(), document);
        }
        Ok(existing)
    }

    fn plan_cost(&self, existing: &mut ExistingRecords, entry: &CostEntry) -> ImportOutcome {
        let name = self.shared.client.name(COSTS, &entry.id);
        let canonical = entry.canonical_fields();
        if let Some(charge) = existing.charges.get(&name) {
            return compare(charge.canonical.as_ref(), &canonical);
        }
        if existing.documents.contains_key(&name) {
            return compare(None, &canonical);
        }
        let open = self.shared.client.name(OPEN_CHARGES, &entry.id);
        if !existing.jobs.contains_key(&entry.job_id) && existing.documents.contains_key(&open) {
            return ImportOutcome::Rejected("an uncertain charge of that id is stored".to_owned());
        }
        let document = Document { name: name.clone(), fields: json::from_json(&entry.fields), ..Default::default() };
        let mut row = entry.row();
        if let Some(job) = existing.jobs.get(&entry.job_id).filter(|_| entry.attempt.is_some()) {
            let Some(own) = encode_costs(job).into_iter().find(|own| own.id == entry.id) else {
                return ImportOutcome::Rejected("its job is stored without this charge".to_owned());
            };
            if let ImportOutcome::Rejected(why) = compare(Some(&own.canonical_fields()), &canonical) {
                return ImportOutcome::Rejected(why);
            }
            if let Some(attempt) = job.attempts.iter().find(|attempt| Some(attempt.number) == entry.attempt) {
                cause_of(attempt).clone_into(&mut row.cause);
            }
        }
        existing.writes.push(creation(document));
        existing.added.push(row.clone());
        existing.charges.insert(name, ExistingCharge { row, canonical: Some(canonical) });
        ImportOutcome::Created
    }

    fn plan_job(&self, existing: &mut ExistingRecords, entry: &JobEntry) -> ImportOutcome {
        let name = self.shared.client.name(JOBS, entry.id.as_str());
        if let Some(stored) = existing.documents.get(&name) {
            return match self.export_document(Collection::Jobs, stored) {
                Ok(fields) => compare(Some(&schema::canonical_job(&fields)), &entry.canonical_fields()),
                Err(_) => ImportOutcome::Rejected("the stored job of that id cannot be read".to_owned()),
            };
        }
        let mut fields = json::from_json(&entry.fields);
        if entry.is_native {
            let mut native = match native_map(entry) {
                Ok(native) => native,
                Err(error) => return ImportOutcome::Rejected(error.to_string()),
            };
            match self.import_charges(existing, &entry.job) {
                Ok(found) if found.is_empty() => {}
                Ok(found) => {
                    let ids = found.into_iter().map(value::text).collect();
                    native.insert(FOUND_ENTRIES.to_owned(), value::list(ids));
                }
                Err(why) => return ImportOutcome::Rejected(why),
            }
            fields.insert("darkroom".to_owned(), value::map(native));
            existing.jobs.insert(entry.id.as_str().to_owned(), entry.job.clone());
        }
        existing.writes.push(creation(Document { name, fields, ..Default::default() }));
        ImportOutcome::Created
    }

    /// The charges of darkroom's own job: recorded, or, where its entries were imported before it, counted from now on under the job's
    /// causes. Returns the ids of these entries.
    fn import_charges(&self, existing: &mut ExistingRecords, job: &Job) -> Result<Vec<String>, String> {
        let rows = charges_of(job);
        let own_entries = encode_costs(job);
        let is_stored = |id: &String| {
            let name = self.shared.client.name(COSTS, id);
            existing.documents.contains_key(&name) || existing.charges.contains_key(&name)
        };
        if let Some(id) = ids_of_uncertain(job).iter().find(|id| is_stored(id)) {
            return Err(certain_already(id));
        }
        let mut missing = Vec::new();
        let (mut replaced, mut found) = (Vec::new(), Vec::new());
        for row in rows {
            let id = charge_id(job.id.as_str(), row.attempt, row.service);
            let name = self.shared.client.name(collection_of(&row), &id);
            let Some(charge) = existing.charges.get(&name) else {
                if existing.documents.contains_key(&name) {
                    return Err(format!("entry {id} of its costs cannot be read"));
                }
                missing.push((name, row));
                continue;
            };
            if let Some(own) = own_entries.iter().find(|own| own.id == id)
                && let ImportOutcome::Rejected(why) = compare(charge.canonical.as_ref(), &own.canonical_fields())
            {
                return Err(format!("entry {id} of its costs differs: {why}"));
            }
            replaced.push((name, row));
            found.push(id);
        }
        for (name, row) in replaced {
            if let Some(charge) = existing.charges.get_mut(&name) {
                existing.removed.push(std::mem::replace(&mut charge.row, row.clone()));
                existing.added.push(row);
            }
        }
        for (name, row) in missing {
            existing.writes.extend(write_entries(
                &self.shared.client,
                job,
                &diff_entries(job, &[], std::slice::from_ref(&row)),
            ));
            existing.added.push(row.clone());
            let canonical =
                own_entries.iter().find(|own| name.ends_with(&format!("/{}", own.id))).map(CostEntry::canonical_fields);
            existing.charges.insert(name, ExistingCharge { row, canonical });
        }
        Ok(found)
    }
}

/// The map `darkroom` of the job, created from the job itself.
fn native_map(entry: &JobEntry) -> Result<value::Fields, StoreError> {
    let write = DocumentWrite::new(&entry.job)?;
    let mut native = map_of(&write.fields, "darkroom").cloned().unwrap_or_default();
    let followed = entry.fields.get("darkroom").and_then(|native| native.get("request")).and_then(|text| text.as_str());
    // The request that the job follows: that of the document, unless the file names another.
    let request = followed.map_or_else(|| schema::request_digest(&entry.fields), str::to_owned);
    native.insert("request".to_owned(), value::text(request));
    Ok(native)
}

fn compare(stored: Option<&Fields>, given: &Fields) -> ImportOutcome {
    match stored.map(|stored| difference(stored, given)) {
        Some(None) => ImportOutcome::Unchanged,
        Some(Some(why)) => ImportOutcome::Rejected(format!("differs from the stored one: {why}")),
        None => ImportOutcome::Rejected("the stored entry of that id cannot be read".to_owned()),
    }
}

fn creation(document: Document) -> Write {
    let condition_type = Some(ConditionType::Exists(false));
    Write {
        current_document: Some(Precondition { condition_type }),
        operation: Some(Operation::Update(document)),
        ..Default::default()
    }
}

/// As many records at once as one commit takes.
fn batches(records: &[Record]) -> VecDeque<&[Record]> {
    let mut batches = VecDeque::new();
    let (mut begin, mut bytes) = (0, 0);
    let mut rollups: BTreeSet<(bool, Key)> = BTreeSet::new();
    for (index, record) in records.iter().enumerate() {
        let size = size_of(record);
        let moved = rollups_of(record);
        let more = moved.iter().filter(|key| !rollups.contains(*key)).count();
        let full = index - begin >= BATCH_SIZE || bytes + size > BATCH_BYTES || rollups.len() + more > BATCH_ROLLUPS;
        if full && index > begin {
            batches.push_back(&records[begin..index]);
            begin = index;
            bytes = 0;
            rollups.clear();
        }
        bytes += size;
        rollups.extend(moved);
    }
    if begin < records.len() {
        batches.push_back(&records[begin..]);
    }
    batches
}

fn size_of(record: &Record) -> usize {
    json::from_json(record.fields()).values().map(Message::encoded_len).sum()
}

/// The rollups that a record may move.
fn rollups_of(record: &Record) -> Vec<(bool, Key)> {
    let rows = match record {
        Record::Cost(entry) => vec![entry.row()],
        Record::Job(entry) if entry.is_native => charges_of(&entry.job),
        Record::Job(_) => Vec::new(),
    };
    rows.iter().flat_map(|row| Key::all_of(row).into_iter().map(|key| (row.simulated, key))).collect()
}
