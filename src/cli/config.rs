//! `darkroom config`: the resolved configuration and the origin of each value. Secrets are never shown.

use serde::Serialize;

use super::error::CliError;
use super::{Session, table};
use crate::config::{EngineKind, Setting};
use crate::console::ContextChoice;
use crate::text::sanitize_line;

#[derive(Debug, Serialize)]
struct ConfigView<'a> {
    context: Option<&'a str>,
    simulated: bool,
    /// The contexts of `darkroom.toml`.
    contexts: Vec<ContextView<'a>>,
    settings: Vec<SettingView<'a>>,
}

#[derive(Debug, Serialize)]
struct ContextView<'a> {
    name: &'a str,
    simulated: bool,
    /// Store and engine.
    adapters: &'a str,
    /// Why it cannot be chosen.
    problem: Option<&'a str>,
}

impl<'a> ContextView<'a> {
    /// `None` for the settings without a context.
    fn new(choice: &'a ContextChoice) -> Option<Self> {
        let ContextChoice { name, adapters, simulated, problem } = choice;
        Some(Self { name: name.as_deref()?, simulated: *simulated, adapters, problem: problem.as_deref() })
    }

    fn line(&self) -> String {
        let money = if self.simulated { "simulated" } else { "real money" };
        let what = self.problem.map_or_else(|| format!("{money}, {}", self.adapters), |why| format!("invalid: {why}"));
        sanitize_line(&format!("{} ({what})", self.name), 300)
    }
}

#[derive(Debug, Serialize)]
struct SettingView<'a> {
    key: &'static str,
    variable: &'static str,
    description: &'static str,
    /// `set (hidden)` for a secret.
    value: Option<&'a str>,
    /// `default`, `file`, `environment`, `dotenv` or `flag`.
    origin: &'static str,
    /// The origin in full: which file, which variable, which flag.
    from: String,
    /// Whether it has an effect: Temporal's settings do only with `engine = temporal`.
    used: bool,
}

impl<'a> SettingView<'a> {
    fn new(setting: &'a Setting, engine: EngineKind) -> Self {
        Self {
            key: setting.key.name(),
            variable: setting.key.variable(),
            description: setting.key.description(),
            value: setting.value.as_deref(),
            origin: setting.origin.kind(),
            from: setting.origin.to_string(),
            used: engine == EngineKind::Temporal || !setting.key.is_of_temporal(),
        }
    }
}

/// Prints the configuration.
pub fn run(session: &Session, contexts: &[ContextChoice]) -> Result<(), CliError> {
    let config = &session.config;
    let view = ConfigView {
        context: config.context.as_deref(),
        simulated: config.is_simulated(),
        contexts: contexts.iter().filter_map(ContextView::new).collect(),
        settings: config.settings.iter().map(|setting| SettingView::new(setting, config.engine)).collect(),
    };
    session.output.answer(&view, || text(&view))
}

/// Settings without effect are shown only where they are set.
fn text(view: &ConfigView<'_>) -> String {
    let shown = view.settings.iter().filter(|setting| setting.used || setting.value.is_some());
    let rows = shown.map(|setting| {
        let from =
            if setting.used { setting.from.clone() } else { format!("{} (unused: engine is local)", setting.from) };
        vec![setting.key.to_owned(), setting.value.unwrap_or("-").to_owned(), from]
    });
    let mut text = table::wrapped(&["SETTING", "VALUE", "FROM"], rows);
    if !view.contexts.is_empty() {
        let lines: Vec<String> = view.contexts.iter().map(|context| format!("\n  {}", context.line())).collect();
        text.push_str("\n\ncontexts (--context NAME):");
        text.push_str(&lines.concat());
    }
    if view.simulated {
        text.push_str("\n\n");
        text.push_str(table::SIMULATED);
    }
    text
}
