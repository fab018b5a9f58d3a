//! Owns the taking over of other programs' documents: each commit holds some of them with the daily sums of their entries, so that
//! whatever breaks it off leaves sums that are those of the entries. Must not overwrite anything.

use std::collections::{BTreeSet, HashMap, VecDeque};

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, Write};
use firestore::gcloud_sdk::tonic::Code;

use super::super::StoreError;
use super::super::schema::{
    Collection, CostEntry, Fields, ImportOutcome, JobEntry, Record, costs_of, difference, entry_id, essence_of,
};
use super::client::Committed;
use super::document::Draft;
use super::doubt::Doubt;
use super::ledger::{self, COSTS, ChargeRow, OPEN};
use super::rollup::{self, Key};
use super::value::{self, map_of};
use super::{FirestoreStore, JOBS, errors, plain};
use crate::jobs::Job;
use crate::text::sanitize_line;

/// Documents in one commit; Firestore takes 500 writes and 10 MiB.
const AT_ONCE: usize = 400;
const BYTES_AT_ONCE: usize = 4_000_000;

/// Daily sums that one commit may move: each has up to three counters, and Firestore moves at most 500 of one document.
const SUMS_AT_ONCE: usize = 120;

/// How often it is judged anew because others wrote the same documents meanwhile.
const TRIES: usize = 8;

/// What is to be done with some records.
struct Plan {
    verdicts: Vec<ImportOutcome>,
    writes: Vec<Write>,
}

/// An entry of the books, as it stands there or is about to.
struct Booked {
    row: ChargeRow,
    /// `None` for one that cannot be read, or that is no cost yet.
    essence: Option<Fields>,
}

/// What is in the store, and what this commit adds to it.
#[derive(Default)]
struct Known {
    documents: HashMap<String, Document>,
    booked: HashMap<String, Booked>,
    jobs: HashMap<String, Job>,
    taken_back: Vec<ChargeRow>,
    added: Vec<ChargeRow>,
    writes: Vec<Write>,
}

impl FirestoreStore {
    pub(super) async fn take_over(&self, records: &[Record], dry_run: bool) -> Result<Vec<ImportOutcome>, StoreError> {
        let mut verdicts = Vec::with_capacity(records.len());
        let mut portions = portions(records);
        while let Some(some) = portions.pop_front() {
            match self.take_over_some(some, dry_run).await? {
                Ok(some) => verdicts.extend(some),
                Err(why) if some.len() == 1 => verdicts.push(ImportOutcome::Refused(why)),
                // The server does not say which of them it does not take.
                Err(_) => {
                    let (left, right) = some.split_at(some.len() / 2);
                    portions.push_front(right);
                    portions.push_front(left);
                }
            }
        }
        Ok(verdicts)
    }

    /// The inner error: why the server does not take one of them.
    async fn take_over_some(
        &self,
        records: &[Record],
        dry_run: bool,
    ) -> Result<Result<Vec<ImportOutcome>, String>, StoreError> {
        let mut doubt = Doubt::default();
        for _ in 0..TRIES {
            let plan = self.plan(records).await?;
            if dry_run || plan.writes.is_empty() {
                return Ok(Ok(plan.verdicts));
            }
            match self.shared.client.send(plan.writes).await? {
                Committed::Done(_) => return Ok(Ok(plan.verdicts)),
                Committed::Refused(status) => match status.code() {
                    // Somebody else wrote one of them, or the same sums, since they were looked for.
                    Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => {}
                    Code::InvalidArgument => return Ok(Err(sanitize_line(status.message(), 200))),
                    _ => return Err(errors::of_status(&status)),
                },
                // Carried out or not: the next look tells.
                Committed::Unknown(_) => {}
            }
            doubt.pause().await;
        }
        Err(StoreError::Unavailable("others write the same documents without pause".to_owned()))
    }

    async fn plan(&self, records: &[Record]) -> Result<Plan, StoreError> {
        let mut known = self.look_up(records).await?;
        let mut verdicts = Vec::with_capacity(records.len());
        for record in records {
            verdicts.push(match record {
                Record::Cost(entry) => self.plan_cost(&mut known, entry),
                Record::Job(entry) => self.plan_job(&mut known, entry),
            });
        }
        let mut writes = known.writes;
        writes.extend(self.write_sums(rollup::changes(&known.taken_back, &known.added), None, None));
        Ok(Plan { verdicts, writes })
    }

    /// One read for each document that could be there, the jobs and entries that belong together included.
    async fn look_up(&self, records: &[Record]) -> Result<Known, StoreError> {
        let name = |collection: &str, id: &str| self.shared.client.name(collection, id);
        let mut names = BTreeSet::new();
        for record in records {
            names.insert(name(record.collection().as_str(), record.id()));
            match record {
                Record::Cost(entry)
                    if entry.attempt.is_some() && crate::jobs::JobId::new(entry.job_id.as_str()).is_ok() =>
                {
                    names.insert(name(JOBS, &entry.job_id));
                }
                Record::Job(entry) if entry.own => {
                    for row in ledger::rows_of(&entry.job) {
                        names.insert(name(row.collection(), &entry_id(entry.id.as_str(), row.attempt, row.service)));
                    }
                }
                Record::Cost(_) | Record::Job(_) => {}
            }
        }
        let mut known = Known::default();
        for document in self.shared.client.get(names.into_iter().collect()).await? {
            let (path, id) = document.name.rsplit_once('/').unwrap_or_default();
            if path.ends_with(JOBS) && document.fields.contains_key("darkroom") {
                if let Some(Ok(read)) = self.shared.read(&document).map(|reading| reading.content) {
                    known.jobs.insert(id.to_owned(), read.job);
                }
            } else if (path.ends_with(COSTS) || path.ends_with(OPEN))
                && let Ok((_, row)) = ledger::read_entry(&document)
            {
                let essence =
                    CostEntry::read(Some(id), plain::told(&document.fields)).ok().map(|entry| entry.essence());
                known.booked.insert(document.name.clone(), Booked { row, essence });
            }
            known.documents.insert(document.name.clone(), document);
        }
        Ok(known)
    }

    fn plan_cost(&self, known: &mut Known, entry: &CostEntry) -> ImportOutcome {
        let name = self.shared.client.name(COSTS, &entry.id);
        let essence = entry.essence();
        if let Some(booked) = known.booked.get(&name) {
            return judge(booked.essence.as_ref(), &essence);
        }
        if known.documents.contains_key(&name) {
            return judge(None, &essence);
        }
        let document = Document { name: name.clone(), fields: plain::typed(&entry.fields), ..Default::default() };
        let mut row = match ledger::read_entry(&document) {
            Ok((_, row)) => row,
            Err(why) => return ImportOutcome::Refused(why),
        };
        if let Some(job) = known.jobs.get(&entry.job_id).filter(|_| entry.attempt.is_some()) {
            let Some(own) = costs_of(job).into_iter().find(|own| own.id == entry.id) else {
                return ImportOutcome::Refused("its job is here and knows nothing of this charge".to_owned());
            };
            if let ImportOutcome::Refused(why) = judge(Some(&own.essence()), &essence) {
                return ImportOutcome::Refused(why);
            }
            if let Some(attempt) = job.attempts.iter().find(|attempt| Some(attempt.number) == entry.attempt) {
                ledger::cause_of(attempt).clone_into(&mut row.cause);
            }
        }
        known.writes.push(creation(document));
        known.added.push(row.clone());
        known.booked.insert(name, Booked { row, essence: Some(essence) });
        ImportOutcome::New
    }

    fn plan_job(&self, known: &mut Known, entry: &JobEntry) -> ImportOutcome {
        let name = self.shared.client.name(JOBS, entry.id.as_str());
        if let Some(stored) = known.documents.get(&name) {
            return match self.told(Collection::Jobs, stored) {
                Ok(fields) => judge(Some(&essence_of(&fields)), &entry.essence()),
                Err(_) => ImportOutcome::Refused("there is a job of that id that cannot be read".to_owned()),
            };
        }
        let mut fields = plain::typed(&entry.fields);
        if entry.own {
            match own_map(entry) {
                Ok(ours) => _ = fields.insert("darkroom".to_owned(), ours),
                Err(error) => return ImportOutcome::Refused(error.to_string()),
            }
            if let Err(why) = self.bring_charges(known, &entry.job) {
                return ImportOutcome::Refused(why);
            }
            known.jobs.insert(entry.id.as_str().to_owned(), entry.job.clone());
        }
        known.writes.push(creation(Document { name, fields, ..Default::default() }));
        ImportOutcome::New
    }

    /// The charges of darkroom's own job: booked, or, where its entries came before it, counted from here on as the job says.
    fn bring_charges(&self, known: &mut Known, job: &Job) -> Result<(), String> {
        let rows = ledger::rows_of(job);
        let told = costs_of(job);
        let mut missing = Vec::new();
        let mut counted_anew = Vec::new();
        for row in rows {
            let id = entry_id(job.id.as_str(), row.attempt, row.service);
            let name = self.shared.client.name(row.collection(), &id);
            let Some(booked) = known.booked.get(&name) else {
                if known.documents.contains_key(&name) {
                    return Err(format!("entry {id} of its costs cannot be read"));
                }
                missing.push((name, row));
                continue;
            };
            if let Some(own) = told.iter().find(|own| own.id == id)
                && let ImportOutcome::Refused(why) = judge(booked.essence.as_ref(), &own.essence())
            {
                return Err(format!("entry {id} of its costs differs: {why}"));
            }
            counted_anew.push((name, row));
        }
        for (name, row) in counted_anew {
            if let Some(booked) = known.booked.get_mut(&name) {
                known.taken_back.push(std::mem::replace(&mut booked.row, row.clone()));
                known.added.push(row);
            }
        }
        for (name, row) in missing {
            known.writes.extend(self.write_entries(job, &ledger::entries(job, &[], std::slice::from_ref(&row))));
            known.added.push(row.clone());
            let essence = told.iter().find(|own| name.ends_with(&format!("/{}", own.id))).map(CostEntry::essence);
            known.booked.insert(name, Booked { row, essence });
        }
        Ok(())
    }
}

/// What darkroom keeps of its own job, made anew from the job itself.
fn own_map(entry: &JobEntry) -> Result<value::Value, StoreError> {
    let draft = Draft::new(&entry.job)?;
    let mut ours = map_of(&draft.fields, "darkroom").cloned().unwrap_or_default();
    let followed = entry.fields.get("darkroom").and_then(|ours| ours.get("request")).and_then(|text| text.as_str());
    // The wish that the job follows: that of the document, unless the file knows better.
    let request = followed.map_or_else(|| super::document::fingerprint(&plain::typed(&entry.fields)), str::to_owned);
    ours.insert("request".to_owned(), value::text(request));
    Ok(value::map(ours))
}

fn judge(stored: Option<&Fields>, given: &Fields) -> ImportOutcome {
    match stored.map(|stored| difference(stored, given)) {
        Some(None) => ImportOutcome::Same,
        Some(Some(why)) => ImportOutcome::Refused(format!("the store has another: {why}")),
        None => ImportOutcome::Refused("there is an entry of that id that cannot be read".to_owned()),
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

/// As many at once as one commit takes.
fn portions(records: &[Record]) -> VecDeque<&[Record]> {
    let mut portions = VecDeque::new();
    let (mut begin, mut bytes) = (0, 0);
    let mut sums: BTreeSet<(bool, Key)> = BTreeSet::new();
    for (index, record) in records.iter().enumerate() {
        let size = size_of(record);
        let moved = sums_of(record);
        let more = moved.iter().filter(|key| !sums.contains(*key)).count();
        let full = index - begin >= AT_ONCE || bytes + size > BYTES_AT_ONCE || sums.len() + more > SUMS_AT_ONCE;
        if full && index > begin {
            portions.push_back(&records[begin..index]);
            begin = index;
            bytes = 0;
            sums.clear();
        }
        bytes += size;
        sums.extend(moved);
    }
    if begin < records.len() {
        portions.push_back(&records[begin..]);
    }
    portions
}

fn size_of(record: &Record) -> usize {
    use firestore::gcloud_sdk::prost::Message;
    plain::typed(record.fields()).values().map(Message::encoded_len).sum()
}

/// The daily sums that a record may move.
fn sums_of(record: &Record) -> Vec<(bool, Key)> {
    let rows = match record {
        Record::Cost(entry) => {
            let document = Document { fields: plain::typed(&entry.fields), ..Default::default() };
            ledger::read_entry(&document).map(|(_, row)| vec![row]).unwrap_or_default()
        }
        Record::Job(entry) if entry.own => ledger::rows_of(&entry.job),
        Record::Job(_) => Vec::new(),
    };
    rows.iter().map(|row| (row.simulated, Key::of(row))).collect()
}
