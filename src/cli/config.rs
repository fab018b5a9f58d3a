//! `darkroom config`: the resolved configuration, and where each value came from. Must not show a secret.

use serde::Serialize;

use super::error::CliError;
use super::{Session, table};
use crate::config::Setting;

#[derive(Debug, Serialize)]
struct ConfigView<'a> {
    context: Option<&'a str>,
    simulated: bool,
    settings: Vec<SettingView<'a>>,
}

#[derive(Debug, Serialize)]
struct SettingView<'a> {
    key: &'static str,
    variable: &'static str,
    /// `set (hidden)` for a secret.
    value: Option<&'a str>,
    /// `default`, `file`, `environment`, `dotenv` or `flag`.
    origin: &'static str,
    /// The origin in full: which file, which variable, which flag.
    from: String,
    /// Whether it belongs to an adapter that comes with a later version.
    used: bool,
}

impl<'a> SettingView<'a> {
    fn new(setting: &'a Setting) -> Self {
        Self {
            key: setting.key.name(),
            variable: setting.key.variable(),
            value: setting.value.as_deref(),
            origin: setting.origin.kind(),
            from: setting.origin.to_string(),
            used: !setting.key.is_for_later(),
        }
    }
}

/// Prints the configuration.
pub fn run(session: &Session) -> Result<(), CliError> {
    let config = &session.config;
    let view = ConfigView {
        context: config.context.as_deref(),
        simulated: config.is_simulated(),
        settings: config.settings.iter().map(SettingView::new).collect(),
    };
    session.output.answer(&view, || text(&view))
}

/// Settings of later versions are shown only where somebody set them.
fn text(view: &ConfigView<'_>) -> String {
    let shown = view.settings.iter().filter(|setting| setting.used || setting.value.is_some());
    let rows = shown.map(|setting| {
        let from = if setting.used { setting.from.clone() } else { format!("{} (not used yet)", setting.from) };
        vec![setting.key.to_owned(), setting.value.unwrap_or("-").to_owned(), from]
    });
    let mut text = table::plain(&["SETTING", "VALUE", "FROM"], &[], rows);
    if view.simulated {
        text.push_str("\n\n");
        text.push_str(table::SIMULATED);
    }
    text
}
