//! Owns the forms of an export, one document after the other: none is held but the one that is written. Must not know where they go.

use std::io::Write;

use super::Format;
use super::columns::Spool;
use crate::cli::error::CliError;
use crate::store::schema::{Collection, Document, Fields};

/// Documents in one form.
pub struct Writer<W> {
    target: W,
    form: Form,
    /// Whether nothing of the list was written yet.
    empty: bool,
}

enum Form {
    /// The rows, until all columns are known.
    Csv(Box<Spool>),
    List,
    Lines,
    /// How many lists were begun.
    Database(usize),
}

impl<W: Write> Writer<W> {
    /// Nothing is written yet but the beginning.
    pub fn begin(target: W, format: Format, collections: &[Collection]) -> Result<Self, CliError> {
        let form = match format {
            Format::Csv => Form::Csv(Box::new(Spool::new(collections.first().copied().unwrap_or(Collection::Costs))?)),
            Format::Jsonl => Form::Lines,
            Format::Json if collections.len() == 1 => Form::List,
            Format::Json | Format::DbJson => Form::Database(0),
        };
        let mut writer = Self { target, form, empty: true };
        match writer.form {
            Form::List => writer.put(b"[")?,
            Form::Database(_) => writer.put(b"{")?,
            Form::Csv(_) | Form::Lines => {}
        }
        Ok(writer)
    }

    /// From here on, documents of that collection.
    pub fn collection(&mut self, collection: Collection) -> Result<(), CliError> {
        if let Form::Database(begun) = &mut self.form {
            let before = if *begun == 0 { "" } else { "\n],\n" };
            *begun += 1;
            self.empty = true;
            self.put(format!("{before}\"{}\": [", collection.as_str()).as_bytes())?;
        }
        Ok(())
    }

    /// One document.
    pub fn document(&mut self, document: Document) -> Result<(), CliError> {
        let mut fields = document.fields;
        fields.insert("id".to_owned(), document.id.into());
        match &mut self.form {
            Form::Csv(spool) => return spool.add(&fields),
            Form::Lines => {}
            Form::List | Form::Database(_) => {
                let between: &[u8] = if self.empty { b"\n" } else { b",\n" };
                self.put(between)?;
            }
        }
        self.empty = false;
        self.put(line(&fields)?.as_bytes())?;
        if matches!(self.form, Form::Lines) { self.put(b"\n") } else { Ok(()) }
    }

    /// The end. Returns where it went.
    pub fn end(mut self) -> Result<W, CliError> {
        match self.form {
            Form::Csv(spool) => {
                spool.write(&mut self.target)?;
                return Ok(self.target);
            }
            Form::List => self.put(b"\n]\n")?,
            Form::Database(_) => self.put(b"\n]}\n")?,
            Form::Lines => {}
        }
        Ok(self.target)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.target.write_all(bytes).map_err(CliError::Output)
    }
}

/// The document on one line.
pub(super) fn line(fields: &Fields) -> Result<String, CliError> {
    serde_json::to_string(fields).map_err(|why| CliError::Output(why.into()))
}
