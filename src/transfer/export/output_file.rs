//! Where an export goes: standard output, or a file that is written completely or not at all.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::ExportError;
use crate::fs::AtomicFile;
use crate::text::sanitize_line;

/// Where the bytes go.
pub enum OutputFile {
    /// Standard output.
    Stdout(BufWriter<io::Stdout>),
    /// A temporary file beside the file that it becomes.
    File(Box<BufWriter<AtomicFile>>, PathBuf),
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
        if !force && std::fs::symlink_metadata(path).is_ok() {
            return Err(ExportError::File(format!("{} already exists; pass --force to replace it", shown(path))));
        }
        let temporary = AtomicFile::create(path)
            .map_err(|error| ExportError::File(format!("cannot write {}: {error}", shown(path))))?;
        Ok(Self::File(Box::new(BufWriter::new(temporary)), path.to_owned()))
    }

    /// Makes the file durable and gives it its name.
    pub fn close(self, force: bool) -> Result<(), ExportError> {
        let (temporary, path) = match self {
            Self::Stdout(mut stream) => return stream.flush().map_err(ExportError::Output),
            Self::File(temporary, path) => (temporary, path),
        };
        let failed = |error: io::Error| ExportError::File(format!("cannot write {}: {error}", shown(&path)));
        let temporary = temporary.into_inner().map_err(|error| failed(error.into_error()))?;
        if force { temporary.replace() } else { temporary.publish() }.map_err(failed)
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

fn shown(path: &Path) -> String {
    sanitize_line(&path.display().to_string(), 200)
}
