//! Where an export goes: standard output, or a file that is written completely or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::ExportError;
use crate::text::sanitize_line;

/// Where the bytes go.
pub enum OutputFile {
    /// Standard output.
    Stdout(BufWriter<io::Stdout>),
    /// A temporary file beside the file that it becomes.
    File(Box<BufWriter<NamedTempFile>>, PathBuf),
}

impl OutputFile {
    /// Begins a file; without a path, or with `-`, standard output. Errors: the file exists and `force` is not set.
    pub fn open(path: Option<&Path>, force: bool) -> Result<Self, ExportError> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        };
        if path.is_dir() {
            return Err(ExportError::File(format!("{} is a directory", shown(path))));
        }
        if !force && fs::symlink_metadata(path).is_ok() {
            return Err(ExportError::File(format!("{} already exists; pass --force to replace it", shown(path))));
        }
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new().prefix(".darkroom-export-").tempfile_in(directory);
        let temporary =
            temporary.map_err(|error| ExportError::File(format!("cannot write {}: {}", shown(path), bare(&error))))?;
        Ok(Self::File(Box::new(BufWriter::new(temporary)), path.to_owned()))
    }

    /// Makes the file durable and gives it its name.
    pub fn close(self, force: bool) -> Result<(), ExportError> {
        let (temporary, path) = match self {
            Self::Stdout(mut stream) => return stream.flush().map_err(ExportError::Output),
            Self::File(temporary, path) => (temporary, path),
        };
        let failed = |error: io::Error| ExportError::File(format!("cannot write {}: {}", shown(&path), bare(&error)));
        let temporary = temporary.into_inner().map_err(|error| failed(error.into_error()))?;
        temporary.as_file().sync_all().map_err(failed)?;
        let named = if force { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        named.map(drop).map_err(|error| failed(error.error))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stream) => stream.write(bytes),
            Self::File(temporary, _) => temporary.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stream) => stream.flush(),
            Self::File(temporary, _) => temporary.flush(),
        }
    }
}

/// The reason without the name of the temporary file, which means nothing to a reader.
fn bare(error: &io::Error) -> String {
    let line = error.to_string();
    line.split_once(" at path ").map_or_else(|| line.clone(), |(reason, _)| reason.to_owned())
}

fn shown(path: &Path) -> String {
    sanitize_line(&path.display().to_string(), 200)
}
