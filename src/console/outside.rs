//! Owns what the console does to the world beside the terminal: files and viewers, off the loop. Must not wait for any of it.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};

use crate::console::notices::{Notice, NoticeLevel};
use crate::fs::write_new;
use crate::text;

/// What is under way off the loop. Every task ends with one line for the person.
#[derive(Default)]
pub struct Outside {
    tasks: JoinSet<Notice>,
}

impl Outside {
    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// What the next task came to; pends while none is under way. Cancel-safe.
    pub async fn next(&mut self) -> Option<Notice> {
        let result = self.tasks.join_next().await?;
        Some(result.unwrap_or_else(|error| of_panic(&error)))
    }

    /// Opens an address in the system's viewer.
    pub fn open(&mut self, address: String) {
        self.tasks.spawn_blocking(move || match open::that_detached(&address) {
            Ok(()) => Notice { level: NoticeLevel::Info, text: "opened in the system's viewer".into() },
            Err(error) => {
                // The log has what the launcher said: its words are for whoever sets it up.
                tracing::warn!("no viewer could be started: {error}");
                failed(
                    "this system has no viewer for images, or it did not start · w saves the image, y copies its URL",
                )
            }
        });
    }

    /// Writes an image to a new file in a folder; a file that is there is never written over.
    pub fn save(&mut self, folder: PathBuf, name: String, bytes: Bytes) {
        self.tasks.spawn_blocking(move || match save(&folder, &name, &bytes) {
            Ok(path) => Notice { level: NoticeLevel::Info, text: format!("saved as {}", path.display()) },
            Err(error) => failed(&format!("{name} was not saved: {error}")),
        });
    }
}

fn failed(text: &str) -> Notice {
    Notice { level: NoticeLevel::Error, text: text::sanitize_line(text, 300) }
}

fn of_panic(error: &JoinError) -> Notice {
    failed(&format!("that went wrong inside this program: {error}"))
}

/// Writes beside and renames, so that the file is there whole or not at all. Returns the path that it got.
fn save(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "img"));
    for number in 1..=MOST {
        let name = if number == 1 { name.to_owned() } else { format!("{stem} ({number}).{extension}") };
        let path = folder.join(name);
        match write_new(&path, bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if std::fs::read(&path).is_ok_and(|existing| existing == bytes) {
                    return Ok(path);
                }
            }
            result => return result.map(|()| path),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are too many files of that name"))
}

/// Files of one name before it is given up.
const MOST: usize = 99;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let first = save(folder.path(), "a-1.png", b"one").unwrap();
        let same = save(folder.path(), "a-1.png", b"one").unwrap();
        let other = save(folder.path(), "a-1.png", b"two").unwrap();
        assert_eq!(first, same, "the same image is there already");
        assert_eq!(other, folder.path().join("a-1 (2).png"));
        assert_eq!(std::fs::read(&first).unwrap(), b"one");
        assert_eq!(std::fs::read(&other).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }
}
