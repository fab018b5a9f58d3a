//! Owns where an export goes: standard output, or a file that is there whole or not at all. Must not know what is in it.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cli::error::CliError;
use crate::fs::AtomicFile;
use crate::text::sanitize_line;

/// Where the bytes go.
pub enum Target {
    /// Standard output.
    Output(BufWriter<io::Stdout>),
    /// In the directory of the file that it becomes.
    Draft(Box<BufWriter<AtomicFile>>, PathBuf),
}

impl Target {
    /// Begins a file, or takes standard output. Errors: there is such a file and it must not be replaced.
    pub fn open(path: Option<&Path>, force: bool) -> Result<Self, CliError> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::Output(BufWriter::new(io::stdout())));
        };
        if path.is_dir() {
            return Err(CliError::Failed(format!("{} is a folder", shown(path))));
        }
        if !force && fs::symlink_metadata(path).is_ok() {
            return Err(CliError::Failed(format!("{} is there already; --force replaces it", shown(path))));
        }
        let draft = AtomicFile::create(path)
            .map_err(|why| CliError::Failed(format!("{} cannot be written: {why}", shown(path))))?;
        Ok(Self::Draft(Box::new(BufWriter::new(draft)), path.to_owned()))
    }

    /// Makes it durable and gives it its name.
    pub fn close(self, force: bool) -> Result<(), CliError> {
        let (draft, path) = match self {
            Self::Output(mut stream) => return stream.flush().map_err(CliError::Output),
            Self::Draft(draft, path) => (draft, path),
        };
        let failed = |why: io::Error| CliError::Failed(format!("{} cannot be written: {why}", shown(&path)));
        let draft = draft.into_inner().map_err(|error| failed(error.into_error()))?;
        if force { draft.replace() } else { draft.publish() }.map_err(failed)
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Output(stream) => stream.write(bytes),
            Self::Draft(draft, _) => draft.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Output(stream) => stream.flush(),
            Self::Draft(draft, _) => draft.flush(),
        }
    }
}

fn shown(path: &Path) -> String {
    sanitize_line(&path.display().to_string(), 200)
}
