//! Imports documents inside a transaction of the writer, or checks them on a read-only connection (`--dry-run`). Never overwrites.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::StoreError;
use super::super::schema::{
    Collection, CostEntry, ENTRY_OF_STORED_JOB, Fields, ImportOutcome, ImportedDocument, JobEntry, Record,
    RemoveOutcome, canonical_job, certain_already, difference, encode_costs, ids_of_uncertain,
};
use super::row::Row;
use super::save::{self, Sequence};
use super::{export, ledger, removal};
use crate::jobs::JobId;

/// One verdict for each record. Without a sequence nothing is written.
pub(super) fn import(
    connection: &Connection,
    records: &[Record],
    mut sequence: Option<&mut Sequence>,
) -> Result<Vec<ImportOutcome>, StoreError> {
    let mut verdicts = Vec::with_capacity(records.len());
    for record in records {
        verdicts.push(match record {
            Record::Cost(entry) => cost(connection, entry, sequence.is_some())?,
            Record::Job(entry) => job(connection, entry, sequence.as_deref_mut())?,
        });
    }
    Ok(verdicts)
}

fn cost(connection: &Connection, entry: &CostEntry, write: bool) -> Result<ImportOutcome, StoreError> {
    if let Some(stored) = stored_cost(connection, &entry.id)? {
        return Ok(judge(&stored, &entry.canonical_fields()));
    }
    if let Some(verdict) = own_cost(connection, entry)? {
        return Ok(verdict);
    }
    if write {
        ledger::insert_entry(connection, entry)?;
    }
    Ok(ImportOutcome::Created)
}

/// The outcome for an entry of darkroom itself whose job exists here: the job's charge is recorded already.
fn own_cost(connection: &Connection, entry: &CostEntry) -> Result<Option<ImportOutcome>, StoreError> {
    let Some(id) = entry.attempt.and_then(|_| JobId::new(entry.job_id.as_str()).ok()) else { return Ok(None) };
    let Some(stored) = export::stored_job(connection, &id)? else { return Ok(None) };
    let Ok((job, fields)) = stored else {
        return Ok(Some(ImportOutcome::Rejected("its job is here and cannot be read".to_owned())));
    };
    // The document of another program, such as one that replaced darkroom's: it has no charges of its own, its entries are the charges.
    if !fields.contains_key("darkroom") {
        return Ok(None);
    }
    let own = encode_costs(&job).into_iter().find(|own| own.id == entry.id);
    Ok(Some(match own {
        Some(own) => judge(&own.canonical_fields(), &entry.canonical_fields()),
        None => ImportOutcome::Rejected("its job is here and knows nothing of this charge".to_owned()),
    }))
}

fn job(
    connection: &Connection,
    entry: &JobEntry,
    sequence: Option<&mut Sequence>,
) -> Result<ImportOutcome, StoreError> {
    match export::stored_job(connection, &entry.id)? {
        Some(Ok((_, fields))) => return Ok(judge(&canonical_job(&fields), &entry.canonical_fields())),
        Some(Err(_)) => return Ok(ImportOutcome::Rejected("there is a job of that id that cannot be read".to_owned())),
        None => {}
    }
    let row = match Row::of(&entry.job) {
        Ok(row) => row,
        Err(StoreError::Unreadable { reason, .. }) => return Ok(ImportOutcome::Rejected(reason)),
        Err(other) => return Err(other),
    };
    // Its own entries may have come before it: from here on the job itself stands for them.
    for own in encode_costs(&entry.job) {
        let Some(stored) = stored_cost(connection, &own.id)? else { continue };
        if let ImportOutcome::Rejected(why) = judge(&stored, &own.canonical_fields()) {
            return Ok(ImportOutcome::Rejected(format!("entry {} of its costs differs: {why}", own.id)));
        }
    }
    for id in ids_of_uncertain(&entry.job) {
        if stored_cost(connection, &id)?.is_some() {
            return Ok(ImportOutcome::Rejected(certain_already(&id)));
        }
    }
    if let Some(sequence) = sequence {
        ledger::keep_replaced_entries(connection, &row)?;
        save::create(connection, &row, sequence)?;
        connection
            .prepare_cached("INSERT INTO imported_jobs (id, document) VALUES (?1, ?2)")?
            .execute(params![entry.id.as_str(), serde_json::Value::Object(entry.fields.clone()).to_string()])?;
    }
    Ok(ImportOutcome::Created)
}

fn judge(stored: &Fields, given: &Fields) -> ImportOutcome {
    difference(stored, given)
        .map_or(ImportOutcome::Unchanged, |why| ImportOutcome::Rejected(format!("the store has another: {why}")))
}

/// The essence of the imported entry of that id.
fn stored_cost(connection: &Connection, id: &str) -> Result<Option<Fields>, StoreError> {
    let document: Option<String> = connection
        .prepare_cached("SELECT document FROM imported_costs WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    // One that cannot be read is like no other.
    Ok(document.map(|text| export::cost_in(id, &text).map(|entry| entry.canonical_fields()).unwrap_or_default()))
}

/// Removes the documents whose content is still the imported one. One outcome for each. Without a sequence nothing is removed.
pub(super) fn remove(
    connection: &Connection,
    documents: &[ImportedDocument],
    mut sequence: Option<&mut Sequence>,
) -> Result<Vec<RemoveOutcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(documents.len());
    for document in documents {
        let outcome = match document.collection {
            Collection::Costs => match stored_cost(connection, &document.id)? {
                Some(fields) => judge_removal(&fields, document),
                None if ledger::is_replaced(connection, &document.id)? => {
                    RemoveOutcome::Kept(ENTRY_OF_STORED_JOB.to_owned())
                }
                None => RemoveOutcome::Missing,
            },
            Collection::Jobs => {
                let stored = JobId::new(document.id.as_str()).ok().map(|id| export::stored_job(connection, &id));
                match stored.transpose()?.flatten() {
                    None => RemoveOutcome::Missing,
                    Some(Err(reason)) => RemoveOutcome::Kept(reason),
                    Some(Ok((_, fields))) => judge_removal(&canonical_job(&fields), document),
                }
            }
        };
        if let Some(sequence) = sequence.as_deref_mut().filter(|_| outcome == RemoveOutcome::Removed) {
            match document.collection {
                Collection::Costs => {
                    connection.prepare_cached("DELETE FROM imported_costs WHERE id = ?1")?.execute([&document.id])?;
                }
                Collection::Jobs => {
                    let replaced = ledger::replaced_entries(connection, &document.id)?;
                    removal::remove_job(connection, &document.id, sequence)?;
                    for (id, text) in replaced {
                        let entry = export::cost_in(&id, &text).map_err(StoreError::Unusable)?;
                        ledger::insert_entry(connection, &entry)?;
                    }
                }
            }
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn judge_removal(stored: &Fields, document: &ImportedDocument) -> RemoveOutcome {
    if ImportedDocument::digest_of(stored) == document.digest {
        RemoveOutcome::Removed
    } else {
        RemoveOutcome::Kept("it was changed since the import".to_owned())
    }
}
