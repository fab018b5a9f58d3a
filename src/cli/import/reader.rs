//! Owns the reading of a file, document by document, into portions for the store: each is sound, or refused by its line. Must not
//! write anything.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::pieces::{Piece, Pieces};
use super::rows::Columns;
use super::source::Source;
use super::strict;
use crate::store::schema::{Collection, CostEntry, Defaults, Fields, JobEntry, Record};
use crate::text::sanitize_line;

/// Documents that are handed to the store at once.
const AT_ONCE: usize = 1_000;

/// The same in bytes of the file.
const BYTES_AT_ONCE: u64 = 4 << 20;

/// A line that is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// Counts from 1; of a document over several lines, the first.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Some documents of a file. No two have the same collection and id.
#[derive(Debug, Default)]
pub struct Portion {
    /// With the line of each.
    pub records: Vec<(u64, Record)>,
    /// What was refused among them, and where it was known to belong.
    pub refused: Vec<Refused>,
    /// What is to be said beside it.
    pub notes: Vec<String>,
    /// How much of the file was read so far, in bytes.
    pub position: u64,
}

/// How the file is to be read.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What a document that does not say it means.
    pub defaults: Defaults,
    /// Whether jobs that are queued or running are taken, too.
    pub active: bool,
}

/// The form of a file.
enum Form<R> {
    Csv(Source<R>, Option<Columns>),
    Lines(Source<R>),
    Json(Pieces<R>),
}

/// Opens the file (`-` is standard input) and says how long it is, where that is known.
pub fn open(path: &Path) -> io::Result<(Box<dyn BufRead + Send>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::with_capacity(1 << 16, io::stdin())), None));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    Ok((Box::new(BufReader::with_capacity(1 << 16, file)), Some(metadata.len())))
}

/// Reads all of it and hands over each portion; ends early where nobody takes them any more.
pub fn read(
    input: impl BufRead,
    path: &Path,
    rules: &Rules,
    mut hand_over: impl FnMut(Portion) -> bool,
) -> io::Result<()> {
    let mut form = form_of(Source::new(input)?, path)?;
    let mut portion = Portion::default();
    let mut ids: HashSet<(Collection, String)> = HashSet::new();
    let mut equals = Equals::default();
    let mut begun = 0;
    while let Some((line, read)) = next(&mut form, rules, &mut equals)? {
        let record = match read {
            Ok(record) => record,
            Err(reason) => {
                portion.refused.push(Refused { line, reason: sanitize_line(&reason, 300) });
                if portion.refused.len() < AT_ONCE {
                    continue;
                }
                portion.position = position(&form);
                if !hand_over(std::mem::take(&mut portion)) {
                    return Ok(());
                }
                ids.clear();
                continue;
            }
        };
        let twice = !ids.insert((record.collection(), record.id().to_owned()));
        let full = portion.records.len() >= AT_ONCE || position(&form) - begun > BYTES_AT_ONCE;
        if twice || (full && !portion.records.is_empty()) {
            ids.clear();
            ids.insert((record.collection(), record.id().to_owned()));
            begun = position(&form);
            portion.position = begun;
            if !hand_over(std::mem::take(&mut portion)) {
                return Ok(());
            }
        }
        portion.records.push((line, record));
    }
    if let Form::Json(pieces) = &mut form {
        for name in pieces.left_out.drain(..) {
            portion.notes.push(format!("'{}' is neither jobs nor costs and was left out", sanitize_line(&name, 60)));
        }
    }
    portion.position = position(&form);
    hand_over(portion);
    Ok(())
}

fn position<R: BufRead>(form: &Form<R>) -> u64 {
    match form {
        Form::Csv(source, _) | Form::Lines(source) => source.position,
        Form::Json(pieces) => pieces.position(),
    }
}

/// By the name's ending, else by what comes first.
fn form_of<R: BufRead>(mut source: Source<R>, path: &Path) -> io::Result<Form<R>> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "csv" => return Ok(Form::Csv(source, None)),
        "jsonl" | "ndjson" => return Ok(Form::Lines(source)),
        _ => {}
    }
    let ahead = source.ahead()?;
    let begin = ahead.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(ahead.len());
    Ok(match ahead.get(begin) {
        Some(b'{') if is_line_of_json(&ahead[begin..]) => Form::Lines(source),
        Some(b'{' | b'[') => Form::Json(Pieces::new(source)),
        _ if ending == "json" => Form::Json(Pieces::new(source)),
        _ => Form::Csv(source, None),
    })
}

/// Whether the first line is a document of its own, and no `{"jobs": …}`.
fn is_line_of_json(ahead: &[u8]) -> bool {
    let line = ahead.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let database = |fields: &Fields| {
        ["jobs", "costs"].iter().any(|name| fields.get(*name).is_some_and(|of| of.is_array() || of.is_object()))
    };
    serde_json::from_slice::<Fields>(line).is_ok_and(|fields| !database(&fields))
}

/// How often each charge without an id came in this file so far, by the 16 bytes of its digest: two equal rows are two charges, and
/// the second is the second in every file that holds both. A count takes about as much memory as its row takes of the file, so a
/// million charges are some fifty megabytes.
#[derive(Default)]
struct Equals(HashMap<u128, u32>);

impl Equals {
    /// Gives the n-th of equal charges an id of its own; the first keeps the one of its content.
    fn tell_apart(&mut self, entry: &mut CostEntry) {
        let digest = entry.id.rsplit('-').next().and_then(|digits| u128::from_str_radix(digits, 16).ok());
        let Some(digest) = digest else { return };
        let count = self.0.entry(digest).or_default();
        *count = count.saturating_add(1);
        if *count > 1 {
            entry.id = format!("{}-{count}", entry.id);
        }
    }
}

type Read = (u64, Result<Record, String>);

fn next<R: BufRead>(form: &mut Form<R>, rules: &Rules, equals: &mut Equals) -> io::Result<Option<Read>> {
    match form {
        Form::Json(pieces) => Ok(pieces.next()?.map(|piece| (piece.line, document(piece, rules, equals)))),
        Form::Lines(source) => {
            while let Some(text) = source.rest_of_line()? {
                if text.bytes.as_ref().is_none_or(|bytes| !bytes.trim_ascii().is_empty()) {
                    let piece = Piece::of(text);
                    return Ok(Some((piece.line, document(piece, rules, equals))));
                }
            }
            Ok(None)
        }
        Form::Csv(source, columns) => loop {
            let Some(text) = source.row()? else { return Ok(None) };
            let piece = Piece::of(text);
            let Some(columns) = &*columns else {
                match piece.content.and_then(|bytes| Columns::of(&bytes)) {
                    Ok(found) => *columns = Some(found),
                    Err(why) => {
                        // Without a heading nobody knows what the rows say.
                        while source.next()?.is_some() {}
                        return Ok(Some((piece.line, Err(format!("{why}; nothing below it was read")))));
                    }
                }
                continue;
            };
            let collection = columns.collection;
            let read = piece.content.and_then(|bytes| columns.fields(&bytes));
            let read = read.and_then(|fields| record(Some(collection), None, fields, rules, equals));
            return Ok(Some((piece.line, read)));
        },
    }
}

fn document(piece: Piece, rules: &Rules, equals: &mut Equals) -> Result<Record, String> {
    let fields = strict::object(&piece.content?)?;
    record(piece.collection, piece.key, fields, rules, equals)
}

/// The document's own id goes before the name under which it stands.
fn record(
    collection: Option<Collection>,
    key: Option<String>,
    mut fields: Fields,
    rules: &Rules,
    equals: &mut Equals,
) -> Result<Record, String> {
    let id = match fields.remove("id") {
        None | Some(serde_json::Value::Null) => key,
        Some(serde_json::Value::String(id)) => Some(id),
        Some(serde_json::Value::Number(id)) if id.is_u64() => Some(id.to_string()),
        Some(_) => return Err("id is no text".to_owned()),
    };
    let has = |name: &str| fields.contains_key(name);
    let seen = match (has("service") || has("cost_usd"), has("status") || has("prompt")) {
        (true, false) => Some(Collection::Costs),
        (false, true) => Some(Collection::Jobs),
        _ => None,
    };
    match collection.or(seen) {
        Some(Collection::Costs) => {
            let id = id.filter(|id| !id.is_empty());
            let mut entry = CostEntry::from_file(id.as_deref(), fields)?;
            if id.is_none() {
                equals.tell_apart(&mut entry);
            }
            Ok(Record::Cost(Box::new(entry)))
        }
        Some(Collection::Jobs) => {
            let entry = JobEntry::read(id.as_deref(), fields, &rules.defaults)?;
            if entry.is_active() && !rules.active {
                return Err(format!(
                    "it is {}: a worker would go on with it, which may cost money; --active takes such jobs, too",
                    entry.job.stage_name()
                ));
            }
            Ok(Record::Job(Box::new(entry)))
        }
        None => Err("it is neither a job (status, prompt) nor a cost (service, cost_usd)".to_owned()),
    }
}
