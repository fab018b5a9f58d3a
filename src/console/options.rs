//! The options of the console.

use super::overlays::contexts::ContextChoice;
use super::panes::image::ImagesMode;
use super::saved::{ConsoleFiles, Saved};
use super::theme::Theme;
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
    pub theme: ThemeName,
}

/// Colours for a kind of terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum ThemeName {
    /// Dark background.
    #[default]
    Dark,
    /// Light background.
    Light,
    /// No colours at all (`NO_COLOR`).
    Mono,
}

impl ConsoleOptions {
    /// The theme with all its styles.
    pub fn theme(&self) -> Theme {
        let theme = match self.theme {
            ThemeName::Dark => Theme::dark(),
            ThemeName::Light => Theme::light(),
            ThemeName::Mono => Theme::mono(),
        };
        theme.with_ascii(self.ascii)
    }
}
