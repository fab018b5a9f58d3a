//! A file that appears under its name complete and durable, or not at all.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{DirSyncer, parent_dir, sync_dir};

/// The start of the name of every unfinished file.
pub const TEMP_PREFIX: &str = ".darkroom-";

/// The end of the name of every unfinished file.
pub const TEMP_SUFFIX: &str = ".part";

/// An unfinished file in the directory of its target. It is removed when it is dropped. Other users may never read it,
/// the group only where the umask allows it.
#[derive(Debug)]
pub struct AtomicFile {
    file: NamedTempFile,
    target: PathBuf,
}

impl AtomicFile {
    /// Creates the unfinished file for `target`.
    pub fn create(target: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMP_PREFIX).suffix(TEMP_SUFFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o660));
        let file = builder.tempfile_in(parent_dir(target));
        Ok(Self { file: file.map_err(without_path)?, target: target.to_owned() })
    }

    /// Where the bytes are until the file gets its name.
    pub fn temp_path(&self) -> &Path {
        self.file.path()
    }

    /// Gives the file its name; an existing file is replaced.
    pub fn replace(self) -> io::Result<()> {
        let target = self.target.clone();
        self.rename()?;
        sync_dir(parent_dir(&target))
    }

    /// The same in a directory whose syncs are shared.
    pub fn replace_in(self, dir: &DirSyncer) -> io::Result<()> {
        self.rename()?;
        dir.sync()
    }

    /// The name is durable once the directory was synced.
    fn rename(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.target).map_err(|error| error.error)?;
        Ok(())
    }

    /// Gives the file its name. Errors: `AlreadyExists` where a file has that name.
    pub fn publish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(&self.target).map_err(|error| error.error)?;
        sync_dir(parent_dir(&self.target))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Writes a file, replacing an existing one.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.replace()
}

/// Writes a new file. Errors: `AlreadyExists` where a file has that name.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.publish()
}

/// `tempfile` adds the name of the unfinished file to the reason; no person gave a file that name.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((reason, _)) => io::Error::new(error.kind(), reason.to_owned()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_file_never_replaces_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_new(&path, b"one").unwrap();
        assert_eq!(write_new(&path, b"two").unwrap_err().kind(), ErrorKind::AlreadyExists);
        let mut late = AtomicFile::create(&path).unwrap();
        late.write_all(b"three").unwrap();
        assert_eq!(late.publish().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_atomically(&path, b"four").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"four");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no unfinished file is left");
    }

    #[test]
    fn error_does_not_name_the_temp_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = AtomicFile::create(&dir.path().join("missing/a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(!error.to_string().contains(TEMP_PREFIX), "{error}");
    }
}
