//! Effects outside the terminal (files, image viewers), run off the loop.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};

use crate::catalog::Catalog;
use crate::console::message::{Kept, Message, PricedRequests};
use crate::console::notices::{Notice, NoticeLevel};
use crate::console::saved::ConsoleFiles;
use crate::engine::NewJob;
use crate::fs::write_new;
use crate::jobs::Spec;
use crate::text;

/// Running effects. Each ends with one message: a notice for the operator, or what was measured.
#[derive(Default)]
pub struct BackgroundTasks {
    tasks: JoinSet<Message>,
}

impl BackgroundTasks {
    /// Whether no task runs.
    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The message of the next finished task; `None` while no task runs. Cancel-safe.
    pub async fn next(&mut self) -> Option<Message> {
        let result = self.tasks.join_next().await?;
        Some(result.unwrap_or_else(|error| Message::EffectDone(panic_notice(&error))))
    }

    /// Measures the input images of a spec: a network file system may take its time.
    pub fn measure(&mut self, spec: Spec) {
        self.tasks.spawn_blocking(move || {
            let (sizes, unreadable) =
                (Catalog::builtin().measure_inputs(&spec), Catalog::builtin().unreadable_inputs(&spec));
            Message::InputsMeasured(spec, sizes, unreadable)
        });
    }

    /// Prices requests by their input images.
    pub fn price(&mut self, requests: Vec<NewJob>) {
        self.tasks.spawn_blocking(move || Message::RequestsPriced(PricedRequests::of(requests, Catalog::builtin())));
    }

    /// Writes what is kept for the next start. Only presets are reported: the loss of the others costs no work.
    pub fn keep(&mut self, files: ConsoleFiles, kept: Kept) {
        self.tasks.spawn_blocking(move || {
            let written = match kept {
                Kept::Preset(name, preset) => {
                    let saved = files.presets().save(&name, preset);
                    let name = text::sanitize_line(name.trim(), 40);
                    let line = format!("Saved preset '{name}' · Ctrl+O chooses it, `darkroom submit --preset` uses it");
                    return Message::Presets(saved.map(|presets| (presets, line)));
                }
                Kept::NoPreset(name) => {
                    let left = files.presets().remove(&name);
                    return Message::Presets(left.map(|presets| (presets, format!("Removed preset '{name}'"))));
                }
                Kept::Prompts(prompts) => files.add_prompts(&prompts),
                Kept::View(view) => files.save_view(&view),
            };
            if let Err(error) = written {
                tracing::warn!(%error, "state of the console not written");
            }
            Message::Written
        });
    }

    /// Waits until what is being written is on the disk, at most so long.
    pub async fn finish(&mut self, timeout: Duration) {
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(timeout, finished).await.is_err() {
            tracing::warn!("files were still being written on exit");
        }
    }

    /// Opens an address in the system's viewer.
    pub fn open(&mut self, address: String) {
        self.tasks.spawn_blocking(move || {
            Message::EffectDone(match open::that_detached(&address) {
                Ok(()) => Notice { level: NoticeLevel::Info, text: "opened in the image viewer".into() },
                Err(error) => {
                    // The launcher's own message helps only who sets the system up: it goes to the log.
                    tracing::warn!(error = %error, "image viewer failed to start");
                    failed("could not start an image viewer: save the image, or copy its URL")
                }
            })
        });
    }

    /// Writes an image to a new file in a folder; an existing file is never overwritten.
    pub fn save(&mut self, folder: PathBuf, name: String, bytes: Bytes) {
        self.tasks.spawn_blocking(move || {
            Message::EffectDone(match save(&folder, &name, &bytes) {
                Ok(path) => Notice { level: NoticeLevel::Info, text: format!("saved as {}", path.display()) },
                Err(error) => failed(&format!("could not save {name}: {error}")),
            })
        });
    }
}

fn failed(text: &str) -> Notice {
    Notice { level: NoticeLevel::Error, text: text::sanitize_line(text, 300) }
}

fn panic_notice(error: &JoinError) -> Notice {
    failed(&format!("internal error: {error}"))
}

/// Writes a temporary file and renames it, so that the file is complete or absent. Returns its path.
fn save(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "img"));
    for number in 1..=MAX_COPIES {
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
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of that name"))
}

/// Numbered copies of one name.
const MAX_COPIES: usize = 99;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn save_never_overwrites_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let first = save(folder.path(), "a-1.png", b"one").unwrap();
        let same = save(folder.path(), "a-1.png", b"one").unwrap();
        let other = save(folder.path(), "a-1.png", b"two").unwrap();
        assert_eq!(first, same, "the same image exists already");
        assert_eq!(other, folder.path().join("a-1 (2).png"));
        assert_eq!(std::fs::read(&first).unwrap(), b"one");
        assert_eq!(std::fs::read(&other).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file remains");
    }
}
