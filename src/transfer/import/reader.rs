//! Reads a file into batches for the store: each record is a sound document, or rejected by its line.

use std::collections::{HashMap, HashSet};
use std::io;

use serde_json::Value;

use super::super::cells::{self, Column, NumberStyle};
use super::super::records::{Content, FileRecord, Heading, Input, ReadEnd, RecordSink, RejectedRow};
use crate::store::schema::{Collection, CostEntry, Defaults, Fields, JobEntry, Record};
use crate::text::sanitize_line;

/// Documents that are handed to the store at once.
const BATCH_SIZE: usize = 1_000;

/// The same in bytes of memory, roughly.
const BATCH_BYTES: usize = 4 << 20;

/// The keys of a JSON database.
const COLLECTIONS: &[&str] = &["jobs", "costs"];

/// How a file is read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// For documents that lack a model or a time.
    pub defaults: Defaults,
    /// Whether jobs that are queued or running are imported, too.
    pub active: bool,
    /// Whether numbers in CSV cells have a decimal comma.
    pub decimal_comma: bool,
}

/// Some documents of a file. No two have the same collection and id.
#[derive(Debug, Default)]
pub struct Batch {
    /// With the line of each.
    pub records: Vec<(u64, Record)>,
    /// The rows between them that are rejected.
    pub rejected: Vec<RejectedRow>,
    /// Keys of a JSON database that are neither jobs nor costs.
    pub ignored_keys: Vec<String>,
}

/// Reads the whole file and hands over each batch; ends early where `hand_over` returns false. Returns whether all of it was read.
pub fn read(input: Input, options: &ReadOptions, hand_over: &mut dyn FnMut(Batch) -> bool) -> io::Result<bool> {
    let mut reader = Reader {
        options,
        hand_over,
        batch: Batch::default(),
        bytes: 0,
        ids: HashSet::new(),
        duplicates: DuplicateCounter::default(),
        columns: Vec::new(),
        collection: Collection::Costs,
        style: NumberStyle { decimal_comma: options.decimal_comma, separator: ',' },
    };
    let end = input.read(COLLECTIONS, &mut reader)?;
    reader.flush();
    Ok(end == ReadEnd::Complete)
}

struct Reader<'a> {
    options: &'a ReadOptions,
    hand_over: &'a mut dyn FnMut(Batch) -> bool,
    batch: Batch,
    bytes: usize,
    ids: HashSet<(Collection, String)>,
    duplicates: DuplicateCounter,
    columns: Vec<Column>,
    /// What the rows of a CSV file are.
    collection: Collection,
    style: NumberStyle,
}

impl RecordSink for Reader<'_> {
    fn heading(&mut self, heading: &Heading) -> Result<(), String> {
        self.collection = cells::collection_of(&heading.names)?;
        self.columns = heading.names.iter().map(|name| Column::of(name, self.collection)).collect();
        self.style.separator = heading.separator;
        let duplicate = self.columns.iter().enumerate().find(|(index, column)| self.columns[..*index].contains(column));
        match duplicate {
            Some((_, column)) => Err(format!("the heading has {} twice", sanitize_line(&column.name(), 40))),
            None => Ok(()),
        }
    }

    fn record(&mut self, record: FileRecord) -> bool {
        let line = record.line;
        let read = record.content.and_then(|content| {
            self.bytes += size_of(&content);
            let read = self.document(content);
            read.map_err(|reason| RejectedRow::new(line, sanitize_line(&reason, 300)))
        });
        let document = match read {
            Ok(document) => document,
            Err(rejected) => {
                self.batch.rejected.push(rejected);
                return self.batch.rejected.len() < BATCH_SIZE || self.flush();
            }
        };
        let is_duplicate = !self.ids.insert((document.collection(), document.id().to_owned()));
        let is_full = self.batch.records.len() >= BATCH_SIZE || self.bytes > BATCH_BYTES;
        if is_duplicate || (is_full && !self.batch.records.is_empty()) {
            if !self.flush() {
                return false;
            }
            self.ids.insert((document.collection(), document.id().to_owned()));
        }
        self.batch.records.push((line, document));
        true
    }

    fn ignored_key(&mut self, key: &str) {
        self.batch.ignored_keys.push(sanitize_line(key, 60));
    }
}

fn size_of(content: &Content) -> usize {
    match content {
        Content::Cells(cells) => cells.iter().map(String::len).sum(),
        Content::Object { fields, .. } => fields.values().map(size_of_value).sum(),
    }
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size_of_value).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size_of_value(value)).sum(),
        _ => 8,
    }
}

impl Reader<'_> {
    fn flush(&mut self) -> bool {
        self.ids.clear();
        self.bytes = 0;
        (self.hand_over)(std::mem::take(&mut self.batch))
    }

    fn document(&mut self, content: Content) -> Result<Record, String> {
        match content {
            Content::Cells(cells) => {
                let fields = self.fields(cells)?;
                self.document_of(Some(self.collection), None, fields)
            }
            Content::Object { collection, key, fields } => {
                let collection = collection.and_then(|name| {
                    [Collection::Jobs, Collection::Costs].into_iter().find(|known| known.as_str() == name)
                });
                self.document_of(collection, key, fields)
            }
        }
    }

    /// The fields of a CSV row.
    fn fields(&self, cells: Vec<String>) -> Result<Fields, String> {
        let (mut fields, mut details) = (Fields::new(), Fields::new());
        for (column, cell) in self.columns.iter().zip(cells) {
            let Some(value) = cells::decode(&column.name(), cell, self.style)? else { continue };
            match column {
                Column::Field(name) => _ = fields.insert(name.clone(), value),
                Column::Detail(name) => _ = details.insert(name.clone(), value),
            }
        }
        if !details.is_empty() {
            match fields.entry("details").or_insert_with(|| Value::Object(Fields::new())) {
                Value::Object(map) => map.extend(details),
                _ => return Err("details is not a JSON object; use columns such as details_model".to_owned()),
            }
        }
        Ok(fields)
    }

    /// The document's own id precedes its key in a map.
    fn document_of(
        &mut self,
        collection: Option<Collection>,
        key: Option<String>,
        mut fields: Fields,
    ) -> Result<Record, String> {
        let id = match fields.remove("id") {
            None | Some(Value::Null) => key,
            Some(Value::String(id)) => Some(id),
            Some(Value::Number(id)) if id.is_u64() => Some(id.to_string()),
            Some(Value::Number(id)) if cells::whole_number(&id.to_string()).is_some() => {
                cells::whole_number(&id.to_string()).map(str::to_owned)
            }
            Some(_) => return Err("id must be text".to_owned()),
        };
        let has = |name: &str| fields.contains_key(name);
        let recognised = match (has("service") || has("cost_usd"), has("status") || has("prompt")) {
            (true, false) => Some(Collection::Costs),
            (false, true) => Some(Collection::Jobs),
            _ => None,
        };
        match collection.or(recognised) {
            Some(Collection::Costs) => {
                let id = id.filter(|id| !id.is_empty());
                let mut entry = CostEntry::from_file(id.as_deref(), fields)?;
                if id.is_none() {
                    self.duplicates.distinguish(&mut entry);
                }
                Ok(Record::Cost(Box::new(entry)))
            }
            Some(Collection::Jobs) => {
                let entry = JobEntry::read(id.as_deref(), fields, &self.options.defaults)?;
                if entry.is_active() && !self.options.active {
                    return Err(format!(
                        "the job is {}: a worker would run it, which may cost money; pass --active to import such jobs",
                        entry.job.stage_name()
                    ));
                }
                Ok(Record::Job(Box::new(entry)))
            }
            None => Err("neither a job (status, prompt) nor a cost (service, cost_usd)".to_owned()),
        }
    }
}

/// How often each charge without an id came in this file so far, by the 16 bytes of its digest: two equal rows are two charges, and
/// the second is the second in every file that holds both. A count takes about as much memory as its row takes of the file, so a
/// million charges are some fifty megabytes.
#[derive(Default)]
struct DuplicateCounter(HashMap<u128, u32>);

impl DuplicateCounter {
    /// Gives the n-th of equal charges an id of its own; the first keeps the one of its content.
    fn distinguish(&mut self, entry: &mut CostEntry) {
        let digest = entry.id.rsplit('-').next().and_then(|digits| u128::from_str_radix(digits, 16).ok());
        let Some(digest) = digest else { return };
        let count = self.0.entry(digest).or_default();
        *count = count.saturating_add(1);
        if *count > 1 {
            entry.id = format!("{}-{count}", entry.id);
        }
    }
}
