//! The options of the console.

use std::path::PathBuf;

use super::keymap::KeyMap;
use super::notifications::NotifyOptions;
use super::overlays::contexts::ContextChoice;
use super::overlays::views::NamedFilter;
use super::panes::image::ImagesMode;
use super::saved::{ConsoleFiles, Saved};
use super::theme::{self, Theme, ThemeError};
use super::time_zone::DisplayZone;

/// What the console is started with.
#[derive(Debug, Clone)]
pub struct ConsoleOptions {
    /// The name of the configuration: `default`.
    pub context: String,
    /// The contexts that can be opened instead.
    pub contexts: Vec<ContextChoice>,
    /// What it runs on: `sqlite · local`.
    pub adapters: String,
    /// No real money can be spent: the header always shows it, and spending needs no confirmation.
    pub simulated: bool,
    /// `--observe`: nothing is submitted or changed.
    pub read_only: bool,
    /// Who uses it: `user@host`, for the record of a change.
    pub operator: String,
    /// Which key means what.
    pub keys: KeyMap,
    /// The saved views.
    pub views: Vec<NamedFilter>,
    /// Where presets, prompts and the state of the view are kept; `None` keeps nothing.
    pub files: Option<ConsoleFiles>,
    /// What these files contain.
    pub saved: Saved,
    /// The first notice.
    pub greeting: Option<String>,
    /// How images are shown.
    pub images: ImagesMode,
    /// ASCII symbols and borders only.
    pub ascii: bool,
    /// The zone of the times on the screen.
    pub zone: DisplayZone,
    /// Colours.
    pub theme: ThemeChoice,
    /// How the operator is notified who looks elsewhere.
    pub notify: NotifyOptions,
}

/// Which colours are used.
#[derive(Debug, Clone)]
pub enum ThemeChoice {
    /// These.
    Fixed(Box<Theme>),
    /// One of these by the terminal's background; the dark one where the terminal does not report it.
    ByBackground {
        /// For a dark background.
        dark: Box<Theme>,
        /// For a light background.
        light: Box<Theme>,
    },
}

impl ThemeChoice {
    /// The choice of that name: `auto`, a theme of the program, or a file `themes/NAME.toml` in one of the folders.
    ///
    /// # Errors
    ///
    /// No such theme; a file that cannot be read or is not valid.
    pub fn load(name: &str, folders: &[PathBuf]) -> Result<Self, ThemeError> {
        if name == theme::AUTO {
            let (dark, light) = (theme::load("dark", folders)?, theme::load("light", folders)?);
            return Ok(Self::ByBackground { dark: Box::new(dark), light: Box::new(light) });
        }
        theme::load(name, folders).map(|theme| Self::Fixed(Box::new(theme)))
    }

    /// No colours at all (`NO_COLOR`).
    pub fn without_colours() -> Self {
        Self::Fixed(Box::new(Theme::mono()))
    }
}

impl ConsoleOptions {
    /// The theme with all its styles, where the terminal's background is light, dark or not known.
    pub fn theme(&self, is_light: bool) -> Theme {
        let theme = match &self.theme {
            ThemeChoice::Fixed(theme) => theme,
            ThemeChoice::ByBackground { light, .. } if is_light => light,
            ThemeChoice::ByBackground { dark, .. } => dark,
        };
        Theme::clone(theme).with_ascii(self.ascii)
    }
}
