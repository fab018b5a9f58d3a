//! What the console keeps between two runs: presets, submitted prompts and the state of the view. Small files in the data
//! directory, each written whole or not at all; a file that cannot be read costs its contents and one notice, never the start.

mod presets;
mod prompts;
mod view;

use std::path::{Path, PathBuf};

pub use presets::{Preset, PresetFile, Presets};
pub use prompts::remember;
pub use view::{MAX_MARKS, SavedView};

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleFiles {
    presets: PathBuf,
    prompts: PathBuf,
    view: PathBuf,
}

/// What the files contain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    /// Parameter sets by name.
    pub presets: Presets,
    /// Submitted prompts, newest first.
    pub prompts: Vec<String>,
    /// The last view.
    pub view: SavedView,
    /// Files that could not be read, one line each.
    pub problems: Vec<String>,
}

impl ConsoleFiles {
    /// The files of a data directory, for a context.
    pub fn new(data_dir: &Path, context: &str) -> Self {
        let folder = data_dir.join("console");
        Self {
            presets: PresetFile::in_data_dir(data_dir).path,
            prompts: folder.join("prompts.json"),
            view: folder.join(view::file_name(context)),
        }
    }

    /// Reads all of them.
    pub fn load(&self) -> Saved {
        let mut saved = Saved::default();
        match self.presets().load() {
            Ok(presets) => saved.presets = presets,
            Err(why) => saved.problems.push(why),
        }
        match prompts::load(&self.prompts) {
            Ok(prompts) => saved.prompts = prompts,
            Err(why) => saved.problems.push(why),
        }
        match view::load(&self.view) {
            Ok(view) => saved.view = view,
            Err(why) => saved.problems.push(why),
        }
        saved
    }

    /// Writes the view.
    pub fn save_view(&self, view: &SavedView) -> Result<(), String> {
        view::save(&self.view, view)
    }

    /// The file of the presets.
    pub fn presets(&self) -> PresetFile {
        PresetFile { path: self.presets.clone() }
    }

    /// Adds submitted prompts to the file, newest first: another console may have added some since.
    pub fn add_prompts(&self, prompts: &[String]) -> Result<(), String> {
        prompts::add(&self.prompts, prompts)
    }
}
