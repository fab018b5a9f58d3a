//! The state of the view: what an operator left finds again after a restart, one file for each context.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::console::form::Draft;
use crate::console::layout::PaneName;
use crate::fs::{parent_dir, write_atomically};
use crate::jobs::JobId;
use crate::text::sanitize_line;

/// The format of the file.
const VERSION: u32 = 1;

/// Marks that are kept.
pub const MAX_MARKS: usize = 10_000;

/// What is kept of the view.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedView {
    /// The format of the file.
    pub version: u32,
    /// The text of the filter.
    pub filter: String,
    /// The selected job.
    pub selected: Option<JobId>,
    /// The pane with the focus, by its place.
    pub pane: usize,
    /// The marked jobs.
    pub marked: Vec<JobId>,
    /// The draft of a new job.
    pub draft: Option<Draft>,
    /// The changed clone of a job.
    pub clone_draft: Option<(JobId, Draft)>,
    /// What else a pane keeps, such as the columns of the queue.
    pub queue: serde_json::Value,
}

impl SavedView {
    /// The pane with the focus.
    pub fn focus(&self) -> PaneName {
        PaneName::ALL.get(self.pane).copied().unwrap_or(PaneName::Queue)
    }

    /// The same with that pane.
    pub fn set_focus(&mut self, pane: PaneName) {
        self.pane = PaneName::ALL.iter().position(|known| *known == pane).unwrap_or(0);
    }
}

/// The name of the file of a context.
pub(super) fn file_name(context: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let plain: String =
        context.chars().take(60).map(|character| if is_plain(character) { character } else { '_' }).collect();
    format!("view-{plain}.json")
}

/// The view of a file; the default view if the file does not exist.
pub(super) fn load(path: &Path) -> Result<SavedView, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(SavedView::default()),
        Err(error) => return Err(problem(path, &error.to_string())),
    };
    let view: SavedView = serde_json::from_str(&text).map_err(|error| problem(path, &error.to_string()))?;
    if view.version > VERSION {
        return Err(problem(path, "written by a newer version of darkroom"));
    }
    Ok(view)
}

/// Writes a view.
pub(super) fn save(path: &Path, view: &SavedView) -> Result<(), String> {
    let failed = |error: std::io::Error| problem(path, &error.to_string());
    let view = SavedView { version: VERSION, ..view.clone() };
    let text = serde_json::to_vec(&view).map_err(|error| problem(path, &error.to_string()))?;
    std::fs::create_dir_all(parent_dir(path)).map_err(failed)?;
    write_atomically(path, &text).map_err(failed)
}

fn problem(path: &Path, why: &str) -> String {
    sanitize_line(&format!("the last view was not restored: {}: {why}", path.display()), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn view_round_trips_and_a_bad_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console").join(file_name("prod/eu"));
        assert_eq!(load(&path), Ok(SavedView::default()));
        let mut view = SavedView { filter: "status:failed".to_owned(), ..SavedView::default() };
        view.set_focus(PaneName::Logs);
        view.draft = Some(Draft { prompt: "a\nfox".to_owned(), ..Draft::default() });
        view.marked = vec![JobId::new("fox").unwrap()];
        save(&path, &view).unwrap();
        let loaded = load(&path).unwrap();
        assert_eq!(
            (loaded.focus(), &loaded.draft, loaded.filter.as_str()),
            (PaneName::Logs, &view.draft, "status:failed")
        );
        std::fs::write(&path, "{\"filter\": 3}").unwrap();
        assert!(load(&path).unwrap_err().contains("view-prod_eu.json"));
        std::fs::write(&path, "{\"version\": 99}").unwrap();
        assert!(load(&path).unwrap_err().contains("newer version"));
    }
}
